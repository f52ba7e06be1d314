"""EXIF facts: dates, offsets, cameras and places, as cameras really write them."""

from __future__ import annotations

import io
import math
import struct
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from facefind.images import decode, exif

DATE = "2023:06:17 15:04:05"
MOMENT = datetime(2023, 6, 17, 15, 4, 5)
ORIGINAL, DIGITIZED, MODIFIED = 0x9003, 0x9004, 0x0132
OFFSET, OFFSET_ORIGINAL, SUBSEC_ORIGINAL = 0x9010, 0x9011, 0x9291


def taken(main: dict[int, Any] | None = None, **photo: Any) -> datetime | None:
    names = {
        "original": ORIGINAL,
        "digitized": DIGITIZED,
        "offset": OFFSET,
        "offset_original": OFFSET_ORIGINAL,
        "subsec": SUBSEC_ORIGINAL,
    }
    return exif.facts(main or {}, {names[k]: v for k, v in photo.items()}, {}).taken_at


def test_the_first_date_that_makes_sense_counts() -> None:
    other = "2020:01:01 00:00:00"
    assert taken({MODIFIED: other}, original=DATE, digitized=other) == MOMENT
    assert taken({MODIFIED: other}, digitized=DATE) == MOMENT
    assert taken({MODIFIED: DATE}) == MOMENT
    assert taken({MODIFIED: DATE}, original="0000:00:00 00:00:00", digitized="") == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "",
        "garbage",
        "2023:13:01 00:00:00",
        "2023:02:30 00:00:00",
        "2023:01:01 25:00:00",
        "2099:01:01 00:00:00",
        "1700:01:01 00:00:00",
    ],
)
def test_impossible_dates_are_none(text: str) -> None:
    assert taken(original=text) is None


@pytest.mark.parametrize("value", [None, 5, (2023, 6), 1.5, b"\xff\xfe"])
def test_dates_of_the_wrong_type_are_none(value: object) -> None:
    assert taken(original=value) is None


@pytest.mark.parametrize("text", ["2023-06-17 15:04:05", "2023:06:17T15:04:05", DATE + "\0 \0"])
def test_dates_in_other_spellings_are_read(text: str) -> None:
    assert taken(original=text) == MOMENT


def test_the_clock_may_be_a_little_ahead_but_not_more() -> None:
    soon = (datetime.now() + timedelta(days=1)).strftime("%Y:%m:%d %H:%M:%S")
    later = (datetime.now() + timedelta(days=3)).strftime("%Y:%m:%d %H:%M:%S")
    assert taken(original=soon) is not None
    assert taken(original=later) is None


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("+02:00", 120), ("-0530", -330), ("+5:45", 345), ("Z", 0), ("+14:00", 840)],
)
def test_offset_makes_the_time_aware(text: str, minutes: int) -> None:
    result = taken(original=DATE, offset_original=text)
    assert result == MOMENT.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert result is not None
    assert result.utcoffset() == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["   :  ", "", "+25:00", "+02:75", "CEST", None])
def test_without_a_valid_offset_the_time_stays_naive(text: str | None) -> None:
    result = taken(original=DATE, offset_original=text)
    assert result == MOMENT
    assert result is not None
    assert result.tzinfo is None


def test_the_general_offset_serves_where_the_own_is_missing() -> None:
    result = taken(original=DATE, offset="-03:00")
    assert result is not None
    assert result.utcoffset() == timedelta(hours=-3)


@pytest.mark.parametrize(
    ("subsec", "micros"), [("5", 500000), ("123", 123000), ("1234567", 123456), ("x", 0), ("²", 0)]
)
def test_subseconds_are_kept(subsec: str, micros: int) -> None:
    assert taken(original=DATE, subsec=subsec) == MOMENT.replace(microsecond=micros)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("NIKON CORPORATION", "NIKON D850", "NIKON D850"),
        ("SONY", "ILCE-7M3", "SONY ILCE-7M3"),
        ("Apple\0\0", " iPhone 12 \0junk", "Apple iPhone 12 junk"),
        ("", "X100V", "X100V"),
        ("FUJIFILM", "", "FUJIFILM"),
        ("   ", "\0\0", None),
        (None, None, None),
        (7, (1, 2), None),
        (b"Maker", b"\xffModel", "Maker ÿModel"),
        ("Ð¤Ð\xadÐ", "1", "Ð¤Ð\xadÐ 1".replace("\xad", "")),
        ("小米".encode().decode("latin-1"), "13", "小米 13"),
    ],
)
def test_camera(make: object, model: object, camera: str | None) -> None:
    result = exif.facts({0x010F: make, 0x0110: model}, {}, {}).camera
    assert result == camera
    assert "\0" not in (result or "")


def place(latitude: object, north: object, longitude: object, east: object) -> Any:
    facts = exif.facts({}, {}, {1: north, 2: latitude, 3: east, 4: longitude})
    return facts.latitude, facts.longitude


BERLIN = (52.0, 31.0, 12.0)
EAST = (13.0, 24.0, 36.0)


def test_gps_is_signed_degrees() -> None:
    assert place(BERLIN, "N", EAST, "E") == pytest.approx((52.52, 13.41))
    assert place(BERLIN, "S\0", EAST, "w") == pytest.approx((-52.52, -13.41))
    rationals = tuple(IFDRational(n, d) for n, d in ((52, 1), (312, 10), (0, 1)))
    assert place(rationals, "N", EAST, "E") == pytest.approx((52.52, 13.41))


@pytest.mark.parametrize(
    ("latitude", "ref"),
    [
        ((IFDRational(52, 0), 31.0, 12.0), "N"),
        ((math.nan, 0.0, 0.0), "N"),
        ((math.inf, 0.0, 0.0), "N"),
        ((91.0, 0.0, 0.0), "N"),
        ((-5.0, 0.0, 0.0), "N"),
        ((52.0, 31.0), "N"),
        (52.5, "N"),
        (("a", "b", "c"), "N"),
        (None, "N"),
        (BERLIN, ""),
        (BERLIN, "X"),
        (BERLIN, None),
    ],
)
def test_gps_that_makes_no_sense_is_none(latitude: object, ref: object) -> None:
    assert place(latitude, ref, EAST, "E") == (None, None)


def test_zeros_of_a_receiver_without_a_fix_are_none() -> None:
    zeros = (0.0, 0.0, 0.0)
    assert place(zeros, "N", zeros, "E") == (None, None)
    assert place(zeros, "N", EAST, "E") == (0, pytest.approx(13.41))


def photo_with(block: bytes, format_: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 8), "red").save(buffer, format_, exif=block)
    return buffer.getvalue()


def full_block() -> Image.Exif:
    block = Image.Exif()
    block[0x010F], block[0x0110] = "Canon", "Canon EOS R5"
    block.get_ifd(0x8769).update({ORIGINAL: DATE, OFFSET_ORIGINAL: "+02:00"})
    block.get_ifd(0x8825).update({1: "N", 2: BERLIN, 3: "E", 4: EAST})
    return block


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_facts_arrive_from_every_format(format_: str) -> None:
    info = decode(photo_with(full_block().tobytes(), format_)).info
    assert info.camera == "Canon EOS R5"
    assert info.taken_at == MOMENT.replace(tzinfo=timezone(timedelta(hours=2)))
    assert (info.latitude, info.longitude) == pytest.approx((52.52, 13.41))


def test_damaged_blocks_never_fail_the_photo() -> None:
    whole = full_block().tobytes()
    survived = 0
    for cut in range(6, len(whole), 7):
        assert decode(photo_with(whole[:cut])).info.width == 16
        survived += 1
    for at in range(6, len(whole), 3):
        damaged = whole[:at] + b"\xff\xff\xff" + whole[at + 3 :]
        # The damage may name another orientation, which turns the picture.
        assert decode(photo_with(damaged)).pixels.size == 16 * 8 * 3
        survived += 1
    assert survived > 100


def test_a_damaged_gps_directory_leaves_the_rest() -> None:
    block = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2)
    block += struct.pack("<HHI4s", 0x010F, 2, 4, b"Abc\0")
    block += struct.pack("<HHII", 0x8825, 4, 1, 0xFFFFFFF0) + bytes(4)
    info = decode(photo_with(block)).info
    assert info.camera == "Abc"
    assert info.latitude is None

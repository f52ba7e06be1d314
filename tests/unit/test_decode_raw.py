"""Camera raw files, on small containers made here: real cameras' files are not at hand.

The DNG is complete, so LibRaw develops it; the others are only the parts that matter: a header,
a thumbnail that must not be taken for the photo, a preview, metadata.
"""

from __future__ import annotations

import io
import struct
import sys
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facefind.errors import OutOfMemory, PhotoTooLarge, UnreadablePhoto
from facefind.images import OpenedPhoto, decode, raw

WIDTH, HEIGHT = 96, 64


@pytest.fixture
def no_rawpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)


def jpeg(width: int, height: int, colour: tuple[int, int, int], **options: Any) -> bytes:
    """Red on the left, ``colour`` on the right."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = (200, 0, 0), colour
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


PREVIEW = jpeg(800, 600, (0, 200, 0))
THUMBNAIL = jpeg(160, 120, (0, 0, 200))

Tag = tuple[int, int, tuple[int, ...] | bytes]
SHORT, LONG, ASCII, BYTE, RATIONAL = 3, 4, 2, 1, 10


def tiff(tags: list[Tag], blobs: bytes = b"", header: bytes = b"II*\0") -> bytes:
    """A little-endian TIFF of one directory; ``blobs`` lie at offset 8."""
    ifd_at = 8 + len(blobs) + len(blobs) % 2
    extra_at = ifd_at + 2 + 12 * len(tags) + 4
    entries, extra = b"", b""
    for tag, kind, values in sorted(tags, key=lambda t: t[0]):
        if isinstance(values, bytes):
            packed, count = values, len(values)
        else:
            packed = struct.pack(f"<{len(values)}{'H' if kind == SHORT else 'i'}", *values)
            count = len(values) // 2 if kind == RATIONAL else len(values)
        if len(packed) > 4:
            extra, packed = extra + packed, struct.pack("<I", extra_at + len(extra))
        entries += struct.pack("<HHI", tag, kind, count) + packed.ljust(4, b"\0")
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return header + struct.pack("<I", ifd_at) + blobs + b"\0" * (len(blobs) % 2) + directory + extra


CAMERA_TAGS: list[Tag] = [
    (271, ASCII, b"Maker\0"),
    (272, ASCII, b"Model 1\0"),
    (306, ASCII, b"2024:05:06 07:08:09\0"),
]


def dng(orientation: int = 1) -> bytes:
    """A complete DNG: a Bayer mosaic, bright on the left, dark on the right."""
    mosaic = np.full((HEIGHT, WIDTH), 12000, "<u2")
    mosaic[:, WIDTH // 2 :] = 1000
    one = (1, 1)
    identity = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    tags: list[Tag] = [
        (254, LONG, (0,)),
        (256, LONG, (WIDTH,)),
        (257, LONG, (HEIGHT,)),
        (258, SHORT, (16,)),
        (259, SHORT, (1,)),
        (262, SHORT, (32803,)),
        (273, LONG, (8,)),
        (274, SHORT, (orientation,)),
        (277, SHORT, (1,)),
        (278, LONG, (HEIGHT,)),
        (279, LONG, (mosaic.nbytes,)),
        (33421, SHORT, (2, 2)),
        (33422, BYTE, b"\0\1\1\2"),
        (50706, BYTE, b"\1\4\0\0"),
        (50708, ASCII, b"Maker Model 1\0"),
        (50714, SHORT, (0,)),
        (50717, LONG, (16383,)),
        (50721, RATIONAL, identity),
        (50728, RATIONAL, one * 3),
        (50778, SHORT, (21,)),
    ]
    return tiff(tags + CAMERA_TAGS, mosaic.tobytes())


def tiff_raw(preview: bytes = PREVIEW, orientation: int = 1) -> bytes:
    """Like NEF and ARW: the first directory is a thumbnail, the mosaic is in a sub-directory."""
    sub_at = 8
    sub = struct.pack("<HHHII", 1, 262, SHORT, 1, 32803) + bytes(4)
    thumbnail_at = sub_at + len(sub)
    tags: list[Tag] = [
        (254, LONG, (1,)),
        (256, LONG, (160,)),
        (257, LONG, (120,)),
        (258, SHORT, (8, 8, 8)),
        (259, SHORT, (7,)),
        (262, SHORT, (6,)),
        (273, LONG, (thumbnail_at,)),
        (274, SHORT, (orientation,)),
        (277, SHORT, (3,)),
        (279, LONG, (len(THUMBNAIL),)),
        (330, LONG, (sub_at,)),
    ]
    return tiff(tags + CAMERA_TAGS, sub + THUMBNAIL + preview)


def halves(pixels: NDArray[np.uint8]) -> tuple[list[int], list[int]]:
    """The colours in the middle of the left and of the right half."""
    height, width = pixels.shape[:2]
    left, right = pixels[height // 2, width // 4], pixels[height // 2, 3 * width // 4]
    return left.tolist(), right.tolist()


def assert_is_preview(pixels: NDArray[np.uint8]) -> None:
    left, right = halves(pixels)
    assert abs(np.subtract(left, (200, 0, 0))).max() < 8
    assert abs(np.subtract(right, (0, 200, 0))).max() < 8


@pytest.mark.parametrize(("orientation", "size"), [(1, (96, 64)), (3, (96, 64)), (6, (64, 96))])
def test_libraw_develops_a_dng(orientation: int, size: tuple[int, int]) -> None:
    pytest.importorskip("rawpy", reason="the raw extra is not installed")
    photo = decode(dng(orientation))
    assert photo.info.format == "RAW"
    # LibRaw may leave out a border of the mosaic.
    assert abs(np.subtract((photo.info.width, photo.info.height), size)).max() <= 8
    assert photo.pixels.flags.c_contiguous
    assert photo.info.taken_at == datetime(2024, 5, 6, 7, 8, 9)
    assert photo.info.camera == "Maker Model 1"
    bright = {1: photo.pixels[:, :30], 3: photo.pixels[:, -30:], 6: photo.pixels[:30]}[orientation]
    assert bright.mean() > photo.pixels.mean() + 30


def test_raw_size_is_limited() -> None:
    pytest.importorskip("rawpy", reason="the raw extra is not installed")
    with pytest.raises(PhotoTooLarge):
        decode(dng(), max_megapixels=0.001)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_raw_file_is_developed_only_when_its_pixels_are_wanted(
    orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rawpy", reason="the raw extra is not installed")
    developed = list[int]()
    develop = raw.develop

    def counted(data: bytes) -> NDArray[np.uint8] | None:
        developed.append(len(data))
        return develop(data)

    monkeypatch.setattr(raw, "develop", counted)
    photo = OpenedPhoto(dng(orientation))
    assert (photo.size, developed) == ((96, 64) if orientation == 1 else (64, 96), [])
    pixels = photo.at(0.1)
    assert pixels.shape == (photo.size[1], photo.size[0], 3)
    assert photo.at(1) is pixels
    assert len(developed) == 1


def test_a_raw_file_beyond_the_bound_comes_smaller() -> None:
    pytest.importorskip("rawpy", reason="the raw extra is not installed")
    photo = OpenedPhoto(dng(6), max_decoded=0.001)
    assert photo.size == (64, 96)
    assert photo.at(1).shape == (32, 22, 3)
    assert photo.at(1)[:10].mean() > photo.at(1)[-10:].mean() + 30


def test_the_preview_is_the_photo_where_libraw_knows_no_more_than_the_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(raw, "size", lambda *_: (900, 700))
    monkeypatch.setattr(raw, "develop", lambda _: None)
    photo = OpenedPhoto(tiff_raw())
    assert photo.size == (900, 700)
    assert_is_preview(photo.at(0.1))
    assert photo.size == (800, 600)
    photo.free()
    assert photo.at(0.25).shape == (150, 200, 3)


def test_libraw_that_lacks_memory_is_no_reason_for_the_preview(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rawpy = pytest.importorskip("rawpy", reason="the raw extra is not installed")

    def imread(_file: object) -> None:
        raise rawpy.LibRawUnsufficientMemoryError

    monkeypatch.setattr(rawpy, "imread", imread)
    with pytest.raises(OutOfMemory):
        decode(tiff_raw())


def test_what_libraw_does_not_know_falls_back_to_the_preview() -> None:
    pytest.importorskip("rawpy", reason="the raw extra is not installed")
    assert_is_preview(decode(tiff_raw()).pixels)


@pytest.mark.usefixtures("no_rawpy")
def test_without_rawpy_the_preview_is_used_not_the_thumbnail() -> None:
    photo = decode(tiff_raw())
    assert photo.info.format == "RAW"
    assert (photo.info.width, photo.info.height) == (800, 600)
    assert_is_preview(photo.pixels)
    assert photo.info.taken_at == datetime(2024, 5, 6, 7, 8, 9)
    assert photo.info.camera == "Maker Model 1"


@pytest.mark.usefixtures("no_rawpy")
def test_the_largest_of_several_previews_is_used() -> None:
    smaller = jpeg(700, 500, (0, 0, 200))
    for previews in (smaller + PREVIEW, PREVIEW + smaller):
        assert_is_preview(decode(tiff_raw(previews)).pixels)


@pytest.mark.usefixtures("no_rawpy")
def test_preview_is_turned_as_the_container_says() -> None:
    photo = decode(tiff_raw(orientation=3))
    assert_is_preview(photo.pixels[:, ::-1])
    assert decode(tiff_raw(orientation=8)).pixels.shape == (800, 600, 3)


@pytest.mark.usefixtures("no_rawpy")
def test_cr2_is_known_by_its_mark() -> None:
    container = tiff(CAMERA_TAGS, b"CR\2\0" + bytes(4) + PREVIEW)
    photo = decode(container)
    assert photo.info.format == "RAW"
    assert_is_preview(photo.pixels)


@pytest.mark.usefixtures("no_rawpy")
@pytest.mark.parametrize("header", [b"IIRO", b"IIU\0"])
def test_olympus_and_panasonic_have_their_own_tiff_number(header: bytes) -> None:
    photo = decode(tiff([*CAMERA_TAGS, (274, SHORT, (6,))], PREVIEW, header))
    assert photo.info.camera == "Maker Model 1"
    assert photo.pixels.shape == (800, 600, 3)


@pytest.mark.usefixtures("no_rawpy")
def test_raf_takes_its_facts_from_the_preview() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "FUJIFILM"
    preview = jpeg(800, 600, (0, 200, 0), exif=exif)
    photo = decode(b"FUJIFILMCCD-RAW 0201FF383501X-T3".ljust(148, b"\0") + preview)
    assert photo.pixels.shape == (800, 600, 3)
    assert photo.info.camera == "FUJIFILM"


@pytest.mark.usefixtures("no_rawpy")
def test_cr3_takes_its_facts_from_canons_boxes() -> None:
    main = tiff([(271, ASCII, b"Canon\0"), (272, ASCII, b"Canon EOS R5\0"), (274, SHORT, (3,))])
    photo_ifd = tiff([(0x9003, ASCII, b"2024:05:06 07:08:09\0"), (0x9011, ASCII, b"+02:00\0")])
    head = struct.pack(">I", 24) + b"ftypcrx " + bytes(4) + b"crx isom"
    data = head + b"CMT1" + main + b"CMT2" + photo_ifd + PREVIEW
    photo = decode(data)
    assert photo.info.camera == "Canon EOS R5"
    assert photo.info.taken_at is not None
    assert photo.info.taken_at.isoformat() == "2024-05-06T07:08:09+02:00"
    assert_is_preview(photo.pixels[:, ::-1])


@pytest.mark.usefixtures("no_rawpy")
@pytest.mark.parametrize("preview", [b"", THUMBNAIL, jpeg(700, 700, (0, 0, 9)) * 4])
def test_without_a_usable_preview_the_raw_extra_is_named(preview: bytes) -> None:
    with pytest.raises(UnreadablePhoto, match="camera raw") as caught:
        decode(tiff_raw(preview))
    assert "pip install 'facefind[raw]'" in caught.value.hint


def test_an_ordinary_tiff_is_not_raw() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(buffer, "TIFF", tiffinfo={271: "Maker"})
    assert decode(buffer.getvalue()).info.format == "TIFF"


def test_directories_that_lead_in_a_circle_end() -> None:
    loop = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 256, SHORT, 1, 5, 8)
    with pytest.raises(UnreadablePhoto):
        decode(loop)

"""Photos decoded no larger than is asked for: sizes, turns, kinds of JPEG, damage."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facefind.errors import PhotoTooLarge, UnreadablePhoto
from facefind.images import OpenedPhoto, colour, decode, loading
from tests.pictures import difference, encode, exif_with, quarters

STEPS = (1, 2, 4, 8)


def picture(width: int = 320, height: int = 256) -> NDArray[np.uint8]:
    """Slopes, quarters of different colours and some noise: any turn or shift shows."""
    pixels = quarters(width, height).astype(float)
    pixels[..., 0] += np.linspace(0, 50, width)
    pixels[..., 1] += np.linspace(0, 50, height)[:, None]
    pixels += np.random.default_rng(3).normal(0, 6, (height, width, 1))
    return pixels.clip(0, 255).astype(np.uint8)


def reduced(pixels: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    height, width = (-(-side // step) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_scaled_photo_is_the_whole_one_reduced(orientation: int, step: int) -> None:
    data = encode(picture(), "JPEG", quality=95, exif=exif_with(orientation))
    photo = OpenedPhoto(data)
    pixels = photo.at(1 / step)
    expected = reduced(decode(data).pixels, step)
    assert pixels.shape == expected.shape
    assert pixels.flags.c_contiguous
    assert photo.size == ((320, 256) if orientation < 5 else (256, 320))
    assert difference(pixels, expected) < 2
    for other in (pixels[::-1], pixels[:, ::-1], pixels[::-1, ::-1], np.roll(pixels, 2, axis=0)):
        assert difference(np.ascontiguousarray(other), expected) > 4


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({"progressive": True}, "RGB"),
        ({"subsampling": 0}, "RGB"),
        ({"subsampling": 1}, "RGB"),
        ({"restart_marker_blocks": 3}, "RGB"),
        ({}, "L"),
        ({}, "CMYK"),
    ],
)
def test_every_kind_of_jpeg_comes_scaled(options: dict[str, Any], mode: str) -> None:
    data = encode(Image.fromarray(picture()).convert(mode), "JPEG", quality=95, **options)
    whole = decode(data).pixels
    halves, quarter = OpenedPhoto(data).at(0.5), OpenedPhoto(data).at(0.25)
    assert (halves.shape, quarter.shape) == ((128, 160, 3), (64, 80, 3))
    assert difference(halves, reduced(whole, 2)) < 2
    assert difference(quarter, reduced(whole, 4)) < 2


@pytest.mark.parametrize(
    ("scale", "side"),
    [(1, 800), (0.51, 800), (0.5, 400), (0.26, 400), (0.25, 200), (0.13, 200), (0.01, 100)],
)
def test_the_smallest_sufficient_scale_is_taken(scale: float, side: int) -> None:
    assert OpenedPhoto(encode(quarters(800, 800), "JPEG")).at(scale).shape == (side, side, 3)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (7, 9), (101, 67), (1003, 15)])
def test_sides_are_rounded_up_and_never_vanish(size: tuple[int, int]) -> None:
    data = encode(picture(*size), "JPEG")
    for step in STEPS:
        taken = max(s for s in STEPS if s == 1 or (s <= step and s <= min(size)))
        pixels = OpenedPhoto(data).at(1 / step)
        assert pixels.shape == (-(-size[1] // taken), -(-size[0] // taken), 3)


def test_only_the_header_is_read_until_pixels_are_wanted() -> None:
    data = encode(picture(), "JPEG", exif=exif_with(6))
    photo = OpenedPhoto(data[: len(data) // 2])
    assert (photo.info.width, photo.info.height, photo.info.format) == (256, 320, "JPEG")
    with pytest.raises(UnreadablePhoto, match="truncated"):
        photo.at(0.1)


def test_what_was_decoded_is_kept_until_more_is_wanted_or_it_is_freed() -> None:
    photo = OpenedPhoto(encode(picture(), "JPEG"))
    half = photo.at(0.5)
    assert photo.at(0.5) is half
    assert photo.at(0.2) is half
    whole = photo.at(1)
    assert whole.shape == (256, 320, 3)
    assert photo.at(0.5) is whole
    photo.free()
    assert np.array_equal(photo.at(0.5), half)


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF", "GIF", "BMP", "JPEG2000"])
def test_other_formats_come_in_full_also_after_they_were_freed(format_: str) -> None:
    data = encode(picture(), format_)
    photo = OpenedPhoto(data)
    first = photo.at(0.1)
    assert first.shape == (256, 320, 3)
    photo.free()
    assert np.array_equal(photo.at(0.1), first)
    assert np.array_equal(decode(data).pixels, first)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("step", STEPS)
def test_truncated_jpegs_are_refused_at_every_scale(
    share: float, options: dict[str, Any], step: int
) -> None:
    noise = np.random.default_rng(5).integers(0, 100, (120, 160, 3), dtype=np.uint8)
    data = encode(noise, "JPEG", **options)
    photo = OpenedPhoto(data[: int(len(data) * share)])
    with pytest.raises(UnreadablePhoto, match=r"^the JPEG picture is truncated$"):
        photo.at(1 / step)


@pytest.mark.parametrize("step", STEPS)
def test_a_jpeg_without_its_end_marker_is_read_at_every_scale(step: int) -> None:
    data = encode(picture(), "JPEG")
    pixels = OpenedPhoto(data[:-2]).at(1 / step)
    assert len(pixels) >= 256 / step
    assert (
        difference(reduced(pixels, len(pixels) * step // 256), OpenedPhoto(data).at(1 / step)) < 2
    )


def verdict(data: bytes, scale: float) -> str:
    try:
        return str(OpenedPhoto(data, max_megapixels=4).at(scale).dtype)
    except (UnreadablePhoto, PhotoTooLarge) as error:
        return error.message


def test_random_damage_is_judged_alike_at_every_scale() -> None:
    random = np.random.default_rng(17)
    verdicts: dict[str, int] = {}
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 2}):
        whole = np.frombuffer(encode(picture(96, 80), "JPEG", **options), np.uint8)
        for _ in range(120):
            data = whole.copy()
            data[random.integers(0, len(data), 4)] = random.integers(0, 256, 4)
            cut = data[: random.integers(len(data) // 2, 2 * len(data))].tobytes()
            first, *others = (verdict(cut, 1 / step) for step in STEPS)
            assert others == [first] * 3
            verdicts[first] = verdicts.get(first, 0) + 1
    assert sum(verdicts.values()) == 360
    assert min(verdicts["uint8"], verdicts["the JPEG picture is truncated"]) > 20


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_photos_beyond_the_bound_come_smaller(format_: str) -> None:
    data = encode(picture(), format_, exif=exif_with(6))
    photo = OpenedPhoto(data, max_decoded=0.03)
    assert photo.size == (256, 320)
    assert photo.at(1).shape == (160, 128, 3)
    assert photo.at(0.5).shape == (160, 128, 3)
    assert difference(photo.at(1), reduced(decode(data).pixels, 2)) < 2


def test_a_bounded_jpeg_without_its_end_marker_is_judged_at_the_finest_scale_allowed() -> None:
    data = encode(picture(), "JPEG")[:-2]
    assert OpenedPhoto(data, max_decoded=0.03).at(0.1).shape == (128, 160, 3)


LATER_DECODED = ["PNG", "WEBP", "TIFF", "GIF", "BMP", "JPEG2000", "AVIF", "PPM", "TGA"]


@pytest.mark.parametrize("format_", LATER_DECODED)
def test_no_format_is_decoded_before_its_pixels_are_wanted(
    format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(picture(), format_)
    decoded = list[str]()
    load = loading.load_picture

    def counted(format_: str, data: bytes, limit: float) -> Image.Image:
        decoded.append(format_)
        return load(format_, data, limit)

    monkeypatch.setattr(loading, "load_picture", counted)
    photo = OpenedPhoto(data)
    assert (photo.size, decoded) == ((320, 256), [])
    photo.at(0.5)
    assert (photo.at(1).shape, decoded) == ((256, 320, 3), [format_])


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "BMP"])
def test_half_a_picture_is_opened_and_refused_when_it_is_wanted(format_: str) -> None:
    data = encode(picture(), format_)
    photo = OpenedPhoto(data[: len(data) // 2] if format_ != "TIFF" else _without_pixels(data))
    assert photo.size == (320, 256)
    with pytest.raises(UnreadablePhoto, match=format_):
        photo.at(1)


def _without_pixels(tiff: bytes) -> bytes:
    """A TIFF whose directory, which is behind the pixels, says that they are beyond its end."""
    strip = struct.pack("<HHI", 273, 4, 1)
    at = tiff.index(strip) + len(strip)
    return tiff[:at] + struct.pack("<I", len(tiff)) + tiff[at + 4 :]


@pytest.mark.parametrize("kind", ["eXIf", "zTXt", "iTXt"])
def test_a_png_says_behind_its_pixels_how_it_is_turned(kind: str) -> None:
    xmp = b'<x tiff:Orientation="6"/>'
    content = {
        "eXIf": exif_with(6).tobytes().removeprefix(b"Exif\0\0"),
        "zTXt": b"XML:com.adobe.xmp\0\0" + zlib.compress(xmp),
        "iTXt": b"XML:com.adobe.xmp\0\0\0\0\0" + xmp,
    }[kind]
    data = encode(picture(), "PNG")
    end = len(data) - 12
    # The checksum of what is behind the pixels is wrong, and nobody minds.
    chunk = struct.pack(">I", len(content)) + kind.encode() + content + b"\0\0\0\0"
    photo = OpenedPhoto(data[:end] + chunk + data[end:])
    assert photo.size == (256, 320)
    assert np.array_equal(photo.at(1), np.rot90(picture(), -1))


def test_a_tiff_turned_by_its_xmp_alone_is_sized_upright() -> None:
    image = Image.fromarray(picture())
    data = encode(image, "TIFF", tiffinfo={700: b'<x tiff:Orientation="6"/>'})
    photo = OpenedPhoto(data)
    assert photo.at(1).shape == (photo.size[1], photo.size[0], 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "I;16", "L"])
def test_a_picture_shrunk_in_strips_is_the_whole_one_shrunk(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.fromarray(picture(321, 257))
    if mode == "I;16":
        image = Image.fromarray(picture(321, 257)[..., 0].astype(np.uint16) * 200)
    elif mode == "RGBA":
        image.putalpha(Image.fromarray(picture(321, 257)[..., 1]))
    else:
        image = image.convert(mode)
    monkeypatch.setattr(colour, "_REDUCED_ROWS", 10)
    expected = np.asarray(colour.to_srgb(image).reduce(3))
    assert np.array_equal(np.asarray(colour.reduced_to_srgb(image, 3)), expected)

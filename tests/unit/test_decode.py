"""Decoding: every pixel kind, orientation, profiles, on pictures made here."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from facefind.images import decode
from tests.pictures import RED, difference, encode, exif_with, png, quarters

# How a camera that is turned stores the upright picture, for each EXIF orientation.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("AVIF", {"quality": 95}),
        ("JPEG2000", {}),
        ("PPM", {}),
        ("TGA", {}),
        ("ICO", {"sizes": [(64, 48)]}),
    ],
)
def test_each_format_gives_the_same_pixels(format_: str, options: dict[str, Any]) -> None:
    photo = decode(encode(quarters(), format_, **options))
    assert photo.info.format == format_
    assert (photo.info.width, photo.info.height) == (64, 48)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous
    assert photo.pixels.flags.writeable
    assert difference(photo.pixels, quarters()) < 4


def heic(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    height, width = pixels.shape[:2]
    file = pillow_heif.from_bytes("RGB", (width, height), np.ascontiguousarray(pixels).tobytes())
    file.save(buffer, quality=95, **options)
    return buffer.getvalue()


def test_heic_is_read_without_registering_it_for_everyone() -> None:
    data = heic(quarters())
    assert decode(data).info.format == "HEIF"
    assert difference(decode(data).pixels, quarters()) < 4
    assert "HEIF" not in Image.OPEN


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_applied_once(format_: str, orientation: int) -> None:
    stored = np.ascontiguousarray(STORED[orientation](quarters()))
    data = encode(stored, format_, exif=exif_with(orientation), quality=95)
    photo = decode(data)
    assert (photo.info.width, photo.info.height) == (64, 48)
    assert difference(photo.pixels, quarters()) < 8


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_orientation_is_applied_once(orientation: int) -> None:
    stored = STORED[orientation](quarters())
    photo = decode(heic(stored, exif=exif_with(orientation).tobytes()))
    assert difference(photo.pixels, quarters()) < 16


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_impossible_orientation_counts_as_upright(orientation: int) -> None:
    data = encode(quarters(), "PNG", exif=exif_with(orientation))
    assert difference(decode(data).pixels, quarters()) == 0


def ramp(top: int, dtype: str) -> NDArray[Any]:
    row: NDArray[Any] = np.linspace(0, top, 64).round().astype(dtype)
    return row[None].repeat(8, axis=0)


GREY_RAMP = ramp(255, "u1")[..., None].repeat(3, axis=2)


@pytest.mark.parametrize(
    ("pixels", "format_"),
    [
        (ramp(255, "u1"), "PNG"),
        (ramp(65535, "<u2"), "PNG"),
        (ramp(65535, "<u2"), "TIFF"),
        (ramp(65535, "<u2"), "JPEG2000"),
        (ramp(65535, "<i4"), "TIFF"),
        (ramp(255, "<f4"), "TIFF"),
        (ramp(65535, "<f4"), "TIFF"),
        (ramp(65535, "<f4") / np.float32(65535), "TIFF"),
        (ramp(65535, "<i4") * 3000, "TIFF"),
    ],
)
def test_grey_of_any_depth_keeps_its_levels(pixels: NDArray[Any], format_: str) -> None:
    assert difference(decode(encode(pixels, format_)).pixels, GREY_RAMP) <= 1


@pytest.mark.parametrize("dtype", ["<u2", "<i4", "<f4"])
def test_a_dark_picture_of_16_bits_stays_dark(dtype: str) -> None:
    decoded = decode(encode(ramp(32768, dtype), "TIFF")).pixels
    assert difference(decoded, (GREY_RAMP / 2).round().astype(np.uint8)) <= 1


def test_12_bit_grey_is_scaled_by_its_own_white() -> None:
    # Three bytes hold two pixels: white, and a quarter of it.
    tags = [(256, 4), (257, 2), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (279, 12)]
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags)
    pixels = bytes((0xFF, 0xF4, 0x00)) * 4
    data = (
        b"II*\0"
        + struct.pack("<I", 20)
        + pixels
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )
    assert decode(data).pixels[0, :, 0].tolist() == [255, 64, 255, 64]


def test_floats_that_are_no_numbers_are_black() -> None:
    pixels = ramp(255, "<f4")
    pixels[0, :3] = np.nan, np.inf, -np.inf
    decoded = decode(encode(pixels, "TIFF")).pixels
    assert not decoded[0, :3].any()
    assert difference(decoded[1:], GREY_RAMP[1:]) <= 1


def test_16_bit_colour_is_scaled() -> None:
    rows = b"".join(
        b"\0" + row.astype(">u2").tobytes() for row in quarters().astype(np.uint16) * 257
    )
    header = struct.pack(">IIBBBBB", 64, 48, 16, 2, 0, 0, 0)
    data = png(("IHDR", header), ("IDAT", zlib.compress(rows)), ("IEND", b""))
    assert difference(decode(data).pixels, quarters()) == 0


@pytest.mark.parametrize(("format_", "bound"), [("JPEG", 6), ("TIFF", 1)])
def test_cmyk_is_not_inverted(format_: str, bound: float) -> None:
    data = encode(Image.fromarray(quarters()).convert("CMYK"), format_)
    assert difference(decode(data).pixels, quarters()) < bound


@pytest.mark.parametrize("mode", ["P", "1", "LAB"])
def test_other_modes_in_tiff(mode: str) -> None:
    image = Image.fromarray(quarters())
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
        assert converted is not None
        image, expected = converted, quarters()
    else:
        image = image.convert(mode)
        expected = np.asarray(image.convert("RGB"))
    assert difference(decode(encode(image, "TIFF")).pixels, expected) < 3


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
def test_transparent_parts_become_white(format_: str) -> None:
    pixels = np.dstack([quarters(), np.full((48, 64), 255, np.uint8)])
    pixels[:24, :, 3] = 0
    pixels[24:, 32:, 3] = 128
    decoded = decode(encode(pixels, format_, lossless=True)).pixels
    assert (decoded[:24] == 255).all()
    assert difference(decoded[24:, :32], quarters()[24:, :32]) < 1
    assert abs(decoded[24:, 32:].astype(int) - (90 + 255) // 2).max() <= 1


def test_transparent_colour_of_palette_grey_and_rgb_becomes_white() -> None:
    grey = Image.fromarray(quarters()).convert("L")
    palette = Image.fromarray(quarters()).quantize(4)
    for image, key in ((grey, grey.getpixel((0, 0))), (palette, palette.getpixel((0, 0)))):
        decoded = decode(encode(image, "PNG", transparency=key)).pixels
        assert (decoded[:24, :32] == 255).all()
        assert (decoded[24:] < 255).all()
    decoded = decode(encode(quarters(), "PNG", transparency=RED)).pixels
    assert (decoded[:24, :32] == 255).all()


def test_profile_is_converted_to_srgb() -> None:
    # A profile whose red and blue primaries are exchanged: converting swaps the channels.
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = swapped.index(b"rXYZ", 128), swapped.index(b"bXYZ", 128)
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    name = swapped.find("sRGB".encode("utf-16-be"))
    swapped[name : name + 8] = "test".encode("utf-16-be")
    decoded = decode(encode(quarters(), "PNG", icc_profile=bytes(swapped))).pixels
    assert difference(decoded, quarters()[..., ::-1]) < 3


def test_unusable_profiles_are_ignored() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (b"no profile", srgb[:200], lab, srgb):
        assert (
            difference(decode(encode(quarters(), "PNG", icc_profile=profile)).pixels, quarters())
            == 0
        )
    grey = Image.fromarray(quarters()).convert("L")
    assert (
        difference(
            decode(encode(grey, "PNG", icc_profile=srgb)).pixels, np.asarray(grey.convert("RGB"))
        )
        == 0
    )


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_told(format_: str) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    animation = encode(frames[0], format_, save_all=True, append_images=frames[1:])
    assert decode(animation).info.animated
    assert not decode(encode(frames[0], format_)).info.animated


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_picture_of_many_counts(format_: str) -> None:
    blank = Image.new("RGB", (64, 48), "white")
    data = encode(quarters(), format_, save_all=True, append_images=[blank], lossless=True)
    assert difference(decode(data).pixels, quarters()) < 2

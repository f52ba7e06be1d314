"""Decoding: every pixel kind, orientation, profiles, limits and damage, on pictures made here."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from facefind.errors import PhotoTooLarge, UnreadablePhoto
from facefind.images import decode
from facefind.images.formats import may_be_tga, sniff

RED, GREEN, BLUE, GREY = (200, 20, 30), (10, 180, 40), (30, 40, 190), (90, 90, 90)
ORIENTATION = 0x0112

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


def quarters(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """A picture with a different colour in each quarter, so that any turn shows."""
    pixels = np.empty((height, width, 3), np.uint8)
    for rows, pair in (
        (slice(0, height // 2), (RED, GREEN)),
        (slice(height // 2, None), (BLUE, GREY)),
    ):
        pixels[rows, : width // 2], pixels[rows, width // 2 :] = pair
    return pixels


def encode(image: Image.Image | NDArray[Any], format_: str, **options: Any) -> bytes:
    if not isinstance(image, Image.Image):
        image = Image.fromarray(np.ascontiguousarray(image))
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    assert a.shape == b.shape
    return float(abs(a.astype(float) - b).mean())


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


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


def png(*chunks: tuple[str, bytes]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, body in chunks:
        crc = zlib.crc32(name.encode() + body)
        parts.append(struct.pack(">I", len(body)) + name.encode() + body + struct.pack(">I", crc))
    return b"".join(parts)


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


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_picture_of_many_counts(format_: str) -> None:
    blank = Image.new("RGB", (64, 48), "white")
    data = encode(quarters(), format_, save_all=True, append_images=[blank], lossless=True)
    assert difference(decode(data).pixels, quarters()) < 2


def busy(width: int = 160, height: int = 120) -> NDArray[np.uint8]:
    """Noise without a grey block, so that every block takes some bytes of a JPEG."""
    return np.random.default_rng(5).integers(0, 100, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_truncated_jpeg_is_refused(share: float, options: dict[str, Any]) -> None:
    data = encode(busy(), "JPEG", **options)
    with pytest.raises(UnreadablePhoto, match=r"^the JPEG picture is truncated$"):
        decode(data[: int(len(data) * share)])


def test_jpeg_without_its_end_marker_is_read() -> None:
    data = encode(busy(), "JPEG")
    assert data.endswith(b"\xff\xd9")
    assert difference(decode(data[:-2]).pixels, decode(data).pixels) == 0


@pytest.mark.parametrize("format_", ["PNG", "GIF", "TIFF", "BMP", "WEBP"])
def test_half_a_file_is_refused(format_: str) -> None:
    data = encode(busy(), format_)
    with pytest.raises(UnreadablePhoto):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"notes about the party\n",
        b"BMW is a car, not a bitmap",
        b"P5 team",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        bytes(4096),
    ],
)
def test_what_is_no_picture_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(UnreadablePhoto, match=r"^not a picture in a format that facefind reads$"):
        decode(data)


def test_size_is_checked_before_decoding() -> None:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = png(("IHDR", header), ("IDAT", zlib.compress(b"")), ("IEND", b""))
    message = "^100000 x 100000 pixels, more than the limit of 200 megapixels$"
    with pytest.raises(PhotoTooLarge, match=message):
        decode(bomb)


def test_limit_is_the_callers_and_inclusive() -> None:
    data = encode(np.zeros((1000, 1000, 3), np.uint8), "PNG")
    assert decode(data, max_megapixels=1).info.width == 1000
    with pytest.raises(PhotoTooLarge):
        decode(data, max_megapixels=0.99)


def test_pillows_own_limit_is_neither_used_nor_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    data = encode(quarters(64, 1024), "PNG")
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))
    assert difference(decode(data).pixels, quarters(64, 1024)) == 0
    assert Image.MAX_IMAGE_PIXELS == 20_000


def test_endless_progressive_scans_are_refused() -> None:
    data = encode(Image.new("L", (4000, 3000), 128), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    bomb = data[:-2] + data[last:-2] * 2000 + data[-2:]
    with pytest.raises(UnreadablePhoto, match="too many scans"):
        decode(bomb)


def test_ppm_that_pillow_would_decode_in_a_loop_is_refused() -> None:
    with pytest.raises(UnreadablePhoto, match="unusual maximum"):
        decode(b"P5 10 10 100\n" + bytes(100))


def test_lossless_and_12_bit_jpeg_are_named() -> None:
    data = bytearray(encode(quarters(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    for offset, value in ((1, 0xC3), (4, 12)):
        changed = bytearray(data)
        changed[frame + offset] = value
        with pytest.raises(UnreadablePhoto, match="lossless JPEG"):
            decode(bytes(changed))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        struct.error("x"),
        zlib.error("x"),
        SyntaxError("x"),
        OverflowError(),
        KeyError(1),
    ],
)
def test_library_errors_become_plain_reasons(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("facefind.images.colour.to_srgb", fail)
    with pytest.raises(UnreadablePhoto) as caught:
        decode(encode(quarters(), "PNG"))
    assert caught.value.__cause__ is error
    assert "0x" not in caught.value.message
    assert caught.value.message.startswith(("the PNG picture is", "not enough memory"))


def test_random_damage_ends_in_pixels_or_a_photo_error() -> None:
    random = np.random.default_rng(11)
    outcomes = {"decoded": 0, "refused": 0}
    for format_ in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000", "TGA"):
        whole = np.frombuffer(encode(quarters(), format_, exif=exif_with(6)), np.uint8)
        for _ in range(40):
            data = whole.copy()
            data[random.integers(0, len(data), 6)] = random.integers(0, 256, 6)
            try:
                pixels = decode(data.tobytes(), max_megapixels=4).pixels
            except (UnreadablePhoto, PhotoTooLarge):
                outcomes["refused"] += 1
            else:
                assert pixels.ndim == 3
                outcomes["decoded"] += 1
    assert sum(outcomes.values()) == 360
    assert min(outcomes.values()) > 20


def test_warnings_are_neither_shown_nor_fatal() -> None:
    # An EXIF tag that points outside its block makes Pillow warn.
    block = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x010F, 2, 9999, 9999, 0)
    data = encode(quarters(), "JPEG", exif=block)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(data).info.camera is None


def test_threads_decode_at_once() -> None:
    files = [encode(quarters(), f, exif=exif_with(3)) for f in ("JPEG", "PNG", "TIFF", "WEBP")] * 16
    alone = [decode(data).pixels for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = [photo.pixels for photo in pool.map(decode, files)]
    assert len(together) == 64
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_sniff_tells_relatives_apart() -> None:
    def iso(major: bytes, *others: bytes) -> bytes:
        body = b"ftyp" + major + bytes(4) + b"".join(others)
        return struct.pack(">I", len(body) + 4) + body

    assert sniff(iso(b"heic", b"mif1")) == "HEIF"
    assert sniff(iso(b"mif1", b"heic")) == "HEIF"
    assert sniff(iso(b"mif1", b"avif")) == "AVIF"
    assert sniff(iso(b"avif", b"mif1")) == "AVIF"
    assert sniff(iso(b"crx ", b"isom")) == "RAW"
    assert sniff(iso(b"isom", b"mp41")) is None
    assert sniff(b"RIFF....WAVE") is None
    assert not may_be_tga(b"A text that is longer than eighteen bytes")

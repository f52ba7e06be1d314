"""Decoding what is damaged, too large or no picture."""

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
from PIL import Image, ImageFile

from facefind.errors import OutOfMemory, PhotoTooLarge, UnreadablePhoto
from facefind.images import decode
from facefind.images.formats import may_be_tga, sniff
from tests.pictures import difference, encode, exif_with, png, quarters


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


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_lzw", "exif": exif_with(3)}),
        ("TIFF", {"exif": exif_with(3)}),
    ],
)
def test_pillows_own_limit_is_neither_used_nor_changed(
    format_: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    stored = quarters(64, 1024)[::-1, ::-1] if "exif" in options else quarters(64, 1024)
    data = encode(stored, format_, **options)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))
    assert difference(decode(data).pixels, quarters(64, 1024)) == 0
    assert Image.MAX_IMAGE_PIXELS == 20_000


def test_where_pillows_own_limit_holds_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(Image.new("RGB", (256, 256)), "ICO", sizes=[(256, 256)])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    with pytest.raises(PhotoTooLarge, match=r"^more than the 0 megapixels that Pillow"):
        decode(data)


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
    assert caught.value.message.startswith("the PNG picture is")


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


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_a_lack_of_memory_is_told_from_damage(
    format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_image: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(OutOfMemory, match=f"^not enough memory to decode the {format_} picture$"):
        decode(encode(quarters(32, 32), format_))

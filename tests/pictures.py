"""Small pictures for tests of decoding."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ORIENTATION = 0x0112
RED, GREEN, BLUE, GREY = (200, 20, 30), (10, 180, 40), (30, 40, 190), (90, 90, 90)


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


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    assert a.shape == b.shape
    return float(abs(a.astype(float) - b).mean())


def png(*chunks: tuple[str, bytes]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, body in chunks:
        crc = zlib.crc32(name.encode() + body)
        parts.append(struct.pack(">I", len(body)) + name.encode() + body + struct.pack(">I", crc))
    return b"".join(parts)

"""Small JPEG pictures for pages: a photo's thumbnail and a person's face.

They hold pixels alone: no EXIF, so no place or camera, and no profile, so sRGB.
"""

from __future__ import annotations

from io import BytesIO

from PIL import Image as PillowImage

from facefind import geometry
from facefind.types import Box, Image

_ENOUGH_BYTES = 25_000
_QUALITIES = (80, 70, 60, 50)
"""Tried in this order until a thumbnail is small enough; the last is taken whatever it gives."""

_FACE_QUALITY = 82
_MARGIN = 0.4
"""Around a face, on each side, in parts of its longer side: hair and chin lie outside the box."""


def thumbnail(pixels: Image, long_side: int = 400) -> bytes:
    """The photo as a JPEG whose longer side is at most ``long_side``; small ones keep their size.

    Photos of much fine detail are coded more coarsely, so that few exceed 25 kB at 400 pixels.

    Args:
        pixels: (H, W, 3) upright RGB, at least one pixel.
        long_side: Pixels, at least 1.
    """
    height, width = pixels.shape[:2]
    factor = min(1.0, long_side / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = PillowImage.fromarray(_coarse(pixels, 3 * factor))
    if small.size != size:
        small = small.resize(size, PillowImage.Resampling.LANCZOS)
    for quality in _QUALITIES:
        data = _jpeg(small, quality)
        if len(data) <= _ENOUGH_BYTES:
            break
    return data


def face_cover(pixels: Image, box: Box, side: int = 200) -> bytes:
    """A square JPEG of ``side`` pixels: the face in the middle, with some of what is around it.

    Near an edge of the photo the square moves inwards, and where the photo is too small for it, it
    shrinks; the face is never stretched.

    Args:
        pixels: (H, W, 3) upright RGB, at least one pixel.
        box: The face's; may reach beyond the photo.
    """
    left, top, width = _square(box, pixels.shape[1], pixels.shape[0])
    part = pixels[top : top + width, left : left + width]
    face = PillowImage.fromarray(_coarse(part, 3 * side / width))
    face = face.resize((side, side), PillowImage.Resampling.LANCZOS)
    return _jpeg(face, _FACE_QUALITY)


def _coarse(pixels: Image, factor: float) -> Image:
    """A first fast step for large pictures; at three times the final size it goes unseen."""
    return geometry.scaled(pixels, factor) if factor < 1 else pixels


def _square(box: Box, width: int, height: int) -> tuple[int, int, int]:
    """Left, top and side of the square around a face, inside the photo, in whole pixels."""
    wanted = round(max(box.w, box.h) * (1 + 2 * _MARGIN))
    side = max(1, min(wanted, width, height))
    left = round(min(max(box.x + box.w / 2 - side / 2, 0), width - side))
    top = round(min(max(box.y + box.h / 2 - side / 2, 0), height - side))
    return left, top, side


def _jpeg(picture: PillowImage.Image, quality: int) -> bytes:
    encoded = BytesIO()
    picture.save(encoded, "JPEG", quality=quality, optimize=True, progressive=True)
    return encoded.getvalue()

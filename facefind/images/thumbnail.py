"""Small JPEG pictures for pages: a photo's thumbnail and a person's face.

They hold pixels alone: no EXIF, so no place or camera, and no profile, so sRGB.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

import numpy as np
from PIL import Image as PillowImage

from facefind import geometry
from facefind.types import Box, Image

LONG_SIDE = 400
"""Of a thumbnail, in pixels."""

SIDE = 200
"""Of the picture of a face, in pixels."""

_ENOUGH_BYTES = 25_000
_QUALITIES = (80, 70, 60, 50)
"""Tried in this order until a thumbnail is small enough; the last is taken whatever it gives."""

_FACE_QUALITY = 82
_MARGIN = 0.4
"""Around a face, on each side, in parts of its longer side: hair and chin lie outside the box."""

_AMPLE = 1.3
"""How many times larger than they end photos are decoded, so that shrinking leaves them crisp."""

_SHIFT = 0.15
"""How far the square may move inwards, in the same parts: farther, and a neighbour would stand in
the middle."""


def scale_wanted(size: tuple[int, int], boxes: Iterable[Box | None]) -> float:
    """At which scale a photo of this size is to be decoded for small pictures of it.

    Args:
        boxes: Of the faces that `face_square` will show; None for a `thumbnail`. At least one.
    """
    return min(1.0, max(_AMPLE * _reduction(size, box) for box in boxes))


def _reduction(size: tuple[int, int], box: Box | None) -> float:
    """How many times the photo's size a small picture is."""
    return LONG_SIDE / max(size) if box is None else SIDE / max(1.0, _square_side(box))


def thumbnail(pixels: Image, long_side: int = LONG_SIDE) -> bytes:
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


def face_cover(pixels: Image, box: Box, side: int = SIDE) -> bytes:
    """`face_square` as a JPEG."""
    return _jpeg(PillowImage.fromarray(face_square(pixels, box, side)), _FACE_QUALITY)


def face_square(pixels: Image, box: Box, side: int = SIDE) -> Image:
    """A square of ``side`` pixels: the face in the middle, with some of what is around it.

    Near an edge of the photo the square moves inwards a little; what still lies outside of the
    photo has the mean colour of what is inside. The face is never stretched.

    Args:
        pixels: (H, W, 3) upright RGB, at least one pixel.
        box: The face's; may reach beyond the photo.
    """
    part = _square(pixels, box)
    face = PillowImage.fromarray(_coarse(part, 3 * side / len(part)))
    return np.asarray(face.resize((side, side), PillowImage.Resampling.LANCZOS))


def _coarse(pixels: Image, factor: float) -> Image:
    """A first fast step for large pictures; at three times the final size it goes unseen."""
    return geometry.scaled(pixels, factor) if factor < 1 else pixels


def _square(pixels: Image, box: Box) -> Image:
    """The square around a face, in whole pixels."""
    longer = max(box.w, box.h)
    side = max(1, round(_square_side(box)))
    left = _start(box.x + box.w / 2, side, pixels.shape[1], _SHIFT * longer)
    top = _start(box.y + box.h / 2, side, pixels.shape[0], _SHIFT * longer)
    part = geometry.crop(pixels, Box(left, top, side, side))
    inside = np.zeros((side, side), bool)
    inside[max(-top, 0) : pixels.shape[0] - top, max(-left, 0) : pixels.shape[1] - left] = True
    if inside.any() and not inside.all():
        part[~inside] = part[inside].mean(axis=0)
    return part


def _square_side(box: Box) -> float:
    return max(box.w, box.h) * (1 + 2 * _MARGIN)


def _start(centre: float, side: int, length: int, shift: float) -> int:
    """Where a square's side begins: around the centre, or moved inwards as far as it may be."""
    start = centre - side / 2
    inside = min(max(start, 0), length - side) if side <= length else start
    return round(start + min(max(inside - start, -shift), shift))


def _jpeg(picture: PillowImage.Image, quality: int) -> bytes:
    encoded = BytesIO()
    picture.save(encoded, "JPEG", quality=quality, optimize=True, progressive=True)
    return encoded.getvalue()

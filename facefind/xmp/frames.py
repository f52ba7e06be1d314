"""The picture that a region refers to: sizes, orientations, and areas as fractions of them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from facefind.geometry import iou_matrix
from facefind.types import Box, FloatArray

FACE = "Face"

_SAME_PLACE = 0.3
_COMPARABLE = 5.0
"""Boxes around one face, by different programs, are up to so many times larger than each other."""


@dataclass(frozen=True, slots=True)
class NamedRegion:
    """A name at a place: ``box`` in pixels of the upright photo."""

    name: str
    box: Box
    kind: str = FACE


class Area(NamedTuple):
    """A rectangle as fractions of a picture's width and height; (x, y) is its centre."""

    x: float
    y: float
    w: float
    h: float


class Frame(NamedTuple):
    """A photo's size, upright, in pixels, and the EXIF orientation (1..8) of its stored picture."""

    width: float
    height: float
    orientation: int

    @property
    def stored(self) -> tuple[float, float]:
        """Width and height of the picture as it is stored."""
        width, height, orientation = self
        return (height, width) if orientation >= 5 else (width, height)


# EXIF's eight orientations, as what makes the stored picture upright: first the axes are swapped
# or not, then x and y are mirrored or not.
_TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


def upright(area: Area, frame: Frame, orientation: int) -> Box:
    """An area as a box of the upright photo.

    Args:
        area: Of a picture that ``orientation`` makes upright.
        frame: Its size is used, not its orientation: some programs write upright areas.
        orientation: 1..8.
    """
    swapped, mirror_x, mirror_y = _TURNS[orientation]
    x, y, w, h = (area.y, area.x, area.h, area.w) if swapped else area
    x, y = (1 - x if mirror_x else x), (1 - y if mirror_y else y)
    return Box(
        (x - w / 2) * frame.width, (y - h / 2) * frame.height, w * frame.width, h * frame.height
    )


def stored(box: Box, frame: Frame, orientation: int) -> Area | None:
    """The way back, for the part of a box that lies inside the photo; None where none does."""
    left, right = max(box.x, 0) / frame.width, min(box.x + box.w, frame.width) / frame.width
    top, bottom = max(box.y, 0) / frame.height, min(box.y + box.h, frame.height) / frame.height
    if right <= left or bottom <= top:
        return None
    swapped, mirror_x, mirror_y = _TURNS[orientation]
    x, y, w, h = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
    x, y = (1 - x if mirror_x else x), (1 - y if mirror_y else y)
    return Area(y, x, h, w) if swapped else Area(x, y, w, h)


def sound(x: float | None, y: float | None, w: float | None, h: float | None) -> Area | None:
    """An area of some size whose centre lies in the picture; None for what makes no sense."""
    if x is None or y is None or w is None or h is None:
        return None
    inside = 0 <= x <= 1 and 0 <= y <= 1
    return Area(x, y, w, h) if inside and 0 < w <= 2 and 0 < h <= 2 else None


def from_corner(
    left: float | None, top: float | None, w: float | None, h: float | None
) -> Area | None:
    """As `sound`, for a rectangle given by its top left corner."""
    if left is None or top is None or w is None or h is None:
        return None
    return sound(left + w / 2, top + h / 2, w, h)


def same_shape(a: tuple[float, float], b: tuple[float, float], tolerance: float) -> bool:
    """Whether two sizes have the same ratio of width to height, but for ``tolerance``."""
    return abs(math.log(a[0] * b[1] / (a[1] * b[0]))) <= tolerance


def agreement(a: Sequence[Box], b: Sequence[Box]) -> FloatArray:
    """How well each box of ``a`` agrees with each of ``b``, (N, M): 0 where they mean two faces.

    Programs frame a face more or less generously, some with hair and neck. So two boxes mean one
    face where they overlap enough, or where each has the other's centre inside and their areas
    are comparable; the number is their intersection over union.
    """
    first, second = np.reshape(a, (-1, 1, 4)), np.reshape(b, (1, -1, 4))
    apart = abs(first[..., :2] + first[..., 2:] / 2 - second[..., :2] - second[..., 2:] / 2)
    centred = (apart <= np.minimum(first[..., 2:], second[..., 2:]) / 2).all(axis=-1)
    areas = first[..., 2:].prod(axis=-1), second[..., 2:].prod(axis=-1)
    comparable = np.maximum(*areas) <= _COMPARABLE * np.minimum(*areas)
    overlap = iou_matrix(a, b)
    return np.where((overlap >= _SAME_PLACE) | (centred & comparable), overlap, np.float32(0))


def same_place(a: Box, b: Box) -> bool:
    """Whether two boxes mean one face; see `agreement`."""
    return bool(agreement([a], [b])[0, 0] > 0)


def clean_name(name: str) -> str:
    """A name in one line: runs of blanks and control characters are one blank; NFC."""
    line = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in name)
    return unicodedata.normalize("NFC", " ".join(line.split()))

"""Faces seen in a picture of a photo that is smaller than the photo."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from facefind.geometry import scale_detection, shift_detection
from facefind.inference.protocols import PhotoPixels, Pictured
from facefind.types import Detection, Image

WIDE_ENOUGH = 40.0
"""Pixels of a face's shorter side from which on more of them are not worth a second decoding.

From there on at most one in a hundred pairs of photos of one person more is too far apart; at 32
pixels four, at 25 pixels fifteen (``scripts/evaluate scaled``).
"""

_DOUBLED_BELOW = 90.0
"""Pixels of the shorter side below which chips have more pixels than the face they are made of."""

_SURROUNDINGS = 1.0
"""Around a face, in its longer side, what an aligner may look at; beyond it would see black.

Of 1195 faces the furthest was looked at .84 beyond its box, half of them no further than .4.
"""


class WholePicture:
    """A picture in memory, as `facefind.inference.protocols.PhotoPixels`."""

    def __init__(self, image: Image) -> None:
        self._image = image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self._image.shape[1], self._image.shape[0]

    def at(self, _scale: float) -> Image:
        """The picture as it is."""
        return self._image


def image_scale(photo: PhotoPixels, image: Image) -> float:
    """Pixels of a picture of the photo per pixel of its own."""
    longer: int = max(image.shape[:2])
    return longer / max(photo.size)


def rescaled(
    faces: Sequence[Detection], image: Image, width: float, height: float
) -> list[Detection]:
    """Faces of a picture in another of this size that shows the same."""
    x, y = width / image.shape[1], height / image.shape[0]
    return [scale_detection(face, x, y) for face in faces]


def pictured(photo: PhotoPixels, image: Image, faces: Sequence[Detection]) -> Iterator[Pictured]:
    """What each face is cut from, narrow ones from as many pixels of the photo as there are.

    Where no face is narrow, nothing more is decoded. Surroundings are enlarged when a face is asked
    for: those of all faces of a crowd would fill the memory.

    Args:
        image: The photo as `PhotoPixels.at` gave it.
        faces: In its pixels.
    """
    larger = _larger(photo, image, faces)
    return (_source(photo, image, larger, face) for face in faces)


def _larger(photo: PhotoPixels, image: Image, faces: Sequence[Detection]) -> Image:
    """The photo in as many pixels as its narrow faces want."""
    scale = image_scale(photo, image)
    narrow = [min(face.box.w, face.box.h) for face in faces if _is_narrow(face)]
    if scale == 1 or not narrow:
        return image
    return photo.at(min(scale * WIDE_ENOUGH / min(narrow), 1.0))


def _is_narrow(face: Detection) -> bool:
    return min(face.box.w, face.box.h) < WIDE_ENOUGH


def _source(photo: PhotoPixels, image: Image, larger: Image, face: Detection) -> Pictured:
    if _is_narrow(face):
        (face,) = rescaled([face], image, *larger.shape[1::-1])
        image = larger
    return Pictured(image, face) if image_scale(photo, image) == 1 else from_fewer(image, face)


def from_fewer(image: Image, face: Detection) -> Pictured:
    """What a face is cut from that is in a picture with fewer pixels than its photo.

    Aligners enlarge by straight lines between pixels, which blurs. So the surroundings of a small
    face are doubled by a cubic kernel first, which keeps more of what there is.
    """
    box = face.box
    if min(box.w, box.h) >= _DOUBLED_BELOW:
        return Pictured(image, face)
    reach = _SURROUNDINGS * max(box.w, box.h)
    left, top = max(int(box.x - reach), 0), max(int(box.y - reach), 0)
    right, bottom = math.ceil(box.x + box.w + reach), math.ceil(box.y + box.h + reach)
    part = image[top:bottom, left:right]
    double = cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    inside = shift_detection(face, -left, -top)
    return Pictured(np.asarray(double, np.uint8), scale_detection(inside, 2, 2))

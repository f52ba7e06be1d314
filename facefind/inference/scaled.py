"""Faces seen in a picture of a photo that is smaller than the photo."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from facefind.geometry import scale_detection, shift_detection
from facefind.inference.protocols import PhotoPixels
from facefind.types import Detection, Image

WIDE_ENOUGH = 40.0
"""Pixels of a face's shorter side from which on more of them are not worth a second decoding.

From there on at most one in a hundred pairs of photos of one person more is too far apart; at 32
pixels four, at 25 pixels fifteen (``scripts/evaluate scaled``).
"""

_DOUBLED_BELOW = 90.0
"""Pixels of the shorter side below which chips have more pixels than the face they are made of."""

_SURROUNDINGS = 1.25
"""Around a face, in its longer side: all that an aligner looks at however the face is turned."""

Cut = Callable[[Image, Sequence[Detection]], list[Image]]


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


def cut(photo: PhotoPixels, image: Image, faces: Sequence[Detection], align: Cut) -> list[Image]:
    """The faces' chips, those of narrow ones from as many pixels of the photo as there are.

    Each chip depends on its own face alone. Where no face is narrow, nothing more is decoded.

    Args:
        image: The photo as `PhotoPixels.at` gave it.
        faces: In its pixels.
        align: Cuts chips out of a picture.
    """
    scale = image_scale(photo, image)
    if scale == 1:
        return align(image, faces)
    sides = [min(face.box.w, face.box.h) for face in faces]
    narrow = [i for i, side in enumerate(sides) if side < WIDE_ENOUGH]
    wide = [i for i, side in enumerate(sides) if side >= WIDE_ENOUGH]
    chips = dict(zip(wide, cut_from_fewer(image, [faces[i] for i in wide], align), strict=True))
    if narrow:
        wanted = scale * WIDE_ENOUGH / min(sides[i] for i in narrow)
        larger = photo.at(min(wanted, 1.0))
        in_larger = rescaled([faces[i] for i in narrow], image, *larger.shape[1::-1])
        is_whole = image_scale(photo, larger) == 1
        cut_now = align(larger, in_larger) if is_whole else cut_from_fewer(larger, in_larger, align)
        chips |= zip(narrow, cut_now, strict=True)
    return [chips[i] for i in range(len(faces))]


def cut_from_fewer(image: Image, faces: Sequence[Detection], align: Cut) -> list[Image]:
    """The chips of faces in a picture with fewer pixels than its photo.

    Aligners enlarge by straight lines between pixels, which blurs. So the surroundings of a small
    face are doubled by a cubic kernel first, which keeps more of what there is.
    """
    large = [i for i, face in enumerate(faces) if min(face.box.w, face.box.h) >= _DOUBLED_BELOW]
    chips = dict(zip(large, align(image, [faces[i] for i in large]), strict=True))
    for i, face in enumerate(faces):
        if i not in chips:
            (chips[i],) = align(*_doubled(image, face))
    return [chips[i] for i in range(len(faces))]


def _doubled(image: Image, face: Detection) -> tuple[Image, list[Detection]]:
    """The surroundings of a face at twice their size, and the face in them."""
    box, reach = face.box, _SURROUNDINGS * max(face.box.w, face.box.h)
    left, top = max(int(box.x - reach), 0), max(int(box.y - reach), 0)
    right, bottom = math.ceil(box.x + box.w + reach), math.ceil(box.y + box.h + reach)
    part = image[top:bottom, left:right]
    double = cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    inside = shift_detection(face, -left, -top)
    return np.asarray(double, np.uint8), [scale_detection(inside, 2, 2)]

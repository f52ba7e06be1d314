"""Faces seen in a picture of a photo that is smaller than the photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from facefind.geometry import scale_detection
from facefind.inference.protocols import PhotoPixels
from facefind.types import Detection, Image

WIDE_ENOUGH = 45.0
"""Pixels of a face's shorter side from which on more of them are not worth a second decoding.

From there on, pairs of photos are told apart as well but for half a percent of them; at 32 pixels
1.4 in a hundred pairs more are missed, at 25 pixels 5 (``scripts/evaluate scaled``).
"""

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
    sides = [min(face.box.w, face.box.h) for face in faces]
    narrow = [i for i, side in enumerate(sides) if side < WIDE_ENOUGH and scale < 1]
    wide = [i for i in range(len(faces)) if i not in narrow]
    chips = dict(zip(wide, align(image, [faces[i] for i in wide]), strict=True))
    if narrow:
        wanted = scale * WIDE_ENOUGH / min(sides[i] for i in narrow)
        larger = photo.at(min(wanted, 1.0))
        in_larger = rescaled([faces[i] for i in narrow], image, *larger.shape[1::-1])
        chips |= zip(narrow, align(larger, in_larger), strict=True)
    return [chips[i] for i in range(len(faces))]

"""Looks at a photo at several sizes with a network that has one range of face sizes.

For detectors whose network takes a picture of any size: each says how it looks at one picture, and
this says at which sizes, and puts together what was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facefind.geometry import nms, scale_detection, scaled
from facefind.inference.options import option
from facefind.types import Detection, Image

# Share of the photo's long side from which the second look counts; below it would add mistakes.
_CLOSE_UP = 0.1


@dataclass(frozen=True)
class LookSettings:
    """At which sizes a photo is looked at, and which faces count."""

    working_size: int = option(1024, 128, 8192, "long side in pixels that photos are scaled to")
    close_up_size: int = option(0, 0, 1024, "the same for a second look for large faces; 0: none")
    max_enlargement: float = option(2.0, 1.0, 16.0, "how far a small photo is scaled up")
    threshold: float = option(0.5, 0.1, 1.0, "score from which a face counts")
    nms: float = option(0.3, 0.0, 1.0, "overlap (IoU) from which two boxes are one face")


def detect_at_sizes(
    image: Image, settings: LookSettings, look: Callable[[Image, int], list[Detection]]
) -> list[Detection]:
    """The faces of a picture, best score first.

    Args:
        image: RGB uint8 (H, W, 3).
        settings: See `LookSettings`.
        look: The faces of a picture whose long side is at most the given number of pixels.
    """
    long_side = max(image.shape[:2])
    found = _look(image, settings.working_size, settings, look)
    largest = min(settings.working_size, long_side * settings.max_enlargement)
    if not 0 < settings.close_up_size < largest:
        return found
    found += [
        face
        for face in _look(image, settings.close_up_size, settings, look)
        if max(face.box.w, face.box.h) >= _CLOSE_UP * long_side
    ]
    boxes = np.array([face.box for face in found], np.float32).reshape(-1, 4)
    scores = np.array([face.score for face in found], np.float32)
    return [found[i] for i in nms(boxes, scores, settings.nms)]


def planes(image: Image, height: int, width: int) -> NDArray[np.float32]:
    """(1, 3, height, width) float32: a picture's colours, black on the right and below it."""
    blob = np.zeros((1, 3, height, width), np.float32)
    # One colour after the other takes half the time of all at once.
    for plane, colour in zip(blob[0], cv2.split(image), strict=True):
        plane[: image.shape[0], : image.shape[1]] = colour
    return blob


def _look(
    image: Image,
    size: int,
    settings: LookSettings,
    look: Callable[[Image, int], list[Detection]],
) -> list[Detection]:
    factor = min(size / max(image.shape[:2]), settings.max_enlargement)
    small = image if factor == 1 else scaled(image, factor)
    y, x = np.divide(image.shape[:2], small.shape[:2])
    return [scale_detection(face, x, y) for face in look(small, size)]

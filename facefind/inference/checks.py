"""What a back end's answers and errors are checked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from facefind.errors import InferenceError
from facefind.types import Detection


def is_sound(detection: Detection) -> bool:
    """Whether a detection is a box with an area, and all its numbers are finite."""
    box, points = detection.box, detection.landmarks
    finite = np.isfinite((*box, detection.score)).all()
    return bool(
        finite and box.w > 0 and box.h > 0 and (points is None or np.isfinite(points).all())
    )


@contextmanager
def opencv_errors() -> Iterator[None]:
    """Gives OpenCV's errors this program's name.

    Raises:
        InferenceError: OpenCV refused the picture.
    """
    try:
        yield
    except cv2.error as error:
        raise InferenceError(f"OpenCV refused the picture: {error}") from error

"""The article's detector: OpenCV's frontal face Haar cascade.

`haarcascade_frontalface_default.xml` comes with opencv-python-headless below version 5. With its
settings left alone this is the article's call, number for number: the grey picture at full size,
scaleFactor 1.05, minNeighbors 2, minSize (100, 100).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facefind.errors import InferenceError, SetupError
from facefind.geometry import grey
from facefind.inference.options import option
from facefind.types import Box, Detection, Image

CASCADE = "haarcascade_frontalface_default.xml"
WINDOW = 24
"""Side of the square that the cascade was trained on, in pixels: it sees nothing smaller."""


@dataclass(frozen=True, slots=True)
class HaarSettings:
    """What a user may change; the defaults are the article's."""

    scale_factor: float = option(1.05, 1.01, 2.0, "step between the face sizes looked for")
    min_neighbors: int = option(2, 0, 100, "overlapping hits that make a face; more is stricter")
    min_size: int = option(100, 1, 10_000, "smallest face, in pixels of the picture looked at")
    max_side: int = option(0, 0, 100_000, "shrink to this long side first; 0 looks at full size")


class HaarDetector:
    """Faces as squares, without landmarks; the score is 1.0, since a cascade gives none.

    Args:
        settings: See `HaarSettings`.
    """

    def __init__(self, settings: HaarSettings) -> None:
        self._settings = settings
        self._cascade: Any = None
        # A cascade keeps its image pyramid between calls, so two threads must not share it.
        self._lock = Lock()

    def detect(self, image: Image) -> list[Detection]:
        """The faces of an upright RGB picture (H, W, 3), from the top down.

        Raises:
            SetupError: This OpenCV has no cascades.
            InferenceError: OpenCV refused the picture.
        """
        scale = self._scale(image)
        if min(image.shape[:2]) * scale < max(self._settings.min_size, WINDOW):
            return []
        try:
            squares = self._squares(_shrink(grey(image), scale))
        except cv2.error as error:
            raise InferenceError(f"OpenCV's Haar cascade refused the picture: {error}") from error
        boxes = sorted((Box(*map(float, square / scale)) for square in squares), key=_reading_order)
        return [Detection(box, 1.0) for box in boxes]

    def _scale(self, image: Image) -> float:
        longest = max(image.shape[:2])
        limit = self._settings.max_side
        return limit / longest if 0 < limit < longest else 1.0

    def _squares(self, picture: NDArray[np.uint8]) -> NDArray[np.int32]:
        side = self._settings.min_size
        with self._lock:
            if self._cascade is None:
                self._cascade = load_cascade()
            found = self._cascade.detectMultiScale(
                picture,
                scaleFactor=self._settings.scale_factor,
                minNeighbors=self._settings.min_neighbors,
                minSize=(side, side),
            )
        return np.asarray(found, np.int32).reshape(-1, 4)


def load_cascade() -> Any:
    """The frontal face cascade that comes with OpenCV, a `cv2.CascadeClassifier`.

    Raises:
        SetupError: OpenCV has no cascade classifier, or its file is missing or unreadable.
    """
    hint = "Run: pip install --force-reinstall 'opencv-python-headless<5'"
    data = getattr(cv2, "data", None)
    if data is None or not hasattr(cv2, "CascadeClassifier"):
        raise SetupError(f"OpenCV {cv2.__version__} has no Haar cascades.", hint)
    path = Path(data.haarcascades) / CASCADE
    try:
        cascade = cv2.CascadeClassifier(str(path))
    except (cv2.error, SystemError) as error:
        raise SetupError(f"OpenCV cannot read its cascade {path}: {error}", hint) from error
    if cascade.empty():
        raise SetupError(f"OpenCV's cascade {path} is missing or damaged.", hint)
    return cascade


def _shrink(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1.0:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _reading_order(box: Box) -> tuple[float, float, float]:
    # The cascade's threads report in no fixed order.
    return box.y, box.x, box.w

"""Draws what a detector found, so that a user sees it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from facefind.types import Box, Detection, Image

_BLACK, _YELLOW, _CYAN = (0, 0, 0), (255, 221, 0), (0, 229, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 21
"""Pixels of a digit at font scale 1."""


def draw_faces(image: Image, detections: Sequence[Detection]) -> Image:
    """A copy of ``image`` with each face's box, landmarks and number, the first being 1.

    Every line has a dark rim, so that it shows on any background; its width follows the photo's
    size. Parts of a box beyond the photo's edge are not drawn.
    """
    canvas: Image = image.copy()
    width = max(2, round(max(image.shape[:2]) / 300))
    for detection in detections:
        _draw_box(canvas, detection.box, width)
        if detection.landmarks is not None:
            _draw_landmarks(canvas, detection, width)
    # Numbers last, on top of the boxes of their neighbours.
    for number, detection in enumerate(detections, start=1):
        _draw_number(canvas, detection.box, str(number), width)
    return canvas


def _draw_box(canvas: Image, box: Box, width: int) -> None:
    top_left = _point(canvas, box.x, box.y)
    bottom_right = _point(canvas, box.x + box.w, box.y + box.h)
    cv2.rectangle(canvas, top_left, bottom_right, _BLACK, width + 2 * max(1, width // 3))
    cv2.rectangle(canvas, top_left, bottom_right, _YELLOW, width)


def _draw_landmarks(canvas: Image, detection: Detection, width: int) -> None:
    assert detection.landmarks is not None
    radius = max(width, round(detection.box.w / 40))
    for x, y in detection.landmarks.tolist():
        centre = _point(canvas, x, y)
        cv2.circle(canvas, centre, radius + max(1, width // 2), _BLACK, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(canvas, centre, radius, _CYAN, cv2.FILLED, cv2.LINE_AA)


def _draw_number(canvas: Image, box: Box, text: str, width: int) -> None:
    """The number on a yellow label at the box's top left corner, moved into the photo."""
    height, breadth = canvas.shape[:2]
    digit = 6.0 * width
    scale, stroke, pad = digit / _FONT_HEIGHT, max(1, round(digit / 9)), round(digit / 3)
    (text_width, text_height), _ = cv2.getTextSize(text, _FONT, scale, stroke)
    x, y = _point(canvas, box.x, box.y)
    x = min(max(x, 0), max(0, breadth - text_width - 2 * pad))
    y = min(max(y - text_height - 2 * pad, 0), max(0, height - text_height - 2 * pad))
    corner = (x + text_width + 2 * pad, y + text_height + 2 * pad)
    cv2.rectangle(canvas, (x, y), corner, _YELLOW, cv2.FILLED)
    cv2.rectangle(canvas, (x, y), corner, _BLACK, max(1, width // 3))
    at = (x + pad, y + pad + text_height)
    cv2.putText(canvas, text, at, _FONT, scale, _BLACK, stroke, cv2.LINE_AA)


def _point(canvas: Image, x: float, y: float) -> tuple[int, int]:
    """Whole pixels; far outside the photo they are drawn no nearer, only kept within integers."""
    height, width = canvas.shape[:2]
    return (
        round(float(np.clip(x, -width, 2 * width))),
        round(float(np.clip(y, -height, 2 * height))),
    )

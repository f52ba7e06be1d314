"""YuNet: faces and five landmarks from a network of 230 kB without anchors.

Network: YuNet (MIT; Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023), the
file of May 2026 in OpenCV's model zoo. Input ``input`` (1, 3, H, W) float32, BGR 0..255, H and W
multiples of 32. Outputs, each for strides 8, 16 and 32 with the cells row by row: ``cls`` and
``obj`` (1, cells, 1), whose geometric mean is the score; ``bbox`` (1, cells, 4): x and y of the
centre from the cell's corner, logarithm of width and height; ``kps`` (1, cells, 10): x and y of
each landmark from the cell's corner; all in cells. The decode is that of ``cv2.FaceDetectorYN``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefind.geometry import nms
from facefind.inference.looks import LookSettings, detect_at_sizes, planes
from facefind.inference.options import option
from facefind.inference.protocols import Model
from facefind.types import Box, Detection, FloatArray, Image

_STRIDES = (8, 16, 32)
_MULTIPLE = 32


@dataclass(frozen=True)
class YuNetSettings(LookSettings):
    """What can be set.

    The defaults were chosen on 195 photos with 1 115 faces (``scripts/evaluate detection``). A
    threshold of 0.6 finds 6 in 100 more of the small, blurred faces and invents twice as many; the
    0.9 that OpenCV defaults to misses 20 in 100 of the clear ones.
    """

    close_up_size: int = option(320, 0, 1024, "size of a second look for large faces; 0: none")
    threshold: float = option(0.7, 0.1, 1.0, "score from which a face counts")


class YuNetDetector:
    """Finds faces of 10 to 300 pixels of the picture it looks at, so photos are looked at twice."""

    def __init__(self, model: Model, settings: YuNetSettings) -> None:
        self._model = model
        self._settings = settings

    def detect(self, image: Image) -> list[Detection]:
        """The faces of a picture, best score first."""
        return detect_at_sizes(image, self._settings, self._look)

    def _look(self, image: Image, _size: int) -> list[Detection]:
        height, width = (-(-side // _MULTIPLE) * _MULTIPLE for side in image.shape[:2])
        outputs = self._model.run({"input": planes(image[..., ::-1], height, width)})
        return decode(outputs, width, self._settings.threshold, self._settings.nms)


def decode(
    outputs: Sequence[NDArray[np.float32]], width: int, threshold: float, iou: float
) -> list[Detection]:
    """Detections, best first, in pixels of the network's input.

    Args:
        outputs: cls, obj, bbox and kps, each for the three strides, as the network gives them.
        width: Of the network's input, in pixels.
        threshold: What scores less is no face.
        iou: Boxes that overlap by more are one face.
    """
    cls, obj, bbox, kps = ([array[0] for array in outputs[i : i + 3]] for i in range(0, 12, 3))
    found = [
        _decode_stride(cls[i], obj[i], bbox[i], kps[i], stride, width, threshold)
        for i, stride in enumerate(_STRIDES)
    ]
    scores, boxes, landmarks = (np.concatenate(part) for part in zip(*found, strict=True))
    # As OpenCV does, overlaps are counted on boxes cut to whole pixels: with others, different ones
    # of two nearly equal boxes would survive.
    return [
        Detection(Box(*boxes[i].tolist()), float(scores[i]), landmarks[i])
        for i in nms(np.trunc(boxes), scores, iou)
    ]


def _decode_stride(
    cls: FloatArray,
    obj: FloatArray,
    bbox: FloatArray,
    kps: FloatArray,
    stride: int,
    width: int,
    threshold: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scores (N,), boxes (N, 4) and landmarks (N, 5, 2) of one stride's cells that show a face."""
    scores = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
    cells = np.flatnonzero(scores >= threshold)
    corner = np.stack((cells % (width // stride), cells // (width // stride)), axis=1)
    corner = corner.astype(np.float32)
    centre = (corner + bbox[cells, :2]) * stride
    size = np.exp(bbox[cells, 2:]) * stride
    boxes = np.concatenate((centre - size / 2, size), axis=1)
    landmarks = (corner[:, np.newaxis] + kps[cells].reshape(-1, 5, 2)) * stride
    return scores[cells], boxes, landmarks

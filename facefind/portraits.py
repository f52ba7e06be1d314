"""Portraits: the face asked about, found in a picture however it lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facefind import geometry, images
from facefind.errors import NoFaceInPortrait, PhotoError, UsageError
from facefind.inference.protocols import FaceFinder
from facefind.types import Box, Detection, Face, FloatArray, Image, Photo

PADDING = 0.5
"""Border, in parts of the longer side, put around a portrait that the face fills to the edge."""

TINY_PORTRAIT = 40
"""Longer side, in pixels, below which a picture cannot hold a face that could be told apart."""

PLAIN = 2.0
"""Standard deviation of the pixels, of 255, below which a picture shows nothing."""

SURE = 0.72
"""From this certainty (see `_Sight`) on, a portrait is taken to be upright. Of 123 upright ones (60
of LFW, 63 of the development albums) 98 % reach it, of turned ones 16 %."""

TURN_MARGIN = 0.05
"""By how much a turned view must be more certain to be believed. Of the same portraits every
upright one stays so, and of those turned by 90, 180 or 270 degrees 98 to 100 % end within an L2
distance of .3 of the upright one's embedding (three quarters or more of them upright)."""

VIEW_SIDE = 2048
"""Longer side, in pixels, to which a portrait is shrunk before it is padded or turned: what those
views can show is large, and a picture of many megapixels would take gigabytes."""

ENLARGEMENT = 2
SMALL_PORTRAIT = 1000
"""Longer side, in pixels, up to which enlarging a portrait can show a face and costs little."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """The face asked about, as found in one picture.

    Attributes:
        box: The chosen face, in pixels of the upright picture.
        faces: How many faces the picture shows.
        number: Which of them was chosen, counted from 1, left to right.
        how: What had to be done to see it ("turned 90 degrees", ...); empty for nothing.
        embedding: (D,) float32.
        quality: See `facefind.types.Quality`; None from pipelines that have no measure of it.
        animated: Only the first of the file's pictures was looked at.
    """

    path: Path
    box: Box
    faces: int
    number: int
    how: str
    embedding: FloatArray
    quality: float | None = None
    animated: bool = False


def _unchanged(box: Box) -> Box:
    return box


@dataclass(frozen=True, slots=True)
class _View:
    """A picture looked at differently, and how its boxes map back to the original."""

    image: Image
    how: str
    to_original: Callable[[Box], Box] = _unchanged


@dataclass(frozen=True, slots=True)
class _Sight:
    """What was seen in a view: its faces from left to right."""

    view: _View
    faces: Sequence[Face]

    @property
    def certainty(self) -> float:
        """That a face was seen upright: the best of score minus asymmetry; -1 without a face.

        A detector finds faces that lie on their side too, but places their landmarks badly; the
        score alone does not tell, the asymmetry of a badly aligned chip does.
        """
        return max((f.detection.score - (f.asymmetry or 0) for f in self.faces), default=-1.0)


@dataclass(frozen=True, slots=True)
class FailedPortrait:
    """A portrait that cannot be read or shows no face."""

    path: Path
    reason: str


def read_portraits(
    paths: Sequence[Path], finder: FaceFinder, face: int | None = None
) -> tuple[list[Portrait], list[FailedPortrait]]:
    """The portraits that can be used, and those that cannot with the reason.

    Raises:
        UsageError: As `read_portrait`.
    """
    portraits, failed = [], []
    for path in paths:
        try:
            portraits.append(read_portrait(path, finder, face))
        except (PhotoError, NoFaceInPortrait) as error:
            failed.append(FailedPortrait(path, str(error)))
    return portraits, failed


def read_portrait(path: Path, finder: FaceFinder, face: int | None = None) -> Portrait:
    """Finds the face asked about in a picture.

    Args:
        face: Which one, counted from 1 left to right; None takes the most prominent.

    Raises:
        PhotoError: The picture cannot be read.
        NoFaceInPortrait: It shows no face, not even turned or enlarged.
        UsageError: It has fewer than `face` faces.
    """
    photo = images.read_photo(path)
    sight = _look(photo.pixels, finder, upright=face is not None)
    if sight.faces:
        return replace(_choose(path, sight.view, sight.faces, face), animated=photo.info.animated)
    raise _no_face(path, photo)


def _no_face(path: Path, photo: Photo) -> NoFaceInPortrait:
    """What to say of a portrait in which nothing was found."""
    info = photo.info
    if max(info.width, info.height) < TINY_PORTRAIT:
        return NoFaceInPortrait(
            f"{path} has only {info.width} x {info.height} pixels, too few to know a face by.",
            "Use the picture itself rather than its thumbnail: a face needs about 60 pixels.",
        )
    if float(photo.pixels.std(axis=(0, 1)).max()) < PLAIN:
        return NoFaceInPortrait(
            f"{path} is all of one colour: there is nothing to see in it.",
            "Use another picture of this person.",
        )
    first = "the first picture of the animation " if info.animated else ""
    return NoFaceInPortrait(
        f"No face was found in {first}{path}, as it is, turned, or enlarged.",
        "Use a sharper picture that shows the face from the front.",
    )


def left_to_right(detections: Sequence[Detection]) -> list[Detection]:
    """Faces in the order in which people count them in a picture."""
    return sorted(detections, key=_from_left)


def _from_left(detection: Detection) -> tuple[float, float]:
    return detection.box.x, detection.box.y


def most_prominent(faces: Sequence[Face], image: Image) -> int:
    """Index of the face a portrait is of: the largest, the middle of the picture counting more."""
    height, width = image.shape[:2]

    def prominence(face: Face) -> float:
        box = face.detection.box
        off_x = abs(box.x + box.w / 2 - width / 2) / width
        off_y = abs(box.y + box.h / 2 - height / 2) / height
        return float(box.w * box.h * (1 - off_x) * (1 - off_y))

    return max(range(len(faces)), key=lambda index: prominence(faces[index]))


def _choose(path: Path, view: _View, faces: Sequence[Face], face: int | None) -> Portrait:
    if face is not None and not 1 <= face <= len(faces):
        raise UsageError(
            f"{path} shows {len(faces)} face{'s' * (len(faces) != 1)}, so --face {face} is none.",
            "facefind faces PHOTO writes a copy with the faces numbered.",
        )
    index = face - 1 if face is not None else most_prominent(faces, view.image)
    chosen = faces[index]
    box = view.to_original(chosen.detection.box)
    quality = chosen.quality.value if chosen.quality else None
    return Portrait(path, box, len(faces), index + 1, view.how, chosen.embedding, quality)


def _look(image: Image, finder: FaceFinder, upright: bool) -> _Sight:
    """The best view of a portrait: as it is, with a border, turned, or enlarged.

    Args:
        upright: Look no further once there is a face: the user has numbered the faces as they are.
    """

    def see(view: _View) -> _Sight:
        faces = finder.find_faces(view.image)
        return _Sight(view, sorted(faces, key=lambda face: _from_left(face.detection)))

    sight = see(_View(image, ""))
    if sight.certainty >= SURE or (upright and sight.faces):
        return sight
    factor = min(1.0, VIEW_SIDE / max(image.shape[:2]))
    small = geometry.scaled(image, factor) if factor < 1 else image
    if not sight.faces:
        sight = see(_of_scaled(_padded(small), factor))
    if sight.certainty < SURE:
        views = (see(_of_scaled(_turned(small, turns), factor)) for turns in (1, 3, 2))
        turned = max(views, key=lambda sight: sight.certainty)
        if turned.certainty > sight.certainty + TURN_MARGIN:
            sight = turned
    if not sight.faces and max(image.shape[:2]) <= SMALL_PORTRAIT:
        sight = see(_of_scaled(_View(geometry.scaled(image, ENLARGEMENT), "enlarged"), ENLARGEMENT))
    return sight


def _of_scaled(view: _View, factor: float) -> _View:
    """A view of a picture that was scaled before, with boxes mapped back to the original."""

    def to_original(box: Box) -> Box:
        return Box(*(value / factor for value in view.to_original(box)))

    return _View(view.image, view.how, to_original)


def _padded(image: Image) -> _View:
    border = round(PADDING * max(image.shape[:2]))
    padded = np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge")
    return _View(
        padded,
        "with a border around it",
        lambda box: Box(box.x - border, box.y - border, box.w, box.h),
    )


def _turned(image: Image, turns: int) -> _View:
    height, width = image.shape[:2]
    return _View(
        geometry.turn(image, turns),
        f"turned by {90 * turns} degrees",
        lambda box: geometry.unturn_box(box, turns, width, height),
    )

"""What a folder of portraits teaches: who can be known by which pictures, and what is wrong with
the others. Nothing is guessed: a picture that leaves a doubt about whom it shows teaches nobody.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facefind import images
from facefind.errors import NoFaceInPortrait, PhotoError, UsageError
from facefind.inference.protocols import FaceFinder
from facefind.inference.quality import HARDLY_KNOWN, LOW_QUALITY
from facefind.people.naming import checked_name, name_key
from facefind.portrait_folder import portrait_sets
from facefind.portraits import Portrait, read_portrait
from facefind.types import Face, Image

RIVAL = 0.4
"""Share of the chosen face's area from which on another face in the picture is as prominent."""

FAR_APART = 1.15
"""So many times a pipeline's threshold, and two portraits are of two people. Of dlib's, on Labeled
Faces in the Wild: one in a thousand pairs of one person is farther, of two people 98 in 100."""


class Pupil(NamedTuple):
    """Somebody to be learnt, and the pictures that are said to show them."""

    name: str
    pictures: tuple[Path, ...]


class Refused(NamedTuple):
    """A picture, a folder or a name that nobody is learnt by, and why."""

    about: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A portrait that somebody can be known by; sha256 of its file, in hexadecimal."""

    portrait: Portrait
    sha256: str


def find_pupils(folder: Path, names: Mapping[str, str]) -> tuple[list[Pupil], list[Refused]]:
    """The people of a portraits folder by name, and what cannot be used.

    Names that are one name as names are compared (see `name_key`) are one person.

    Args:
        names: What people are called of whom files and sub-folders have another name.

    Raises:
        UsageError: The folder is missing or holds no pictures.
    """
    sets, failed = portrait_sets(folder)
    refused = [_unread(failure.path, failure.reason) for failure in failed]
    refused += [Refused(str(empty), "it holds no pictures") for empty in _empty(folder)]
    pupils: dict[str, Pupil] = {}
    for one in sets:
        try:
            name = checked_name(names.get(name_key(one.name), one.name))
        except UsageError as error:
            refused.append(Refused(one.name, str(error)))
            continue
        before = pupils.get(name_key(name), Pupil(name, ()))
        pupils[name_key(name)] = before._replace(pictures=before.pictures + one.pictures)
    return list(pupils.values()), refused


def read_names(table: Path) -> dict[str, str]:
    """What people are called, from a CSV table of files (with or without extension) and names.

    Raises:
        UsageError: It is no such table.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{table} cannot be read as a table: {error}.") from error
    if not rows or any(len(row) < 2 for row in rows):
        raise UsageError(
            f"{table} is no table of files and names.",
            "Each line needs a file and a name, with a comma between: U012AB.jpg,Anna Berg",
        )
    names = {}
    for file_name, name, *_ in rows:
        given = file_name.strip()
        names[name_key(given)] = names[name_key(Path(given).stem)] = name
    return names


def _empty(folder: Path) -> list[Path]:
    """Sub-folders without anything in them that could be a picture's file."""
    below = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    return [
        path
        for path in below
        if not path.name.startswith(".") and not any(found.is_file() for found in path.rglob("*"))
    ]


class _Watch:
    """A finder that remembers what it has found."""

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self.found: list[Sequence[Face]] = []

    def find_faces(self, image: Image) -> list[Face]:
        """As the finder."""
        faces = self._finder.find_faces(image)
        self.found.append(faces)
        return faces

    def beside(self, portrait: Portrait) -> list[Face]:
        """The other faces of the view in which the portrait's face was found."""
        for faces in self.found:
            if any(face.embedding is portrait.embedding for face in faces):
                return [face for face in faces if face.embedding is not portrait.embedding]
        return []


def read_lesson(picture: Path, finder: FaceFinder) -> Lesson | Refused:
    """The portrait in a picture, where there is no doubt which face it is."""
    watch = _Watch(finder)
    try:
        portrait = read_portrait(picture, watch)
        lesson = Lesson(portrait, images.read_file(picture).sha256)
    except (PhotoError, NoFaceInPortrait) as error:
        return _unread(picture, str(error))
    rivals = [face for face in watch.beside(portrait) if _is_rival(face, watch, portrait)]
    if rivals:
        return Refused(
            str(picture),
            f"it shows {len(rivals) + 1} faces of about the same size. Crop it to one face, or "
            "use a sub-folder named after the person, with pictures of them alone",
        )
    if portrait.quality is not None and portrait.quality < HARDLY_KNOWN:
        return Refused(
            str(picture),
            "its face can hardly be told from others: it is small, blurred, turned away, or no "
            "photographed face at all. Use a sharper portrait",
        )
    return lesson


def _is_rival(face: Face, watch: _Watch, portrait: Portrait) -> bool:
    quality = face.quality.value if face.quality else 1.0
    # In the view's own pixels: the portrait's box is in those of the original.
    chosen = next(
        one for faces in watch.found for one in faces if one.embedding is portrait.embedding
    )
    return quality >= LOW_QUALITY and _area(face) >= RIVAL * _area(chosen)


def _area(face: Face) -> float:
    return face.detection.box.w * face.detection.box.h


def agreeing(lessons: Sequence[Lesson], farthest: float) -> tuple[list[Lesson], list[Refused]]:
    """The portraits of one person that show one person.

    Where they do not all agree, more than half of them must; the others are refused. Copies of a
    file count once.

    Args:
        farthest: L2 distance between unit embeddings beyond which two are of two people.
    """
    once = list({lesson.sha256: lesson for lesson in lessons}.values())
    apart = disagreeing([lesson.portrait for lesson in once], farthest)
    strange = {one.portrait for one in apart}
    return [one for one in once if one.portrait not in strange], [_disagrees(one) for one in apart]


class Disagreement(NamedTuple):
    """A portrait, and another said to be of the same person whom it does not seem to show."""

    portrait: Portrait
    other: Portrait
    distance: float


def disagreeing(portraits: Sequence[Portrait], farthest: float) -> list[Disagreement]:
    """The portraits that do not show the person whom more than half of them show; all of them where
    there is no such person.

    Args:
        farthest: As of `agreeing`.
    """
    apart = [pair for pair in combinations(portraits, 2) if _distance(*pair) > farthest]
    # Of a few portraits: leave out who disagrees with most, until all agree.
    left = list(portraits)
    found = []
    while quarrels := [pair for pair in apart if pair[0] in left and pair[1] in left]:
        worst = max(left, key=lambda one: sum(one in pair for pair in quarrels))
        other = next(b if a is worst else a for a, b in quarrels if worst in (a, b))
        left.remove(worst)
        found.append(Disagreement(worst, other, _distance(worst, other)))
    if found and len(left) <= len(found):
        for one in left:
            other = max(portraits, key=lambda two: _distance(one, two))
            found.append(Disagreement(one, other, _distance(one, other)))
    return found


def _disagrees(found: Disagreement) -> Refused:
    return Refused(
        str(found.portrait.path),
        f"it does not seem to show the person in {found.other.path} (distance "
        f"{found.distance:.2f}). Take the wrong one away",
    )


def _distance(one: Portrait, other: Portrait) -> float:
    a, b = one.embedding, other.embedding
    return float(np.linalg.norm(a / np.linalg.norm(a) - b / np.linalg.norm(b)))


def _unread(path: Path, reason: str) -> Refused:
    """The reason in the words of a list that begins with the path."""
    said = reason.removeprefix(f"{path}: ").replace(str(path), "it").rstrip(".")
    return Refused(str(path), said[:1].lower() + said[1:])

"""How well a pipeline tells the people of a folder apart: photos sorted by person in, figures out.

Each photo is asked for its most prominent face, every two photos are compared, and the shares of
right decisions are counted (see `facefind.metrics`). No database takes part.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from facefind import geometry, images
from facefind.errors import PhotoError, UsageError
from facefind.inference.protocols import FaceFinder
from facefind.metrics import (
    FEWEST_FALSE,
    Accuracy,
    EqualError,
    Floats,
    Indices,
    Pairs,
    accuracy_by_folds,
    all_pairs,
    equal_error,
    threshold_at_far,
)
from facefind.portraits import most_prominent
from facefind.resampling import Interval, bootstrap_tar
from facefind.types import Box, Face, Image

FARS = (0.01, 0.001)
"""Shares of strangers let through at which the share of mates recognised is told."""

SHOWN_OF_EACH = 5
"""Pairs of strangers, and of mates, among the worst ones."""

LAYOUT = "Give each person a folder named after them, with their photos in it: DIR/name/*.jpg."

Progress = Callable[[Iterable["LabelledPhoto"]], Iterable["LabelledPhoto"]]


class LabelledPhoto(NamedTuple):
    """A photo of which it is known whom it shows."""

    path: Path
    person: str


class Unused(NamedTuple):
    """A file or folder that could not be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """The photos of a folder, by person, before any is read.

    Attributes:
        photos: In the order of their paths.
        outside: Pictures that lie in no person's folder.
        unlisted: Files and folders that could not be looked into.
    """

    photos: tuple[LabelledPhoto, ...]
    outside: tuple[Path, ...]
    unlisted: tuple[Unused, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a pipeline sees in labelled photos.

    Attributes:
        photos: Those that were read.
        prominent: The most prominent face of each; None where it shows none.
        faces: How many faces they show together.
        seconds: For finding and embedding the faces of each; reading it is not counted.
        failed: Photos that could not be read.
        repeated: Files left out because they are copies of another photo of the same person.
    """

    photos: tuple[LabelledPhoto, ...]
    prominent: tuple[Face | None, ...]
    faces: int
    seconds: tuple[float, ...]
    failed: tuple[Unused, ...]
    repeated: tuple[Path, ...]

    @property
    def people(self) -> list[str]:
        """Whom each photo shows."""
        return [photo.person for photo in self.photos]

    @property
    def vectors(self) -> Floats:
        """(N, D) embeddings, a row of NaN for a photo without a face."""
        size = next((face.embedding.size for face in self.prominent if face), 1)
        nothing = np.full(size, np.nan, np.float32)
        rows = [face.embedding if face else nothing for face in self.prominent]
        return np.stack(rows) if rows else np.empty((0, size), np.float32)

    @property
    def people_with_face(self) -> set[str]:
        """Who shows a face in at least one photo."""
        return {name for name, face in zip(self.people, self.prominent, strict=True) if face}

    @property
    def without_face(self) -> list[Path]:
        """Photos in which no face was found."""
        seen = zip(self.photos, self.prominent, strict=True)
        return [photo.path for photo, face in seen if face is None]


class Limit(NamedTuple):
    """A distance, the share of strangers within it, and that of mates with its interval.

    The distance and the share of mates are None where there are too few pairs to say.
    """

    far: float
    distance: float | None
    tar: Interval | None


class Decided(NamedTuple):
    """What a given distance decides: the shares of mates and of strangers within it.

    That of strangers is None where they are too many to have been counted that far.
    """

    distance: float
    tar: float
    far: float | None


class BadPair(NamedTuple):
    """Two photos that the distance says the wrong thing of."""

    kind: Literal["strangers", "mates"]
    distance: float
    one: LabelledPhoto
    other: LabelledPhoto
    boxes: tuple[Box, Box]


@dataclass(frozen=True, slots=True)
class Report:
    """How well the people are told apart; what cannot be measured is None.

    Attributes:
        people: Who is shown by a photo that was read.
        mates, strangers: Pairs of photos of one person, and of two.
        limits: At each of `FARS`.
        smallest: At the smallest share of strangers that their number can show.
        own: At the pipeline's own threshold, if it has one.
        milliseconds: The median for a photo.
        worst: The nearest strangers, then the farthest mates; each photo at most once in each.
        comparable: At least two people have a photo that shows a face.
    """

    photos: int
    people: int
    mates: int
    strangers: int
    accuracy: Accuracy | None
    equal_error: EqualError | None
    limits: tuple[Limit, ...]
    smallest: Limit | None
    own: Decided | None
    milliseconds: float | None
    worst: tuple[BadPair, ...]
    comparable: bool

    @staticmethod
    def strangers_needed(far: float) -> int:
        """How many pairs of strangers it takes to measure a FAR."""
        return math.ceil(FEWEST_FALSE / far)


def find_labelled(folder: Path) -> Labelled:
    """The photos of a folder that holds one folder for each person.

    Raises:
        UsageError: It is no such folder, or holds photos of fewer than two people.
    """
    unlisted: list[Unused] = []
    photos: list[LabelledPhoto] = []
    outside: list[Path] = []

    def fail(path: Path, reason: str) -> None:
        unlisted.append(Unused(path, reason))

    # Each by a walk of its own: one file that is linked to from two folders belongs to both.
    for entry, path in images.discover_apart(folder, on_error=fail):
        if entry == path:
            outside.append(path)
        else:
            photos.append(LabelledPhoto(path, entry.name))
    people = sorted({photo.person for photo in photos})
    if not people:
        raise UsageError(f"{folder} has no photos in folders of people.", LAYOUT)
    if len(people) == 1:
        raise UsageError(
            f"All photos in {folder} are of one person, {people[0]}: there is nobody to be told "
            "apart from.",
            LAYOUT,
        )
    return Labelled(tuple(photos), tuple(outside), tuple(unlisted))


def look(photos: Sequence[LabelledPhoto], finder: FaceFinder, progress: Progress = iter) -> Seen:
    """Finds the faces of labelled photos.

    A photo that is there twice for one person counts once: it would be its own nearest mate. One
    that is there for two people is a mistake that the worst pairs show.
    """
    read: list[LabelledPhoto] = []
    prominent: list[Face | None] = []
    seconds: list[float] = []
    failed: list[Unused] = []
    repeated: list[Path] = []
    contents: set[tuple[str, str]] = set()
    count = 0
    for photo in progress(photos):
        try:
            content = images.read_file(photo.path)
            if (photo.person, content.sha256) in contents:
                repeated.append(photo.path)
                continue
            pixels = images.decode(content.data).pixels
            start = time.perf_counter()
            faces = finder.find_faces(pixels)
            taken = time.perf_counter() - start
        except PhotoError as error:
            failed.append(Unused(photo.path, str(error)))
            continue
        contents.add((photo.person, content.sha256))
        read.append(photo)
        prominent.append(faces[most_prominent(faces, pixels)] if faces else None)
        seconds.append(taken)
        count += len(faces)
    return Seen(
        tuple(read), tuple(prominent), count, tuple(seconds), tuple(failed), tuple(repeated)
    )


def judge(seen: Seen, threshold: float | None) -> Report:
    """Measures how well the distances between photos tell their people apart.

    Args:
        threshold: The pipeline's own, if it has one.
    """
    pairs = all_pairs(seen.vectors, seen.people)
    return Report(
        photos=len(seen.photos),
        people=len(set(seen.people)),
        mates=len(pairs.genuine),
        strangers=pairs.impostors,
        accuracy=accuracy_by_folds(pairs),
        equal_error=equal_error(pairs),
        limits=_limits(pairs, FARS),
        smallest=_smallest(pairs),
        own=_decided(pairs, threshold),
        milliseconds=1000 * float(np.median(seen.seconds)) if seen.seconds else None,
        worst=_worst(seen, pairs),
        comparable=len(seen.people_with_face) > 1,
    )


def draw_worst(report: Report) -> Image:
    """The worst pairs as one picture: strangers to the left, mates to the right, worst first.

    Raises:
        PhotoError: A photo cannot be read any more.
    """
    columns = []
    for kind, heading in (("strangers", "Nearest strangers"), ("mates", "Farthest mates")):
        pairs = [pair for pair in report.worst if pair.kind == kind]
        columns.append((heading, [_drawn(pair) for pair in pairs]))
    return images.draw_pairs(columns)


def _limits(pairs: Pairs, fars: Sequence[float]) -> tuple[Limit, ...]:
    intervals = bootstrap_tar(pairs, fars)
    distances = [threshold_at_far(pairs, far) for far in fars]
    return tuple(map(Limit, fars, distances, intervals))


def _smallest(pairs: Pairs) -> Limit | None:
    """At the smallest FAR that can be measured; None where even 1 in 2 cannot."""
    far = pairs.measurable_far
    return _limits(pairs, [far])[0] if far <= 0.5 else None


def _decided(pairs: Pairs, distance: float | None) -> Decided | None:
    if distance is None or not len(pairs.genuine) or not pairs.impostors:
        return None
    far = pairs.far(distance) if pairs.keeps_all_within(distance) else None
    return Decided(distance, pairs.tar(distance), far)


def _worst(seen: Seen, pairs: Pairs) -> tuple[BadPair, ...]:
    last = int(np.searchsorted(pairs.genuine, np.inf, "left"))
    nearest = _once_each(pairs.impostor, pairs.impostor_photos)
    farthest = _once_each(pairs.genuine[:last][::-1], pairs.genuine_photos[:last][::-1])
    return (
        *(_bad_pair("strangers", seen, *pair) for pair in nearest),
        *(_bad_pair("mates", seen, *pair) for pair in farthest),
    )


def _once_each(distances: Floats, photos: Indices) -> list[tuple[float, int, int]]:
    """The first few pairs, without a photo that an earlier one has: one bad photo, one pair."""
    chosen: list[tuple[float, int, int]] = []
    taken: set[int] = set()
    for distance, (one, other) in zip(distances, photos, strict=True):
        if len(chosen) == SHOWN_OF_EACH or not np.isfinite(distance):
            break
        if taken.isdisjoint((int(one), int(other))):
            taken |= {int(one), int(other)}
            chosen.append((float(distance), int(one), int(other)))
    return chosen


def _bad_pair(
    kind: Literal["strangers", "mates"], seen: Seen, distance: float, one: int, other: int
) -> BadPair:
    a, b = seen.prominent[one], seen.prominent[other]
    assert a is not None
    assert b is not None
    boxes = (a.detection.box, b.detection.box)
    return BadPair(kind, distance, seen.photos[one], seen.photos[other], boxes)


def _drawn(pair: BadPair) -> images.DrawnPair:
    faces = [
        _face(photo.path, box)
        for photo, box in zip((pair.one, pair.other), pair.boxes, strict=True)
    ]
    names = [(photo.person, photo.path.name) for photo in (pair.one, pair.other)]
    return images.DrawnPair(faces[0], faces[1], f"{pair.distance:.3f}", names[0], names[1])


def _face(path: Path, box: Box) -> Image:
    """The face with some of what is around it, square."""
    side = 1.5 * max(box.w, box.h)
    left, top = box.x + (box.w - side) / 2, box.y + (box.h - side) / 2
    return geometry.crop(images.read_photo(path).pixels, Box(left, top, side, side))

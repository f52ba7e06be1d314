"""Where a person falls into two, should they be two people taken for one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facefind.errors import UsageError
from facefind.grouping import Faces, GroupingSettings, group
from facefind.people.groups import kinds_of, settings_for
from facefind.store.records import Kind, Person, SeenFace, ToGroup
from facefind.types import Event

_FARTHEST = 2.0
"""L2 distance of opposite unit vectors."""

_STEPS = 12
"""Halvings: the distance is found to some thousandth."""

_COMPARED = 400
"""Faces that are told apart; of a person with more, the others go with the part they are nearer."""


class PartingStore(Protocol):
    """What it asks of the store; `facefind.store.repository.Repository` provides it."""

    def events(self) -> list[Event]:
        """All events."""

    def seen_faces(self, *, people: Collection[int]) -> list[SeenFace]:
        """Their faces."""

    def faces_to_group(self, kind: Kind, dimension: int) -> ToGroup:
        """The faces of one kind, and what is known of them."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A person's faces in the two parts that fit each other least.

    Attributes:
        stays: The part with the faces that a user has confirmed; without such the larger one.
        leaves: The other one.
    """

    stays: tuple[int, ...]
    leaves: tuple[int, ...]


def parts_of(store: PartingStore, person: Person) -> Parts:
    """The two parts; faces of another pipeline than most of theirs stay.

    Raises:
        UsageError: They have fewer than two faces that can be compared.
    """
    confirmed = [face.sighting for face in store.seen_faces(people=[person.id]) if face.confirmed]
    best: tuple[int, Faces, NDArray[np.int64], GroupingSettings] | None = None
    for kind, dimension in kinds_of(store.events()):
        settings = settings_for(kind)
        found = store.faces_to_group(kind, dimension)
        rows = np.flatnonzero(found.people == person.id)
        if settings is not None and len(rows) > (best[0] if best else 1):
            faces = _alone(found, rows, confirmed)
            best = len(rows), faces, found.sightings[rows], settings
    if best is None:
        raise UsageError(
            f"{person.title} has fewer than two faces that can be compared.",
            "facefind people show lists them; name those that are somebody else.",
        )
    _, faces, numbers, settings = best
    stays = two_parts(faces, settings)
    if stays.all():
        raise UsageError(
            f"All of {person.title}'s faces are confirmed, so none is somebody else's.",
            "Name the faces that are: facefind people split WHO FACE...",
        )
    return Parts(tuple(numbers[stays].tolist()), tuple(numbers[~stays].tolist()))


def two_parts(faces: Faces, settings: GroupingSettings) -> NDArray[np.bool_]:
    """Which faces stay when they are told apart as loosely as still tells two.

    The distance at which groups join grows until one step more would make them one.

    Args:
        faces: At least two; those with a seed stay together.
    """
    count = len(faces.vectors)
    if count <= _COMPARED:
        return _told_apart(faces, settings)
    spread = np.linspace(0, count - 1, _COMPARED).astype(np.intp)
    chosen = np.union1d(spread, np.flatnonzero(faces.seeds > 0)[:_COMPARED])
    sample = Faces(
        vectors=faces.vectors[chosen],
        photos=faces.photos[chosen],
        qualities=faces.qualities[chosen],
        seeds=faces.seeds[chosen],
    )
    stays = _told_apart(sample, settings)
    if stays.all():
        return np.ones(count, bool)
    # Of unit vectors: the larger product with the mean, the smaller the mean squared distance.
    means = [faces.vectors[chosen[part]].mean(axis=0) for part in (stays, ~stays)]
    nearer = faces.vectors @ means[0] >= faces.vectors @ means[1]
    nearer[chosen] = stays
    return np.asarray(nearer | (faces.seeds > 0))


def _told_apart(faces: Faces, settings: GroupingSettings) -> NDArray[np.bool_]:
    # Poor faces, too, are somebody's: here they link as any other.
    every = replace(settings, low_quality=0.0)
    faces = _in_their_span(faces)
    narrow, wide = 0.0, _FARTHEST / settings.lowest
    labels = group(faces, _scaled(every, wide))
    if labels.max() > 0:
        narrow = wide
    for _ in range(_STEPS):
        middle = (narrow + wide) / 2
        tried = group(faces, _scaled(every, middle))
        if tried.max() > 0:
            narrow, labels = middle, tried
        else:
            wide = middle
    seeded = labels[faces.seeds > 0]
    return np.asarray(labels == (seeded[0] if len(seeded) else 0))


def _scaled(settings: GroupingSettings, factor: float) -> GroupingSettings:
    names = ("join", "gain", "fall", "lowest")
    return replace(settings, **{name: factor * getattr(settings, name) for name in names})


def _in_their_span(faces: Faces) -> Faces:
    """The same faces, fewer than their vectors have numbers, with as many numbers as faces."""
    count, dimension = faces.vectors.shape
    if count >= dimension:
        return faces
    _, coordinates = np.linalg.qr(faces.vectors.T.astype(np.float64))
    return replace(faces, vectors=np.ascontiguousarray(coordinates.T, np.float32))


def _alone(found: ToGroup, rows: NDArray[np.intp], confirmed: Sequence[int]) -> Faces:
    """A person's faces without everybody else's."""
    together = np.isin(found.sightings[rows], list(confirmed))
    return Faces(
        vectors=found.vectors[rows],
        photos=found.photos[rows],
        qualities=found.qualities[rows],
        seeds=np.where(together, 1, 0).astype(np.int64),
    )

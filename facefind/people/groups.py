"""Grouping what the store holds: what is asked, and what the answer changes.

Grouping works on one kind of vectors at a time, over all events that have such. Its people keep
their numbers: a group takes over that of the person whose faces it has most of.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from facefind.errors import StoreError
from facefind.grouping import Faces, GroupingSettings, group, load_grouping
from facefind.people.looks import with_looks
from facefind.store.records import Grouping, Kind, ToGroup
from facefind.types import Event

FULL_UP_TO = 20_000
"""Faces up to which all are grouped anew each time, so that it never matters what came first."""

GROWTH = 1.1
"""Beyond, all are grouped anew when there are so many times the faces of the last time."""

FEWEST_PHOTOS = 2
"""A group that nobody decided about is a person from so many photos on; others are strangers."""

ATTEMPTS = 5
"""How often grouping starts again because something was decided meanwhile."""


class GroupStore(Protocol):
    """What grouping asks of the store; `facefind.store.repository.Repository` provides it."""

    def faces_to_group(self, kind: Kind, dimension: int) -> ToGroup:
        """The faces of one kind, and what is known of them."""

    def put_groups(
        self,
        kind: Kind,
        revision: int,
        assigned: Mapping[int, int],
        released: Collection[int],
        grouping: Grouping,
    ) -> dict[int, int] | None:
        """Stores groups; None where something was decided since the faces were read."""


@dataclass(frozen=True, slots=True)
class GroupReport:
    """What grouping found.

    Attributes:
        people: Who have faces of these kinds.
        new_people: Of them, those who were not there before.
        faces: In these people.
        strangers: Faces that are nobody's: seen in one photo, or too poor to be told apart.
        photos_without_people: Photos all of whose faces are strangers'.
        seconds: How long it took.
        full: All faces were grouped anew, not only new ones.
        grouped: Pipelines whose faces were grouped.
        ungrouped: Those whose faces cannot be.
    """

    people: int
    new_people: int
    faces: int
    strangers: int
    photos_without_people: int
    seconds: float
    full: bool
    grouped: tuple[str, ...]
    ungrouped: tuple[str, ...]


class Plan(NamedTuple):
    """What a grouping changes.

    Attributes:
        assigned: Face number -> person; negative numbers are new people.
        released: Faces that are nobody's any more.
        grouping: What the next one is to know.
        people: Everybody who has a face now, new ones by their negative numbers.
        grouped, strangers: How many faces are somebody's and nobody's.
        photos_without_people: How many photos have faces of strangers alone.
        full: All faces were grouped anew.
    """

    assigned: dict[int, int]
    released: list[int]
    grouping: Grouping
    people: frozenset[int]
    grouped: int
    strangers: int
    photos_without_people: int
    full: bool


def kinds_of(events: Iterable[Event]) -> list[tuple[Kind, int]]:
    """The kinds of vectors that these events have, with their dimension D, in a fixed order.

    Those of a pipeline that this facefind does not know are left out.
    """
    # Imported late: it brings the models' back-ends, which naming people does not need.
    from facefind.inference.pipeline import PIPELINES

    kinds = {Kind(event.pipeline, event.fingerprint) for event in events}
    known = sorted(kind for kind in kinds if kind.pipeline in PIPELINES)
    return [(kind, PIPELINES[kind.pipeline].dimension) for kind in known]


def settings_for(kind: Kind) -> GroupingSettings | None:
    """How faces of a kind are grouped; None where they cannot be."""
    from facefind.inference.pipeline import PIPELINES

    return load_grouping(kind.pipeline, PIPELINES[kind.pipeline].threshold)


def can_be_grouped(events: Iterable[Event]) -> bool:
    """Whether faces of any of these events can be."""
    return any(settings_for(kind) is not None for kind, _ in kinds_of(events))


def group_people(store: GroupStore, events: Sequence[Event], *, full: bool = False) -> GroupReport:
    """Groups all faces of the kinds that some events have, and stores what has changed.

    Args:
        full: All faces anew, however many there are.

    Raises:
        StoreError: The database failed, or others decide faster than this groups.
    """
    started = time.monotonic()
    plans: list[Plan] = []
    kinds = kinds_of(events)
    grouped: list[str] = []
    ungrouped = sorted({event.pipeline for event in events} - {kind.pipeline for kind, _ in kinds})
    people: set[int] = set()
    new = 0
    for kind, dimension in kinds:
        settings = settings_for(kind)
        if settings is None:
            ungrouped.append(kind.pipeline)
            continue
        grouped.append(kind.pipeline)
        plan, made = _group_kind(store, kind, dimension, settings, full)
        plans.append(plan)
        new += len(made)
        people |= {made.get(person, person) for person in plan.people}
    return GroupReport(
        people=len(people),
        new_people=new,
        faces=sum(plan.grouped for plan in plans),
        strangers=sum(plan.strangers for plan in plans),
        photos_without_people=sum(plan.photos_without_people for plan in plans),
        seconds=time.monotonic() - started,
        full=all(plan.full for plan in plans),
        grouped=tuple(dict.fromkeys(grouped)),
        ungrouped=tuple(dict.fromkeys(ungrouped)),
    )


def _group_kind(
    store: GroupStore, kind: Kind, dimension: int, settings: GroupingSettings, full: bool
) -> tuple[Plan, dict[int, int]]:
    """What was stored, and the numbers of new people by those of the plan."""
    for _ in range(ATTEMPTS):
        found = store.faces_to_group(kind, dimension)
        plan = planned(found, settings, full=full)
        made = store.put_groups(kind, found.revision, plan.assigned, plan.released, plan.grouping)
        if made is not None:
            return plan, made
    raise StoreError(
        "People were decided about again and again while their faces were grouped.",
        "Nothing is lost. Group them when the others are done: facefind people group",
    )


def planned(found: ToGroup, settings: GroupingSettings, *, full: bool = False) -> Plan:
    """Groups faces and tells what that changes.

    Args:
        full: All faces anew, however many there are.
    """
    count = len(found.sightings)
    last = found.last
    full = full or last is None or count <= FULL_UP_TO or count >= GROWTH * last.all_faces
    question, looks = with_looks(asked(found, anew=full), settings)
    labels = group(question, settings)
    seeds = np.array([looks.get(seed, seed) for seed in question.seeds.tolist()], np.int64)
    person = _people_of(found, seeds, labels)[labels[:count]]
    moved = person != found.people
    assigned, released = moved & (person != 0), moved & (person == 0)
    newest = int(found.faces.max(initial=0))
    there = np.unique(person[person != 0])
    return Plan(
        assigned=dict(
            zip(found.sightings[assigned].tolist(), person[assigned].tolist(), strict=True)
        ),
        released=found.sightings[released].tolist(),
        grouping=Grouping(count if full or last is None else last.all_faces, newest),
        people=frozenset(there.tolist()),
        grouped=int((person != 0).sum()),
        strangers=int((person == 0).sum()),
        photos_without_people=len(np.setdiff1d(found.photos, found.photos[person != 0])),
        full=full,
    )


def asked(found: ToGroup, *, anew: bool) -> Faces:
    """The faces as grouping takes them; portraits come after them, each in a photo of its own.

    Args:
        anew: Whether groups that there are may come apart.
    """
    portraits = found.portraits
    seeds = np.where(found.pinned, found.people, 0)
    rows = {int(sighting): row for row, sighting in enumerate(found.sightings)}
    rejected = [
        (rows[sighting], person)
        for sighting, person in found.rejections
        # Undoing decisions in another order can leave both said of a face; the rejection yields.
        if sighting in rows and seeds[rows[sighting]] != person
    ]
    vectors = [found.vectors, *(one.embedding[None] for one in portraits)]
    count = len(portraits)
    return Faces(
        vectors=np.concatenate(vectors).astype(np.float32, copy=False),
        photos=np.concatenate([found.photos, -1 - np.arange(count)]),
        qualities=_joined(found.qualities, [one.quality for one in portraits], np.float32),
        seeds=_joined(seeds, [one.person for one in portraits], np.int64),
        rejected=rejected,
        groups=None if anew else _joined(_groups_there(found), [0] * count, np.int64),
    )


def _groups_there(found: ToGroup) -> NDArray[np.int64]:
    """(N,) the group each face is in: people, lone strangers, and 0 for those not looked at."""
    first = int(found.people.max(initial=0)) + 1
    groups = np.where(found.people > 0, found.people, first + np.arange(len(found.people)))
    newest = found.last.newest_face if found.last else 0
    groups[(found.faces > newest) & (found.people == 0)] = 0
    return groups


def _people_of(
    found: ToGroup, seeds: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(G,) the person that each group is; 0 for strangers, negative numbers for new people."""
    own = labels[: len(found.sightings)]
    size = int(labels.max(initial=-1)) + 1
    person = np.zeros(size, np.int64)
    np.maximum.at(person, labels, seeds)
    undecided = (person == 0) & (_photos_of(found, own, size) >= FEWEST_PHOTOS)
    for label, heir in _heirs(found, own, undecided, frozenset(seeds.tolist())).items():
        person[label] = heir
    new = np.flatnonzero(undecided & (person == 0))
    # The largest first; of equal ones the one seen first.
    first = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(first, own, found.sightings)
    order = np.lexsort((first[new], -np.bincount(own, minlength=size)[new]))
    person[new[order]] = -1 - np.arange(len(new))
    return person


def _photos_of(found: ToGroup, labels: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """(G,) in how many different photos each group is."""
    _, photos = np.unique(found.photos, return_inverse=True)
    breadth = len(found.photos) + 1
    pairs = np.unique(labels * breadth + photos.reshape(-1))
    return np.bincount(pairs // breadth, minlength=size)


def _heirs(
    found: ToGroup,
    labels: NDArray[np.int64],
    undecided: NDArray[np.bool_],
    seeds: Collection[int],
) -> dict[int, int]:
    """Which groups are people of before: those whose faces they have most of, each one once.

    People without pinned faces can be taken over. Those with a name go first: a decision of whose
    faces nothing is pinned (undone, in part) is still somebody's.
    """
    rows = undecided[labels] & (found.people > 0)
    both = np.stack([labels[rows], found.people[rows]], axis=1)
    pairs, shared = np.unique(both, axis=0, return_counts=True)
    barred = _barred(found, labels)
    order = sorted(
        (person not in found.decided, -count, person, label)
        for (label, person), count in zip(pairs.tolist(), shared.tolist(), strict=True)
        if person not in seeds and (label, person) not in barred
    )
    heirs: dict[int, int] = {}
    given: set[int] = set()
    for _, _, person, label in order:
        if label not in heirs and person not in given:
            heirs[label] = person
            given.add(person)
    return heirs


def _barred(found: ToGroup, labels: NDArray[np.int64]) -> set[tuple[int, int]]:
    """Groups and people whom they cannot be: one of their faces is not that person."""
    if not found.rejections:
        return set()
    label_of = dict(zip(found.sightings.tolist(), labels.tolist(), strict=True))
    return {
        (label_of[sighting], person)
        for sighting, person in found.rejections
        if sighting in label_of
    }


def _joined(column: NDArray[Any], more: Sequence[float], form: type[Any]) -> NDArray[Any]:
    """A column with more values at its end."""
    return np.concatenate([column, np.array(more, form)]).astype(form)

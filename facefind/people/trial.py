"""Trying settings of grouping: who would be joined, who would come apart. Nothing is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from facefind.errors import UsageError
from facefind.grouping import GroupingSettings
from facefind.people.groups import kinds_of, planned, settings_for
from facefind.store.records import Kind, Person, SeenFace, ToGroup
from facefind.types import Event

_COLUMNS = ("sightings", "photos", "faces", "qualities", "people", "pinned", "vectors")


class TrialStore(Protocol):
    """What it asks of the store; `facefind.store.repository.Repository` provides it."""

    def people(self) -> list[Person]:
        """Everybody."""

    def seen_faces(self, *, events: Collection[int] | None = None) -> list[SeenFace]:
        """Faces in photos that are there."""

    def faces_to_group(self, kind: Kind, dimension: int) -> ToGroup:
        """The faces of one kind, and what is known of them."""


class Part(NamedTuple):
    """Some faces that are together: of whom, 0 for nobody and less for somebody new."""

    person: int
    title: str
    faces: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A person with the settings tried.

    Attributes:
        person: Their number; less than 0 for somebody new.
        title: What they are called.
        before, after: How many faces they have.
        from_whom: The faces that they would get, by whose they are.
        to_whom: Those that they would lose, by whose they would be.
    """

    person: int
    title: str
    before: int
    after: int
    from_whom: tuple[Part, ...]
    to_whom: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What other settings would change.

    Attributes:
        faces: How many were grouped.
        before, after: How many people they are.
        joined: People who would take in all or most of somebody else.
        split: People of whom somebody new, or else, would be made.
        changed: Others who would get or lose single faces.
        settings: By pipeline, those that were tried.
    """

    faces: int
    before: int
    after: int
    joined: tuple[Changed, ...]
    split: tuple[Changed, ...]
    changed: tuple[Changed, ...]
    settings: Mapping[str, GroupingSettings]


def try_settings(
    store: TrialStore,
    events: Sequence[Event],
    changes: Mapping[str, object],
    photos: int | None = None,
) -> Trial:
    """Groups with other settings, and with those in force, and compares.

    Both on the same faces, so that what differs is due to the settings alone. On all faces the
    settings in force give the people who are stored.

    Args:
        events: Whose faces.
        changes: Settings by name, see `facefind.grouping.GroupingSettings`.
        photos: Only so many photos, in the order in which they came.

    Raises:
        UsageError: A setting does not exist or makes no sense, or there is nothing to group.
    """
    titles = {person.id: (person.name is not None, person.title) for person in store.people()}
    here = store.seen_faces(events=[event.id for event in events])
    chosen = {face.sighting for face in here}
    if photos is not None:
        first = set(sorted({face.photo_id for face in here})[:photos])
        chosen = {face.sighting for face in here if face.photo_id in first}
    tried: dict[str, GroupingSettings] = {}
    pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for kind, dimension in kinds_of(events):
        settings = settings_for(kind)
        if settings is None:
            continue
        tried[kind.pipeline] = settings.with_settings(changes)
        found = store.faces_to_group(kind, dimension)
        some = _only(found, chosen)
        now, then = (_people(some, which) for which in (settings, tried[kind.pipeline]))
        pairs.append((now, then))
    if not sum(len(now) for now, _ in pairs):
        raise UsageError("There are no faces that could be grouped.")
    return _compared(pairs, titles, tried)


def _only(found: ToGroup, chosen: Collection[int]) -> ToGroup:
    rows = np.isin(found.sightings, list(chosen))
    return replace(found, last=None, **{name: getattr(found, name)[rows] for name in _COLUMNS})


def _people(found: ToGroup, settings: GroupingSettings) -> NDArray[np.int64]:
    """(N,) the person of each face, 0 for nobody, less for somebody new."""
    plan = planned(found, settings, full=True)
    gone = set(plan.released)
    return np.array(
        [
            plan.assigned.get(sighting, 0 if sighting in gone else person)
            for sighting, person in zip(
                found.sightings.tolist(), found.people.tolist(), strict=True
            )
        ],
        np.int64,
    )


def _compared(
    pairs: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    titles: Mapping[int, tuple[bool, str]],
    settings: Mapping[str, GroupingSettings],
) -> Trial:
    moves: dict[tuple[int, int], int] = defaultdict(int)
    for now, then in pairs:
        for before, after in zip(now.tolist(), _renumbered(now, then).tolist(), strict=True):
            moves[before, after] += 1
    people = {person for move in moves for person in move if person != 0}
    sizes = {
        person: (
            sum(n for (a, _), n in moves.items() if a == person),
            sum(n for (_, b), n in moves.items() if b == person),
        )
        for person in people
    }
    changed = [_changed(person, moves, sizes[person], titles) for person in people]
    changed = [one for one in changed if one.from_whom or one.to_whom]
    # Those with a name first, then those with most faces.
    changed.sort(
        key=lambda one: (not titles.get(one.person, (False, ""))[0], -one.before, one.person)
    )
    joined = [one for one in changed if _takes_in(one, sizes)]
    split = [one for one in changed if _falls_apart(one)]
    told = {one.person for one in (*joined, *split)}
    rest = [one for one in changed if one.before and one.person not in told and not _joins(one)]
    return Trial(
        faces=sum(moves.values()),
        before=sum(before > 0 for before, _ in sizes.values()),
        after=sum(after > 0 for _, after in sizes.values()),
        joined=tuple(joined),
        split=tuple(split),
        changed=tuple(rest),
        settings=settings,
    )


def _renumbered(now: NDArray[np.int64], then: NDArray[np.int64]) -> NDArray[np.int64]:
    """The people tried, those new in both ways by the number that they have now."""
    result: NDArray[np.int64] = then.copy()
    lowest = min(int(now.min(initial=0)), int(then.min(initial=0)))
    used: set[int] = set()
    for person in sorted(set(then[then < 0].tolist()), reverse=True):
        rows = then == person
        before, counts = np.unique(now[rows], return_counts=True)
        same = int(before[counts.argmax()])
        if same < 0 and same not in used:
            used.add(same)
            result[rows] = same
        else:
            lowest -= 1
            result[rows] = lowest
    return result


def _changed(
    person: int,
    moves: Mapping[tuple[int, int], int],
    sizes: tuple[int, int],
    titles: Mapping[int, tuple[bool, str]],
) -> Changed:
    got = [Part(a, _title(a, titles), n) for (a, b), n in moves.items() if a != b == person]
    lost = [Part(b, _title(b, titles), n) for (a, b), n in moves.items() if b != a == person]
    for parts in (got, lost):
        parts.sort(key=lambda part: (-part.faces, part.person))
    return Changed(person, _title(person, titles), *sizes, tuple(got), tuple(lost))


def _title(person: int, titles: Mapping[int, tuple[bool, str]]) -> str:
    if person == 0:
        return "nobody"
    return titles[person][1] if person in titles else "somebody new"


def _takes_in(one: Changed, sizes: Mapping[int, tuple[int, int]]) -> bool:
    """Whether most of somebody becomes theirs; somebody new needs two such to be a join."""
    most = [
        part
        for part in one.from_whom
        if part.person != 0 and 2 * part.faces >= sizes[part.person][0]
    ]
    is_new = one.before == 0 and one.person < 0
    return len(most) > is_new


def _falls_apart(one: Changed) -> bool:
    """Whether several people become of somebody, or most of them become nobody."""
    stays = one.before - sum(part.faces for part in one.to_whom)
    parts = [stays, *(part.faces for part in one.to_whom if part.person != 0)]
    nobody = sum(part.faces for part in one.to_whom if part.person == 0)
    return sum(faces > 1 for faces in parts) > 1 or 0 < one.before <= 2 * nobody


def _joins(one: Changed) -> bool:
    """Whether most of somebody becomes one other person's, where it is told."""
    return any(part.person != 0 and 2 * part.faces >= one.before for part in one.to_whom)

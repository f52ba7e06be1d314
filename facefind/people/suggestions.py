"""Suggestions: who may be one person, who a face of nobody may be, and which face may be wrong.

Grouping tells which people are nearest to being joined and which faces fit worst; how likely each
is, the calibration tells that search decides by. Of the first 50 suggestions on Labeled Faces in
the Wild 46 are right, of all 106 there 88; they find 71 of the 109 lone faces of people who are
there, and 8 of the 17 wrong ones.

What a user has decided against is suggested no more: a face that is not somebody, parts of a person
who was split.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from facefind.grouping import Faces, GroupingSettings, misfits, near_joins
from facefind.inference.quality import HARDLY_KNOWN
from facefind.matching import Calibration, Candidates, each_person_once, load_calibration, rescore
from facefind.people.apart import split_pairs
from facefind.people.groups import asked, kinds_of, settings_for
from facefind.search import COHORT
from facefind.store.records import Decision, Kind, Person, SeenFace, ToGroup
from facefind.types import Event, FloatArray

LIKELY = 0.25
"""Probability from which on a join is suggested: of 95 such there 80 are right."""

UNLIKELY = 0.35
"""Probability that a face is its person's, up to which it is suggested as wrong."""

LOOKED_AT = 400
"""Joins, and faces, that are judged: those nearest to it by grouping."""

MOST_PORTRAITS = 5
"""Faces of a person that count as so many portraits: the calibration was fitted with few."""

SHOWN = 3
"""Faces of a person that stand for them."""


class SuggestStore(Protocol):
    """What suggesting asks of the store; `facefind.store.repository.Repository` provides it."""

    def people(
        self, events: Collection[int] | None = None, people: Collection[int] | None = None
    ) -> list[Person]:
        """People, with how many photos show them."""

    def seen_faces(
        self,
        *,
        people: Collection[int] | None = None,
        sightings: Collection[int] | None = None,
        events: Collection[int] | None = None,
    ) -> list[SeenFace]:
        """Faces in photos that are there."""

    def faces_to_group(self, kind: Kind, dimension: int) -> ToGroup:
        """The faces of one kind, and what is known of them."""

    def decisions(self, limit: int | None = None) -> list[Decision]:
        """The log."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing to look at.

    Attributes:
        kind: "same": the two people are one; "face": a face of nobody is this person; "wrong": a
            face of this person is not.
        person, other: Whom it is about; there is no other but for "same".
        faces: Some of the person's.
        other_faces: Some of the other's, or the face in question.
        probability: That it is right; None from pipelines that cannot tell.
        gain: By how many photos it would improve an album.
        command, contrary: What to type if it is right, and if it is not.
    """

    kind: Literal["same", "face", "wrong"]
    person: Person
    other: Person | None
    faces: tuple[SeenFace, ...]
    other_faces: tuple[SeenFace, ...]
    probability: float | None
    gain: int
    command: str
    contrary: str


@dataclass(frozen=True, slots=True)
class _Hint:
    """A suggestion in numbers: people or faces, and how likely it is right.

    Attributes:
        known: The calibration says so.
        sure: As surely as `--strict` asks for.
    """

    kind: Literal["same", "face", "wrong"]
    person: int
    other: int
    probability: float
    known: bool
    sure: bool = False


def suggest(store: SuggestStore, events: Sequence[Event], limit: int) -> list[Suggestion]:
    """What would improve the albums most, first.

    Args:
        events: Only people and faces that these show.
        limit: How many, at most.
    """
    hints: dict[tuple[str, int, int], _Hint] = {}
    for kind, dimension in kinds_of(events):
        settings = settings_for(kind)
        found = store.faces_to_group(kind, dimension)
        if settings is None or not len(found.sightings):
            continue
        for hint in _Looked(found, settings, load_calibration(kind.pipeline)).hints():
            key = hint.kind, hint.person, hint.other
            if key not in hints or hints[key].probability < hint.probability:
                hints[key] = hint
    people = {person.id: person for person in store.people()}
    here = store.seen_faces(events=[event.id for event in events])
    chosen = _ranked(hints.values(), people, here, split_pairs(store.decisions()))[:limit]
    return _told(store, chosen, people)


def _ranked(
    hints: Iterable[_Hint],
    people: Mapping[int, Person],
    here: Sequence[SeenFace],
    split: Collection[frozenset[int]],
) -> list[tuple[_Hint, int]]:
    """Those that are worth telling, with their gain: the greatest expected gain first.

    Who may be several people is suggested for the likeliest alone.
    """
    faces = {face.sighting: face for face in here}
    shown = {face.person for face in here}
    ranked = []
    told: set[tuple[str, int]] = set()
    for hint in sorted(hints, key=lambda one: (-one.probability, one.person, one.other)):
        person, other = people.get(hint.person), people.get(hint.other)
        gain, about = 1, ("face", hint.other)
        if person is None:
            continue
        if hint.kind == "same":
            if other is None or not _is_worth(person, other, hint, split):
                continue
            if not {person.id, other.id} & shown:
                continue
            gain = max(min(person.photos, other.photos), 1)
            about = ("person", _who_stays(person, other)[1].id)
        elif person.hidden or hint.other not in faces or faces[hint.other].confirmed:
            continue
        if about not in told:
            told.add(about)
            ranked.append((hint, gain))
    return sorted(
        ranked, key=lambda one: (-one[1] * one[0].probability, one[0].person, one[0].other)
    )


def _is_worth(one: Person, other: Person, hint: _Hint, split: Collection[frozenset[int]]) -> bool:
    """Whether two people may be one for all that a user has said; two names are two people."""
    named = one.name is not None and other.name is not None
    apart = frozenset((one.id, other.id)) in split or (named and not hint.sure)
    return not apart and not (one.hidden and other.hidden)


# --- judging one kind of faces -------------------------------------------------------------------


class _Looked:
    """The faces of one kind as people, and what grouping and the calibration say of them."""

    def __init__(
        self, found: ToGroup, settings: GroupingSettings, calibration: Calibration | None
    ) -> None:
        self._settings, self._calibration = settings, calibration
        self._sightings = found.sightings
        faces = asked(found, anew=True)
        count = len(found.sightings)
        portraits = [one.person for one in found.portraits]
        self._people = np.concatenate([found.people, np.array(portraits, np.int64)])
        alone = -1 - np.arange(len(self._people))
        keys = np.where(self._people > 0, self._people, alone)
        self._groups, labels = np.unique(keys, return_inverse=True)
        self._labels: NDArray[np.int64] = labels.reshape(-1).astype(np.int64)
        rows = {int(sighting): row for row, sighting in enumerate(found.sightings)}
        # Here everybody counts as decided, so that every rejection keeps apart.
        rejected = [
            (rows[sighting], person)
            for sighting, person in found.rejections
            if sighting in rows and found.people[rows[sighting]] != person
        ]
        self._faces: Faces = replace(faces, seeds=self._people, rejected=rejected)
        self._real = np.arange(len(self._people)) < count

    def hints(self) -> list[_Hint]:
        """Everything that is likely enough."""
        return [*self._joins(), *self._wrong()]

    def _joins(self) -> Iterable[_Hint]:
        near = near_joins(self._faces, self._labels, self._settings, LOOKED_AT, decided=True)
        for a, b, gap in near:
            # People have the greater numbers; a lone face is below zero.
            other, person = sorted((int(self._groups[a]), int(self._groups[b])))
            probability = self._joined(a, b, gap)
            if probability < LIKELY:
                continue
            known = self._calibration is not None
            if other > 0:
                sure = self._calibration is not None and probability >= self._calibration.strict
                yield _Hint("same", other, person, probability, known, sure)
            elif self._faces.qualities[-1 - other] >= HARDLY_KNOWN:
                face = int(self._sightings[-1 - other])
                yield _Hint("face", person, face, probability, known)

    def _joined(self, a: int, b: int, gap: float) -> float:
        """How likely two groups are one person: the mean of both asking for the other."""
        one, other = self._good(self._labels == a), self._good(self._labels == b)
        if not len(one) or not len(other):
            return 0.0
        if self._calibration is None:
            return _by_gap(gap / self._settings.join)
        there, back = self._asked(one, other), self._asked(other, one)
        return (float(there.mean()) + float(back.mean())) / 2

    def _wrong(self) -> Iterable[_Hint]:
        if self._calibration is None:
            return
        for row, label, _ in misfits(self._faces, self._labels, self._settings, LOOKED_AT):
            person = int(self._groups[label])
            others = self._good(self._labels == label)
            others = others[others != row]
            if person <= 0 or not self._real[row] or len(others) < 2:
                continue
            probability = float(self._asked(others, np.array([row]))[0])
            if probability < UNLIKELY:
                face = int(self._sightings[row])
                yield _Hint("wrong", person, face, 1 - probability, known=True)

    def _good(self, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.flatnonzero(chosen & (self._faces.qualities >= HARDLY_KNOWN))

    def _asked(self, probe: NDArray[np.intp], candidates: NDArray[np.intp]) -> FloatArray:
        """How likely each candidate is the person of the probe's faces."""
        assert self._calibration is not None
        vectors = self._faces.vectors
        mean = vectors[probe].mean(axis=0)
        return rescore(
            mean / np.linalg.norm(mean),
            Candidates(vectors[candidates], self._faces.photos[candidates]),
            self._cohort,
            faces_in_scope=len(vectors),
            portraits=min(len(probe), MOST_PORTRAITS),
            calibration=self._calibration,
        )

    @cached_property
    def _cohort(self) -> FloatArray:
        """Strangers to judge by: faces spread over all, each person once."""
        assert self._calibration is not None
        good = self._good(self._real)
        spread = good[:: max(len(good) // COHORT, 1)][:COHORT]
        return each_person_once(self._faces.vectors[spread], self._calibration.floor)


def _by_gap(gap: float) -> float:
    """About how likely two groups are one person that missed joining by a share of the distance.

    A line through what Labeled Faces in the Wild gives for dlib, to rank by: 8 in 10 of the nearest
    pairs are right, hardly any beyond an eighth.
    """
    return max(0.9 - 9 * max(gap, 0.0), 0.0)


# --- telling it ----------------------------------------------------------------------------------


def _told(
    store: SuggestStore, chosen: Sequence[tuple[_Hint, int]], people: Mapping[int, Person]
) -> list[Suggestion]:
    about = {hint.person for hint, _ in chosen}
    about |= {hint.other for hint, _ in chosen if hint.kind == "same"}
    faces: dict[int, list[SeenFace]] = defaultdict(list)
    for face in store.seen_faces(people=about):
        if face.person is not None:
            faces[face.person].append(face)
    numbers = [hint.other for hint, _ in chosen if hint.kind != "same"]
    single = {face.sighting: face for face in store.seen_faces(sightings=numbers)}
    return [_suggestion(hint, gain, people, faces, single) for hint, gain in chosen]


def _suggestion(
    hint: _Hint,
    gain: int,
    people: Mapping[int, Person],
    faces: Mapping[int, Sequence[SeenFace]],
    single: Mapping[int, SeenFace],
) -> Suggestion:
    probability = hint.probability if hint.known else None
    person = people[hint.person]
    if hint.kind == "same":
        first, second = _who_stays(person, people[hint.other])
        shown = _best(first, faces.get(first.id, ())), _best(second, faces.get(second.id, ()))
        return Suggestion(
            "same", first, second, *shown, probability, gain, *_merge(first, second, *shown)
        )
    question = single[hint.other]
    own = [face for face in faces.get(person.id, ()) if face.sighting != question.sighting]
    is_theirs = f"facefind people confirm {question.sighting} {person.id}"
    is_not = f"facefind people reject {question.sighting} {person.id}"
    commands = (is_theirs, is_not) if hint.kind == "face" else (is_not, is_theirs)
    return Suggestion(
        hint.kind, person, None, _best(person, own), (question,), probability, gain, *commands
    )


def _who_stays(one: Person, other: Person) -> tuple[Person, Person]:
    """The named one first, then who is in more photos."""
    first, second = sorted((one, other), key=lambda p: (p.name is None, -p.photos, p.id))
    return first, second


def _merge(
    first: Person, second: Person, of_first: Sequence[SeenFace], of_second: Sequence[SeenFace]
) -> tuple[str, str]:
    """What makes two people one, and what keeps them apart for good."""
    name = f" --name {shlex.quote(first.name)}" if first.name and second.name else ""
    merge = f"facefind people merge {first.id} {second.id}{name}"
    if of_second:
        return merge, f"facefind people reject {of_second[0].sighting} {first.id}"
    # Somebody who is in no photo yet is known by portraits alone.
    return merge, f"facefind people reject {of_first[0].sighting} {second.id}" if of_first else ""


def _best(person: Person, faces: Sequence[SeenFace]) -> tuple[SeenFace, ...]:
    """The faces that stand for somebody: their cover, then the clearest."""
    order = sorted(faces, key=lambda f: (f.sighting != person.cover, -(f.quality or 0), f.sighting))
    return tuple(order[:SHOWN])

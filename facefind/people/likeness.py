"""Whom portraits fit: which faces are which pupil's, and which people.

It is asked twice. As a search does: which faces are the pupil's, each being its likeliest pupil's;
who is matched in half of their faces is the pupil. And as grouping does: whether all faces of a
person and the portraits are near enough to join. Of 233 people that grouping found
in Labeled Faces in the Wild, one portrait each of 1782 people names 208 in this way, none of them
wrongly; search alone names 195.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from facefind.errors import StoreError
from facefind.grouping import Faces, GroupingSettings, near_joins
from facefind.inference.pipeline import Pipeline
from facefind.inference.quality import HARDLY_KNOWN
from facefind.matching import Calibration
from facefind.people.enrolling import Enrolment, Note, few_fit
from facefind.people.groups import asked
from facefind.people.lessons import Lesson
from facefind.people.naming import name_key
from facefind.portraits import Portrait
from facefind.search import Gallery, Reach, combine, likeliest_first
from facefind.store.records import Kind, Membership, Person, SeenFace, ToGroup
from facefind.types import Event, Match

MOST = 0.5
"""Share of somebody's faces from which on the pupil who is matched in them is that person."""

NOTABLE = 0.2
"""Share from which on it is told that some faces of a person look like a pupil."""

FEW = 2
"""Faces up to which nothing follows from a portrait that does not match them."""


class FitStore(Protocol):
    """What this asks of the store; `facefind.store.repository.Repository` provides it."""

    def people(self) -> list[Person]:
        """Everybody."""

    def seen_faces(
        self, *, people: Collection[int] | None = None, events: Collection[int] | None = None
    ) -> list[SeenFace]:
        """Faces of people in photos that are there."""

    def faces_to_group(self, kind: Kind, dimension: int) -> ToGroup:
        """The faces of one kind, and what is known of them."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One kind of vectors: how it looks at portraits, and the faces it has."""

    kind: Kind
    events: Sequence[Event]
    finder: Pipeline
    calibration: Calibration | None
    gallery: Gallery
    reach: Reach
    settings: GroupingSettings

    @property
    def threshold(self) -> float:
        """L2 distance up to which two faces count as one person."""
        return self.finder.spec.threshold or self.reach.max_distance or 0.0


Taught = dict[str, dict[Kind, list[Lesson]]]
"""By name, the portraits of each kind of vectors; never none at all."""


def portraits(lessons: Sequence[Lesson]) -> list[Portrait]:
    """What they were learnt from."""
    return [lesson.portrait for lesson in lessons]


class Fit:
    """Which faces are which pupil's, and which people.

    Attributes:
        taken_for: Each face that was looked at, and whom it was taken for then.
    """

    def __init__(self, store: FitStore, taught: Taught, views: Sequence[View]) -> None:
        self._taught = taught
        found = _claims(taught, views)
        self._claims = {face: name for face, (name, _) in found.items()}
        nearest = _nearest(store, taught, views)
        keys = {name_key(name): name for name in taught}
        self._called = {
            keys[name_key(person.name)]: person.id
            for person in store.people()
            if person.name is not None and name_key(person.name) in keys
        }
        people = {match.person for _, match in found.values() if match.person is not None}
        asked = people | set(self._called.values()) | nearest.keys()
        faces = store.seen_faces(
            people=asked, events=[event.id for view in views for event in view.events]
        )
        self._faces: dict[int, list[int]] = defaultdict(list)
        for face in faces:
            if face.person is not None and (face.quality is None or face.quality >= HARDLY_KNOWN):
                self._faces[face.person].append(face.sighting)
        self.taken_for = {face: match.person for face, (_, match) in found.items()}
        self.taken_for |= {face.sighting: face.person for face in faces}
        self._owners = {person: self._owner(person, nearest) for person in self._faces}

    def enrolment(
        self,
        name: str,
        known: Sequence[tuple[int, str, str]],
        apart: Collection[frozenset[int]],
    ) -> Enrolment:
        """A pupil, and whom the portraits fit; see there for the arguments."""
        portraits = [(kind, one) for kind, some in self._taught[name].items() for one in some]
        pictures = {lesson.sha256 for _, lesson in portraits}
        claimed = [face for face, claimer in self._claims.items() if claimer == name]
        return Enrolment(
            name,
            tuple(portraits),
            people=tuple(sorted(p for p, owner in self._owners.items() if owner == name)),
            lone=tuple(sorted(face for face in claimed if self.taken_for[face] is None)),
            known=tuple(sorted({person for person, sha256, _ in known if sha256 in pictures})),
            apart=apart,
            doubt=self._doubt(name),
            notes=self._notes(name),
        )

    def require_unchanged(self, now: Sequence[Membership]) -> None:
        """Refuses to go on where faces have changed hands since they were looked at."""
        if {one.sighting: one.person for one in now} != self.taken_for:
            raise StoreError(
                "Faces were grouped, decided about or forgotten while the portraits were looked "
                "at.",
                "Nothing was changed. Run the command again.",
            )

    def _votes(self, person: int) -> Counter[str]:
        """Of a person's faces, how many are matched by each pupil."""
        return Counter(
            self._claims[face] for face in self._faces.get(person, ()) if face in self._claims
        )

    def _owner(self, person: int, nearest: Mapping[int, str]) -> str | None:
        votes = self._votes(person)
        ranks = votes.most_common(2)
        most = ranks[0][1] if ranks else 0
        tied = len(ranks) > 1 and ranks[1][1] == most
        if most and not tied and most >= MOST * len(self._faces[person]):
            return ranks[0][0]
        near = nearest.get(person)
        return near if near is not None and votes[near] == most else None

    def _doubt(self, name: str) -> str:
        """Whether somebody of this name looks different."""
        person = self._called.get(name)
        if person is None or self._owners.get(person) == name:
            return ""
        matched, looked = self._votes(person)[name], len(self._faces.get(person, ()))
        few = looked > FEW and matched < NOTABLE * looked
        return few_fit(name, matched, looked) if few else ""

    def _notes(self, name: str) -> tuple[Note, ...]:
        notes = []
        for person, faces in sorted(self._faces.items()):
            matched = self._votes(person)[name]
            if (
                self._owners[person] != name
                and self._called.get(name) != person
                and matched > 1
                and matched >= NOTABLE * len(faces)
            ):
                said = f"{matched} of {len(faces)} faces of person {person} look like {name}"
                notes.append(Note(person, said))
        return tuple(notes)


def _claims(taught: Taught, views: Sequence[View]) -> dict[int, tuple[str, Match]]:
    """The pupil that each matched face is likeliest to be.

    In one photo a pupil has one face, unless another is all but the same: the next may be somebody
    else's, such as a sister's beside them.
    """
    found = [
        (match, name, view.gallery.twice)
        for name, lessons in taught.items()
        for view in views
        if view.kind in lessons
        for match in view.gallery.faces(combine(portraits(lessons[view.kind])), view.reach)
    ]
    claims: dict[int, tuple[str, Match]] = {}
    shown: set[tuple[str, int]] = set()
    for match, name, twice in sorted(found, key=lambda claim: likeliest_first(claim[0])):
        again = (name, match.photo_id) in shown and match.distance > twice
        if match.sighting is None or match.sighting in claims or again:
            continue
        claims[match.sighting] = (name, match)
        shown.add((name, match.photo_id))
    return claims


def _nearest(store: FitStore, taught: Taught, views: Sequence[View]) -> dict[int, str]:
    """By person, the pupil whose portraits grouping would join them to; the nearest of several."""
    best: dict[int, tuple[float, str]] = {}
    for view in views:
        found = store.faces_to_group(view.kind, view.finder.spec.dimension)
        for person, gap, name in _joining(found, taught, view):
            # Gaps of two pipelines compare by what they are of their thresholds.
            best[person] = min(best.get(person, (0.0, "")), (gap / view.threshold, name))
    return {person: name for person, (_, name) in best.items()}


def _joining(found: ToGroup, taught: Taught, view: View) -> list[tuple[int, float, str]]:
    """Person, gap and pupil, wherever grouping would make one of the two."""
    names = [name for name in taught if view.kind in taught[name]]
    portraits = [(one.portrait, row) for row, n in enumerate(names) for one in taught[n][view.kind]]
    if not portraits or not len(found.sightings):
        return []
    faces = asked(replace(found, portraits=()), anew=True)
    count = len(portraits)
    every = Faces(
        np.concatenate([faces.vectors, [one.embedding for one, _ in portraits]]).astype(np.float32),
        np.concatenate([faces.photos, -1 - np.arange(count)]),
        np.concatenate([faces.qualities, np.ones(count, np.float32)]),
        np.concatenate([faces.seeds, np.zeros(count, np.int64)]),
        faces.rejected,
    )
    # People by their numbers, lone faces and pupils each by one of their own below.
    lone = -1 - np.arange(len(found.people))
    pupils = -1 - len(found.people) - np.array([row for _, row in portraits])
    keys = np.concatenate([np.where(found.people > 0, found.people, lone), pupils])
    groups, labels = np.unique(keys, return_inverse=True)
    near = near_joins(every, labels.reshape(-1), view.settings, len(groups), reach=0, decided=True)
    pairs = [(int(groups[one.a]), int(groups[one.b]), one.gap) for one in near]
    first = -1 - len(found.people)
    return [(b, gap, names[first - a]) for a, b, gap in pairs if a <= first and b > 0]

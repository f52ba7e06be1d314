"""Recognising: to which person a portrait belongs, so that all photos of them are the answer.

A face that looks like the portrait's is an answer by itself. The person that it is taken for was
seen in other photos too, turned away or blurred, where the portrait alone would not tell. But one
lookalike must not bring a stranger's three hundred photos: a portrait belongs to a person where the
mean probability over all their faces that can be told says so. Everything is within the scope
asked: the same events, the same time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from facefind.answers import Answer, Spot, spot_of
from facefind.inference.quality import HARDLY_KNOWN
from facefind.portraits import Portrait
from facefind.search import Gallery, Probe, Reach, best_of_each_photo
from facefind.store.records import Person
from facefind.types import Event, FloatArray, Match

if TYPE_CHECKING:
    from facefind.people.lessons import Disagreement

BELONGS = {"strict": 0.93, "default": 0.85, "loose": 0.6}
"""The mean probability, over the faces of a person whom grouping has made, from which on a portrait
is theirs, by how sure the user wants to be. In simulated events precision loses at most .0002 by
it; see docs/accuracy.md."""

BELONGS_TO_DECIDED = 0.5
"""The same for a person about whom a user has decided: their faces are one person's, so that the
question is only whether it is this one."""


class PeopleStore(Protocol):
    """What recognising asks of the store."""

    def people(
        self, events: Collection[int] | None = None, people: Collection[int] | None = None
    ) -> list[Person]:
        """People, or those of some numbers."""

    def faces_of_people(
        self,
        probe: FloatArray,
        events: Sequence[Event],
        people: Collection[int],
        *,
        after: datetime | None,
        before: datetime | None,
    ) -> list[Match]:
        """Every face of some people, with its distance to a probe."""

    def ruled_out(self, sightings: Collection[int], people: Collection[int]) -> set[int]:
        """Sightings of which a user has said that they are none of these people."""


class Claim(NamedTuple):
    """How much speaks for a portrait being a person's.

    Attributes:
        mean: The mean probability over their faces that can be told.
        faces: All of them in scope, with distance and probability.
    """

    person: Person
    mean: float
    faces: Sequence[Match]

    @property
    def decided(self) -> bool:
        """Whether a user has said who this person's faces are; not if most came later."""
        return self.person.decided * 2 >= self.person.faces > 0


def recognise(
    store: PeopleStore,
    gallery: Gallery,
    probe: Probe,
    reach: Reach,
    certainty: str = "default",
) -> Answer:
    """Every face that is the probe's by what it looks like or by whom it belongs to.

    The photos answered by what a face looks like are those that `Gallery.photos` answers with, but
    for faces of which a user has said that they are somebody else's, and come first.

    Args:
        certainty: "strict", "default" or "loose".

    Raises:
        UsageError: As `Gallery.faces`.
    """
    seen = gallery.faces(probe, Reach(reach.max_distance))
    alike = [face for face in seen if _is_alike(face, reach)]
    claims = belonging(_claims(store, gallery, probe, alike, seen), certainty)
    people = [claim.person for claim in claims]
    left_out = _ruled_out(store, claims, alike)
    kept = [face for face in alike if face not in left_out]
    of_people = [face for claim in claims for face in claim.faces]
    return _answer(kept, of_people, people, left_out)


def of_two_people(portraits: Sequence[Portrait], threshold: float | None) -> list[Disagreement]:
    """Portraits asked about as one person's that do not seem to be, each pair once.

    Those that hardly show whom are left out: they are far from everybody.

    Args:
        threshold: Of the pipeline; without one nobody can be told from others.
    """
    if threshold is None or len(portraits) < 2:
        return []
    # Loads all that is about learning people, for which one portrait need not wait.
    from facefind.people.lessons import FAR_APART, disagreeing

    clear = [one for one in portraits if one.quality is None or one.quality >= HARDLY_KNOWN]
    found = disagreeing(clear, FAR_APART * threshold)
    pairs: dict[frozenset[Portrait], Disagreement] = {}
    for one in found:
        pairs.setdefault(frozenset((one.portrait, one.other)), one)
    return list(pairs.values())


def belonging(claims: Sequence[Claim], certainty: str) -> list[Claim]:
    """The claims that hold, the strongest first.

    Several may: grouping splits rather than joins. But of people about whom users have decided only
    one, as these are different people.
    """
    held: list[Claim] = []
    for claim in sorted(claims, key=lambda claim: (-claim.mean, claim.person.id)):
        enough = BELONGS_TO_DECIDED if claim.decided else BELONGS[certainty]
        if claim.mean >= enough and not (claim.decided and any(other.decided for other in held)):
            held.append(claim)
    return held


def _is_alike(face: Match, reach: Reach) -> bool:
    if reach.min_probability is None:
        return True
    return face.probability is not None and face.probability >= reach.min_probability


def _claims(
    store: PeopleStore,
    gallery: Gallery,
    probe: Probe,
    alike: Sequence[Match],
    seen: Sequence[Match],
) -> list[Claim]:
    """The claims of everybody of whom a face looks like the probe's."""
    asked = {face.person for face in alike if face.person is not None}
    if not asked:
        return []
    scope = gallery.scope
    found = store.faces_of_people(
        probe.embedding, scope.events, asked, after=scope.after, before=scope.before
    )
    known = {spot_of(face): face for face in seen}
    faces = defaultdict(list)
    for face in found:
        likely = known.get(spot_of(face))
        faces[face.person].append(likely or face)
    return [
        Claim(person, _mean(faces[person.id], known), faces[person.id])
        for person in store.people(people=asked)
    ]


def _mean(faces: Sequence[Match], known: Mapping[Spot, Match]) -> float:
    """The mean probability over the faces that can be told; of all where none can.

    A face out of reach has none. Without a calibration one within reach is surely the person's.
    """
    told = [face for face in faces if face.quality is None or face.quality >= HARDLY_KNOWN]
    likely = [
        (1.0 if face.probability is None else face.probability) if spot_of(face) in known else 0.0
        for face in told or faces
    ]
    return sum(likely) / len(likely) if likely else 0.0


def _ruled_out(store: PeopleStore, claims: Sequence[Claim], alike: Sequence[Match]) -> list[Match]:
    """Faces that a user has said to be somebody else's, where it is known who was asked about."""
    if not any(claim.decided for claim in claims):
        return []
    sightings = [face.sighting for face in alike if face.sighting is not None]
    others = store.ruled_out(sightings, [claim.person.id for claim in claims])
    return [face for face in alike if face.sighting in others]


def _answer(
    alike: Sequence[Match],
    of_people: Sequence[Match],
    people: Sequence[Person],
    left_out: Sequence[Match],
) -> Answer:
    """Photos by the look of a face first, then those by whom a face belongs to; nearest first."""
    already = {spot_of(face) for face in (*alike, *left_out)}
    more = [replace(face, by="person") for face in of_people if spot_of(face) not in already]
    photos = best_of_each_photo(alike)
    shown = {photo.photo_id for photo in photos}
    others = best_of_each_photo([face for face in more if face.photo_id not in shown])
    return Answer([*photos, *others], [*alike, *more], people, left_out)

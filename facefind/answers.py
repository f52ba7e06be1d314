"""Answers: the photos of a person who is known, and the photos that show several people.

Works without a model: what shows a known person was found out before. `facefind.recognising` makes
answers of portraits.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple, Protocol

from facefind.errors import UsageError
from facefind.store.records import Person, SeenFace
from facefind.types import Event, Match

_NO_DATE = datetime.max.replace(tzinfo=timezone.utc)

Spot = tuple[int, object]
"""A face, whoever asks about it: its photo, and its sighting or else its box."""


class SeenStore(Protocol):
    """What a known person's photos ask of the store."""

    def seen_faces(
        self,
        *,
        people: Collection[int] | None = None,
        events: Collection[int] | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> list[SeenFace]:
        """Faces in photos that are there, one for each sighting."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found of one person asked about.

    Attributes:
        photos: One match for each, by its best face.
        faces: Every face that is taken for the person's.
        people: Whom the portrait belongs to, the likeliest first, or who was asked about; none
            where that is not known.
        left_out: Faces that look like the person's, but of which a user has said that they are not.
    """

    photos: Sequence[Match] = ()
    faces: Sequence[Match] = ()
    people: Sequence[Person] = ()
    left_out: Sequence[Match] = ()


class Together(NamedTuple):
    """A photo that shows several people: a face of each, in the order in which they were asked."""

    faces: tuple[Match, ...]


def photos_of_person(
    store: SeenStore,
    person: Person,
    events: Sequence[Event] | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> Answer:
    """All photos that show a person, by time and then path; those without a date go last.

    Args:
        events: Only photos of these, whatever their pipeline; None for all.
        after, before: Only photos taken in this time.
    """
    seen = store.seen_faces(
        people=[person.id],
        events=None if events is None else [event.id for event in events],
        after=after,
        before=before,
    )
    faces = [_match(face) for face in seen]
    return Answer(sorted(_best_seen(faces), key=_by_time), faces, [person])


def photos_together(answers: Sequence[Answer]) -> list[Together]:
    """The photos in which every answer has a face of its own, nearest first.

    Photos are as near as the farthest of their faces; those that show known people only, and so
    have no distance, are in the order of time.
    """
    by_photo = [_faces_by_photo(answer.faces) for answer in answers]
    everywhere = set(by_photo[0]).intersection(*by_photo[1:])
    found = (assign([faces[photo] for faces in by_photo]) for photo in everywhere)
    return sorted((Together(faces) for faces in found if faces), key=_by_farthest)


def assign(faces: Sequence[Sequence[Match]]) -> tuple[Match, ...]:
    """A face for each person, no face twice; empty where there is none for somebody.

    Args:
        faces: In one photo, for each person the faces that may be theirs, the likeliest first.
    """
    taken: dict[Spot, int] = {}
    given: dict[int, Match] = {}

    def find(person: int, tried: set[Spot]) -> bool:
        for face in faces[person]:
            spot = spot_of(face)
            if spot in tried:
                continue
            tried.add(spot)
            if spot not in taken or find(taken[spot], tried):
                taken[spot] = person
                given[person] = face
                return True
        return False

    if all(find(person, set()) for person in range(len(faces))):
        return tuple(given[person] for person in range(len(faces)))
    return ()


def event_named(events: Sequence[Event], name: str) -> Event:
    """The event of that name.

    Raises:
        UsageError: There is none.
    """
    for event in events:
        if event.name == name:
            return event
    if not events:
        raise UsageError("Nothing has been ingested yet.", "Start with: facefind ingest FOLDER")
    there = ", ".join(f'"{event.name}"' for event in events)
    raise UsageError(f'There is no event "{name}".', f"There are: {there}.")


def as_sentence(text: str) -> str:
    """Text that ends with a name, and with one dot, as "Jen A." has one."""
    return text if text.endswith(".") else f"{text}."


def spot_of(face: Match) -> Spot:
    """Tells one face from another."""
    return face.photo_id, face.box if face.sighting is None else face.sighting


def _surest_first(match: Match) -> tuple[bool, float, float]:
    """Faces taken for a person's by what they look like, then those by whom they belong to.

    Each by how likely they are, and by distance where that is not known.
    """
    distance = math.inf if math.isnan(match.distance) else match.distance
    return match.by != "face", -(match.probability or 0), distance


def _match(face: SeenFace) -> Match:
    return Match(
        face.photo, face.event, math.nan, face.box, face.taken_at, face.photo_id,
        quality=face.quality, sighting=face.sighting, person=face.person, by="person",
    )  # fmt: skip


def _best_seen(faces: Iterable[Match]) -> list[Match]:
    """The best face of each photo."""
    best: dict[int, Match] = {}
    for face in sorted(faces, key=lambda face: -(face.quality or 0)):
        best.setdefault(face.photo_id, face)
    return list(best.values())


def _faces_by_photo(faces: Sequence[Match]) -> Mapping[int, list[Match]]:
    photos: dict[int, list[Match]] = {}
    for face in sorted(faces, key=_surest_first):
        photos.setdefault(face.photo_id, []).append(face)
    return photos


def _by_time(match: Match) -> tuple[datetime, str]:
    return match.taken_at or _NO_DATE, str(match.photo)


def _by_farthest(together: Together) -> tuple[float, datetime, str]:
    distances = [face.distance for face in together.faces if not math.isnan(face.distance)]
    return max(distances, default=0.0), *_by_time(together.faces[0])

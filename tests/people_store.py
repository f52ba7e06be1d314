"""A library of a few people, for tests of what is made of them."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from facefind.store.records import EventPhoto, Person, SeenFace
from facefind.types import Box, Event

PARTY = Event(1, "party", "dlib", "f00d")


def photo_id(photo: Path) -> int:
    """The same for the same path."""
    return zlib.crc32(bytes(photo))


@dataclass
class PeopleStore:
    """Answers as the store does, out of lists."""

    persons: dict[int, Person] = field(default_factory=dict)
    faces: list[SeenFace] = field(default_factory=list)
    photos: dict[int, list[EventPhoto]] = field(default_factory=dict)

    def show(
        self,
        photo: Path,
        *people: int | None,
        taken_at: datetime | None = None,
        qualities: Mapping[int, float] | None = None,
        event: Event = PARTY,
    ) -> None:
        """Puts a photo into an event, with a face of each of these; None is a stranger's."""
        number = photo_id(photo)
        known = self.photos.setdefault(event.id, [])
        known.append(EventPhoto(photo, taken_at, len(people), number))
        for place, person in enumerate(people):
            if person is not None:
                self.persons.setdefault(person, Person(person, None, False, None))
            self.faces.append(
                SeenFace(
                    sighting=len(self.faces) + 1,
                    person=person,
                    photo=photo,
                    event=event.name,
                    box=Box(20.0 * place, 5, 10, 10 + place),
                    taken_at=taken_at,
                    photo_id=number,
                    quality=(qualities or {}).get(place, 0.5),
                    decided_by="machine" if person else None,
                    confirmed=False,
                )
            )

    def change(self, person: int, **values: object) -> None:
        """Names, hides..."""
        self.persons[person] = replace(self.persons[person], **values)  # type: ignore[arg-type]

    def people(
        self, events: Collection[int] | None = None, people: Collection[int] | None = None
    ) -> list[Person]:
        found = [p for p in self.persons.values() if people is None or p.id in people]
        return sorted(found, key=lambda person: (person.name is None, person.name or "", person.id))

    def seen_faces(
        self,
        *,
        people: Collection[int] | None = None,
        sightings: Collection[int] | None = None,
        photos: Collection[int] | None = None,
        events: Collection[int] | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> list[SeenFace]:
        asked: Sequence[tuple[Collection[int] | None, str]] = (
            (people, "person"), (sightings, "sighting"), (photos, "photo_id"),
        )  # fmt: skip
        return [
            face
            for face in self.faces
            if all(wanted is None or getattr(face, name) in wanted for wanted, name in asked)
            and (after is None or (face.taken_at is not None and face.taken_at >= after))
            and (before is None or (face.taken_at is not None and face.taken_at < before))
        ]

    def event_photos(self, event_id: int) -> list[EventPhoto]:
        return self.photos.get(event_id, [])

"""Who is in which album, by the people of the library."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from facefind.errors import NobodyFound, UsageError
from facefind.store.records import EventPhoto, Person, SeenFace
from facefind.types import Box, Event

UNSORTED = "Unsorted"


class AlbumStore(Protocol):
    """What albums ask of the store; `facefind.store.repository.Repository` provides it."""

    def people(
        self, events: Collection[int] | None = None, people: Collection[int] | None = None
    ) -> list[Person]:
        """People with what the events show of them, in the order of a list."""

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
        """Faces in photos that are there."""

    def event_photos(self, event_id: int) -> list[EventPhoto]:
        """The photos of an event that are there."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo in an album, and the face for which it is there.

    Attributes:
        photo_id: Tells one content from another.
        box: Of the face; None where there is none.
        distance, probability: As in `facefind.types.Match`, where a portrait was asked about.
        sighting: The number of the face, where a person was.
    """

    photo: Path
    photo_id: int
    taken_at: datetime | None
    box: Box | None = None
    distance: float | None = None
    probability: float | None = None
    sighting: int | None = None


@dataclass(frozen=True, slots=True)
class Album:
    """A folder to be written.

    Attributes:
        key: Tells it from others when its title has changed.
        min_photos: With fewer photos it is not written.
        kind: Of a person, of a pair of them, of nobody, or of somebody asked about with a portrait.
        people: Whom of the library it shows.
        cover: The face that stands for its person.
        fallback: Its folder's name where no file system takes anything of its title.
    """

    key: str
    kind: Literal["person", "pair", "nobody", "portrait"]
    title: str
    photos: tuple[Shown, ...]
    min_photos: int = 1
    people: tuple[Person, ...] = ()
    cover: SeenFace | None = None
    fallback: str = "Person"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which albums to write.

    Attributes:
        events: Where photos are taken from.
        only: Albums of these people alone; empty for all that are not hidden.
        together: Pairs who get an album of the photos that show both.
        min_photos: People with fewer get none; by default 2 for those without a name, whom nobody
            asked for, else 1.
        unsorted: An album of the photos that show nobody.
        after, before: Only photos with ``after <= taken_at < before``.
    """

    events: Sequence[Event]
    only: Sequence[Person] = ()
    together: Sequence[tuple[Person, Person]] = ()
    min_photos: int | None = None
    include_hidden: bool = False
    unsorted: bool = False
    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """Albums to write, and the photos that they were chosen from.

    Attributes:
        nobody: Of these, those that show none of the people.
    """

    albums: tuple[Album, ...]
    photos: tuple[EventPhoto, ...]
    nobody: tuple[EventPhoto, ...]


def people_albums(store: AlbumStore, choice: Choice) -> Members:
    """One album for each person, then those of pairs, and the one of photos that show nobody.

    Raises:
        NobodyFound: No faces have been grouped into people yet.
        UsageError: A pair is one person.
    """
    events = [event.id for event in choice.events]
    everybody = store.people(events=events)
    if not everybody:
        raise NobodyFound("No people are known here yet.", "facefind people group finds them.")
    asked = {person.id for person in choice.only}
    visible = {p.id for p in everybody if choice.include_hidden or not p.hidden} | asked
    paired = {person.id for pair in choice.together for person in pair}
    photos = photos_between(store, choice)
    faces = _by_person(
        store.seen_faces(
            people=visible | paired, events=events, after=choice.after, before=choice.before
        ),
        {photo.photo_id: photo.path for photo in photos},
    )
    written = [p for p in (choice.only or everybody) if p.id in visible]
    covers = _covers(store, written, faces)
    albums = [_person_album(p, faces[p.id], covers.get(p.id), choice) for p in written]
    albums += _pair_albums(choice.together, faces)
    seen = {face.photo_id for person in visible for face in faces[person]}
    nobody = tuple(photo for photo in photos if photo.photo_id not in seen)
    if choice.unsorted:
        shown = tuple(Shown(p.path, p.photo_id, p.taken_at) for p in nobody)
        albums.append(Album("unsorted", "nobody", UNSORTED, shown))
    return Members(tuple(albums), tuple(photos), nobody)


def photos_between(store: AlbumStore, choice: Choice) -> list[EventPhoto]:
    """The photos of the events in the chosen time, each content once, by path."""
    found: dict[int, EventPhoto] = {}
    for event in choice.events:
        for photo in store.event_photos(event.id):
            if _in_time(photo.taken_at, choice):
                found.setdefault(photo.photo_id, photo)
    return sorted(found.values(), key=lambda photo: photo.path)


def rounded(share: float | None) -> float | None:
    """A probability, quality or distance as programs are told it."""
    return None if share is None else round(share, 4)


def _in_time(taken_at: datetime | None, choice: Choice) -> bool:
    if choice.after is None and choice.before is None:
        return True
    if taken_at is None:
        return False
    late_enough = choice.after is None or taken_at >= choice.after
    return late_enough and (choice.before is None or taken_at < choice.before)


@dataclass(frozen=True, slots=True)
class _Face:
    """A face at the path where its photo is taken from."""

    seen: SeenFace
    path: Path

    @property
    def photo_id(self) -> int:
        return self.seen.photo_id

    @property
    def looks(self) -> tuple[float, float]:
        """How well it can be seen, to be compared."""
        quality = -1.0 if self.seen.quality is None else self.seen.quality
        return quality, self.seen.box.w * self.seen.box.h

    @property
    def worth(self) -> tuple[bool, tuple[float, float]]:
        """How surely and how well it shows its person, to be compared."""
        return self.seen.confirmed, self.looks


def _by_person(
    seen: Iterable[SeenFace], paths: Mapping[int, Path]
) -> defaultdict[int, list[_Face]]:
    faces: defaultdict[int, list[_Face]] = defaultdict(list)
    for face in seen:
        if face.person is not None:
            faces[face.person].append(_Face(face, paths.get(face.photo_id, face.photo)))
    return faces


def _person_album(
    person: Person, faces: Sequence[_Face], cover: SeenFace | None, choice: Choice
) -> Album:
    asked = any(person.id == other.id for other in choice.only)
    default = 1 if person.name is not None or asked else 2
    return Album(
        f"person {person.id}",
        "person",
        person.title,
        _shown(faces),
        choice.min_photos or default,
        (person,),
        cover,
        f"Person {person.id:03}",
    )


def _pair_albums(
    pairs: Iterable[tuple[Person, Person]], faces: Mapping[int, Sequence[_Face]]
) -> list[Album]:
    albums: dict[str, Album] = {}
    for one, other in pairs:
        if one.id == other.id:
            raise UsageError(f"{one.title} and {other.title} are one person.", "Name two people.")
        first, second = sorted((one.id, other.id))
        both = {face.photo_id for face in faces.get(other.id, ())}
        shown = _shown([face for face in faces.get(one.id, ()) if face.photo_id in both])
        key = f"together {first} {second}"
        title = f"{one.title} & {other.title}"
        albums.setdefault(key, Album(key, "pair", title, shown, 1, (one, other)))
    return list(albums.values())


def _shown(faces: Iterable[_Face]) -> tuple[Shown, ...]:
    """One for each photo, by path; who is in it twice, by the better face."""
    best: dict[int, _Face] = {}
    for face in faces:
        if face.photo_id not in best or face.worth > best[face.photo_id].worth:
            best[face.photo_id] = face
    return tuple(
        Shown(f.path, f.photo_id, f.seen.taken_at, f.seen.box, sighting=f.seen.sighting)
        for f in sorted(best.values(), key=lambda face: face.path)
    )


def _covers(
    store: AlbumStore, people: Sequence[Person], faces: Mapping[int, Sequence[_Face]]
) -> dict[int, SeenFace]:
    """The face that a user chose, wherever it is, else the best one."""
    covers = {
        person: max(theirs, key=lambda face: face.looks).seen
        for person, theirs in faces.items()
        if theirs
    }
    chosen = {person.cover: person.id for person in people if person.cover is not None}
    for face in store.seen_faces(sightings=chosen.keys()) if chosen else ():
        if face.person == chosen[face.sighting]:
            covers[face.person] = face
    return covers

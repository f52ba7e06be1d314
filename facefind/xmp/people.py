"""People's names exchanged with other photo programs: what they know, and what facefind knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from facefind.errors import PhotoError, UsageError
from facefind.images import discover, metadata_of
from facefind.ingest import path_key, resolved
from facefind.people.naming import checked_name, name_key
from facefind.store.records import Person, PhotoPlace, SeenFace
from facefind.xmp.exchange import match, read_names
from facefind.xmp.exporting import PhotoOfPeople
from facefind.xmp.regions import NamedRegion

Wrap = Callable[[Iterable[PhotoPlace]], Iterable[PhotoPlace]]
Problem = tuple[Path, str]


class SeenStore(Protocol):
    """`facefind.store.repository.Repository` provides it."""

    def photos_at(self, paths: Sequence[bytes]) -> list[PhotoPlace]:
        """The contents known at these paths, whatever their event."""

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
        """Faces in photos that are there, one for each sighting."""


# --- from other programs -------------------------------------------------------------------------


class Named(NamedTuple):
    """A name that another program gave to somebody in a photo."""

    photo: Path
    name: str


@dataclass(slots=True)
class FoundNames:
    """The names that other programs gave in some photos.

    Attributes:
        photos: How many there are.
        unknown: Of them, how many were never ingested, and so have no faces to name.
        faces: The number of a face -> its name.
        unmatched: Names at a place where no face was found.
        refused: Names that are none here, or that contradict another, each with the reason.
        problems: Files that could not be read.
    """

    photos: int = 0
    unknown: int = 0
    faces: dict[int, Named] = field(default_factory=dict)
    unmatched: list[Named] = field(default_factory=list)
    refused: list[tuple[Named, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def find_names(
    store: SeenStore,
    paths: Sequence[Path],
    *,
    contacts: Mapping[str, str] | None = None,
    wrap: Wrap = lambda photos: photos,
) -> FoundNames:
    """Reads the names in and beside photos, and finds the faces that they belong to.

    Args:
        paths: Photos, or folders of photos.
        contacts: See `facefind.xmp.regions.from_picasa_ini`.
        wrap: Shows progress.

    Raises:
        UsageError: A path does not exist.
    """
    found = FoundNames()
    report = partial(_note, found.problems)
    photos = list(discover(list(map(resolved, paths)), report))
    known = {place.path: place for place in store.photos_at(list(map(path_key, photos)))}
    found.photos, found.unknown = len(photos), len(photos) - len(known)
    faces = _by_photo(store, {place.photo_id for place in known.values()})
    # In the order of their names, so that of two copies the same one always counts.
    for place in wrap([known[path] for path in photos if path in known]):
        regions = _names_in(place, contacts, found.problems)
        _add(found, place, regions, faces[place.photo_id])
    return found


def _note(problems: list[Problem], path: Path, reason: str) -> None:
    problems.append((path, reason))


def _by_photo(store: SeenStore, photos: Collection[int]) -> defaultdict[int, list[SeenFace]]:
    faces: defaultdict[int, list[SeenFace]] = defaultdict(list)
    for face in store.seen_faces(photos=photos) if photos else []:
        faces[face.photo_id].append(face)
    return faces


def _names_in(
    place: PhotoPlace, contacts: Mapping[str, str] | None, problems: list[Problem]
) -> list[NamedRegion]:
    size = (place.width, place.height) if place.width and place.height else None
    try:
        return read_names(
            place.path, size=size, contacts=contacts, on_error=partial(_note, problems)
        )
    except PhotoError as error:
        problems.append((place.path, error.message))
        return []


def _add(
    found: FoundNames, place: PhotoPlace, regions: Sequence[NamedRegion], faces: Sequence[SeenFace]
) -> None:
    """Finds one photo's names their faces."""
    pairs = match(regions, [(face.sighting, face.box) for face in faces])
    for index, region in enumerate(regions):
        named = Named(place.path, region.name)
        if index not in pairs:
            found.unmatched.append(named)
            continue
        other = found.faces.get(pairs[index])
        reason = _refusal(named.name, other)
        if reason:
            found.refused.append((named, reason))
        elif other is None:
            found.faces[pairs[index]] = named


def _refusal(name: str, other: Named | None) -> str:
    """Why a face cannot be given a name; "" where it can."""
    try:
        checked_name(name)
    except UsageError as error:
        return error.message
    if other is not None and name_key(other.name) != name_key(name):
        return f'the same photo at {other.photo} says "{other.name}"'
    return ""


# --- to other programs ---------------------------------------------------------------------------


def photos_of(
    store: SeenStore, people: Sequence[Person], events: Collection[int]
) -> tuple[list[PhotoOfPeople], list[Problem]]:
    """The photos that show these people, with their names at their faces; and what is gone.

    Raises:
        UsageError: One of them has no name.
    """
    names = {person.id: person.name for person in people}
    nameless = [person.title for person in people if not person.name]
    if nameless:
        raise UsageError(
            f"{nameless[0]} has no name that other programs could show.",
            "Give one first: facefind people name",
        )
    regions: defaultdict[Path, list[NamedRegion]] = defaultdict(list)
    for face in store.seen_faces(people=list(names), events=events) if names else []:
        if face.person is not None:
            regions[face.photo].append(NamedRegion(names[face.person] or "", face.box))
    photos: list[PhotoOfPeople] = []
    problems: list[Problem] = []
    for place in sorted({p.path: p for p in store.photos_at([*map(path_key, regions)])}.values()):
        try:
            photos.append(_photo_of(place, regions[place.path]))
        except PhotoError as error:
            problems.append((place.path, error.message))
    return photos, problems


def _photo_of(place: PhotoPlace, regions: Sequence[NamedRegion]) -> PhotoOfPeople:
    metadata = metadata_of(place.path)
    # Where faces were found there was a size.
    width, height = place.width or 0, place.height or 0
    return PhotoOfPeople(place.path, width, height, metadata.orientation, regions)

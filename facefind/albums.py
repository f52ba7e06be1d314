"""Albums: one folder per person, with the photos that show them.

What facefind writes into the output folder is remembered there in `RECORD_NAME`, and nothing else
in that folder is ever changed or removed: a file put there by hand, or changed since, stays.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facefind import images, placing
from facefind.errors import UsageError
from facefind.inference.protocols import FaceFinder
from facefind.placing import Mode, Placed
from facefind.portraits import FailedPortrait, Portrait, read_portraits
from facefind.search import Gallery, Reach, combine, likeliest_first
from facefind.store.records import EventPhoto
from facefind.types import Box, Match

ALBUMS_NAME = "albums.json"
RECORD_NAME = images.ALBUMS_RECORD

Record = dict[str, Placed]
"""Path inside the output folder (with "/") -> what facefind put there."""


@dataclass(frozen=True, slots=True)
class PortraitSet:
    """The pictures of one person in the portraits folder."""

    name: str
    pictures: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Album:
    """A person and the photos that show them.

    Attributes:
        folder: Name of the person's folder; empty where none was written.
        files: File name in that folder -> the match it shows.
    """

    name: str
    folder: str
    matches: tuple[Match, ...]
    files: Mapping[str, Match]


@dataclass(frozen=True, slots=True)
class AlbumsReport:
    """What a run did.

    Attributes:
        written, kept, removed: Files of facefind's own in the output folder.
        left_alone: Files that it once wrote and somebody has changed since; untouched.
        gone: Photos that match but are no longer where they were at the last ingest.
    """

    albums: tuple[Album, ...]
    photos_without_people: tuple[Path, ...]
    written: int
    kept: int
    removed: int
    left_alone: tuple[Path, ...]
    gone: tuple[Path, ...]


def portrait_sets(folder: Path) -> tuple[list[PortraitSet], list[FailedPortrait]]:
    """The people of a portraits folder, by name, and what could not be looked into.

    A file stands for the person it is named after; a sub-folder holds several pictures of the
    person it is named after; files and folders of one name are one person.

    Raises:
        UsageError: The folder is missing or holds no pictures.
    """
    if not folder.is_dir():
        raise UsageError(f"The portraits folder {folder} is not a folder.")
    people: dict[str, dict[Path, Path]] = defaultdict(dict)
    failed: list[FailedPortrait] = []

    def fail(path: Path, reason: str) -> None:
        failed.append(FailedPortrait(path, f"{path}: {reason}"))

    for _, picture in images.discover_apart(folder, on_error=fail):
        people[person_of(picture, folder)].setdefault(picture.resolve(), picture)
    if not people and not failed:
        raise UsageError(
            f"There are no pictures in {folder}.",
            "Put one portrait per person there, named after the person.",
        )
    return [PortraitSet(name, tuple(people[name].values())) for name in sorted(people)], failed


def person_of(path: Path, folder: Path) -> str:
    """The name of the person whom a file or sub-folder in a portraits folder stands for."""
    inside = path.relative_to(folder)
    return inside.parts[0] if len(inside.parts) > 1 or path.is_dir() else inside.stem


@dataclass(frozen=True, slots=True)
class People:
    """Who is asked about.

    Attributes:
        probes: By name, the portraits that can be used.
        failed: Portraits that cannot.
        unknown: People of whom no portrait can be used.
    """

    probes: Mapping[str, Sequence[Portrait]]
    failed: tuple[FailedPortrait, ...]
    unknown: frozenset[str]


def read_people(folder: Path, finder: FaceFinder) -> People:
    """The people of a portraits folder, ready to be asked about.

    Raises:
        UsageError: As `portrait_sets`.
    """
    sets, failed = portrait_sets(folder)
    probes = {}
    for person in sets:
        portraits, unusable = read_portraits(person.pictures, finder)
        failed += unusable
        if portraits:
            probes[person.name] = portraits
    unknown = {person_of(portrait.path, folder) for portrait in failed} - probes.keys()
    return People(probes, tuple(failed), frozenset(unknown))


def find_people(people: People, gallery: Gallery, reach: Reach) -> dict[str, list[Match]]:
    """The photos of each person, one match for each.

    Raises:
        UsageError: Nothing limits the distance, so nobody can be told from anybody.
    """
    return one_person_per_face(
        {
            name: gallery.faces(combine(portraits), reach)
            for name, portraits in people.probes.items()
        },
        gallery.twice,
    )


def one_person_per_face(
    faces: Mapping[str, Sequence[Match]], twice: float = 0.0
) -> dict[str, list[Match]]:
    """The photos of each person, every face counting for the person it is likeliest to be.

    And in one photo for each person one face, their likeliest: the next may then be somebody
    else's, such as a sister's beside them.

    Args:
        faces: By person, every face that may be theirs.
        twice: L2 distance up to which a second face in a photo is nobody else's either: the person
            in a mirror, in a collage, on a poster.

    Returns:
        By person, one match for each photo.
    """
    claims = [(match, name) for name, matches in faces.items() for match in matches]
    taken: set[tuple[int, Box]] = set()
    photos: dict[str, dict[int, Match]] = {name: {} for name in faces}
    for match, name in sorted(claims, key=lambda claim: likeliest_first(claim[0])):
        face = (match.photo_id, match.box)
        if face in taken:
            continue
        if match.photo_id not in photos[name]:
            photos[name][match.photo_id] = match
        elif match.distance > twice:
            continue
        taken.add(face)
    return {name: list(found.values()) for name, found in photos.items()}


def write_albums(
    out: Path,
    answers: Mapping[str, Sequence[Match]],
    *,
    photos: Sequence[EventPhoto],
    mode: Mode = "link",
    min_photos: int = 1,
    keep: Collection[str] = (),
) -> AlbumsReport:
    """Writes one folder per person and `albums.json`, changing only what has changed.

    Args:
        out: The output folder; made where missing.
        answers: The photos of each person.
        photos: Every photo that was searched, to tell which show none of the people.
        min_photos: People with fewer photos get no folder.
        keep: People who could not be asked about; their albums stay as they are.

    Raises:
        UsageError: The folder holds the event's own photos, or its record is damaged.
        OutputError: Something cannot be written; what is there is whole and remembered.
    """
    _refuse_photo_folder(out, photos)
    placing.make_folder(out)
    before = _read_record(out)
    albums, plan, gone = _plan(out, answers, before, mode, min_photos)
    plan |= _kept(out, before, _folders_of(out, keep), gone)
    # Remembered before anything is written: after a crash the next run knows what is its own.
    _write_record(out, {**before, **plan})
    written = _place_new(out, plan, before)
    removed, left_alone = _remove_stale(out, plan, before)
    _write_record(out, plan)
    without = _without_people(photos, answers)
    _write_listing(out, albums, without)
    kept = len(plan) - written
    return AlbumsReport(tuple(albums), without, written, kept, removed, left_alone, tuple(gone))


def _folders_of(out: Path, people: Collection[str]) -> set[str]:
    """The folders that these people's albums were written into, which need not bear their names."""
    text = placing.read_text(out / ALBUMS_NAME)
    try:
        known = {person["name"]: person["folder"] for person in json.loads(text or "{}")["people"]}
    except (ValueError, KeyError, TypeError):
        # Not a listing of ours, or an older one: folders are named as people are, mostly.
        known = {}
    return {known.get(name) or name for name in people}


def _kept(out: Path, before: Record, folders: Collection[str], gone: Collection[Path]) -> Record:
    """Files of people who could not be asked about, and of photos that are gone.

    Their disk may just not be plugged in, and a copy may be the last there is.
    """
    lost = {str(photo) for photo in gone}
    return {
        path: placed
        for path, placed in before.items()
        if (path.split("/")[0] in folders or placed.source in lost)
        and placing.is_intact(out / path, placed)
    }


def _refuse_photo_folder(out: Path, photos: Sequence[EventPhoto]) -> None:
    top = out.resolve()
    inside = next((photo.path for photo in photos if photo.path.is_relative_to(top)), None)
    if inside is not None:
        raise UsageError(
            f"{out} holds photos of the event itself, such as {inside}.",
            "Give the albums a folder of their own; it may lie inside the photos' folder.",
        )


def _without_people(
    photos: Sequence[EventPhoto], answers: Mapping[str, Sequence[Match]]
) -> tuple[Path, ...]:
    shown = {match.photo_id for matches in answers.values() for match in matches}
    # A content may be in several events, and is listed once.
    without = {photo.photo_id: photo.path for photo in photos if photo.photo_id not in shown}
    return tuple(without.values())


def _plan(
    out: Path,
    answers: Mapping[str, Sequence[Match]],
    before: Record,
    mode: Mode,
    min_photos: int,
) -> tuple[list[Album], Record, list[Path]]:
    """Which file goes where; photos that are gone are left out and listed."""
    taken = {name.casefold() for name in (ALBUMS_NAME, RECORD_NAME)}
    taken |= {name.casefold() for name in placing.names_in(out) if not (out / name).is_dir()}
    albums, plan, gone = [], Record(), []
    for name, matches in answers.items():
        there = [match for match in matches if placing.is_there(match.photo)]
        present = {match.photo_id for match in there}
        gone += [match.photo for match in matches if match.photo_id not in present]
        folder, files = "", {}
        if len(there) >= max(min_photos, 1):
            folder = placing.free_name(name, taken)
            taken.add(folder.casefold())
            files = _name_files(out, folder, there, before)
            for file, match in files.items():
                plan[f"{folder}/{file}"] = placing.intended(match.photo, mode)
        albums.append(Album(name, folder, tuple(there), files))
    return albums, plan, gone


def _name_files(
    out: Path, folder: str, matches: Sequence[Match], before: Record
) -> dict[str, Match]:
    """A file name for each match: the one it had, else the photo's own, made unique."""
    had = {
        placed.source: path.rpartition("/")[2]
        for path, placed in before.items()
        if path.rpartition("/")[0] == folder and placing.is_intact(out / path, placed)
    }
    files: dict[str, Match] = {}
    fresh = []
    for match in sorted(matches, key=lambda match: match.photo):
        name = had.get(str(match.photo.absolute()))
        if name is None:
            fresh.append(match)
        else:
            files[name] = match
    # Whatever else is in the folder, ours or not, keeps its name to itself.
    taken = {name.casefold() for name in (*placing.names_in(out / folder), *files)}
    for match in fresh:
        name = placing.free_name(match.photo.name, taken)
        taken.add(name.casefold())
        files[name] = match
    return files


def _place_new(out: Path, plan: Record, before: Record) -> int:
    written = 0
    for path, placed in plan.items():
        if before.get(path) != placed or not placing.is_intact(out / path, placed):
            placing.place(Path(placed.source), out / path, placed.mode)
            written += 1
    return written


def _remove_stale(out: Path, plan: Record, before: Record) -> tuple[int, tuple[Path, ...]]:
    """Removes facefind's own files that no longer belong, and folders that this leaves empty."""
    removed, left_alone = 0, []
    for path, placed in before.items():
        if path in plan:
            continue
        if placing.is_intact(out / path, placed):
            placing.remove(out / path)
            removed += 1
        elif (out / path).exists():
            left_alone.append(out / path)
    for folder in {(out / path).parent for path in before.keys() - plan.keys()}:
        placing.remove_if_empty(folder)
    return removed, tuple(left_alone)


def listing(albums: Sequence[Album], without: Sequence[Path]) -> dict[str, Any]:
    """What `ALBUMS_NAME` holds: who is in which photos, and the photos that show none of them."""
    return {
        "people": [
            {
                "name": album.name,
                "folder": album.folder,
                "photos": [str(match.photo) for match in album.matches],
                "faces": [
                    {
                        "photo": str(m.photo),
                        "box": list(m.box),
                        "distance": round(m.distance, 4),
                        "probability": rounded(m.probability),
                    }
                    for m in album.matches
                ],
            }
            for album in albums
        ],
        "photos_without_people": [str(photo) for photo in without],
    }


def rounded(share: float | None) -> float | None:
    """A probability or quality as programs are told it."""
    return None if share is None else round(share, 4)


def _write_listing(out: Path, albums: Sequence[Album], without: Sequence[Path]) -> None:
    text = json.dumps(listing(albums, without), indent=2) + "\n"
    if placing.read_text(out / ALBUMS_NAME) != text:
        placing.write_text(out / ALBUMS_NAME, text)


def _read_record(out: Path) -> Record:
    text = placing.read_text(out / RECORD_NAME)
    if text is None:
        return {}
    try:
        record = {path: Placed(**placed) for path, placed in json.loads(text).items()}
        # The folder may come from somebody else: nothing outside of it is ours.
        if any(path.count("/") != 1 or {"", ".", ".."} & set(path.split("/")) for path in record):
            raise ValueError("a path leads out of the folder")
        return record
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{out / RECORD_NAME} is damaged, so facefind cannot tell which files are its own.",
            "Write the albums into a new folder.",
        ) from error


def _write_record(out: Path, record: Record) -> None:
    if record != _read_record(out):
        text = json.dumps({path: asdict(placed) for path, placed in record.items()}, indent=1)
        placing.write_text(out / RECORD_NAME, text + "\n")

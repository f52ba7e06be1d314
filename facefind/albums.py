"""Albums: one folder per person, with the photos that show them.

What facefind writes into the output folder is remembered there in `RECORD_NAME`, and nothing else
in that folder is ever changed or removed: a file put there by hand, or changed since, stays.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facefind import images, placing
from facefind.errors import UsageError
from facefind.placing import Mode, Placed
from facefind.types import Match

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


def portrait_sets(folder: Path) -> list[PortraitSet]:
    """The people of a portraits folder, by name.

    A file stands for the person it is named after; a sub-folder holds several pictures of the
    person it is named after; files and folders of one name are one person.

    Raises:
        UsageError: The folder is missing or holds no pictures.
    """
    if not folder.is_dir():
        raise UsageError(f"The portraits folder {folder} is not a folder.")
    people: dict[str, list[Path]] = defaultdict(list)
    for picture in images.discover([folder]):
        inside = picture.relative_to(folder)
        people[inside.parts[0] if len(inside.parts) > 1 else inside.stem].append(picture)
    if not people:
        raise UsageError(
            f"There are no pictures in {folder}.",
            "Put one portrait per person there, named after the person.",
        )
    return [PortraitSet(name, tuple(pictures)) for name, pictures in sorted(people.items())]


def one_person_per_face(answers: Mapping[str, Sequence[Match]]) -> dict[str, list[Match]]:
    """Gives a face that is near several people to the nearest of them alone."""
    nearest: dict[tuple[object, ...], float] = {}
    for matches in answers.values():
        for match in matches:
            face = (match.event, match.photo, match.box)
            nearest[face] = min(match.distance, nearest.get(face, match.distance))
    return {
        name: [m for m in matches if m.distance <= nearest[(m.event, m.photo, m.box)]]
        for name, matches in answers.items()
    }


def write_albums(
    out: Path,
    answers: Mapping[str, Sequence[Match]],
    *,
    photos: Iterable[Path],
    mode: Mode = "link",
    min_photos: int = 1,
) -> AlbumsReport:
    """Writes one folder per person and `albums.json`, changing only what has changed.

    Args:
        out: The output folder; made where missing.
        answers: The photos of each person.
        photos: Every photo that was searched, to tell which show none of the people.
        min_photos: People with fewer photos get no folder.

    Raises:
        OutputError: Something cannot be written; what is there is whole and remembered.
    """
    placing.make_folder(out)
    before = _read_record(out)
    albums, plan, gone = _plan(out, answers, before, mode, min_photos)
    # Remembered before anything is written: after a crash the next run knows what is its own.
    _write_record(out, {**before, **plan})
    written = _place_new(out, plan, before)
    removed, left_alone = _remove_stale(out, plan, before)
    _write_record(out, plan)
    shown = {match.photo for album in albums for match in album.matches}
    without = tuple(photo for photo in photos if photo not in shown)
    _write_listing(out, albums, without)
    kept = len(plan) - written
    return AlbumsReport(tuple(albums), without, written, kept, removed, left_alone, tuple(gone))


def _plan(
    out: Path,
    answers: Mapping[str, Sequence[Match]],
    before: Record,
    mode: Mode,
    min_photos: int,
) -> tuple[list[Album], Record, list[Path]]:
    """Which file goes where; photos that are gone are left out and listed."""
    taken = {name.casefold() for name in (ALBUMS_NAME, RECORD_NAME)}
    taken |= {entry.name.casefold() for entry in out.iterdir() if not entry.is_dir()}
    albums, plan, gone = [], Record(), []
    for name, matches in answers.items():
        there = [match for match in matches if match.photo.exists()]
        gone += [match.photo for match in matches if not match.photo.exists()]
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
                    {"photo": str(m.photo), "box": list(m.box), "distance": round(m.distance, 4)}
                    for m in album.matches
                ],
            }
            for album in albums
        ],
        "photos_without_people": [str(photo) for photo in without],
    }


def _write_listing(out: Path, albums: Sequence[Album], without: Sequence[Path]) -> None:
    text = json.dumps(listing(albums, without), indent=2) + "\n"
    if placing.read_text(out / ALBUMS_NAME) != text:
        placing.write_text(out / ALBUMS_NAME, text)


def _read_record(out: Path) -> Record:
    text = placing.read_text(out / RECORD_NAME)
    if text is None:
        return {}
    try:
        return {path: Placed(**placed) for path, placed in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{out / RECORD_NAME} is damaged, so facefind cannot tell which files are its own.",
            "Write the albums into a new folder.",
        ) from error


def _write_record(out: Path, record: Record) -> None:
    if record != _read_record(out):
        text = json.dumps({path: asdict(placed) for path, placed in record.items()}, indent=1)
        placing.write_text(out / RECORD_NAME, text + "\n")

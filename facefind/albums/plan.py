"""What a run is going to do to a folder of albums, worked out before any of it is done."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from facefind import filenames, folders, placing
from facefind.albums.members import Album, Shown
from facefind.albums.places import find_moves, find_places
from facefind.albums.record import Record, top_of
from facefind.placing import Mode, Placed

AlbumMode = Literal["link", "hardlink", "copy", "zip"]


@dataclass(frozen=True, slots=True)
class PlacedAlbum:
    """An album and where it is written.

    Attributes:
        place: Its folder or archive in the output folder; empty where none is written.
        photos: Those that are still where they were at the last ingest.
        files: By file name in that folder or archive.
    """

    album: Album
    place: str
    photos: tuple[Shown, ...]
    files: Mapping[str, Shown]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        moves: Places and those that they become, to be done first.
        before: The record as it is after them.
        intact: Of its files, those that are still as facefind left them.
        lost: Those of which nothing is there.
        places: As in the record.
        files: What shall be there in the end, but for the page.
        gone: Photos that belong there and are no longer where they were.
        copied: How many are copied because they cannot be hard-linked.
    """

    albums: tuple[PlacedAlbum, ...]
    moves: Mapping[str, str]
    before: Record
    intact: frozenset[str]
    lost: frozenset[str]
    places: Mapping[str, str]
    files: Mapping[str, Placed]
    gone: tuple[Path, ...]
    copied: int

    @property
    def new(self) -> list[str]:
        """Paths of files to be written."""
        return [path for path, placed in self.files.items() if not self.has(path, placed)]

    def has(self, path: str, placed: Placed) -> bool:
        """Whether a file is already there as it shall be."""
        return path in self.intact and self.before.files[path] == placed


def make_plan(
    out: Path,
    albums: Sequence[Album],
    record: Record,
    mode: AlbumMode,
    keep: Collection[str] = (),
    *,
    trial: bool = True,
) -> Plan:
    """What brings the folder from what it holds to what it shall hold.

    Args:
        keep: Folders that stay as they are.
        trial: Whether a link may be made, and removed again, to see if that can be done.
    """
    return _Planner(out, albums, record, mode, keep, trial=trial).plan()


class _Planner:
    def __init__(
        self,
        out: Path,
        albums: Sequence[Album],
        record: Record,
        mode: AlbumMode,
        keep: Collection[str],
        *,
        trial: bool,
    ) -> None:
        self._out = out
        self._keep = keep
        self._trial = trial
        self._mode = mode
        self._albums = albums
        self._there = _present(albums)
        gone = (s.photo for album in albums for s in album.photos if not self._is_there(s))
        self._gone = tuple(gone)
        self._unreachable = frozenset(str(photo) for photo in self._gone)
        written = [album for album in albums if self._is_written(album)]
        zipped = mode == "zip"
        self._places = find_places(out, written, record, zipped=zipped)
        self._moves = find_moves(out, self._places, record, zipped=zipped)
        self._origins = {new: old for old, new in self._moves.items()}
        self._before, self._intact, self._lost = self._after_moves(record)
        self._copied = 0

    def plan(self) -> Plan:
        files: dict[str, Placed] = {}
        albums = []
        for album in self._albums:
            place = self._places.get(album.key, "")
            shown = self._present(album)
            if not place:
                names: dict[str, Shown] = {}
            elif self._mode == "zip":
                names = _member_names(shown)
                files[place] = self._archive(album, place, names)
            else:
                names = self._names(place, shown)
                for name, photo in names.items():
                    path = f"{place}/{name}"
                    files[path] = self._intended(path, photo.photo, self._mode)
            albums.append(PlacedAlbum(album, place, tuple(shown), names))
        kept = self._kept()
        tops = {top_of(path) for path in kept}
        places = {place: key for key, place in self._places.items()}
        places |= {p: key for p, key in self._before.places.items() if p in tops}
        return Plan(
            albums=tuple(albums),
            moves=self._moves,
            before=self._before,
            intact=self._intact,
            lost=self._lost,
            places=places,
            files=files | kept,
            gone=self._gone,
            copied=self._copied,
        )

    def _is_there(self, shown: Shown) -> bool:
        return shown.photo in self._there

    def _present(self, album: Album) -> list[Shown]:
        return [shown for shown in album.photos if self._is_there(shown)]

    def _is_written(self, album: Album) -> bool:
        return len(self._present(album)) >= max(album.min_photos, 1)

    def _after_moves(self, record: Record) -> tuple[Record, frozenset[str], frozenset[str]]:
        """The record as it is after the moves; which of its files are intact, which are gone."""
        intact, lost = set(), set()
        for path, placed in record.files.items():
            if placing.is_intact(self._out / path, placed):
                intact.add(path)
            elif not os.path.lexists(self._out / path):
                lost.add(path)
        states = Record(files={path: record.files[path] for path in intact})
        absent = Record(files={path: record.files[path] for path in lost})
        after, states, absent = (one.moved(self._moves) for one in (record, states, absent))
        return after, frozenset(states.files), frozenset(absent.files)

    def _names_in(self, place: str) -> list[str]:
        """What is in a folder after the moves."""
        if place in self._origins:
            return folders.names_in(self._out / self._origins[place])
        if place in self._moves:
            return []
        return folders.names_in(self._out / place)

    @cached_property
    def _had(self) -> Mapping[str, Mapping[str, str]]:
        """By folder and source, the name that a photo had there."""
        had: defaultdict[str, dict[str, str]] = defaultdict(dict)
        # What is there comes last and prevails over what somebody has removed.
        for paths in (self._lost, self._intact):
            for path in sorted(paths):
                place, _, name = path.rpartition("/")
                had[place][self._before.files[path].source] = name
        return had

    def _names(self, place: str, shown: Iterable[Shown]) -> dict[str, Shown]:
        """A file name for each photo: the one it had, else its own, made unique."""
        had = self._had.get(place, {})
        files: dict[str, Shown] = {}
        fresh = []
        for photo in sorted(shown, key=lambda shown: shown.photo):
            name = had.get(str(photo.photo.absolute()))
            if name is None:
                fresh.append(photo)
            else:
                files[name] = photo
        # What is in the folder and will stay there keeps its name to itself.
        free = {n for source, n in had.items() if n not in files and not self._stays(place, source)}
        taken = filenames.Taken((*(n for n in self._names_in(place) if n not in free), *files))
        for photo in fresh:
            safe = filenames.safe_file(photo.photo.name)
            files[taken.take(*filenames.split(safe))] = photo
        return files

    def _intended(self, path: str, photo: Path, mode: Mode) -> Placed:
        placed = placing.intended(photo, mode)
        if mode != "hardlink":
            return placed
        there = path in self._intact and self._before.files[path] == placed
        if there or placing.can_be_linked(photo, self._out, trial=self._trial):
            return placed
        self._copied += 1
        return placing.intended(photo, "copy")

    def _archive(self, album: Album, place: str, names: Mapping[str, Shown]) -> Placed:
        """The archive as it shall be; as it is, while some of its photos cannot be reached."""
        if place in self._intact and len(names) < len(album.photos):
            return self._before.files[place]
        stamps = [placing.intended(shown.photo, "copy") for shown in names.values()]
        content = [
            (name, shown.photo_id, stamp.size, stamp.mtime_ns)
            for (name, shown), stamp in zip(names.items(), stamps, strict=True)
        ]
        fingerprint = placing.sha256_of(json.dumps(content).encode())
        if place in self._intact and self._before.files[place].source == fingerprint:
            return self._before.files[place]
        return Placed(fingerprint, "zip", 0, max(stamp.mtime_ns for stamp in stamps))

    def _stays(self, path: str, source: str) -> bool:
        """Whether a file stays whatever is planned."""
        return top_of(path) in self._keep or source in self._unreachable

    def _kept(self) -> dict[str, Placed]:
        """Files of folders that stay as they are, and of photos that are gone.

        Their disk may just not be plugged in, and a copy may be the last there is.
        """
        short = {a.key for a in self._albums if len(self._present(a)) < len(a.photos)}
        archives = {place for place, key in self._before.places.items() if key in short}
        return {
            path: placed
            for path, placed in self._before.files.items()
            if path in self._intact and (self._stays(path, placed.source) or path in archives)
        }


def _present(albums: Iterable[Album]) -> frozenset[Path]:
    photos = {shown.photo for album in albums for shown in album.photos}
    return frozenset(photo for photo in photos if placing.is_there(photo))


def _member_names(shown: Iterable[Shown]) -> dict[str, Shown]:
    """A name in the archive for each photo."""
    taken = filenames.Taken()
    return {
        taken.take(*filenames.split(filenames.safe_member(photo.photo.name))): photo
        for photo in sorted(shown, key=lambda shown: shown.photo)
    }

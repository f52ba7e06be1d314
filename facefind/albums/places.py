"""Which album is written where, and what has to be moved there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from facefind import filenames, folders
from facefind.albums.members import Album
from facefind.albums.record import RECORD_NAME, Record
from facefind.placing import is_intact

LISTING_NAME = "albums.json"
PAGE_NAME = "index.html"
THUMBNAILS = "thumbnails"
ARCHIVE = ".zip"


def find_places(
    out: Path, albums: Iterable[Album], record: Record, *, zipped: bool
) -> dict[str, str]:
    """A folder's or archive's name for each album, by its key: the one it had where that fits.

    A folder that is there already is taken over; what is in it stays.
    """
    ending = ARCHIVE if zipped else ""
    had = _had(out, record, zipped)
    taken = _taken(out, record, zipped)
    places, homeless = {}, []
    for album in albums:
        name = filenames.safe_folder(album.title) or album.fallback
        place = had.get(album.key)
        fits = place is not None and filenames.is_numbered(
            place, name, ending, filenames.FOLDER_BYTES
        )
        if place is not None and fits and place not in taken:
            taken.add(place)
            places[album.key] = place
        else:
            homeless.append((album.key, name))
    for key, name in homeless:
        places[key] = taken.take(name, ending, filenames.FOLDER_BYTES)
    return places


def find_moves(
    out: Path, places: Mapping[str, str], record: Record, *, zipped: bool
) -> dict[str, str]:
    """What has to get another name, all at once, so that each album is in its place.

    Where something else is in the way an album is not moved: it is written there, beside it.
    """
    had = _had(out, record, zipped)
    moves = {had[key]: place for key, place in places.items() if had.get(key, place) != place}
    while blocked := [old for old, new in moves.items() if _is_in_the_way(out, old, new, moves)]:
        for old in blocked:
            del moves[old]
    return moves


def _taken(out: Path, record: Record, zipped: bool) -> filenames.Taken:
    """Names that no album may have: of files in the way, and those that mean something."""
    taken = filenames.Taken((LISTING_NAME, RECORD_NAME, PAGE_NAME, THUMBNAILS))
    for name in folders.names_in(out):
        if zipped:
            free = name in record.files and is_intact(out / name, record.files[name])
        else:
            free = (out / name).is_dir()
        if not free:
            taken.add(name)
    return taken


def _had(out: Path, record: Record, zipped: bool) -> dict[str, str]:
    """By an album's key, where it is."""
    had = {}
    for place, key in record.places.items():
        if zipped:
            there = place in record.files and is_intact(out / place, record.files[place])
        else:
            there = place not in record.files and (out / place).is_dir()
        if there:
            had[key] = place
    return had


def _is_in_the_way(out: Path, old: str, new: str, moves: Mapping[str, str]) -> bool:
    """Whether something is at the new place that does not leave it."""
    if new in moves or not os.path.lexists(out / new):
        return False
    # Where case does not count, a name that changes in case alone is there already.
    return not ((out / new).exists() and (out / new).samefile(out / old))

"""Ties faces to sightings, so that what was decided about them outlives their vectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from facefind.store.copying import FaceRow, faces_stream
from facefind.store.queries import queries
from facefind.types import Box, Event, Face

SAME_FACE = 0.4
"""Intersection over union from which two boxes in one photo can be of one face."""


def counterparts(old: ArrayLike, ranks: Sequence[int], new: ArrayLike) -> dict[int, int]:
    """Which new box is whose: index in ``old`` -> index in ``new``, one to one.

    The lowest rank chooses first; within one, pairs are taken by overlap, the largest first.

    Args:
        old: (N, 4).
        ranks: One for each of ``old``.
        new: (M, 4).
    """
    # It brings OpenCV, which commands that look at no photo do without.
    from facefind.geometry import iou_matrix

    overlap = iou_matrix(old, new)
    pairs = sorted(
        (ranks[i], -float(value), i, j)
        for (i, row) in enumerate(overlap)
        for (j, value) in enumerate(row)
        if value >= SAME_FACE
    )
    chosen: dict[int, int] = {}
    for _, _, i, j in pairs:
        if i not in chosen and j not in chosen.values():
            chosen[i] = j
    return chosen


class NewFaces(NamedTuple):
    """All the faces that were found in a content of an event.

    Attributes:
        content: The number of the photo in the event.
        photo: Its number in the library.
    """

    content: int
    photo: int
    faces: Sequence[Face]


def put_faces(cursor: Any, event: Event, found: Sequence[NewFaces]) -> None:
    """Stores the faces that were found in contents of an event."""
    sightings = _place(cursor, found)
    rows = [
        FaceRow(one.content, number, face)
        for one, numbers in zip(found, sightings, strict=True)
        for face, number in zip(one.faces, numbers, strict=True)
    ]
    if rows:
        cursor.copy_expert(queries("photos")["copy_faces"], faces_stream(event, rows))


def _place(cursor: Any, found: Sequence[NewFaces]) -> list[list[int]]:
    """The sighting of each face of photos: one that is known there, else a new one."""
    photos = [one.photo for one in found if one.faces]
    if not photos:
        return [[] for _ in found]
    cursor.execute(queries("sightings")["sightings_of_photos"], {"photos": photos})
    known: defaultdict[int, list[Any]] = defaultdict(list)
    for photo, *row in cursor.fetchall():
        known[photo].append(row)
    taken = [_known(known[one.photo], one.faces) for one in found]
    added = iter(
        _add(
            cursor,
            [
                (one.photo, face.detection.box)
                for one, numbers in zip(found, taken, strict=True)
                for face, number in zip(one.faces, numbers, strict=True)
                if number is None
            ],
        )
    )
    return [[next(added) if number is None else number for number in numbers] for numbers in taken]


def _known(rows: Sequence[Sequence[Any]], faces: Sequence[Face]) -> list[int | None]:
    """The known sighting of each face of a photo, of those in rows (number, x, y, w, h, rank)."""
    chosen = counterparts(
        [row[1:5] for row in rows],
        [row[5] for row in rows],
        [tuple(face.detection.box) for face in faces],
    )
    numbers: list[int | None] = [None] * len(faces)
    for old, new in chosen.items():
        numbers[new] = rows[old][0]
    return numbers


def _add(cursor: Any, places: Sequence[tuple[int, Box]]) -> list[int]:
    """The numbers of new sightings in photos."""
    if not places:
        return []
    values: dict[str, list[Any]] = {"photos": [photo for photo, _ in places]}
    for name in Box._fields:
        values[name] = [float(getattr(box, name)) for _, box in places]
    cursor.execute(queries("sightings")["add_sightings"], values)
    return [row[0] for row in cursor.fetchall()]


def drop_unseen(cursor: Any, photos: Sequence[int]) -> None:
    """Deletes sightings in these photos that have no face and that nobody has decided about."""
    cursor.execute(queries("sightings")["drop_unseen"], {"photos": list(photos)})

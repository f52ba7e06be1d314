"""Ties faces to sightings, so that what was decided about them outlives their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike
from psycopg2.extras import execute_batch

from facefind.geometry import iou_matrix
from facefind.store.queries import queries
from facefind.store.values import face_parameters
from facefind.types import Box, Face

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


def place_faces(cursor: Any, photo: int, boxes: Sequence[Box]) -> list[int]:
    """The sighting of each face of a photo: one that is known there, else a new one.

    Args:
        boxes: Of all the faces that one event has in the photo.
    """
    named = queries("sightings")
    cursor.execute(named["sightings_of_photo"], {"photo": photo})
    known = cursor.fetchall()
    chosen = counterparts(
        [row[1:5] for row in known], [row[5] for row in known], [tuple(box) for box in boxes]
    )
    taken = {new: known[old][0] for old, new in chosen.items()}
    return [taken.get(i) or _add(cursor, photo, box) for i, box in enumerate(boxes)]


def put_faces(cursor: Any, event: int, content: int, photo: int, faces: Sequence[Face]) -> None:
    """Stores the faces that were found in a content of an event.

    Args:
        content: The number of the photo in the event.
    """
    sightings = place_faces(cursor, photo, [face.detection.box for face in faces])
    rows = [
        {**face_parameters(event, content, face), "sighting": sighting}
        for face, sighting in zip(faces, sightings, strict=True)
    ]
    execute_batch(cursor, queries("photos")["add_face"], rows)


def _add(cursor: Any, photo: int, box: Box) -> int:
    values = {name: float(value) for name, value in box._asdict().items()}
    cursor.execute(queries("sightings")["add_sighting"], {**values, "photo": photo})
    added: int = cursor.fetchone()[0]
    return added


def drop_unseen(cursor: Any, photos: Sequence[int]) -> None:
    """Deletes sightings in these photos that have no face and that nobody has decided about."""
    cursor.execute(queries("sightings")["drop_unseen"], {"photos": list(photos)})

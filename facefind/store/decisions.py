"""Carries what was decided about faces over to the faces that are found in their place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from numpy.typing import ArrayLike
from psycopg2.extras import execute_batch

from facefind.geometry import iou_matrix
from facefind.store.queries import queries
from facefind.types import Box

SAME_FACE = 0.4
"""Intersection over union from which two boxes in one photo can be of one face."""


class Place(NamedTuple):
    """Where a face was, and what was decided about it.

    Attributes:
        person: None where nothing was decided.
        lost: The face was missing already.
    """

    box: Box
    person: int | None
    decided_by: Literal["user", "machine"] | None
    created_at: datetime | None
    lost: bool

    @property
    def rank(self) -> int:
        """Who chooses first: a user's decisions, then those whose face was lost before."""
        return int(self.lost) if self.decided_by == "user" else 2


class NewFace(NamedTuple):
    """A face that may take over what was decided."""

    box: Box
    id: int


class Carried(NamedTuple):
    """How many decisions have a face now, and how many wait for one."""

    carried: int
    lost: int


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


def carry_decisions(cursor: Any, successor: int) -> Carried:
    """Gives the new faces of an event's successor what was decided about the event's faces.

    A decision without a counterpart is kept with its box, and tried again the next time.
    """
    named, values = queries("reindex"), {"successor": successor}
    places: dict[int, list[Place]] = defaultdict(list)
    for name, lost in (("decided_faces", False), ("decisions_lost_before", True)):
        cursor.execute(named[name], values)
        _collect(places, cursor.fetchall(), lost)
    cursor.execute(named["new_faces"], values)
    return _carry(cursor, places, _new_faces(cursor.fetchall()))


def recover_decisions(cursor: Any, content: int) -> None:
    """Gives the faces just found in a content what was decided about those it once had."""
    named, values = queries("reindex"), {"content": content}
    places: dict[int, list[Place]] = defaultdict(list)
    cursor.execute(named["take_lost_decisions"], values)
    _collect(places, cursor.fetchall(), lost=True)
    if places:
        cursor.execute(named["faces_of_content"], values)
        _carry(cursor, places, _new_faces(cursor.fetchall()))


def _collect(places: dict[int, list[Place]], rows: Sequence[Any], lost: bool) -> None:
    for content, x, y, w, h, person, decided_by, created_at in rows:
        places[content].append(Place(Box(x, y, w, h), person, decided_by, created_at, lost))


def _new_faces(rows: Sequence[Any]) -> dict[int, list[NewFace]]:
    faces: dict[int, list[NewFace]] = defaultdict(list)
    for content, x, y, w, h, face in rows:
        faces[content].append(NewFace(Box(x, y, w, h), face))
    return faces


def _carry(
    cursor: Any,
    places: Mapping[int, Sequence[Place]],
    faces: Mapping[int, Sequence[NewFace]],
) -> Carried:
    """Stores each decision with its counterpart, or as lost; both by content."""
    carried, lost = [], []
    for content, old in places.items():
        new = faces.get(content, ())
        chosen = counterparts(
            [place.box for place in old], [place.rank for place in old], [face.box for face in new]
        )
        for index, place in enumerate(old):
            if place.person is None:
                continue
            values = {
                "person": place.person,
                "decided_by": place.decided_by,
                "created_at": place.created_at,
            }
            if index in chosen:
                carried.append({**values, "face": new[chosen[index]].id})
            else:
                lost.append({**values, **place.box._asdict(), "content": content})
    named = queries("reindex")
    execute_batch(cursor, named["carry_decision"], carried)
    execute_batch(cursor, named["lose_decision"], lost)
    return Carried(len(carried), len(lost))

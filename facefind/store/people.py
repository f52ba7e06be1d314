"""The store's words for people: who was seen where, and what grouping reads and says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefind.store.access import Access
from facefind.store.db import transaction
from facefind.store.queries import queries
from facefind.store.records import (
    Grouping,
    Kind,
    KnownPortrait,
    LearntPortrait,
    Person,
    PhotoPlace,
    SeenFace,
    ToGroup,
)
from facefind.store.values import aware, embedding_of, path_of
from facefind.types import Box


class PeopleReading(Access):
    """Part of `facefind.store.repository.Repository`."""

    def people(
        self, events: Collection[int] | None = None, people: Collection[int] | None = None
    ) -> list[Person]:
        """People, the named first by name, then those of most photos.

        Args:
            events: Count only what is in these events; people with nothing there are told too,
                where a user has decided something about them.
            people: Only these.
        """
        values = {"events": _ids(events), "people": _ids(people)}
        return [Person(*row) for row in self._select("people", "people", values)]

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
        """Faces in photos that are there, one for each sighting: its best; by sighting.

        Args:
            people: Only theirs.
            sightings, photos, events: Only these.
            after, before: Only of photos with ``after <= taken_at < before``.
        """
        values = {
            "people": _ids(people), "sightings": _ids(sightings), "photos": _ids(photos),
            "events": _ids(events), "after": aware(after), "before": aware(before),
        }  # fmt: skip
        return [_seen(row) for row in self._select("people", "seen_faces", values)]

    def photos_at(self, paths: Sequence[bytes]) -> list[PhotoPlace]:
        """The contents known at these paths, whatever their event."""
        rows = self._select("people", "photos_at", {"paths": list(paths)})
        return [PhotoPlace(path_of(path), *rest) for path, *rest in rows]

    def portraits_of(self, people: Collection[int] | None = None) -> list[KnownPortrait]:
        """The portraits by which people were learnt."""
        rows = self._select("people", "portraits_of_people", {"people": _ids(people)})
        return [KnownPortrait(person, path_of(path), *rest) for person, path, *rest in rows]

    def faces_to_group(self, kind: Kind, dimension: int) -> ToGroup:
        """Everything that grouping is made of, as it is at one moment.

        Args:
            dimension: D of the kind's embeddings.
        """
        values = {"pipeline": kind.pipeline, "fingerprint": kind.fingerprint}
        named = queries("people")
        with transaction(self._connection, "reading faces to group") as cursor:
            # One moment for all statements, whatever others write meanwhile.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(queries("deciding")["revision"])
            revision = cursor.fetchone()[0]
            faces = _copied_faces(cursor, values, dimension)
            cursor.execute(named["rejections"])
            rejections = cursor.fetchall()
            cursor.execute(named["decided_people"])
            decided = frozenset(row[0] for row in cursor.fetchall())
            cursor.execute(named["portraits"], values)
            portraits = [LearntPortrait(p, q, embedding_of(v)) for p, q, v in cursor.fetchall()]
            cursor.execute(named["last_grouping"], values)
            last = cursor.fetchone()
        return ToGroup(
            revision=revision,
            rejections=tuple(rejections),
            decided=decided,
            portraits=tuple(portraits),
            last=Grouping(*last) if last else None,
            **faces,
        )

    def put_groups(
        self,
        kind: Kind,
        revision: int,
        assigned: Mapping[int, int],
        released: Collection[int],
        grouping: Grouping,
    ) -> dict[int, int] | None:
        """Stores what grouping has found; decisions of users stay as they are.

        Args:
            revision: Of the `ToGroup` that was grouped.
            assigned: Sighting -> person; negative numbers stand for new people.
            released: Sightings that are nobody's any more.
            grouping: What the next one is to know of this one.

        Returns:
            The new people's ids by those numbers; None, with nothing changed, where something was
            decided meanwhile.
        """
        named = queries("people")
        with self._write("storing groups") as cursor:
            cursor.execute(queries("deciding")["revision"])
            if cursor.fetchone()[0] != revision:
                return None
            new = sorted({person for person in assigned.values() if person < 0}, reverse=True)
            cursor.execute(named["new_people"], {"count": len(new)})
            made = dict(zip(new, (row[0] for row in cursor.fetchall()), strict=True))
            cursor.execute(named["drop_groups"], {"sightings": list(released), **kind._asdict()})
            said = {
                "sightings": list(assigned),
                "people": [made.get(person, person) for person in assigned.values()],
            }
            cursor.execute(named["put_groups"], said)
            cursor.execute(named["drop_empty_people"])
            cursor.execute(
                named["record_grouping"],
                {**kind._asdict(), **grouping._asdict()},
            )
        return made


def _ids(numbers: Collection[int] | None) -> list[int] | None:
    return None if numbers is None else sorted(numbers)


def _seen(row: Sequence[Any]) -> SeenFace:
    sighting, person, path, event, x, y, w, h, taken_at, photo, quality, decided_by, confirmed = row
    return SeenFace(
        sighting, person, path_of(path), event, Box(x, y, w, h), taken_at, photo, quality,
        decided_by, confirmed,
    )  # fmt: skip


_FIELDS = (
    ("sighting", ">i8"), ("face", ">i8"), ("photo", ">i8"), ("quality", ">f4"),
    ("person", ">i8"), ("pinned", ">i4"),
)  # fmt: skip
_HEADER = 19
_TRAILER = 2
_PART = 4096


def _copied_faces(
    cursor: Any, values: Mapping[str, str], dimension: int
) -> dict[str, NDArray[Any]]:
    """The rows of ``faces_to_group``, one for each sighting, as arrays.

    As PostgreSQL's binary COPY sends them: a header, rows of equal length (a count of fields, then
    each with its length before it) and a trailer. Ten times as fast as rows of Python objects, and
    a tenth of their memory.
    """
    named = queries("people")["faces_to_group"].removesuffix(";")
    statement = cursor.mogrify(named, values).decode()
    sent = BytesIO()
    cursor.copy_expert(f"COPY ({statement}) TO STDOUT (FORMAT binary)", sent)
    row = np.dtype(
        [("fields", ">i2")]
        + [part for name, form in _FIELDS for part in ((f"{name} length", ">i4"), (name, form))]
        # pgvector sends the dimension and an unused number before the values.
        + [("length", ">i4"), ("dimension", ">i2"), ("unused", ">i2")]
        + [("vector", ">f4", (dimension,))]
    )
    count = (len(sent.getbuffer()) - _HEADER - _TRAILER) // row.itemsize
    rows = np.frombuffer(sent.getbuffer(), row, count, _HEADER)
    # A content that is in two events of one kind has each of its faces twice.
    first = np.ones(count, bool)
    first[1:] = rows["sighting"][1:] != rows["sighting"][:-1]
    return {
        "sightings": rows["sighting"][first].astype(np.int64),
        "photos": rows["photo"][first].astype(np.int64),
        "faces": rows["face"][first].astype(np.int64),
        "qualities": rows["quality"][first].astype(np.float32),
        "people": rows["person"][first].astype(np.int64),
        "pinned": rows["pinned"][first].astype(bool),
        "vectors": _chosen_vectors(rows["vector"], first),
    }


def _chosen_vectors(vectors: NDArray[Any], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Some rows, as numbers of this machine; in parts, because each step of numpy's copies all."""
    found = np.empty((np.count_nonzero(chosen), vectors.shape[1]), np.float32)
    end = 0
    for start in range(0, len(vectors), _PART):
        part = vectors[start : start + _PART][chosen[start : start + _PART]]
        found[end : end + len(part)] = part
        end += len(part)
    return found

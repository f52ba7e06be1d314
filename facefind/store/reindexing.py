"""The store's words for moving an event to other vectors.

Binding and id of an event belong together for good: the event's successor is another row, hidden
until it is whole, and takes over the event's name and files in one transaction. So whoever still
works with the old one finds it gone, and cannot mix its vectors with the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2.extras import Json

from facefind.store.access import Access, count_events
from facefind.store.queries import queries
from facefind.store.records import Outstanding, Replaced, Succession
from facefind.store.sightings import NewFaces, drop_unseen, put_faces
from facefind.store.values import text
from facefind.types import Event, Face, SettingValue


class Reindexing(Access):
    """Part of `facefind.store.repository.Repository`."""

    def begin_successor(
        self,
        event: Event,
        pipeline: str,
        fingerprint: str,
        dimension: int,
        settings: Mapping[str, SettingValue],
    ) -> Succession | None:
        """The event's hidden successor, new or as an earlier run left it; None without the event.

        One that was begun with another pipeline, other settings or other weights is dropped.
        """
        named, values = queries("reindex"), {"event": event.id}
        with self._write("beginning to reindex") as cursor:
            if not count_events(cursor, {event.id}):
                return None
            cursor.execute(named["successor"], values)
            row = cursor.fetchone()
            begun = Event(*row) if row else None
            asked = (pipeline, fingerprint, dict(settings))
            if begun and (begun.pipeline, begun.fingerprint, begun.settings) == asked:
                return Succession(begun, None)
            if begun:
                _drop_event(cursor, begun.id)
            cursor.execute(
                named["create_successor"],
                {
                    **values, "pipeline": pipeline, "fingerprint": fingerprint,
                    "dimension": dimension, "settings": Json(dict(settings)),
                },
            )  # fmt: skip
            return Succession(Event(*cursor.fetchone()), begun)

    def drop_successor(self, event: Event) -> Event | None:
        """Deletes what an unfinished move of the event has stored; returns its successor."""
        with self._write("dropping an unfinished reindex", event.id) as cursor:
            cursor.execute(queries("reindex")["successor"], {"event": event.id})
            row = cursor.fetchone()
            if row:
                _drop_event(cursor, row[0])
            return Event(*row) if row else None

    def outstanding(self, event: Event) -> list[Outstanding]:
        """The event's contents with faces that its successor does not have yet."""
        rows = self._select("reindex", "outstanding", {"event": event.id})
        return [
            Outstanding(content, sha256, tuple(map(bytes, paths)))
            for content, sha256, paths in rows
        ]

    def record_new_faces(
        self, successor: Event, found: Sequence[tuple[int, Sequence[Face]]]
    ) -> bool:
        """Stores the faces of contents of the event with its successor.

        A content that was forgotten, or that another process has stored, is left as it is.

        Args:
            found: The contents' numbers in the event, and all their faces.

        Returns:
            False where the successor is gone.
        """
        faces = dict(found)
        with self._write("storing new faces") as cursor:
            if not count_events(cursor, {successor.id}):
                return False
            values = {"successor": successor.id, "contents": list(faces)}
            cursor.execute(queries("reindex")["add_successor_contents"], values)
            added = [
                NewFaces(content, photo, faces[old]) for old, content, photo in cursor.fetchall()
            ]
            put_faces(cursor, successor, added)
        return True

    def replace_event(
        self, event: Event, successor: Event, left_out: Mapping[int, str]
    ) -> Replaced | None:
        """Puts the successor into the event's place, with its files and what people decided.

        The event's own vectors are deleted.

        Args:
            left_out: Contents that the successor may lack, with the reason; they become failed,
                and the next ingest reads them again.

        Returns:
            None where nothing was changed, because other contents are outstanding or one of the two
            is gone.
        """
        with self._write("replacing the event's vectors") as cursor:
            if count_events(cursor, {event.id, successor.id}) < 2:
                return None
            cursor.execute(queries("reindex")["outstanding"], {"event": event.id})
            waiting = {row[0] for row in cursor.fetchall()}
            if not waiting <= left_out.keys():
                return None
            reasons = {content: text(left_out[content]) for content in sorted(waiting)}
            return _replace(cursor, event, successor, reasons)


def _replace(cursor: Any, event: Event, successor: Event, left_out: Mapping[int, str]) -> Replaced:
    named = queries("reindex")
    values = {
        "event": event.id,
        "successor": successor.id,
        "contents": list(left_out),
        "reasons": list(left_out.values()),
    }
    cursor.execute(named["figures"], values)
    photos, before, after = cursor.fetchone()
    for name in ("add_failed_contents", "forget_stamps", "move_paths"):
        cursor.execute(named[name], values)
    cursor.execute(queries("sightings")["decided_sightings"], values)
    carried, lost = cursor.fetchone()
    for name in ("drop_faces", "free_contents", "hide_event", "show_successor"):
        cursor.execute(named[name], values)
    _drop_event(cursor, event.id)
    return Replaced(photos, before, after, carried, lost, tuple(left_out))


def _drop_event(cursor: Any, event: int) -> None:
    """Deletes an event, and the sightings that it alone had and nobody has decided about."""
    cursor.execute(queries("reindex")["photos_of_event"], {"event": event})
    photos = [row[0] for row in cursor.fetchall()]
    cursor.execute(queries("forget")["drop_event"], {"event": event})
    drop_unseen(cursor, photos)

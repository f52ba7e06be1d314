"""Every read and write of events, photos and faces, by name. The SQL is in ``sql/queries``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from psycopg2.extras import Json

from facefind.errors import StoreError, UsageError
from facefind.store.deciding import Deciding
from facefind.store.nearest import (
    EXACT_UP_TO,
    PeopleNearby,
    Question,
    count_faces,
    draw_cohort,
    find_faces,
    find_nearest,
)
from facefind.store.people import PeopleReading
from facefind.store.queries import queries
from facefind.store.records import (
    ContentState,
    EventPhoto,
    EventSummary,
    FaceNearby,
    Failure,
    Forgotten,
    KnownFile,
)
from facefind.store.reindexing import Reindexing
from facefind.store.sightings import drop_unseen, put_faces
from facefind.store.values import (
    aware,
    path_of,
    path_parameters,
    photo_parameters,
    text,
)
from facefind.types import (
    Event,
    Face,
    FileStamp,
    FloatArray,
    Match,
    PhotoInfo,
    SettingValue,
)


class Repository(Reindexing, PeopleReading, PeopleNearby, Deciding):
    """The store's words. Each method is one transaction; every one may raise StoreError.

    Paths are absolute, as bytes (``os.fsencode``); sha256 is in hexadecimal; times given without
    an offset are of this machine's time zone, times answered are UTC.

    Args:
        connection: From ``facefind.store.db.connect``, with an up-to-date schema. For one thread.
        exact_up_to: Faces in scope up to which a search compares every one.
    """

    def __init__(self, connection: Any, *, exact_up_to: int = EXACT_UP_TO) -> None:
        super().__init__(connection)
        self._exact_up_to = exact_up_to

    # Events

    def event(self, name: str) -> Event | None:
        """The event of that name."""
        rows = self._select("events", "event", {"name": text(name)})
        return Event(*rows[0]) if rows else None

    def events(self) -> list[Event]:
        """All events, by name."""
        return [Event(*row) for row in self._select("events", "events", {})]

    def ensure_event(
        self,
        name: str,
        pipeline: str,
        fingerprint: str,
        dimension: int,
        settings: Mapping[str, SettingValue],
    ) -> Event:
        """Creates the event, or returns the one of that name as it is, whatever its pipeline.

        Args:
            name: Not empty.
            pipeline, fingerprint, settings: What its faces are found and embedded with.
            dimension: D of its embeddings.
        """
        values = {
            "name": text(name), "pipeline": pipeline, "fingerprint": fingerprint,
            "dimension": dimension, "settings": Json(dict(settings)),
        }  # fmt: skip
        with self._write(f"creating the event {name!r}") as cursor:
            cursor.execute(queries("events")["create_event"], values)
            cursor.execute(queries("events")["event"], values)
            return Event(*cursor.fetchone())

    # Ingest

    def known_files(self, event_id: int) -> dict[bytes, KnownFile]:
        """Every path that was ever seen in the event, with what became of it."""
        rows = self._select("events", "known_files", {"event": event_id})
        return {
            bytes(path): KnownFile(
                None if size is None else FileStamp(size, mtime), state, missing, sha256, reason
            )
            for path, size, mtime, state, missing, sha256, reason in rows
        }

    def content_state(self, event_id: int, sha256: str) -> ContentState | None:
        """What became of this content in this event; None if it is not there."""
        values = {"event": event_id, "sha256": bytes.fromhex(sha256)}
        rows = self._select("photos", "content", values)
        return rows[0][1] if rows else None

    def record_photo(
        self,
        event: Event,
        path: bytes,
        stamp: FileStamp,
        sha256: str,
        info: PhotoInfo,
        faces: Sequence[Face],
    ) -> bool:
        """Stores a photo, all its faces and the path it was read from.

        Returns:
            False where the event already had this content searched: only the path is recorded.
        """
        named = queries("photos")
        with self._write("storing a photo", event.id) as cursor:
            content, state = _content(cursor, event.id, sha256)
            if state != "done":
                cursor.execute(named["put_photo"], photo_parameters(sha256, stamp.size, info))
                photo = cursor.fetchone()[0]
                content = _put_content(cursor, event.id, photo, None)
                put_faces(cursor, event.id, content, photo, faces)
            _move_path(cursor, path_parameters(event.id, path, stamp, content, None))
        return state != "done"

    def record_failure(
        self,
        event: Event,
        path: bytes,
        stamp: FileStamp | None,
        sha256: str | None,
        reason: str,
    ) -> None:
        """Stores that a file could not be used.

        Args:
            stamp: None only if not even that could be read.
            sha256: Its content; None if it could not be read. The path then keeps the content it
                had before, if any, with its faces, beside the reason: a lost permission or a bad
                cable takes no photo away. The next record with a content replaces both.
            reason: One sentence.
        """
        with self._write("storing a failure", event.id) as cursor:
            if sha256 is None:
                values = path_parameters(event.id, path, stamp, None, text(reason))
                cursor.execute(queries("photos")["put_path"], values)
                return
            size = stamp.size if stamp else 0
            content = _put_failed(cursor, event.id, sha256, size, text(reason))
            _move_path(cursor, path_parameters(event.id, path, stamp, content, None))

    def record_path(self, event: Event, path: bytes, stamp: FileStamp, sha256: str) -> None:
        """Stores that content which the event already has is (also) at this path.

        Raises:
            StoreError: The event does not have it, or no longer.
        """
        with self._write("storing a path", event.id) as cursor:
            content, _ = _content(cursor, event.id, sha256)
            if content is None:
                raise StoreError(
                    f"A photo of the event {event.name!r} was forgotten meanwhile.",
                    "Run ingest again.",
                )
            _move_path(cursor, path_parameters(event.id, path, stamp, content, None))

    def mark_missing(self, event_id: int, paths: Collection[bytes]) -> None:
        """Stores that files are gone. Their faces stay, and are found again when they return."""
        values = {"event": event_id, "paths": list(paths)}
        with self._write("marking missing files", event_id) as cursor:
            cursor.execute(queries("photos")["mark_missing"], values)

    # Search and reports

    def search(
        self,
        probe: FloatArray,
        events: Sequence[Event],
        *,
        max_distance: float | None = None,
        limit: int = 0,
        after: datetime | None = None,
        before: datetime | None = None,
        min_quality: float = 0,
    ) -> list[Match]:
        """The photos whose nearest face is nearest to the probe, by distance then path.

        One row for each content that is still at some path, with that face. Above
        ``exact_up_to`` faces in scope an index answers, which may miss a few (about 1 %).

        Args:
            probe: (D,) float32, of the events' dimension.
            events: All of one pipeline and fingerprint.
            max_distance: L2, inclusive; None for any.
            limit: Photos at most; 0 for all.
            after, before: Only photos with ``after <= taken_at < before``.
            min_quality: Faces of less are left out; those without a quality are not.

        Raises:
            UsageError: The events' vectors cannot be compared.
            StoreError: The database failed, or the probe has another dimension.
        """
        if not events:
            return []
        question = Question(
            probe, [event.id for event in events], _pipeline(events),
            max_distance, limit, aware(after), aware(before), min_quality,
        )  # fmt: skip
        with self._search("searching", events) as cursor:
            return find_nearest(cursor, question, self._exact_up_to)

    def faces_within(
        self,
        probe: FloatArray,
        events: Sequence[Event],
        *,
        max_distance: float,
        limit: int = 0,
        after: datetime | None = None,
        before: datetime | None = None,
        min_quality: float = 0,
    ) -> list[FaceNearby]:
        """The faces within ``max_distance`` of the probe, with their embeddings, nearest first.

        Unlike ``search``, a photo has a row for each such face. Content in several of the events
        gives its faces once: those of the event made first, among the events where it is
        still at some path.

        Args and Raises: As :meth:`search`; ``limit`` counts faces.
        """
        if not events:
            return []
        question = Question(
            probe, [event.id for event in events], _pipeline(events),
            max_distance, limit, aware(after), aware(before), min_quality,
        )  # fmt: skip
        with self._search("searching", events) as cursor:
            return find_faces(cursor, question, self._exact_up_to)

    def cohort(self, events: Sequence[Event], size: int, min_quality: float = 0) -> FloatArray:
        """Embeddings (M, D) of up to ``size`` faces that a distance can be compared with.

        A sample, the same whenever the faces are the same: of these events, and where they have
        fewer, of the library's other events with such vectors.

        Args:
            events: At least one, all of one pipeline and fingerprint.

        Returns:
            (0, 0) where there are no faces.
        """
        with self._search("sampling", events) as cursor:
            drawn = draw_cohort(cursor, events, size, min_quality)
        return np.stack(drawn) if drawn else np.zeros((0, 0), np.float32)

    def count_faces(self, events: Sequence[Event], min_quality: float = 0) -> int:
        """How many faces the events hold, at least one and all of one pipeline.

        Those of photos that are gone count, and of one in two events twice.
        """
        with self._search("counting", events) as cursor:
            return count_faces(cursor, events, min_quality)

    def summary(self, event_id: int) -> EventSummary:
        """The event in figures."""
        return EventSummary(*self._select("events", "summary", {"event": event_id})[0])

    def failures(self, event_id: int) -> list[Failure]:
        """Files that are there and could not be used, by path."""
        rows = self._select("events", "failures", {"event": event_id})
        return [Failure(path_of(path), reason) for path, reason in rows]

    def event_photos(self, event_id: int) -> list[EventPhoto]:
        """Contents searched for faces that are still at some path, by path."""
        rows = self._select("events", "event_photos", {"event": event_id})
        return [EventPhoto(path_of(path), *rest) for path, *rest in rows]

    # Forgetting

    def forget_paths(self, paths: Sequence[bytes], event: Event | None) -> Forgotten:
        """Deletes files, and everything under folders, from one event or all.

        Content that is also elsewhere in the event stays; a place it went missing from does not
        count.
        """
        plain = [path.rstrip(b"/") for path in paths]
        named = queries("forget")
        with self._write("forgetting") as cursor:
            cursor.execute(
                named["forget_paths"], {"paths": plain, "event": event.id if event else None}
            )
            lost = {"contents": [row[0] for row in cursor.fetchall() if row[0] is not None]}
            cursor.execute(named["unreachable_contents"], lost)
            return _forget(cursor, [row[0] for row in cursor.fetchall()])

    def forget_event(self, name: str) -> Forgotten:
        """Deletes an event with everything in it.

        Raises:
            UsageError: There is no such event.
        """
        event = self.event(name)
        if event is None:
            raise UsageError(f"There is no event {name!r}.")
        named = queries("forget")
        with self._write(f"forgetting the event {name!r}") as cursor:
            cursor.execute(named["contents_of_event"], {"event": event.id})
            forgotten = _forget(cursor, [row[0] for row in cursor.fetchall()])
            cursor.execute(named["drop_event"], {"event": event.id})
        return forgotten


def _pipeline(events: Sequence[Event]) -> str:
    """The pipeline that all of these events, at least one, are bound to; UsageError if not one."""
    if len({(event.pipeline, event.fingerprint) for event in events}) > 1:
        raise UsageError("Events of different pipelines cannot be searched together.")
    return events[0].pipeline


def _content(cursor: Any, event_id: int, sha256: str) -> tuple[int | None, ContentState | None]:
    """The id and state of a content in an event."""
    values = {"event": event_id, "sha256": bytes.fromhex(sha256)}
    cursor.execute(queries("photos")["content"], values)
    row = cursor.fetchone()
    return (row[0], row[1]) if row else (None, None)


def _put_content(cursor: Any, event_id: int, photo: int, error: str | None) -> int:
    state = "done" if error is None else "failed"
    values = {"event": event_id, "photo": photo, "state": state, "error": error}
    cursor.execute(queries("photos")["put_content"], values)
    content: int = cursor.fetchone()[0]
    return content


def _put_failed(cursor: Any, event_id: int, sha256: str, size: int, reason: str) -> int:
    """The id of a content that failed; one that another process has searched stays done."""
    content, state = _content(cursor, event_id, sha256)
    if content is not None and state == "done":
        return content
    values = {"sha256": bytes.fromhex(sha256), "size_bytes": size}
    cursor.execute(queries("photos")["put_undecoded_photo"], values)
    return _put_content(cursor, event_id, cursor.fetchone()[0], reason)


def _move_path(cursor: Any, values: Mapping[str, Any]) -> None:
    """Points a path at its content, and drops the one it had if nothing points there any more."""
    named = queries("photos")
    cursor.execute(named["path_content"], values)
    before = cursor.fetchone()
    cursor.execute(named["put_path"], values)
    if before and before[0] not in (None, values["content"]):
        cursor.execute(named["drop_unused_content"], {"content": before[0]})
        _drop_photos(cursor, [row[0] for row in cursor.fetchall()])


def _forget(cursor: Any, contents: Sequence[int]) -> Forgotten:
    """Deletes contents from their events, their faces, and photos that no event holds any more."""
    values = {"contents": list(contents)}
    named = queries("forget")
    cursor.execute(named["count_faces"], values)
    faces = cursor.fetchone()[0]
    cursor.execute(named["drop_contents"], values)
    photos = [row[0] for row in cursor.fetchall()]
    _drop_photos(cursor, photos)
    return Forgotten(len(photos), faces)


def _drop_photos(cursor: Any, photos: Sequence[int]) -> None:
    """Deletes photos that no event holds any more, and sightings of others that none sees."""
    cursor.execute(queries("photos")["drop_unused_photos"], {"photos": list(photos)})
    drop_unseen(cursor, photos)

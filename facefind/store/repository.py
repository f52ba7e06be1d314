"""Every read and write of events, photos and faces, by name. The SQL is in ``sql/queries``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from psycopg2.extras import Json

from facefind.errors import UsageError
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
from facefind.store.recording import Recording, drop_photos
from facefind.store.records import (
    EventPhoto,
    EventSummary,
    FaceNearby,
    Failure,
    Forgotten,
)
from facefind.store.reindexing import Reindexing
from facefind.store.values import aware, path_of, text
from facefind.types import Event, FloatArray, Match, SettingValue


class Repository(Recording, Reindexing, PeopleReading, PeopleNearby, Deciding):
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


def _forget(cursor: Any, contents: Sequence[int]) -> Forgotten:
    """Deletes contents from their events, their faces, and photos that no event holds any more."""
    values = {"contents": list(contents)}
    named = queries("forget")
    cursor.execute(named["count_faces"], values)
    faces = cursor.fetchone()[0]
    cursor.execute(named["drop_contents"], values)
    photos = [row[0] for row in cursor.fetchall()]
    drop_photos(cursor, photos)
    return Forgotten(len(photos), faces)

"""A connection's transactions: reads, searches and writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from facefind.errors import StoreError
from facefind.store.db import transaction
from facefind.store.queries import queries
from facefind.types import Event


class Access:
    """What every part of the store's words is said with.

    Args:
        connection: From ``facefind.store.db.connect``, with an up-to-date schema. For one thread.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def _select(self, file: str, name: str, values: Mapping[str, Any]) -> list[Any]:
        with transaction(self._connection, f"reading ({name})") as cursor:
            cursor.execute(queries(file)[name], values)
            rows: list[Any] = cursor.fetchall()
            return rows

    @contextmanager
    def _search(self, doing: str, events: Sequence[Event]) -> Iterator[Any]:
        """A transaction that looks at events, and fails where one was replaced meanwhile."""
        with transaction(self._connection, doing) as cursor:
            yield cursor
            # Afterwards: an event that is still there now was there all the time.
            require_events(cursor, {event.id for event in events})

    @contextmanager
    def _write(self, doing: str, event_id: int | None = None) -> Iterator[Any]:
        """A transaction that no other writes beside; the event, if one is named, is there."""
        with transaction(self._connection, doing) as cursor:
            cursor.execute(queries("photos")["writer_lock"])
            if event_id is not None:
                require_events(cursor, {event_id})
            yield cursor


def count_events(cursor: Any, ids: Collection[int]) -> int:
    """How many of these events there are."""
    cursor.execute(queries("events")["count_events"], {"events": list(ids)})
    count: int = cursor.fetchone()[0]
    return count


def require_events(cursor: Any, ids: Collection[int]) -> None:
    """Refuses to go on with events that are gone: vectors of two models must never mix.

    Raises:
        StoreError: One is gone.
    """
    if count_events(cursor, ids) != len(ids):
        raise StoreError(
            "An event was moved to other vectors by facefind reindex, or forgotten, while this "
            "was running.",
            "Run the command again.",
        )

"""Opens the store: server, connection, schema."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from facefind.store.embedded import embedded_server

if TYPE_CHECKING:
    from facefind.store.repository import Repository

_log = logging.getLogger(__name__)


@contextmanager
def open_store(
    home: Path, database_url: str | None, prepare: Callable[[], object] | None = None
) -> Iterator[Repository]:
    """The store, ready for use: server started where it is the embedded one, schema up to date.

    Args:
        home: facefind's data folder; holds the embedded server's data.
        database_url: Another server's libpq URL or ``key=value`` string; None for the embedded one.
        prepare: Called in a thread while the server starts: what the command will need besides,
            such as its imports. What it raises is left for the command to meet.

    Raises:
        SetupError: The embedded server is not installed, or not for this system.
        StoreError: The server cannot be started or reached, or is too old.
        SchemaError: The database's schema is newer than this program, or cannot be migrated.
    """
    with _meanwhile(prepare) as ready:
        if database_url is not None:
            ready()
            with _repository(database_url) as repository:
                yield repository
            return
        with embedded_server(home) as url:
            ready()
            with _repository(url) as repository:
                yield repository


@contextmanager
def _meanwhile(prepare: Callable[[], object] | None) -> Iterator[Callable[[], None]]:
    """Imports the rest of the store, and prepares, in a thread; yields what waits for its end."""
    thread = Thread(target=_prepare, args=(prepare,), name="preparing")
    thread.start()
    try:
        yield thread.join
    finally:
        thread.join()


def _prepare(more: Callable[[], object] | None) -> None:
    try:
        importlib.import_module("facefind.store.repository")
        importlib.import_module("facefind.store.migrate")
        if more is not None:
            more()
    except Exception:  # noqa: BLE001  # met again, and told, by whoever needs it
        _log.debug("what the command will need could not be prepared", exc_info=True)


@contextmanager
def _repository(url: str) -> Iterator[Repository]:
    # Not at the top: numpy and the driver take as long to load as the server to start.
    from facefind.store.db import connect, register_vectors
    from facefind.store.migrate import migrate
    from facefind.store.repository import Repository

    connection = connect(url)
    try:
        migrate(connection)
        register_vectors(connection)
        yield Repository(connection)
    finally:
        connection.close()

"""Opens the store: server, connection, schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facefind.store.db import connect, register_vectors
from facefind.store.embedded import embedded_server
from facefind.store.migrate import migrate
from facefind.store.repository import Repository


@contextmanager
def open_store(home: Path, database_url: str | None) -> Iterator[Repository]:
    """The store, ready for use: server started where it is the embedded one, schema up to date.

    Args:
        home: facefind's data folder; holds the embedded server's data.
        database_url: Another server's libpq URL or ``key=value`` string; None for the embedded one.

    Raises:
        SetupError: The embedded server is not installed, or not for this system.
        StoreError: The server cannot be started or reached, or is too old.
        SchemaError: The database's schema is newer than this program, or cannot be migrated.
    """
    if database_url is not None:
        with _repository(database_url) as repository:
            yield repository
        return
    with embedded_server(home) as url, _repository(url) as repository:
        yield repository


@contextmanager
def _repository(url: str) -> Iterator[Repository]:
    connection = connect(url)
    try:
        migrate(connection)
        register_vectors(connection)
        yield Repository(connection)
    finally:
        connection.close()

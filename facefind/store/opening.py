"""Opens the store: server, connection, schema."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING

from facefind.store.embedded import embedded_server

if TYPE_CHECKING:
    from facefind.store.repository import Repository

_log = logging.getLogger(__name__)


@contextmanager
def open_store(
    home: Path, database_url: str | None, prepare: Sequence[Callable[[], object]] = ()
) -> Iterator[Repository]:
    """The store, ready for use: server started where it is the embedded one, schema up to date.

    Args:
        home: facefind's data folder; holds the embedded server's data.
        database_url: Another server's libpq URL or ``key=value`` string; None for the embedded one.
        prepare: Called in a thread, one after the other, while the server starts: what the command
            will need besides, such as its imports. What it does not come to, or raises, is left for
            the command to meet.

    Raises:
        SetupError: The embedded server is not installed, or not for this system.
        StoreError: The server cannot be started or reached, or is too old.
        SchemaError: The database's schema is newer than this program, or cannot be migrated.
    """
    with _Preparing(prepare) as preparing, _server(home, database_url) as url:
        preparing.finish()
        with _repository(url) as repository:
            yield repository


def _server(home: Path, database_url: str | None) -> AbstractContextManager[str]:
    return embedded_server(home) if database_url is None else nullcontext(database_url)


class _Preparing:
    """A thread that imports the rest of the store, and then prepares until it is to finish."""

    def __init__(self, more: Sequence[Callable[[], object]]) -> None:
        self._more = more
        self._enough = Event()
        self._thread = Thread(target=self._run, name="preparing")

    def finish(self) -> None:
        """Has the thread begin nothing more, and waits for it: one thread at a time imports."""
        self._enough.set()
        self._thread.join()

    def __enter__(self) -> _Preparing:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish()

    def _run(self) -> None:
        _prepare(_import_store)
        for step in self._more:
            if self._enough.is_set():
                return
            _prepare(step)


def _import_store() -> None:
    importlib.import_module("facefind.store.repository")
    importlib.import_module("facefind.store.migrate")


def _prepare(step: Callable[[], object]) -> None:
    try:
        step()
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

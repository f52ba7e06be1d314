"""The embedded server, shared by every facefind that runs at the same time.

Three locks in ``HOME/postgres``:

- ``start.lock``: held alone by the one process that is starting or stopping the server;
- ``users.lock``: shared by every process that uses it. Who leaves and can have it alone was the
  last one, and stops the server;
- ``server.lock``: held by the server's own processes (``cluster.py``).

The kernel frees them when a process is killed, so nothing needs to be cleaned up.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facefind.errors import StoreError
from facefind.store.binaries import postgres_binaries
from facefind.store.cluster import Cluster
from facefind.store.locks import alone, open_lock, require_locks, share, try_alone


@dataclass
class _Use:
    """This process's share in a server: one lock, however often it is entered."""

    lock: int
    count: int = 0


_uses: dict[Path, _Use] = {}
_guard = threading.Lock()


@contextmanager
def embedded_server(home: Path, binaries: Path | None = None) -> Iterator[str]:
    """The URL of the server whose data is in ``home``, running for the duration of the block.

    Starts it where it does not run; stops it on leaving, if nobody else uses it and
    :func:`start_server` was not called. May be nested, and used by several threads.

    Args:
        home: facefind's data folder; made where it does not exist.
        binaries: PostgreSQL's ``bin`` folder; the installed package's by default.

    Raises:
        SetupError: No embedded PostgreSQL is installed, or not for this system.
        StoreError: It does not start.
    """
    cluster = _open(home, binaries)
    url = _enter(cluster)
    try:
        yield url
    finally:
        _leave(cluster)


def start_server(home: Path) -> str:
    """Starts the server and keeps it running until :func:`stop_server`; returns its URL.

    Raises:
        SetupError, StoreError: As :func:`embedded_server`.
    """
    with embedded_server(home) as url:
        try:
            _marker(_open(home, None)).touch(mode=0o600)
        except OSError as error:
            raise StoreError(f"{home} cannot be written: {error.strerror}.") from error
        return url


def stop_server(home: Path, *, force: bool = False) -> bool:
    """Stops the server, also one that :func:`start_server` keeps. False if none was running.

    Args:
        home: facefind's data folder.
        force: Also while other processes use it; they lose their connection.

    Raises:
        StoreError: Other processes use it and ``force`` is not set; or it does not stop.
    """
    if not (home / "postgres").is_dir():
        return False
    cluster = _open(home, None)
    with alone(cluster.folder / "start.lock"):
        users = open_lock(cluster.folder / "users.lock")
        try:
            if not try_alone(users) and not force:
                raise StoreError(
                    "Other facefind processes are using the database, so it was not stopped.",
                    "Wait for them to end, or stop it all the same with --force.",
                )
            _marker(cluster).unlink(missing_ok=True)
            return cluster.stop()
        finally:
            os.close(users)


def server_url(home: Path) -> str | None:
    """The URL of the server if it runs now, else None. Starts and writes nothing.

    Raises:
        StoreError: The folder may not be read.
    """
    return Cluster(home.resolve() / "postgres", Path()).url()


def _open(home: Path, binaries: Path | None) -> Cluster:
    """The cluster in ``home``; makes the folders, for this user alone."""
    require_locks()
    folder = home.resolve() / "postgres"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0 and folder.stat().st_uid == 0:
            owner = home.stat()
            os.chown(folder, owner.st_uid, owner.st_gid, follow_symlinks=False)
    except OSError as error:
        raise StoreError(
            f"facefind's data folder {home} cannot be written: {error.strerror}.",
            "Choose another folder with --home, or give a server with --database-url.",
        ) from error
    return Cluster(folder, binaries or postgres_binaries())


def _marker(cluster: Cluster) -> Path:
    """The file that says that the server is to outlive its last user."""
    return cluster.folder / "keep-running"


def _enter(cluster: Cluster) -> str:
    with _guard, alone(cluster.folder / "start.lock"):
        use = _uses.get(cluster.folder) or _Use(open_lock(cluster.folder / "users.lock"))
        try:
            share(use.lock)
            url = cluster.start()
        except BaseException:
            if use.count == 0:
                os.close(use.lock)
            raise
        use.count += 1
        _uses[cluster.folder] = use
        return url


def _leave(cluster: Cluster) -> None:
    with _guard, alone(cluster.folder / "start.lock"):
        use = _uses[cluster.folder]
        use.count -= 1
        if use.count:
            return
        del _uses[cluster.folder]
        try:
            if try_alone(use.lock) and not _marker(cluster).exists():
                cluster.stop()
        finally:
            os.close(use.lock)

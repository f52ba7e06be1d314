"""File locks between processes. The kernel frees them when a process ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facefind.errors import SetupError, StoreError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def require_locks() -> None:
    """Says early that this platform cannot share an embedded server.

    Raises:
        SetupError: The platform has no flock.
    """
    if fcntl is None:
        raise SetupError(
            "The embedded database does not run on this operating system.",
            "Give a PostgreSQL server with --database-url.",
        )


def open_lock(path: Path) -> int:
    """Opens the lock file ``path`` and makes it where needed; children do not inherit it.

    Root gives it to the folder's owner, who may be the one to come next.

    Raises:
        StoreError: It cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        lock = os.open(path, flags, 0o600)
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(lock, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise StoreError(
            f"The database's lock {path} cannot be opened: {error.strerror}."
        ) from error
    return lock


def share(lock: int) -> None:
    """Takes the lock beside others that share it; waits for one that holds it alone."""
    _flock(lock, fcntl.LOCK_SH)


def take_alone(lock: int) -> None:
    """Takes the lock alone; waits for all others."""
    _flock(lock, fcntl.LOCK_EX)


def try_alone(lock: int) -> bool:
    """Takes the lock alone if nobody else has it. A share held before is lost either way."""
    try:
        _flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds the lock file ``path`` alone for the duration of the block."""
    lock = open_lock(path)
    try:
        take_alone(lock)
        yield
    finally:
        os.close(lock)


def _flock(lock: int, how: int) -> None:
    try:
        fcntl.flock(lock, how)
    except BlockingIOError:
        raise
    except OSError as error:
        raise StoreError(
            f"The file system of the data folder cannot lock files: {error.strerror}.",
            "Choose a folder on a local disk with --home.",
        ) from error

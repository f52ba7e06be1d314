"""Folders of results: what is written there is whole or not there, by one run at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from facefind.errors import OutputError, UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def temporary_name(ending: str = "part") -> str:
    """A name that nothing else has."""
    return f".facefind-{uuid.uuid4().hex}.{ending}"


def is_temporary(name: str, ending: str = "part") -> bool:
    """Whether `temporary_name` makes such names."""
    return re.fullmatch(rf"\.facefind-[0-9a-f]{{32}}\.{ending}", name) is not None


@contextlib.contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A path to write to that becomes `target` in one step when the block ends without an error.

    Raises:
        OSError: It cannot.
    """
    temporary = target.parent / temporary_name()
    try:
        yield temporary
        temporary.replace(target)
    finally:
        # Gone after success. On a read-only disk this fails too: the first error is to be told.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def discard_parts(folder: Path) -> None:
    """Removes what a run that was killed had not finished writing.

    Raises:
        OutputError: It cannot be removed.
    """
    for name in names_in(folder):
        if is_temporary(name):
            remove(folder / name)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps other runs out of a folder for the duration of the block, where its disk can do that.

    Raises:
        UsageError: Another run is at it.
        OutputError: The folder cannot be opened.
    """
    if fcntl is None:
        yield
        return
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be opened: {error.strerror}.") from error
    try:
        _lock(lock, folder)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(
            f"Another facefind is writing into {folder}.", "Run this again when it is done."
        ) from error
    except OSError as error:
        # Some network drives lock no folders; not to write there at all would help nobody.
        if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.EINVAL):
            raise OutputError(f"{folder} cannot be locked: {error.strerror}.") from error


def names_in(folder: Path) -> list[str]:
    """The names in a folder; none where it does not exist."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def make_folder(folder: Path) -> None:
    """Creates a folder and those above it.

    Raises:
        OutputError: It cannot be created, or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror}.") from error


def move(source: Path, target: Path) -> None:
    """Gives a file or folder another name.

    Raises:
        OutputError: It cannot be moved.
    """
    try:
        source.rename(target)
    except OSError as error:
        raise OutputError(f"{source} cannot become {target}: {error.strerror}.") from error


def remove(path: Path) -> None:
    """Removes a file.

    Raises:
        OutputError: It cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be removed: {error.strerror}.") from error


def remove_if_empty(folder: Path) -> None:
    """Removes a folder that holds nothing; one that holds something stays.

    Raises:
        OutputError: It is empty and cannot be removed.
    """
    if folder.is_dir() and not folder.is_symlink() and not names_in(folder):
        try:
            folder.rmdir()
        except OSError as error:
            raise OutputError(f"{folder} cannot be removed: {error.strerror}.") from error


def read_text(path: Path) -> str | None:
    """A small UTF-8 file's text; None where there is none.

    Raises:
        OutputError: It is there and cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path} cannot be read: {error}.") from error


def write_text(path: Path, text: str) -> None:
    """Writes a small UTF-8 file, whole or not at all, and safely on the disk.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        with whole(path) as temporary, temporary.open("wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise not_written(path, error) from error


def write_bytes(path: Path, data: bytes, mtime_ns: int) -> None:
    """Writes a small file, whole or not at all, with this modification time.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        with whole(path) as temporary:
            temporary.write_bytes(data)
            os.utime(temporary, ns=(mtime_ns, mtime_ns))
    except OSError as error:
        raise not_written(path, error) from error


def not_written(path: Path, error: OSError) -> OutputError:
    """What to tell of a file that could not be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "Make room and run it again; what is there is whole." if full else ""
    return OutputError(f"{path} cannot be written: {error.strerror}.", hint)

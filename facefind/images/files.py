"""Reads picture files once, so that hash, stamp and pixels are of the same bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from facefind.errors import UnreadablePhoto
from facefind.types import FileStamp

MAX_FILE_BYTES = 2 * 1024**3
"""Larger files are refused before they are read."""

_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    # A FIFO that takes the file's place meanwhile must not make the program wait.
    | getattr(os, "O_NONBLOCK", 0)
)

_REASONS = {
    errno.ENOENT: "the file is gone",
    errno.ENOTDIR: "the file is gone",
    errno.ENXIO: "not a regular file",
    errno.EISDIR: "not a regular file",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EIO: "the disk reports a read error",
    errno.ESTALE: "the network drive lost the file",
    errno.ELOOP: "its links lead in a circle",
    errno.ENAMETOOLONG: "its path is too long for this system",
}


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file's bytes, their SHA-256 in hexadecimal, and the stamp it had while it was read."""

    data: bytes = field(repr=False)
    sha256: str
    stamp: FileStamp


def plain_reason(error: OSError) -> str:
    """What the operating system refused, in a few plain words, without the path."""
    known = _REASONS.get(error.errno or 0)
    return known or f"cannot be read: {error.strerror or type(error).__name__}"


def stamp(path: Path) -> FileStamp:
    """The size and modification time of a file, following links.

    Raises:
        UnreadablePhoto: It is gone or may not be looked at.
    """
    try:
        return _stamp_of(path.stat())
    except OSError as error:
        raise UnreadablePhoto(plain_reason(error)) from error


def read_file(path: Path) -> FileContent:
    """Reads a whole file, once.

    Raises:
        UnreadablePhoto: It is gone, may not be read, is no regular file, is empty or larger than
            2 GiB, cannot be read from the disk, or changed meanwhile. The message is the reason
            alone: the caller knows the path.
    """
    try:
        with os.fdopen(os.open(path, _OPEN_FLAGS), "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            _refuse_unfit(before)
            data = file.readall()
            after = os.fstat(file.fileno())
    except OSError as error:
        raise UnreadablePhoto(plain_reason(error)) from error
    if _stamp_of(before) != _stamp_of(after) or len(data) != after.st_size:
        raise UnreadablePhoto("the file changed while it was read", "Try again when it is whole.")
    return FileContent(data, hashlib.sha256(data).hexdigest(), _stamp_of(after))


def _stamp_of(status: os.stat_result) -> FileStamp:
    return FileStamp(status.st_size, status.st_mtime_ns)


def _refuse_unfit(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadablePhoto("not a regular file")
    if status.st_size == 0:
        raise UnreadablePhoto("the file is empty")
    if status.st_size > MAX_FILE_BYTES:
        raise UnreadablePhoto("the file is larger than 2 GB")

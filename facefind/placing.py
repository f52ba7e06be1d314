"""Puts photos into folders: linked, hard-linked or copied, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facefind import filenames, folders
from facefind.errors import OutputError

Mode = Literal["link", "hardlink", "copy"]
Form = Literal["link", "hardlink", "copy", "zip", "picture", "page"]

CLOCK_GRAIN_NS = 2_000_000_000
"""File times closer than this are the same: FAT, on memory cards, keeps two seconds."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What was put at a path, told well enough to know it again.

    Attributes:
        source: Where a photo came from; of an archive what `mark` makes of it, of a page its
            SHA-256, of a picture what it shows.
        mode: A photo linked, hard-linked or copied, an archive of photos, a small picture made of
            one, or a page.
        size, mtime_ns: The photo's, 0 for links. Of an archive its own size, 0 until it is known,
            and its newest photo's time; of a page its size alone.
    """

    source: str
    mode: Form
    size: int = 0
    mtime_ns: int = 0


def intended(source: Path, mode: Mode) -> Placed:
    """What `place` will leave behind for this source, as it is now.

    Raises:
        OutputError: The source is gone.
    """
    absolute = source.absolute()
    if mode == "link":
        return Placed(str(absolute), mode)
    try:
        status = absolute.stat()
    except OSError as error:
        raise _output_error(error, source, source) from error
    return Placed(str(absolute), mode, status.st_size, status.st_mtime_ns)


def is_intact(path: Path, placed: Placed) -> bool:
    """Whether `path` is still what was put there: not replaced, edited or removed."""
    try:
        if placed.mode == "link":
            return path.is_symlink() and str(path.readlink()) == placed.source
        if placed.mode == "page":
            return sha256_of(path.read_bytes()) == placed.source
        if placed.mode == "hardlink" and path.samefile(placed.source):
            return True
        status = path.lstat()
        if placed.mode == "zip" and not _ends_with(path, mark(placed.source)):
            return False
    except OSError:
        return False
    any_size = placed.mode == "picture" or (placed.mode == "zip" and not placed.size)
    same_size = any_size or status.st_size == placed.size
    return same_size and abs(status.st_mtime_ns - placed.mtime_ns) <= CLOCK_GRAIN_NS


def sha256_of(data: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def mark(fingerprint: str) -> bytes:
    """What an archive ends with: whose it is, and of what content."""
    return f"facefind {fingerprint}".encode()


def _ends_with(path: Path, ending: bytes) -> bool:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - len(ending)))
        return file.read() == ending


def place(source: Path, target: Path, mode: Mode) -> None:
    """Makes `target` show `source`, replacing what is there, with no half file at any moment.

    Copies keep the source's modification time.

    Raises:
        OutputError: It cannot be written (disk full, no permission) or the source is gone.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with folders.whole(target) as temporary:
            _make(source.absolute(), temporary, mode)
    except OSError as error:
        raise _output_error(error, source, target) from error


def can_be_linked(source: Path, folder: Path, *, trial: bool = True) -> bool:
    """Whether a photo can be hard-linked into a folder: both are on one disk that has such links.

    Where the folder is not there yet, or nothing may be tried in it, its disk decides.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    real = source.resolve()
    try:
        if real.stat().st_dev != there.stat().st_dev:
            return False
        if there != folder or not trial:
            return True
        # One disk may be mounted at two places, between which there are no links either.
        tried = folder / folders.temporary_name()
        tried.hardlink_to(real)
        tried.unlink()
    except OSError:
        return False
    return True


def place_all(sources: Iterable[Path], folder: Path, mode: Mode) -> list[Path]:
    """Puts photos into a folder under their own names; those already there are not put again.

    Returns the sources that are gone; the others are there.

    Raises:
        OutputError: As `place`.
    """
    folders.make_folder(folder)
    there = {name.casefold() for name in folders.names_in(folder)}
    used: set[str] = set()
    gone = []
    for source in sources:
        if is_there(source):
            used.add(_place_once(source, folder, mode, there, used))
        else:
            gone.append(source)
    return gone


def _place_once(
    source: Path, folder: Path, mode: Mode, there: Collection[str], used: Collection[str]
) -> str:
    """Places one photo, unless it is there, at the first name that is free.

    Args:
        there: Names in the folder before the first photo was placed, case-folded.
        used: Names that other photos have been given, case-folded.

    Returns:
        Its name, case-folded.
    """
    placed = intended(source, mode)
    for name in filenames.numbered(*filenames.split(source.name)):
        folded = name.casefold()
        if folded in used or (folded in there and not is_intact(folder / name, placed)):
            continue
        if folded not in there:
            place(source, folder / name, mode)
        return folded
    raise AssertionError("there are endless names")


def is_there(path: Path) -> bool:
    """Whether a file can be reached; one in a folder that may not be entered cannot."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def clear_links(folder: Path) -> None:
    """Removes the symbolic links in a folder, and nothing else.

    Raises:
        OutputError: One cannot be removed.
    """
    for name in folders.names_in(folder):
        if (folder / name).is_symlink():
            folders.remove(folder / name)


def _make(source: Path, target: Path, mode: Mode) -> None:
    if mode == "link":
        # A symbolic link to nothing would be made without complaint.
        source.stat()
        target.symlink_to(source)
    elif mode == "hardlink":
        # Of a link, the photo that it leads to.
        target.hardlink_to(source.resolve())
    else:
        shutil.copyfile(source, target)
        # Times alone: some file systems of memory cards refuse permissions.
        status = source.stat()
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _output_error(error: OSError, source: Path, target: Path) -> OutputError:
    if error.errno == errno.ENOENT and not is_there(source):
        return OutputError(
            f"The photo {source} is no longer there.", "Run facefind ingest again, then this."
        )
    if error.errno == errno.EACCES and not os.access(source, os.R_OK):
        return OutputError(f"The photo {source} cannot be read: {error.strerror}.")
    return folders.not_written(target, error)

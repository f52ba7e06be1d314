"""Puts photos into folders: linked, hard-linked or copied, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facefind.errors import OutputError

Mode = Literal["link", "hardlink", "copy"]

CLOCK_GRAIN_NS = 2_000_000_000
"""File times closer than this are the same: FAT, on memory cards, keeps two seconds."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What was put at a path: how, from where, and the source's size and time (0 for links)."""

    source: str
    mode: Mode
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
        raise _output_error(error, source, source, mode) from error
    return Placed(str(absolute), mode, status.st_size, status.st_mtime_ns)


def is_intact(path: Path, placed: Placed) -> bool:
    """Whether `path` is still what was put there: not replaced, edited or removed."""
    try:
        if placed.mode == "link":
            return path.is_symlink() and str(path.readlink()) == placed.source
        if placed.mode == "hardlink" and path.samefile(placed.source):
            return True
        status = path.lstat()
    except OSError:
        return False
    unchanged = abs(status.st_mtime_ns - placed.mtime_ns) <= CLOCK_GRAIN_NS
    return status.st_size == placed.size and unchanged


def free_name(name: str, taken: Collection[str]) -> str:
    """`name`, or "name (2)" and so on where it is taken.

    Args:
        taken: Names in use, case-folded, because some file systems ignore case.
    """
    return next(name for name in _names(name) if name.casefold() not in taken)


def marked_name(name: str, mark: str, suffix: str) -> str:
    """`name` without its suffix, `mark` and another suffix, cut to what file systems allow."""
    # They count a name's bytes; 255 is the usual limit.
    room = 255 - len(os.fsencode(mark + suffix))
    return os.fsencode(Path(name).stem)[:room].decode("utf-8", "ignore") + mark + suffix


def _names(name: str) -> Iterator[str]:
    """`name`, "name (2)", "name (3)" and so on."""
    yield name
    for number in itertools.count(2):
        yield marked_name(name, f" ({number})", Path(name).suffix)


def names_in(folder: Path) -> list[str]:
    """The names in a folder; none where it does not exist."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def place(source: Path, target: Path, mode: Mode) -> None:
    """Makes `target` show `source`, replacing what is there, with no half file at any moment.

    Copies keep the source's modification time.

    Raises:
        OutputError: It cannot be written (disk full, no permission) or the source is gone.
    """
    temporary = target.parent / f".facefind-{uuid.uuid4().hex}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _make(source.absolute(), temporary, mode)
        temporary.replace(target)
    except OSError as error:
        raise _output_error(error, source, target, mode) from error
    finally:
        _discard(temporary)


def place_all(sources: Iterable[Path], folder: Path, mode: Mode) -> list[Path]:
    """Puts photos into a folder under their own names; those already there are not put again.

    Returns the sources that are gone; the others are there.

    Raises:
        OutputError: As `place`.
    """
    make_folder(folder)
    there = {name.casefold() for name in names_in(folder)}
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
    for name in _names(source.name):
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


def make_folder(folder: Path) -> None:
    """Creates a folder and those above it.

    Raises:
        OutputError: It cannot be created, or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror}.") from error


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
    if folder.is_dir() and not names_in(folder):
        try:
            folder.rmdir()
        except OSError as error:
            raise OutputError(f"{folder} cannot be removed: {error.strerror}.") from error


def clear_links(folder: Path) -> None:
    """Removes the symbolic links in a folder, and nothing else.

    Raises:
        OutputError: One cannot be removed.
    """
    for name in names_in(folder):
        if (folder / name).is_symlink():
            remove(folder / name)


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
    """Writes a small UTF-8 file, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    temporary = path.with_name(f".facefind-{uuid.uuid4().hex}.part")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.", _room(error)) from error
    finally:
        _discard(temporary)


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


def _discard(temporary: Path) -> None:
    """Removes what an error left; after success the temporary name is gone already."""
    # On a read-only disk this fails too, and the first error is the one to tell.
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def _output_error(error: OSError, source: Path, target: Path, mode: Mode) -> OutputError:
    if error.errno == errno.EXDEV and mode == "hardlink":
        return OutputError(
            f"{source} and {target.parent} are on different disks, so it cannot be hard-linked.",
            "Use --mode link or --mode copy.",
        )
    if error.errno == errno.ENOENT and not is_there(source):
        return OutputError(
            f"The photo {source} is no longer there.", "Run facefind ingest again, then this."
        )
    if error.errno == errno.EACCES and not os.access(source, os.R_OK):
        return OutputError(f"The photo {source} cannot be read: {error.strerror}.")
    return OutputError(f"{target} cannot be written: {error.strerror}.", _room(error))


def _room(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "Make room and run it again; what is there is whole." if full else ""

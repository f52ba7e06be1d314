"""Finds the pictures in files and folders that a user names."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from facefind.errors import UsageError
from facefind.images.files import plain_reason
from facefind.images.formats import HEAD_BYTES, has_picture_name, sniff

_log = logging.getLogger(__name__)

OnError = Callable[[Path, str], None]

# Thumbnails, bins and snapshots that cameras, Windows, macOS and network drives leave behind.
_LEFT_OUT = frozenset(
    (
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "lost+found",
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
    )
)


ALBUMS_RECORD = ".facefind-albums.json"
"""A folder that holds this file was written by facefind: what is in it came from elsewhere, and it
is left out of the walk, unless it is named outright."""


def discover(paths: Iterable[Path], on_error: OnError | None = None) -> Iterator[Path]:
    """The picture files among ``paths`` and in the folders among them.

    A file named outright is yielded whatever it is, and a folder named outright is walked whatever
    it is called or holds. In folders, walked in the order of their names, a file counts when its
    content begins like a picture's, whatever its name, and when its extension promises a picture,
    whatever its content (so that a damaged one is reported, not overlooked). Hidden entries, the
    litter of operating systems and facefind's own albums are left out. Links are followed; every
    file and folder is visited once, however many links lead there, and a file that lies in one of
    the folders is yielded where it lies.

    Args:
        paths: Files and folders.
        on_error: Called with a path and a plain reason for each folder that cannot be listed and
            each file that cannot be looked into; without it they are logged as warnings.

    Raises:
        UsageError: A path does not exist, or is neither file nor folder; raised at once, before
            the first file is yielded.
    """
    named = [(path, _kind_of_named(path)) for path in paths]
    return _Walk(on_error or _warn).run(named)


def discover_apart(folder: Path, on_error: OnError) -> Iterator[tuple[Path, Path]]:
    """The picture files of a folder with the entry of it that each is or lies in.

    As `discover`, but each entry is walked on its own: a file that two sub-folders link to is
    yielded for both.

    Args:
        folder: Where each entry means something, such as a person.
        on_error: As for `discover`.
    """
    yield from _Walk(on_error).run_apart(folder)


def _warn(path: Path, reason: str) -> None:
    _log.warning("%s: %s", path, reason)


def _kind_of_named(path: Path) -> int:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(f"{path}: {_named_reason(error)}.", "Check the spelling.") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UsageError(f"{path} is neither a file nor a folder.")
    return stat.S_IFMT(mode)


def _named_reason(error: OSError) -> str:
    return "no such file or folder" if isinstance(error, FileNotFoundError) else plain_reason(error)


class _Walk:
    """One run of ``discover``: remembers which files and folders it has seen."""

    def __init__(self, on_error: OnError) -> None:
        self._on_error = on_error
        self._files: set[str] = set()
        self._folders: set[tuple[int, int]] = set()
        self._tops: list[Path] = []

    def run(self, named: list[tuple[Path, int]]) -> Iterator[Path]:
        self._tops = [Path(os.path.realpath(path)) for path, kind in named if stat.S_ISDIR(kind)]
        for path, kind in named:
            if kind == stat.S_IFREG:
                yield from self._once(path)
            else:
                yield from self._folder(path)

    def run_apart(self, top: Path) -> Iterator[tuple[Path, Path]]:
        files, folders = self._list(top)
        for file in files:
            yield file, file
        for folder in folders:
            walk = _Walk(self._on_error)
            # A link that leads back up would make everything this folder's.
            walk._folders |= self._folders
            for file in walk.run([(folder, stat.S_IFDIR)]):
                yield folder, file

    def _once(self, path: Path) -> Iterator[Path]:
        real = os.path.realpath(path)
        if real not in self._files:
            self._files.add(real)
            yield path

    def _folder(self, top: Path) -> Iterator[Path]:
        # A stack, because folders may be nested deeper than Python calls may be.
        waiting = [top]
        while waiting:
            files, folders = self._list(waiting.pop())
            for file in files:
                if not (file.is_symlink() and self._is_met_later(file)):
                    yield from self._once(file)
            waiting.extend(reversed(folders))

    def _is_met_later(self, link: Path) -> bool:
        """Whether the file that a link leads to is one that the walk itself comes to."""
        real = Path(os.path.realpath(link))
        return any(_leads_to(top, real) for top in self._tops if real.is_relative_to(top))

    def _list(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """The pictures and the folders directly in ``folder``, sorted; none if seen before."""
        files: list[Path] = []
        folders: list[Path] = []
        for path in self._entries(folder):
            try:
                mode = path.stat().st_mode
            except OSError as error:
                self._report_lost(path, error)
                continue
            if stat.S_ISDIR(mode):
                if not _is_albums(path):
                    folders.append(path)
            elif stat.S_ISREG(mode) and self._is_picture(path):
                files.append(path)
        return files, folders

    def _entries(self, folder: Path) -> list[Path]:
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self._folders:
                return []
            self._folders.add((status.st_dev, status.st_ino))
            entries = [path for path in folder.iterdir() if not _is_left_out(path.name)]
        except OSError as error:
            self._on_error(folder, plain_reason(error))
            return []
        return sorted(entries, key=os.fsencode)

    def _report_lost(self, path: Path, error: OSError) -> None:
        """Says that a picture or folder cannot be reached; other dead links are no one's loss."""
        if has_picture_name(path) or not isinstance(error, FileNotFoundError):
            self._on_error(path, plain_reason(error))

    def _is_picture(self, path: Path) -> bool:
        if has_picture_name(path):
            return True
        try:
            with path.open("rb") as file:
                return sniff(file.read(HEAD_BYTES)) is not None
        except OSError as error:
            self._on_error(path, plain_reason(error))
            return False


def _leads_to(top: Path, file: Path) -> bool:
    """Whether a walk that starts at ``top`` comes to ``file``, which lies somewhere below it."""
    parts = file.relative_to(top).parts
    between = file.parents[: len(parts) - 1]
    return not any(map(_is_left_out, parts)) and not any(map(_is_albums, between))


def _is_albums(folder: Path) -> bool:
    return os.path.lexists(folder / ALBUMS_RECORD)


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFT_OUT

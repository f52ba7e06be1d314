"""Ingest: find every face of an event's photos and store one vector per face.

Incremental: a file whose size and time are unchanged is not read again, and content already
known (by sha256) is not searched for faces again. Each photo is one transaction of the store, so
a run can be stopped anywhere and the next one goes on.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from facefind import images
from facefind.errors import PhotoError, UsageError
from facefind.inference.protocols import FaceFinder
from facefind.store.records import EventSummary, KnownFile
from facefind.types import Event, Face, FileStamp, PhotoInfo

log = logging.getLogger(__name__)


class IngestStore(Protocol):
    """What ingest asks of the store; `facefind.store.repository.Repository` provides it."""

    def known_files(self, event_id: int) -> dict[bytes, KnownFile]:
        """Every path of the event with the stamp it had when last read."""

    def content_state(self, event_id: int, sha256: str) -> Literal["done", "failed"] | None:
        """What became of this content in this event."""

    def record_photo(
        self,
        event: Event,
        path: bytes,
        stamp: FileStamp,
        sha256: str,
        info: PhotoInfo,
        faces: Sequence[Face],
    ) -> bool:
        """Stores a photo and its faces at once; False where another process was first."""

    def record_failure(
        self,
        event: Event,
        path: bytes,
        stamp: FileStamp | None,
        sha256: str | None,
        reason: str,
    ) -> None:
        """Stores that this file could not be used, and why."""

    def record_path(self, event: Event, path: bytes, stamp: FileStamp, sha256: str) -> None:
        """Stores that known content is also at this path."""

    def mark_missing(self, event_id: int, paths: Collection[bytes]) -> None:
        """Stores that the files are gone; their faces stay but are not searched."""

    def summary(self, event_id: int) -> EventSummary:
        """Counts."""


@dataclass(frozen=True, slots=True)
class FailedPhoto:
    """A file that could not be used; `earlier` when an earlier run found so."""

    path: Path
    reason: str
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a run did.

    Attributes:
        photos, faces: How many the event holds now.
        new: Photos searched for faces by this run.
        skipped: Files already known, by stamp or by content.
        failed: Files of this run that could not be used, now or earlier.
        missing: Files that were known and are gone.
        interrupted: The run was asked to stop before it was through.
    """

    event: str
    pipeline: str
    photos: int
    faces: int
    new: int
    skipped: int
    failed: tuple[FailedPhoto, ...]
    missing: int
    seconds: float
    interrupted: bool


@dataclass(slots=True)
class _Tally:
    """The run's counts while it goes on."""

    new: int = 0
    skipped: int = 0
    failed: list[FailedPhoto] = field(default_factory=list)
    paths: set[bytes] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)


def default_event_name(paths: Sequence[Path]) -> str:
    """The event's name where none is given: that of the folder the photos are in.

    Raises:
        UsageError: The paths lie in differently named folders.
    """
    names = {(top if top.is_dir() else top.parent).name for top in map(resolved, paths)}
    if len(names) != 1 or names == {""}:
        raise UsageError("The photos lie in several folders.", "Name the event: --event NAME.")
    return os.fsencode(names.pop()).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Found:
    """The photos under some paths, before any is read.

    Attributes:
        tops: The paths, with links and ".." resolved, so that a photo has one name however it is
            reached.
        photos: The picture files in them.
        unlisted: Folders and files that could not be looked into.
    """

    tops: tuple[Path, ...]
    photos: tuple[Path, ...]
    unlisted: tuple[FailedPhoto, ...]


def find_photos(paths: Sequence[Path]) -> Found:
    """Walks folders for picture files.

    Raises:
        UsageError: A path does not exist.
    """
    tops = tuple(resolved(path) for path in paths)
    unlisted: list[FailedPhoto] = []
    photos = tuple(
        images.discover(tops, on_error=lambda path, why: unlisted.append(FailedPhoto(path, why)))
    )
    return Found(tops, photos, tuple(unlisted))


def ingest(
    found: Found,
    *,
    event: Event,
    store: IngestStore,
    finder: FaceFinder,
    retry_failed: bool = False,
    progress: Callable[[Iterable[Path]], Iterable[Path]] = lambda photos: photos,
    stop: Callable[[], bool] = lambda: False,
) -> IngestReport:
    """Stores the faces of photos.

    Args:
        finder: The event's pipeline.
        retry_failed: Try again what failed before and is unchanged.
        progress: Wraps the list of files, as tqdm does.
        stop: Asked before each photo; True ends the run after what is stored.

    Raises:
        StoreError: The database failed; everything stored so far stays.
    """
    started = time.monotonic()
    tally = _Tally()
    known = store.known_files(event.id)
    for lost in found.unlisted:
        if not lost.path.is_dir():
            tally.paths.add(path_key(lost.path))
            store.record_failure(event, path_key(lost.path), None, None, lost.reason)
    interrupted = False
    for path in progress(found.photos):
        if stop():
            interrupted = True
            break
        _ingest_file(path, event, store, finder, known, retry_failed, tally)
    missing = [] if interrupted else _gone(found.tops, known, tally)
    store.mark_missing(event.id, missing)
    summary = store.summary(event.id)
    return IngestReport(
        event=event.name,
        pipeline=event.pipeline,
        photos=summary.photos,
        faces=summary.faces,
        new=tally.new,
        skipped=tally.skipped,
        failed=(*found.unlisted, *tally.failed),
        missing=len(missing),
        seconds=time.monotonic() - started,
        interrupted=interrupted,
    )


def resolved(path: Path) -> Path:
    """The one name of a path that a user gives: absolute, without links and ".." above it.

    A file that is itself a link keeps its own name.
    """
    return path.resolve() if path.is_dir() else path.parent.resolve() / path.name


def names_of(paths: Sequence[Path]) -> list[bytes]:
    """The names that photos under these paths may be known by: as given, and resolved."""
    return sorted({path_key(name) for path in paths for name in (path.absolute(), resolved(path))})


def path_key(path: Path) -> bytes:
    """An absolute path as the bytes the file system uses: names need not be UTF-8."""
    return os.fsencode(path)


def _ingest_file(
    path: Path,
    event: Event,
    store: IngestStore,
    finder: FaceFinder,
    known: Mapping[bytes, KnownFile],
    retry_failed: bool,
    tally: _Tally,
) -> None:
    key = path_key(path)
    tally.paths.add(key)
    before = known.get(key)
    if before is not None and _is_unchanged(path, before):
        if before.sha256 is not None:
            tally.contents.add(before.sha256)
        if before.state == "done":
            tally.skipped += 1
            return
        if not retry_failed:
            tally.failed.append(FailedPhoto(path, before.reason or "", earlier=True))
            return
    _read_and_store(path, key, event, store, finder, tally)


def _is_unchanged(path: Path, before: KnownFile) -> bool:
    if before.missing:
        return False
    try:
        return images.stamp(path) == before.stamp
    except PhotoError:
        # What cannot be looked at now is read again, which records the reason.
        return False


def _read_and_store(
    path: Path,
    key: bytes,
    event: Event,
    store: IngestStore,
    finder: FaceFinder,
    tally: _Tally,
) -> None:
    stamp, sha256 = None, None
    try:
        content = images.read_file(path)
        stamp, sha256 = content.stamp, content.sha256
        tally.contents.add(sha256)
        if store.content_state(event.id, sha256) == "done":
            store.record_path(event, key, stamp, sha256)
            tally.skipped += 1
            return
        photo = images.decode(content.data)
        faces = finder.find_faces(photo.pixels)
    except PhotoError as error:
        store.record_failure(event, key, stamp, sha256, error.message)
        tally.failed.append(FailedPhoto(path, error.message))
        return
    if store.record_photo(event, key, stamp, sha256, photo.info, faces):
        log.info("%s: %d face%s", path, len(faces), "s" * (len(faces) != 1))
        tally.new += 1
    else:
        tally.skipped += 1


def _gone(tops: Sequence[Path], known: Mapping[bytes, KnownFile], tally: _Tally) -> list[bytes]:
    """Known files that are gone: from under the folders of this run, or moved to where it looked.

    Files elsewhere are left alone: their disk may just not be plugged in.
    """
    roots = [path_key(top) + b"/" for top in tops if top.is_dir()]
    return [
        key
        for key, file in known.items()
        if key not in tally.paths
        and not file.missing
        and (file.sha256 in tally.contents or any(key.startswith(root) for root in roots))
        and _is_absent(key)
    ]


def _is_absent(key: bytes) -> bool:
    """Whether a file is surely not there: one that cannot be looked at now may well be."""
    try:
        os.lstat(key)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False

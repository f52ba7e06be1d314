"""Ingest: find every face of an event's photos and store one vector per face.

Incremental: a file whose size and time are unchanged is not read again, and content already
known (by sha256) is not searched for faces again. Photos are looked at in threads and stored in
their order, several in one transaction but each with all its faces, so a run can be stopped
anywhere and the next one goes on.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from facefind import images
from facefind.errors import PhotoError, UsageError
from facefind.flow import Workers
from facefind.inference.protocols import BatchFinder
from facefind.looking import (
    ONE_AT_A_TIME,
    Brake,
    Eyes,
    Found,
    Look,
    Pace,
    Progress,
    look_at_all,
    no_progress,
)
from facefind.store.records import (
    EventSummary,
    FailedFile,
    Finding,
    FoundCopy,
    FoundPhoto,
    KnownFile,
)
from facefind.types import Event, FileStamp

log = logging.getLogger(__name__)


class IngestStore(Protocol):
    """What ingest asks of the store; `facefind.store.repository.Repository` provides it."""

    def known_files(self, event_id: int) -> dict[bytes, KnownFile]:
        """Every path of the event with the stamp it had when last read."""

    def searched_contents(self, event_id: int) -> set[str]:
        """The sha256 of every content of the event that was searched for faces."""

    def record(self, event: Event, findings: Sequence[Finding]) -> list[bool]:
        """Stores all of it in one transaction: everything or, where that fails, nothing.

        Answers for each finding whether it is stored as it was found: False for a photo whose
        content the event has already, and for a copy whose content it has no more.
        """

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
        new, new_faces: Photos searched for faces by this run, and the faces in them.
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
    new_faces: int = 0


@dataclass(slots=True)
class _Tally:
    """The run's counts while it goes on."""

    new: int = 0
    new_faces: int = 0
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
class Walked:
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


def find_photos(paths: Sequence[Path]) -> Walked:
    """Walks folders for picture files.

    Raises:
        UsageError: A path does not exist.
    """
    tops = tuple(resolved(path) for path in paths)
    unlisted: list[FailedPhoto] = []
    photos = tuple(
        images.discover(tops, on_error=lambda path, why: unlisted.append(FailedPhoto(path, why)))
    )
    return Walked(tops, photos, tuple(unlisted))


def ingest(
    found: Walked,
    *,
    event: Event,
    store: IngestStore,
    finder: BatchFinder,
    retry_failed: bool = False,
    pace: Pace = ONE_AT_A_TIME,
    progress: Progress = no_progress,
    stop: Callable[[], bool] = lambda: False,
) -> IngestReport:
    """Stores the faces of photos.

    Args:
        finder: The event's pipeline.
        retry_failed: Try again what failed before and is unchanged.
        stop: Asked before each photo is begun; True ends the run when those begun are stored.

    Raises:
        StoreError: The database failed; everything stored so far stays.
    """
    started = time.monotonic()
    tally = _Tally()
    with pace.stages("walk"):
        known = store.known_files(event.id)
        changed = [
            path for path in found.photos if _is_to_be_read(path, known, retry_failed, tally)
        ]
    _record_unlisted(found, event, store, tally)
    brake = Brake(stop)
    run = _Run(event, store, finder, pace, brake, tally)
    if changed:
        with progress(len(changed)) as advance:
            run.look_at(changed, advance)
    missing = [] if brake.pulled else _gone(found.tops, known, tally)
    if missing:
        store.mark_missing(event.id, missing)
    summary = store.summary(event.id)
    order = {path: place for place, path in enumerate(found.photos)}
    tally.failed.sort(key=lambda failed: order[failed.path])
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
        interrupted=brake.pulled,
        new_faces=tally.new_faces,
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


def _record_unlisted(found: Walked, event: Event, store: IngestStore, tally: _Tally) -> None:
    """Stores which files could not be looked into."""
    lost = [file for file in found.unlisted if not file.path.is_dir()]
    if lost:
        tally.paths.update(path_key(file.path) for file in lost)
        store.record(
            event, [FailedFile(path_key(file.path), None, None, file.reason) for file in lost]
        )


def _is_to_be_read(
    path: Path, known: Mapping[bytes, KnownFile], retry_failed: bool, tally: _Tally
) -> bool:
    """Whether a file is new or has changed, or failed and is to be tried again."""
    key = path_key(path)
    tally.paths.add(key)
    before = known.get(key)
    if before is None or not _is_unchanged(path, before):
        return True
    if before.sha256 is not None:
        tally.contents.add(before.sha256)
    if before.state == "done":
        tally.skipped += 1
        return False
    if not retry_failed:
        tally.failed.append(FailedPhoto(path, before.reason or "", earlier=True))
    return retry_failed


def _is_unchanged(path: Path, before: KnownFile) -> bool:
    if before.missing:
        return False
    try:
        return images.stamp(path) == before.stamp
    except PhotoError:
        # What cannot be looked at now is read again, which records the reason.
        return False


class _File(NamedTuple):
    """A file as it was when it was read; neither where it could not be."""

    stamp: FileStamp | None = None
    sha256: str | None = None


class _Run:
    """Looks at files and stores what is found."""

    def __init__(
        self,
        event: Event,
        store: IngestStore,
        finder: BatchFinder,
        pace: Pace,
        brake: Brake,
        tally: _Tally,
    ) -> None:
        self._event, self._store, self._pace, self._brake = event, store, pace, brake
        self._eyes = Eyes(finder, pace)
        self._searched = store.searched_contents(event.id)
        self._tally = tally

    def look_at(self, paths: Sequence[Path], advance: Callable[[int], object]) -> None:
        """Looks at files until they are through, or the run is to stop."""
        while paths and not self._brake.pulled:
            again: list[Path] = []
            todo = self._brake.along(paths)
            with Workers(self._pace.threads) as workers:
                for found in look_at_all(workers, todo, self._look, self._eyes):
                    with self._pace.stages("store"):
                        lost = self._record(found)
                    again += lost
                    advance(len(found) - len(lost))
            # Copies of what the event held when the run began, and no longer did when it got there.
            paths = again

    def _look(self, path: Path) -> Look[_File]:
        """What is in a file; called in threads."""
        file = _File()
        try:
            content = self._eyes.read(path)
            file = _File(content.stamp, content.sha256)
            if content.sha256 in self._searched:
                return Look(file, None, path)
            return Look(file, self._eyes.search(content.sha256, content.data), path)
        except PhotoError as error:
            return Look(file, error, path)

    def _record(self, found: Sequence[Found[_File]]) -> list[Path]:
        """Stores what was found; answers with the files that have to be looked at again."""
        again = []
        stored = self._store.record(self._event, [_finding(one) for one in found])
        for one, is_stored in zip(found, stored, strict=True):
            if one.error is not None:
                self._tally.failed.append(FailedPhoto(one.path, one.error.message))
            elif one.info is None and not is_stored:
                self._searched.discard(one.item.sha256 or "")
                again.append(one.path)
            else:
                self._searched.add(one.item.sha256 or "")
                self._count(one, is_new=one.info is not None and is_stored)
            if one.item.sha256 is not None:
                self._tally.contents.add(one.item.sha256)
                self._eyes.forget(one.item.sha256)
        return again

    def _count(self, found: Found[_File], *, is_new: bool) -> None:
        if is_new:
            faces = len(found.faces)
            log.info("%s: %d face%s", found.path, faces, "s" * (faces != 1))
            self._tally.new += 1
            self._tally.new_faces += faces
        else:
            self._tally.skipped += 1


def _finding(found: Found[_File]) -> Finding:
    stamp, sha256 = found.item
    key = path_key(found.path)
    if found.error is not None or stamp is None or sha256 is None:
        return FailedFile(key, stamp, sha256, found.error.message if found.error else "")
    if found.info is None:
        return FoundCopy(key, stamp, sha256)
    return FoundPhoto(key, stamp, sha256, found.info, found.faces)


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

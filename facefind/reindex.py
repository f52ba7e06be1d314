"""Reindex: look at an event's photos again with another pipeline, other settings or other weights.

The new faces are stored beside the old ones, which are searched until the new ones are whole; then
they change places in one transaction. Photos are looked at in threads and stored in their order,
several in one transaction but each with all its faces, so a run can be stopped anywhere and the
next one goes on.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from facefind.binding import with_thorough
from facefind.errors import PhotoError, StoreError, UnreadablePhoto
from facefind.flow import Workers
from facefind.inference.pipeline import Pipeline, resolve_settings
from facefind.inference.protocols import BatchFinder
from facefind.looking import (
    ONE_AT_A_TIME,
    Brake,
    Eyes,
    Found,
    Look,
    Pace,
    Progress,
    let_go,
    look_at_all,
    no_progress,
)
from facefind.store.records import EventSummary, Outstanding, Replaced, Succession
from facefind.types import Event, Face, SettingValue

log = logging.getLogger(__name__)

CHANGED = "the file has changed since it was ingested"

Outcome = Literal["done", "already", "incomplete", "interrupted"]


class ReindexStore(Protocol):
    """What reindex asks of the store; `facefind.store.repository.Repository` provides it."""

    def event(self, name: str) -> Event | None:
        """The event of that name."""

    def summary(self, event_id: int) -> EventSummary:
        """Counts."""

    def begin_successor(
        self,
        event: Event,
        pipeline: str,
        fingerprint: str,
        dimension: int,
        settings: Mapping[str, SettingValue],
    ) -> Succession | None:
        """The hidden event that is to take this one's place; None where this one is gone."""

    def drop_successor(self, event: Event) -> Event | None:
        """Deletes a half-done one; returns it."""

    def outstanding(self, event: Event) -> list[Outstanding]:
        """Contents that it does not have yet."""

    def record_new_faces(
        self, successor: Event, found: Sequence[tuple[int, Sequence[Face]]]
    ) -> bool:
        """Stores the faces of contents at once; False where the successor is gone."""

    def replace_event(
        self, event: Event, successor: Event, left_out: Mapping[int, str]
    ) -> Replaced | None:
        """Makes the successor the event; None where it is not whole, or one of them is gone."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an event's faces are to be found and embedded with.

    Attributes:
        dimension: D of the embeddings.
        settings: The detector's, all of them, by full key.
        fingerprint: Tells the weights from others.
    """

    pipeline: str
    fingerprint: str
    dimension: int
    settings: Mapping[str, SettingValue]

    def is_bound_to(self, event: Event) -> bool:
        """Whether the event's faces are such already."""
        return (event.pipeline, event.fingerprint, dict(event.settings)) == (
            self.pipeline,
            self.fingerprint,
            dict(self.settings),
        )


@dataclass(frozen=True, slots=True)
class UnreadablePath:
    """A photo that could not be looked at again, at the likeliest of its paths."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """What a run did to one event.

    Attributes:
        outcome: "done": the event has its new faces; "already": it had them before the run;
            "incomplete": photos cannot be read, so it has its old faces still; "interrupted":
            likewise, because the run was asked to stop.
        pipeline: That of the new faces.
        was: The pipeline of the old ones.
        photos: Contents with new faces, or, if not done, with faces.
        new: Photos that this run has looked at.
        faces_before, faces_after: How many the event had and has.
        carried: What was decided about faces and has been carried over to new ones.
        lost: What was decided about faces that were not found again; it is kept.
        unreadable: Photos that could not be looked at; if done, they are failed now.
        new_faces: Faces that this run has found.
    """

    event: str
    outcome: Outcome
    pipeline: str
    was: str
    photos: int
    new: int
    faces_before: int
    faces_after: int
    carried: int
    lost: int
    unreadable: tuple[UnreadablePath, ...]
    seconds: float
    new_faces: int = 0


@dataclass(slots=True)
class _Tally:
    """The run's counts while it goes on; what is unreadable by content."""

    new: int = 0
    new_faces: int = 0
    unreadable: dict[int, UnreadablePath] = field(default_factory=dict)


def chosen_settings(
    event: Event, pipeline: str | None, overrides: Mapping[str, str], thorough: bool = False
) -> tuple[str, dict[str, SettingValue]]:
    """The pipeline's name and all its settings for an event that is to be moved.

    Within one pipeline what is not given stays as it is recorded, else it takes its default.

    Args:
        pipeline: The one asked for; None for the event's own.
        overrides: Settings asked for, as typed, by full key.
        thorough: With the pipeline's settings for that, where ``overrides`` has no others.

    Raises:
        UsageError: No such pipeline or setting, a value that is wrong, or a pipeline that has no
            thorough way.
    """
    chosen = pipeline or event.pipeline
    known = resolve_settings(chosen, {})
    same = chosen == event.pipeline
    kept = {key: value for key, value in event.settings.items() if same and key in known}
    return chosen, resolve_settings(chosen, {**kept, **with_thorough(chosen, overrides, thorough)})


def target_of(pipeline: Pipeline) -> Target:
    """What an event is bound to once its faces come from this pipeline."""
    spec = pipeline.spec
    return Target(spec.name, pipeline.fingerprint, spec.dimension, pipeline.settings)


def reindex(
    event: Event,
    target: Target,
    *,
    store: ReindexStore,
    finder: BatchFinder,
    leave_out_missing: bool = False,
    pace: Pace = ONE_AT_A_TIME,
    progress: Progress = no_progress,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda _: None,
) -> ReindexReport:
    """Gives an event new faces, or leaves it as it is.

    Args:
        finder: Finds faces as ``target`` says.
        leave_out_missing: Photos that cannot be read now do not keep the event from moving.
        stop: Asked before each photo is begun; True ends the run when those begun are stored.
        tell: Takes a sentence that the user should read before the run is over.

    Raises:
        StoreError: The database failed, or the event was changed by another process; what is
            stored so far stays.
    """
    started = time.monotonic()
    tally = _Tally()
    if target.is_bound_to(event):
        _tell_dropped(event, store.drop_successor(event), tell)
        return _unchanged(event, target, "already", tally, store, started)
    begun = store.begin_successor(
        event, target.pipeline, target.fingerprint, target.dimension, target.settings
    )
    if begun is None:
        return _not_replaced(event, target, tally, store, started)
    _tell_dropped(event, begun.dropped, tell)
    brake = Brake(stop)
    while True:
        todo = [c for c in store.outstanding(event) if c.content not in tally.unreadable]
        run = _Run(begun.successor, store, finder, pace, brake, tally)
        with progress(len(todo)) as advance:
            is_there = run.look_at(todo, advance)
        if brake.pulled:
            return _unchanged(event, target, "interrupted", tally, store, started)
        reasons = {content: photo.reason for content, photo in tally.unreadable.items()}
        left_out = reasons if leave_out_missing else {}
        with pace.stages("store"):
            replaced = store.replace_event(event, begun.successor, left_out)
        if replaced is not None:
            return _report(event, target, "done", tally, replaced, started)
        # An ingest may have added photos while this looked at the others.
        if not todo or not is_there:
            return _not_replaced(event, target, tally, store, started)


class _Run:
    """Looks at contents and stores their new faces."""

    def __init__(
        self,
        successor: Event,
        store: ReindexStore,
        finder: BatchFinder,
        pace: Pace,
        brake: Brake,
        tally: _Tally,
    ) -> None:
        self._successor, self._store, self._pace, self._brake = successor, store, pace, brake
        self._eyes = Eyes(finder, pace)
        self._tally = tally

    def look_at(self, photos: Sequence[Outstanding], advance: Callable[[int], object]) -> bool:
        """False as soon as the successor is gone."""
        todo = self._brake.along(photos)
        with Workers(self._pace.threads) as workers:
            for found in look_at_all(workers, todo, self._look, self._eyes):
                with self._pace.stages("store"):
                    if not self._record(found):
                        return False
                advance(len(found))
        return True

    def _look(self, photo: Outstanding) -> Look[Outstanding]:
        """What is in a content, read from the first of its paths where it still is."""
        reasons: list[PhotoError] = []
        for path in map(_path, photo.paths):
            try:
                file = self._eyes.read(path)
            except PhotoError as error:
                # Or it would lead back here, and hold on to what is read next.
                reasons.append(let_go(error))
                continue
            if file.sha256 != photo.sha256:
                reasons.append(UnreadablePhoto(CHANGED))
                continue
            try:
                return Look(photo, self._eyes.search(file.sha256, file.data), path)
            except PhotoError as error:
                return Look(photo, error, path)
        return Look(photo, reasons[0], _path(photo.paths[0]))

    def _record(self, found: Sequence[Found[Outstanding]]) -> bool:
        faces = [(one.item.content, one.faces) for one in found if one.error is None]
        if faces and not self._store.record_new_faces(self._successor, faces):
            return False
        for one in found:
            self._eyes.forget(one.item.sha256)
            if one.error is None:
                log.info("%s: %d new faces", _path(one.item.paths[0]), len(one.faces))
                self._tally.new += 1
                self._tally.new_faces += len(one.faces)
            else:
                log.info("%s: %s", one.path, one.error.message)
                unreadable = UnreadablePath(one.path, one.error.message)
                self._tally.unreadable[one.item.content] = unreadable
        return True


def _path(key: bytes) -> Path:
    return Path(os.fsdecode(key))


def _tell_dropped(event: Event, dropped: Event | None, tell: Callable[[str], None]) -> None:
    if dropped is not None:
        tell(
            f'An unfinished move of event "{event.name}" to pipeline {dropped.pipeline}, with '
            "other settings or weights than asked for now, was dropped."
        )


def _report(
    event: Event,
    target: Target,
    outcome: Outcome,
    tally: _Tally,
    replaced: Replaced,
    started: float,
) -> ReindexReport:
    return ReindexReport(
        event=event.name,
        outcome=outcome,
        pipeline=target.pipeline,
        was=event.pipeline,
        photos=replaced.photos,
        new=tally.new,
        faces_before=replaced.faces_before,
        faces_after=replaced.faces_after,
        carried=replaced.carried,
        lost=replaced.lost,
        unreadable=tuple(tally.unreadable[content] for content in replaced.left_out),
        seconds=time.monotonic() - started,
        new_faces=tally.new_faces,
    )


def _unchanged(
    event: Event,
    target: Target,
    outcome: Outcome,
    tally: _Tally,
    store: ReindexStore,
    started: float,
) -> ReindexReport:
    now = store.summary(event.id)
    nothing = Replaced(now.photos, now.faces, now.faces, 0, 0, tuple(tally.unreadable))
    return _report(event, target, outcome, tally, nothing, started)


def _not_replaced(
    event: Event, target: Target, tally: _Tally, store: ReindexStore, started: float
) -> ReindexReport:
    """Why an event has not moved although there is nothing left to look at."""
    now = store.event(event.name)
    if now is not None and target.is_bound_to(now):
        # Another process was asked for the same and has finished first.
        return _unchanged(now, target, "already", tally, store, started)
    waiting = {photo.content for photo in store.outstanding(event)}
    tally.unreadable = {c: why for c, why in tally.unreadable.items() if c in waiting}
    if now is None or now.id != event.id or not tally.unreadable:
        raise StoreError(
            f'Event "{event.name}" was forgotten, or another facefind reindex of it was begun, '
            "while this one was running.",
            "Run the command again when nothing else works on the event.",
        )
    return _unchanged(event, target, "incomplete", tally, store, started)

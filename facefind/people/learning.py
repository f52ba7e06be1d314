"""Learning: a folder of portraits names people.

What is in doubt stays as it is, and is told. All of one run is one decision.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from facefind.binding import Load, pipeline_of
from facefind.errors import UsageError
from facefind.inference.quality import LOW_QUALITY
from facefind.matching import load_calibration
from facefind.people.apart import split_pairs
from facefind.people.drafting import Rehearsal, describe
from facefind.people.enrolling import DecidingStore, Learnt, enrol
from facefind.people.groups import settings_for
from facefind.people.lessons import (
    FAR_APART,
    Lesson,
    Pupil,
    Refused,
    agreeing,
    find_pupils,
    read_lesson,
)
from facefind.people.likeness import Fit, FitStore, Taught, View, portraits
from facefind.people.naming import name_key
from facefind.search import Gallery, Scope, SearchStore, combine, reach_of
from facefind.store.records import Decision, Kind, KnownPortrait
from facefind.types import Event, FloatArray

ONE_PERSON = 0.65
"""So many times the threshold, and two portraits are of one person. Of dlib's: nearer are a quarter
of the pairs of one person in Labeled Faces in the Wild, and none of 6.8 million of two."""

Wrap = Callable[[Iterable[Path]], Iterable[Path]]


class LearnStore(SearchStore, DecidingStore, FitStore, Protocol):
    """What learning asks of the store; `facefind.store.repository.Repository` provides it."""

    def portraits_of(self, people: Collection[int] | None = None) -> list[KnownPortrait]:
        """The portraits by which people were learnt."""

    def decisions(self, limit: int | None = None) -> list[Decision]:
        """The log."""


@dataclass(frozen=True, slots=True)
class LearnReport:
    """What a folder of portraits came to.

    Attributes:
        decision: Its number, to undo it by; None where everything was so already.
        people: By name; those in doubt have a conflict.
        refused: Pictures, folders and names that taught nothing.
        skipped: Pipelines whose faces cannot be told apart by a portrait.
    """

    decision: int | None
    people: tuple[Learnt, ...]
    refused: tuple[Refused, ...]
    skipped: tuple[str, ...]


def learn(
    store: LearnStore,
    folder: Path,
    events: Sequence[Event],
    load: Load,
    *,
    names: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Wrap = lambda pictures: pictures,
) -> LearnReport:
    """Names people by their portraits.

    Args:
        folder: One picture or sub-folder for each person, named after them.
        events: Whose people are named.
        load: Gives a pipeline.
        names: As of `facefind.people.lessons.find_pupils`.
        dry_run: Decide nothing, only tell.
        progress: Wraps the list of pictures, as tqdm does.

    Raises:
        UsageError: There are no pictures, or no faces that a portrait could be compared with.
    """
    pupils, refused = find_pupils(folder, names or {})
    views, skipped = _views(store, events, load)
    taught, unfit = _read(pupils, views, progress)
    people = store.people()
    alike = _alike(taught, views, {name_key(one.name) for one in people if one.name and one.faces})
    taught = {name: lessons for name, lessons in taught.items() if name not in alike}
    refused += [*unfit, *(Refused(name, reason) for name, reason in alike.items())]
    fit = Fit(store, taught, views)
    apart = split_pairs(store.decisions())
    known = [(one.person, one.sha256, one.pipeline) for one in store.portraits_of()]
    enrolments = [fit.enrolment(name, known, apart) for name in taught]
    learnt: list[Learnt] = []
    try:
        with store.deciding("learn") as draft:
            fit.require_unchanged(draft.memberships(list(fit.taken_for)))
            learnt = [enrol(draft, enrolment, known) for enrolment in enrolments]
            who = [one.person for one in learnt if one.changed and one.person is not None]
            describe(draft, f"{len(who)} from {_told(folder)}", who)
            if dry_run:
                raise Rehearsal
    except Rehearsal:
        # Nothing is stored, so new people have no number.
        learnt = [replace(one, person=None) if one.created else one for one in learnt]
    decision = None if dry_run else draft.id
    return LearnReport(decision, tuple(learnt), tuple(refused), skipped)


def _told(folder: Path) -> str:
    """A path as the log can hold it, whatever bytes its name has."""
    return os.fsencode(folder.absolute()).decode("utf-8", "backslashreplace")


# --- looking at the portraits --------------------------------------------------------------------


def _views(
    store: LearnStore, events: Sequence[Event], load: Load
) -> tuple[list[View], tuple[str, ...]]:
    """How to look at portraits, for each kind of vectors; pipelines that cannot tell people."""
    by_kind: dict[Kind, list[Event]] = defaultdict(list)
    for event in events:
        by_kind[Kind(event.pipeline, event.fingerprint)].append(event)
    views, skipped = [], []
    for kind, same in sorted(by_kind.items()):
        settings = settings_for(kind)
        if settings is None:
            skipped.append(kind.pipeline)
            continue
        finder = pipeline_of(same, load)
        calibration = load_calibration(kind.pipeline)
        reach = reach_of(calibration, finder.spec.threshold)
        gallery = Gallery(store, Scope(same, min_quality=LOW_QUALITY), calibration)
        views.append(View(kind, same, finder, calibration, gallery, reach, settings))
    if not views:
        raise UsageError(
            "There are no faces that a portrait could be compared with.",
            "Ingest photos with the default pipeline first: facefind ingest FOLDER",
        )
    return views, tuple(dict.fromkeys(skipped))


def _read(
    pupils: Sequence[Pupil], views: Sequence[View], progress: Wrap
) -> tuple[Taught, list[Refused]]:
    """What can be learnt of each pupil; a picture is refused where any pipeline refuses it."""
    read: dict[tuple[Path, Kind], Lesson | Refused] = {}
    for picture in progress(list(dict.fromkeys(p for one in pupils for p in one.pictures))):
        for view in views:
            read[picture, view.kind] = read_lesson(picture, view.finder)
    taught: Taught = {}
    refused: dict[Refused, None] = {}
    for pupil in pupils:
        lessons = {}
        for view in views:
            answers = [read[picture, view.kind] for picture in pupil.pictures]
            found = [one for one in answers if isinstance(one, Lesson)]
            lessons[view.kind], apart = agreeing(found, FAR_APART * view.threshold)
            unread = [one for one in answers if isinstance(one, Refused)]
            refused |= dict.fromkeys([*unread, *apart])
        if any(lessons.values()):
            taught[pupil.name] = {kind: some for kind, some in lessons.items() if some}
    return taught, list(refused)


def _alike(taught: Taught, views: Sequence[View], decided: Collection[str]) -> dict[str, str]:
    """Pupils whose portraits show somebody else's face, and why they are refused.

    Args:
        decided: The names that people have, as names are compared: two of them are two people.
    """
    reasons = {}
    for view in views:
        names = [name for name in taught if view.kind in taught[name]]
        probes = [combine(portraits(taught[name][view.kind])) for name in names]
        vectors = np.stack([probe.embedding for probe in probes]) if probes else None
        for row, other in [] if vectors is None else _same(view, vectors):
            pair = names[row], names[other]
            if {name_key(name) for name in pair} <= set(decided):
                continue
            for one, two in (pair, pair[::-1]):
                reasons[one] = (
                    f"the portrait shows the same person as that of {two}. If they are one, take "
                    "one picture away, or put both pictures into a folder of that name; if they "
                    "are two who look alike, name both by hand first"
                )
    return reasons


def _same(view: View, vectors: FloatArray) -> list[tuple[int, int]]:
    """Pairs of portraits that are all but surely of one person."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = np.sqrt(np.maximum(2 - 2 * units @ units.T, 0))
    near = np.triu(distances <= ONE_PERSON * view.threshold, 1)
    return [(int(a), int(b)) for a, b in np.argwhere(near)]

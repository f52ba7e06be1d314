"""What people add to the answers of ``facefind who``, in events composed of LFW.

The events are those of ``simulated``, and others in which people are seen up to 60 times. Their
faces are grouped as ``ingest`` groups them; a group seen in two photos is a person. Each portrait
is judged by a calibration that was fitted on other people. *Corrected* are people as they are once
a user has put every face into its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facefind.grouping import Faces, group, load_grouping
from facefind.inference.quality import HARDLY_KNOWN
from facefind.matching import Calibration, load_calibration
from facefind.recognising import Claim, belonging
from facefind.store.records import Person
from scripts.evaluation import fitting
from scripts.evaluation.calibration import lfw_people, splits
from scripts.evaluation.drawn_events import (
    SIZES,
    Bools,
    Floats,
    Indices,
    People,
    SimulatedEvent,
    draw_event,
    judge,
)
from scripts.evaluation.embeddings import lfw_embeddings

DRAWN = (("small", 5, 6), ("half", 5, 3), ("half", 60, 3), ("large", 5, 2), ("large", 60, 2))
"""Sizes of events, the most photos of a person in them, and events for each part fitted on."""

WAYS = ("by face alone", "with people", "with people, corrected")


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """An event as the product sees it.

    Attributes:
        scores: (P, F) probability of each face for each person asked about.
        told: (F,) whether a face is good enough to be told from others.
    """

    event: SimulatedEvent
    scores: Floats
    told: Bools


def compare(data: Path) -> dict[str, Any]:
    """Counts of answers by way, kind of event and certainty."""
    everybody = lfw_people(data)
    embedded = lfw_embeddings(data, "dlib")
    known = zip(embedded.units, embedded.qualities, strict=True)
    qualities = {vector.tobytes(): float(quality) for vector, quality in known}
    shipped = load_calibration("dlib")
    assert shipped is not None
    counts: dict[str, Any] = defaultdict(lambda: np.zeros(5, int))
    events: dict[str, int] = defaultdict(int)
    for kind, unknown, fitted, event in _events(everybody):
        events[kind] += 1
        quality = np.array([qualities[v.tobytes()] for v in unknown.vectors[event.faces]])
        judged = Judged(event, judge(unknown, event, fitted), quality >= HARDLY_KNOWN)
        people = _grouped(unknown, event, quality), unknown.numbers[event.faces]
        for certainty in ("default", "strict"):
            least = getattr(shipped, certainty)
            shown = [_by_face(judged, least)]
            for labels, decided in zip(people, (False, True), strict=True):
                shown.append(shown[0] | _by_person(judged, least, labels, certainty, decided))
            for way, answer in zip(WAYS, shown, strict=True):
                counts[f"{certainty}/{way}/{kind}"] += _counts(answer, event)
    return {"events": dict(events), "counts": {key: row.tolist() for key, row in counts.items()}}


def _events(everybody: People) -> Iterator[tuple[str, People, Calibration, SimulatedEvent]]:
    for sizes, known, unknown in splits(everybody):
        fitted = fitting.fit(known)
        for size, most, count in DRAWN:
            for seed in range(count if size in sizes else 0):
                event = draw_event(unknown, SIZES[size], seed, most_photos=most)
                yield f"{size}, up to {most} photos", unknown, fitted, event


def _grouped(people: People, event: SimulatedEvent, quality: Floats) -> Indices:
    settings = load_grouping("dlib")
    assert settings is not None
    vectors = people.vectors[event.faces]
    photos = event.photos.astype(np.int64)
    nobody = np.zeros(len(vectors), np.int64)
    return group(Faces(vectors, photos, quality.astype(np.float32), nobody), settings)


def _by_face(judged: Judged, least: float) -> Bools:
    shown = np.zeros_like(judged.event.shown)
    people, faces = np.nonzero(judged.scores >= least)
    shown[people, judged.event.photos[faces]] = True
    return shown


def _by_person(
    judged: Judged, least: float, labels: Indices, certainty: str, decided: bool
) -> Bools:
    """(P, photos) whether a photo shows somebody to whom the portrait belongs."""
    shown = np.zeros_like(judged.event.shown)
    faces_of = _people(labels, judged.event.photos)
    for number, scores in enumerate(judged.scores):
        alike = set(labels[scores >= least].tolist()) & faces_of.keys()
        claims = [_claim(one, scores, faces_of[one], judged.told, decided) for one in alike]
        for claim in belonging(claims, certainty):
            shown[number, judged.event.photos[faces_of[claim.person.id]]] = True
    return shown


def _people(labels: Indices, photos: Indices) -> dict[int, Indices]:
    """The faces of each group that is seen in two photos."""
    faces_of = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    return {one: rows for one, rows in faces_of.items() if len(np.unique(photos[rows])) > 1}


def _claim(one: int, scores: Floats, faces: Indices, told: Bools, decided: bool) -> Claim:
    count = len(faces)
    person = Person(one, None, False, None, count, count, count * decided)
    good = faces[told[faces]]
    return Claim(person, float(scores[good if len(good) else faces].mean()), ())


def _counts(shown: Bools, event: SimulatedEvent) -> list[int]:
    """Right, wrong, missed, absent people answered with anybody, absent people."""
    right, absent = event.shown, event.absent
    return [
        int((shown & right).sum()),
        int((shown & ~right).sum()),
        int((~shown & right).sum()),
        int(shown[absent].any(axis=1).sum()),
        int(absent.sum()),
    ]


def render(figures: dict[str, Any]) -> str:
    """A table for each certainty, and how it was measured."""
    parts = [_ABOUT]
    for certainty in ("default", "strict"):
        lines = [f"| `{certainty}`: events | {' | '.join(WAYS)} |", "|---|" + "---|" * len(WAYS)]
        for kind, count in figures["events"].items():
            cells = [_cell(figures["counts"][f"{certainty}/{way}/{kind}"]) for way in WAYS]
            lines.append(f"| {count} {kind} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _cell(row: list[int]) -> str:
    right, wrong, missed, answered, absent = row
    precision, recall = right / max(right + wrong, 1), right / max(right + missed, 1)
    return f"{precision:.4f} / {recall:.3f}; {wrong}; {answered} of {absent}"


_ABOUT = """\
In events composed of LFW, precision / recall; wrong photos; absent people answered with anybody. A
portrait belongs to a person whom grouping has made where the mean probability over the person's
faces is high enough, and to one whom a user has decided about (*corrected*: every face in its
place) where it is a half. These limits (`facefind/recognising.py`) were chosen on these very
events."""

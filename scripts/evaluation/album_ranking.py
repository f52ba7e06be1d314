"""The albums of ``events/people.jsonl``: how near portraits are to the photos of their people."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefind import images
from facefind.errors import NoFaceInPortrait
from facefind.inference.pipeline import Pipeline
from facefind.metrics import average_precision
from facefind.portraits import read_portrait
from facefind.resampling import bootstrap_mean
from scripts.evaluation.embeddings import progressing

HARD = "kpop_goface"
"""The album on which the default embedder is known to fail; never averaged with the others."""

CHILDREN = frozenset({"azure_family1_daughter", "azure_family1_son"})
"""The people of the albums who are children."""

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Probe:
    """A portrait, and the event photos of its album that can be judged.

    Attributes:
        seen: A face was found in the portrait.
        distances: (E,) of the nearest face in each photo; infinite where none was found.
        shown: (E,) whether the portrait's person is in it.
    """

    album: str
    person: str
    seen: bool
    distances: NDArray[np.float64]
    shown: NDArray[np.bool_]


def ask_albums(data: Path, finder: Pipeline) -> list[Probe]:
    """Every portrait of ``events/people.jsonl``, compared with the event photos of its album.

    A photo that does not show the person counts only where its labels are complete. Portraits are
    read as `facefind who` reads them.
    """
    lines = (data / "events" / "people.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[Row] = [json.loads(line) for line in lines]
    events = [row for row in rows if row["role"] == "event"]
    faces: dict[str, NDArray[np.float32]] = {}
    for row in progressing("event photos", events):
        found = finder.find_faces(images.read_photo(data / "events" / row["file"]).pixels)
        faces[row["file"]] = np.array([face.embedding for face in found], np.float32)
    portraits = [row for row in rows if row["role"] == "portrait"]
    return [_probe(data, finder, row, events, faces) for row in progressing("portraits", portraits)]


def groups(probes: Sequence[Probe]) -> list[tuple[str, list[Probe]]]:
    """The rows of the table: each album, all but the hard one, and the children."""
    albums: dict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        albums[probe.album].append(probe)
    return [
        *albums.items(),
        (f"all but {HARD}", [probe for probe in probes if probe.album != HARD]),
        ("children", [probe for probe in probes if probe.person in CHILDREN]),
    ]


def score(name: str, probes: Sequence[Probe], threshold: float | None) -> dict[str, Any]:
    """How well photos are ranked, and what a distance threshold decides."""
    present = [probe for probe in probes if probe.shown.any()]
    absent = [probe for probe in probes if not probe.shown.any()]
    precisions = [_average_precision(probe) for probe in present]
    people = [probe.person for probe in present]
    return {
        "name": name,
        "portraits": len(probes),
        "people": len({probe.person for probe in probes}),
        "unseen": sum(not probe.seen for probe in probes),
        "mates": int(sum(probe.shown.sum() for probe in probes)),
        "strangers": int(sum((~probe.shown).sum() for probe in probes)),
        "map": bootstrap_mean(precisions, people)._asdict() if present else None,
        "equal_error": _equal_error(probes),
        "absent": len(absent),
        **({} if threshold is None else _decisions(probes, absent, threshold)),
    }


def _probe(
    data: Path,
    finder: Pipeline,
    row: Row,
    events: Sequence[Row],
    faces: Mapping[str, NDArray[np.float32]],
) -> Probe:
    (person,) = row["people"]
    album = [e for e in events if e["album"] == row["album"]]
    # A portrait cut out of an event photo would find itself.
    judged = [
        e
        for e in album
        if (person in e["people"] or e["people_complete"]) and row.get("derived_from") != e["file"]
    ]
    shown = np.array([person in e["people"] for e in judged], bool)
    distances = np.full(len(judged), np.inf)
    try:
        vector = read_portrait(data / "events" / row["file"], finder).embedding
    except NoFaceInPortrait:
        return Probe(row["album"], person, False, distances, shown)
    for number, e in enumerate(judged):
        if len(faces[e["file"]]):
            distances[number] = np.linalg.norm(faces[e["file"]] - vector, axis=1).min()
    return Probe(row["album"], person, True, distances, shown)


def _average_precision(probe: Probe) -> float:
    found = np.flatnonzero(np.isfinite(probe.distances))
    ranked = found[np.argsort(probe.distances[found], kind="stable")]
    return average_precision(probe.shown[ranked], int(probe.shown.sum()))


def _equal_error(probes: Sequence[Probe]) -> float | None:
    """Over all pairs of a portrait and a photo of its album."""
    distances = np.concatenate([probe.distances for probe in probes] or [np.empty(0)])
    shown = np.concatenate([probe.shown for probe in probes] or [np.empty(0, bool)])
    if not shown.any() or shown.all():
        return None
    limits = np.unique(distances)
    refused = np.array([(distances[shown] > limit).mean() for limit in limits])
    accepted = np.array([(distances[~shown] <= limit).mean() for limit in limits])
    best = int(np.argmin(abs(refused - accepted)))
    return float(refused[best] + accepted[best]) / 2


def _decisions(
    probes: Sequence[Probe], absent: Sequence[Probe], threshold: float
) -> dict[str, Any]:
    right = sum(int((p.shown & (p.distances <= threshold)).sum()) for p in probes)
    wrong = sum(int((~p.shown & (p.distances <= threshold)).sum()) for p in probes)
    expected = sum(int(p.shown.sum()) for p in probes)
    return {
        "recall": right / expected if expected else None,
        "precision": right / (right + wrong) if right + wrong else None,
        "absent_answered": sum(bool((p.distances <= threshold).any()) for p in absent),
    }

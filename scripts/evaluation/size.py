"""Small faces in large photos: what each way of looking finds, invents and costs.

The photos are composed (see ``scenes``) of the development photos with boxes, of 12, 24 and 50
megapixels, with faces of 60 pixels and more on a ground of photos without a face; and such grounds
alone. A face counts as found from an IoU of .5 on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facefind.inference.pipeline import DEFAULT_PIPELINE, PIPELINES
from scripts.evaluation import detection, scenes
from scripts.evaluation.models import ready_detector

TITLE = "Small faces in large photos"

MEGAPIXELS = (12, 24, 50)

SIDES = ((60, 100), (100, 200), (200, 500))
"""Ranges, in pixels, that the longer side of the photos' largest faces is drawn from."""

BUCKETS = (40, 60, 100, 200)
"""Lower ends of the rows, in pixels of a face's longer side."""

PARTS = {"tuned": 0, "held": 1}
"""Every second photo is for choosing settings, the others are for reporting."""

ONE_LOOK = {
    "detector.first_look": "4",
    "detector.closer_look": "0",
    "detector.turns": "0",
    "detector.doubt": "1",
}
"""No second looks of any kind, but for the one from afar."""

STRATEGIES: dict[str, dict[str, str]] = {
    "1024, one look": ONE_LOOK,
    "1536, one look": {**ONE_LOOK, "detector.working_size": "1536"},
    "2048, one look": {**ONE_LOOK, "detector.working_size": "2048"},
    "4096, one look": {**ONE_LOOK, "detector.working_size": "4096"},
    "default": {},
}
"""Settings of the default pipeline by what they are called; ``thorough`` is the pipeline's own."""


class Outcome(NamedTuple):
    """What one way of looking made of one scene; found holds how many of each of `BUCKETS`."""

    megapixels: int
    faces: list[int]
    found: list[int]
    invented: int
    ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--part", choices=PARTS, default="held", help="which photos (default: held)"
    )
    parser.add_argument("--seeds", type=int, default=2, help="scenes of each kind (default: 2)")
    parser.add_argument("--threads", type=int, default=0, help="0 for one per core (default)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="detector.KEY=VALUE,...",
        dest="sets",
        help="measure these settings alone; may be repeated",
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Outcomes of every strategy, added up by megapixels."""
    ways = dict(_strategies(arguments.sets))
    detectors = {
        name: ready_detector(DEFAULT_PIPELINE, overrides, arguments.threads)
        for name, overrides in ways.items()
    }
    outcomes: dict[str, list[Outcome]] = {name: [] for name in ways}
    for megapixels, scene in _scenes(arguments.data, PARTS[arguments.part], arguments.seeds):
        for name, detector in detectors.items():
            outcomes[name].append(look(detector, scene, megapixels))
    return {
        "part": arguments.part,
        "seeds": arguments.seeds,
        "buckets": list(BUCKETS),
        "strategies": [
            {"name": name, "settings": ways[name], "rows": _rows(outcomes[name])} for name in ways
        ],
    }


def _strategies(sets: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    if sets:
        for text in sets:
            yield text, dict(item.split("=", 1) for item in text.split(",") if item)
    else:
        yield from STRATEGIES.items()
        yield "thorough", dict(PIPELINES[DEFAULT_PIPELINE].thorough)


def _scenes(data: Path, part: int, seeds: int) -> Iterator[tuple[int, scenes.Scene]]:
    rows = detection.read_rows(data)
    sharp = [row for row in rows if detection.group_of(row) == "the rest"][part::2]
    empty = [row for row in rows if detection.group_of(row) == "negatives"]
    cuttings = scenes.load(data, sharp)
    grounds = [photo.pixels for photo in scenes.load(data, empty)]
    for megapixels in MEGAPIXELS:
        for seed in range(seeds):
            for sides in SIDES:
                yield (
                    megapixels,
                    scenes.compose(
                        cuttings, grounds, megapixels=megapixels, sides=sides, seed=seed
                    ),
                )
            yield (
                megapixels,
                scenes.compose([], grounds, megapixels=megapixels, sides=(1, 1), seed=seed),
            )


def look(detector: Any, scene: scenes.Scene, megapixels: int) -> Outcome:
    """Runs a detector on a scene; composing is not timed."""
    start = time.perf_counter()
    found = detector.detect(scene.pixels)
    milliseconds = (time.perf_counter() - start) * 1000
    hit, invented = detection.compare(found, scene.boxes, scene.ignored)
    bucket = np.digitize(scene.boxes[:, 2:].max(axis=1), BUCKETS)
    faces, hits = (
        np.bincount(chosen, minlength=len(BUCKETS) + 1)[1:].tolist()
        for chosen in (bucket, bucket[hit])
    )
    return Outcome(megapixels, faces, hits, len(invented), milliseconds)


def _rows(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    rows = []
    for megapixels in MEGAPIXELS:
        mine = [outcome for outcome in outcomes if outcome.megapixels == megapixels]
        empty = [outcome for outcome in mine if not sum(outcome.faces)]
        full = [outcome for outcome in mine if sum(outcome.faces)]
        rows.append(
            {
                "megapixels": megapixels,
                "faces": np.sum([outcome.faces for outcome in full], axis=0).tolist(),
                "found": np.sum([outcome.found for outcome in full], axis=0).tolist(),
                "invented": sum(outcome.invented for outcome in full),
                "invented_in_empty": sum(outcome.invented for outcome in empty),
                "ms": round(float(np.median([outcome.ms for outcome in full]))),
                "ms_empty": round(float(np.median([outcome.ms for outcome in empty]))),
            }
        )
    return rows


def render(figures: dict[str, Any]) -> str:
    """Recall by size of face, false faces and time, for each strategy and size of photo."""
    ends = figures["buckets"]
    heads = [f"{low}-{high} px" for low, high in pairwise(ends)] + [f"from {ends[-1]} px"]
    columns = ["photo", "looked at", *heads, "false", "false, empty", "ms", "ms, empty"]
    lines = [_line(columns), "|---" * len(columns) + "|"]
    for i, megapixels in enumerate(MEGAPIXELS):
        for strategy in figures["strategies"]:
            row = strategy["rows"][i]
            shares = (
                f"{found / faces:.3f}" if faces else "-"
                for found, faces in zip(row["found"], row["faces"], strict=True)
            )
            counts = (row[key] for key in ("invented", "invented_in_empty", "ms", "ms_empty"))
            lines.append(_line([f"{megapixels} MP", strategy["name"], *shares, *counts]))
    return "\n".join(lines) + "\n\n" + _words(figures)


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _words(figures: dict[str, Any]) -> str:
    counts = np.sum([row["faces"] for row in figures["strategies"][0]["rows"]], axis=0)
    listed = ", ".join(map(str, counts))
    return (
        f"Recall by the longer side of the face, of {listed} faces. They are whole photos with\n"
        'boxes, shrunk, never enlarged, on a ground of photos without a face; "empty" is such a\n'
        'ground alone, "false" the false faces in all photos of a size. Settings were chosen on\n'
        f"every second source photo, and these figures are of the part `{figures['part']}`\n"
        "(`held`: the other ones). Times are medians a photo, decoding not counted. `default`\n"
        "looks from far first, at 640 pixels or a sixth of the photo's size, and again, closer,\n"
        "where that showed small faces or a hint of some; `thorough` does so from less far."
    )

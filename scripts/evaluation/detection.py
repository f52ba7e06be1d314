"""Faces found, missed and invented on the development photos, as docs and notes quote them.

A face counts as found when a box overlaps it by an IoU of .5 or more; each box finds one face, the
best score first. Boxes that lie half or more in a region marked "ignore" count neither for nor
against. The photos come in three groups: WIDER (boxes are ground truth), the rest (boxes proposed
by a YuNet and checked by eye) and negatives, which show no face.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facefind.geometry import iou_matrix
from facefind.types import Detection

GROUPS = ("WIDER", "the rest", "negatives")
FOUND = 0.5
PROMINENT = 0.025
"""Share of the photo's long side from which a face counts as one that matters."""


class Tally(NamedTuple):
    """What happened in one photo."""

    faces: int
    found: int
    prominent: int
    prominent_found: int
    invented: int
    ms: float


@dataclass(frozen=True)
class Figures:
    """What happened in a group of photos; shares are None where there is nothing to divide by."""

    group: str
    photos: int
    faces: int
    recall: float | None
    recall_prominent: float | None
    precision: float | None
    invented: int
    median_ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--pipeline", default="dlib", help="whose detector (default: dlib)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="detector.KEY=VALUE", dest="assignments"
    )
    parser.add_argument("--threads", type=int, default=0, help="0 for one per core (default)")


def run(arguments: argparse.Namespace) -> None:
    """Looks for faces in every photo and prints the figures."""
    from facefind.inference.pipeline import load_detector, resolve_settings
    from facefind.settings import load_settings

    overrides = dict(item.split("=", 1) for item in arguments.assignments)
    settings = resolve_settings(arguments.pipeline, overrides)
    detector = load_detector(
        arguments.pipeline,
        models_dir=load_settings({}, {}).models_dir,
        settings=settings,
        threads=arguments.threads,
    )
    tallies: dict[str, list[Tally]] = {group: [] for group in GROUPS}
    for row in read_rows(arguments.data):
        tallies[group_of(row)].append(look(detector, arguments.data, row))
    figures = [summarise(group, tallies[group]) for group in GROUPS]
    if arguments.json:
        found = [asdict(group) for group in figures]
        print(json.dumps({"pipeline": arguments.pipeline, "settings": settings, "groups": found}))
    else:
        print(f"{arguments.pipeline}: {settings}")
        print(table(figures))


def read_rows(data: Path) -> list[dict[str, Any]]:
    """The records of the photos with boxes."""
    lines = (data / "events" / "detection.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def group_of(row: Mapping[str, Any]) -> str:
    """Which of `GROUPS` a photo belongs to."""
    if row.get("negative"):
        return "negatives"
    return "WIDER" if row["boxes_from"].startswith("WIDER") else "the rest"


def look(detector: Any, data: Path, row: Mapping[str, Any]) -> Tally:
    """Runs the detector on one photo; decoding is not timed."""
    from facefind.images import decode, read_file

    pixels = decode(read_file(data / "events" / row["file"]).data).pixels
    start = time.perf_counter()
    found = detector.detect(pixels)
    milliseconds = (time.perf_counter() - start) * 1000
    return score(found, row["boxes"], row.get("ignore", []), max(pixels.shape[:2]), milliseconds)


def score(
    found: Sequence[Detection],
    faces: Sequence[Sequence[float]],
    ignored: Sequence[Sequence[float]],
    long_side: int,
    milliseconds: float,
) -> Tally:
    """Compares detections with the faces that are there."""
    ranked = sorted(found, key=lambda detection: -detection.score)
    boxes = np.array([detection.box for detection in ranked], np.float32).reshape(-1, 4)
    truth = np.array(faces, np.float32).reshape(-1, 4)
    finder = _assign(iou_matrix(boxes, truth))
    idle = [i for i in range(len(boxes)) if i not in finder.values()]
    prominent = truth[:, 2:].max(axis=1, initial=0) >= PROMINENT * long_side
    return Tally(
        faces=len(truth),
        found=len(finder),
        prominent=int(prominent.sum()),
        prominent_found=sum(bool(prominent[face]) for face in finder),
        invented=int((_inside(boxes[idle], ignored) < 0.5).sum()),
        ms=milliseconds,
    )


def summarise(group: str, tallies: Sequence[Tally]) -> Figures:
    """Adds photos up."""
    total = Tally(*(sum(column) for column in zip(*tallies, strict=True)))
    return Figures(
        group=group,
        photos=len(tallies),
        faces=total.faces,
        recall=_share(total.found, total.faces),
        recall_prominent=_share(total.prominent_found, total.prominent),
        precision=_share(total.found, total.found + total.invented) if total.faces else None,
        invented=total.invented,
        median_ms=round(float(np.median([tally.ms for tally in tallies])), 1),
    )


def table(figures: Sequence[Figures]) -> str:
    """The figures for people to read."""
    lines = ["group       photos  faces  recall  recall >= 2.5 %  precision  invented  ms a photo"]
    for row in figures:
        shares = (row.recall, row.recall_prominent, row.precision)
        recall, prominent, precision = ("-" if x is None else f"{x:.3f}" for x in shares)
        lines.append(
            f"{row.group:<10}  {row.photos:>6}  {row.faces:>5}  {recall:>6}  {prominent:>15}"
            f"  {precision:>9}  {row.invented:>8}  {row.median_ms:>10.0f}"
        )
    return "\n".join(lines)


def _assign(overlap: NDArray[np.float32]) -> dict[int, int]:
    """Which box (row, best first) finds which face (column): face -> box."""
    finder: dict[int, int] = {}
    for box, overlaps in enumerate(overlap):
        free = [face for face in np.argsort(-overlaps) if face not in finder]
        if free and overlaps[free[0]] >= FOUND:
            finder[int(free[0])] = box
    return finder


def _inside(boxes: NDArray[np.float32], regions: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """The largest share of each box that lies in one of the regions."""
    if not len(regions):
        return np.zeros(len(boxes), np.float32)
    areas = np.array(regions, np.float32).reshape(1, -1, 4)
    mine = boxes[:, None]
    low = np.maximum(mine[..., :2], areas[..., :2])
    high = np.minimum(mine[..., :2] + mine[..., 2:], areas[..., :2] + areas[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    share: NDArray[np.float32] = (shared / mine[..., 2:].prod(axis=-1)).max(axis=1)
    return share


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None

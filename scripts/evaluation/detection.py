"""Faces found, missed and invented on the development photos.

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
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facefind.errors import WeightsError
from facefind.geometry import iou_matrix
from facefind.inference.pipeline import resolve_settings
from facefind.types import Detection
from scripts.evaluation.models import ready_detector

TITLE = "Finding faces"

GROUPS = ("WIDER", "the rest", "negatives")
FOUND = 0.5
PROMINENT = 0.025
"""Share of the photo's long side from which a face counts as one that matters."""

SMALL = 40
"""Pixels of its longer side below which a face has a row of its own."""

Regions: TypeAlias = "Sequence[Sequence[float]] | NDArray[np.float32]"


class Tally(NamedTuple):
    """What happened in one photo."""

    faces: int
    found: int
    prominent: int
    prominent_found: int
    small: int
    small_found: int
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
    small: int
    recall_small: float | None
    precision: float | None
    invented: int
    median_ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--pipeline",
        action="append",
        default=[],
        dest="pipelines",
        help="whose detector; may be repeated (default: each detector whose weights are there)",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="detector.KEY=VALUE", dest="assignments"
    )
    parser.add_argument("--threads", type=int, default=0, help="0 for one per core (default)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Looks for faces in every photo with every detector.

    Raises:
        WeightsError: Those of a pipeline that was asked for are not there.
        UsageError: No such pipeline or setting.
    """
    overrides = dict(item.split("=", 1) for item in arguments.assignments)
    rows = read_rows(arguments.data)
    detectors, missing = [], []
    for name in arguments.pipelines or with_own_detector():
        try:
            detectors.append(_measure(name, overrides, rows, arguments))
        except WeightsError:
            if arguments.pipelines:
                raise
            missing.append(name)
    return {"detectors": detectors, "without_weights": missing}


def with_own_detector() -> list[str]:
    """The pipelines, of several with the same detector the first alone."""
    from facefind.inference.pipeline import PIPELINES

    first = {spec.detector: name for name, spec in reversed(PIPELINES.items())}
    return [name for name, spec in PIPELINES.items() if first[spec.detector] == name]


def _measure(
    name: str,
    overrides: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """One detector's settings and figures."""
    settings = resolve_settings(name, overrides)
    detector = ready_detector(name, settings, arguments.threads)
    tallies: dict[str, list[Tally]] = {group: [] for group in GROUPS}
    for row in rows:
        tallies[group_of(row)].append(look(detector, arguments.data, row))
    groups = [asdict(summarise(group, tallies[group])) for group in GROUPS]
    return {"pipeline": name, "settings": settings, "groups": groups}


def render(figures: dict[str, Any]) -> str:
    """A row for each detector and group, and what they are of."""
    lines = [
        "| detector | photos | number | faces | recall | recall >= 2.5 % of the long side "
        f"| recall < {SMALL} px (faces) | precision | false faces | ms a photo |",
        "|---" * 10 + "|",
    ]
    for detector in figures["detectors"]:
        lines += [_row(detector["pipeline"], group) for group in detector["groups"]]
    for name in figures["without_weights"]:
        lines.append(f"| `{name}` | not measured: its weights are not there |" + " |" * 8)
    return "\n".join(lines) + "\n\n" + _WORDS


_WORDS = """\
A face is found from an IoU of .5 on. "WIDER" are small copies of its pictures (416 pixels), so
their faces are small and blurred, and their boxes are ground truth; those of "the rest" were
proposed by a YuNet and checked by eye, which is circular for `sface`, whose detector is one.
`dlib-fast` has the detector of `dlib`, so what it costs is in the part on recognition.
Nothing was trained on these photos, but the default detector's threshold was chosen on all of them.
Children have no row: the boxes do not say whose faces they are. Decoding is not timed. Large photos
and turned ones have parts of their own."""


def _row(pipeline: str, group: Mapping[str, Any]) -> str:
    shares = ("recall", "recall_prominent", "recall_small", "precision")
    recall, prominent, small, precision = (
        "-" if group[key] is None else f"{group[key]:.3f}" for key in shares
    )
    return (
        f"| `{pipeline}` | {group['group']} | {group['photos']} | {group['faces']} | {recall} "
        f"| {prominent} | {small} ({group['small']}) | {precision} | {group['invented']} "
        f"| {group['median_ms']:.0f} |"
    )


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
    faces: Regions,
    ignored: Regions,
    long_side: int,
    milliseconds: float,
) -> Tally:
    """Counts what detections made of the faces that are there."""
    truth = np.array(faces, np.float32).reshape(-1, 4)
    finder, invented = compare(found, truth, ignored)
    sides = truth[:, 2:].max(axis=1, initial=0)
    prominent, small = sides >= PROMINENT * long_side, sides < SMALL
    return Tally(
        faces=len(truth),
        found=len(finder),
        prominent=int(prominent.sum()),
        prominent_found=int(prominent[finder].sum()),
        small=int(small.sum()),
        small_found=int(small[finder].sum()),
        invented=len(invented),
        ms=milliseconds,
    )


def compare(
    found: Sequence[Detection], faces: Regions, ignored: Regions
) -> tuple[list[int], list[Detection]]:
    """The indices of the faces (N, 4) that are found, and the detections that are invented."""
    ranked = sorted(found, key=lambda detection: -detection.score)
    boxes = np.array([detection.box for detection in ranked], np.float32).reshape(-1, 4)
    truth = np.array(faces, np.float32).reshape(-1, 4)
    finder = assign(iou_matrix(boxes, truth))
    idle = [i for i in range(len(boxes)) if i not in finder.values()]
    shares = inside(boxes[idle], ignored)
    return sorted(finder), [ranked[i] for i, share in zip(idle, shares, strict=True) if share < 0.5]


def summarise(group: str, tallies: Sequence[Tally]) -> Figures:
    """Adds photos up."""
    total = Tally(*(sum(column) for column in zip(*tallies, strict=True)))
    return Figures(
        group=group,
        photos=len(tallies),
        faces=total.faces,
        recall=_share(total.found, total.faces),
        recall_prominent=_share(total.prominent_found, total.prominent),
        small=total.small,
        recall_small=_share(total.small_found, total.small),
        precision=_share(total.found, total.found + total.invented) if total.faces else None,
        invented=total.invented,
        median_ms=round(float(np.median([tally.ms for tally in tallies])), 1),
    )


def assign(overlap: NDArray[np.float32]) -> dict[int, int]:
    """Which box (row, best first) finds which face (column): face -> box."""
    finder: dict[int, int] = {}
    for box, overlaps in enumerate(overlap):
        free = [face for face in np.argsort(-overlaps) if face not in finder]
        if free and overlaps[free[0]] >= FOUND:
            finder[int(free[0])] = box
    return finder


def inside(boxes: NDArray[np.float32], regions: Regions) -> NDArray[np.float32]:
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

"""Photos that lie on their side, stand on their head, or were held at a slant.

Whole photos are turned; a face counts as found when the middle of a box lies within a third of the
face's side from where the face's middle went, and the box is between half and twice as large.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from facefind.geometry import Matrix, turn, warp
from facefind.inference.pipeline import DEFAULT_PIPELINE
from facefind.types import Detection, FloatArray, Image
from scripts.evaluation import detection, scenes
from scripts.evaluation.models import ready

TITLE = "Turned photos and tilted heads"

ANGLES = (0, 15, 30, 45, 90, 180, 270)
"""Degrees, anticlockwise."""

PARTS = {"tuned": slice(0, None, 3), "checked": slice(1, None, 3), "held": slice(2, None, 3)}
"""Thirds of the photos: for choosing settings, for checking them, for reporting."""

WAYS: dict[str, dict[str, str]] = {"as it is": {"detector.turns": "0"}, "default": {}}
"""Settings of the default pipeline."""


class Turned(NamedTuple):
    """A turned photo; ``to`` (2, 3) carries the photo's points into it."""

    pixels: Image
    to: Matrix


class Outcome(NamedTuple):
    """What was made of one turned photo: distances of the faces found, NaN for those missed."""

    angle: int
    distances: list[float]
    invented: int
    ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--part", choices=PARTS, default="held", help="which photos (default: held)"
    )
    parser.add_argument("--threads", type=int, default=0, help="0 for one per core (default)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Outcomes of each way of looking, by angle."""
    rows = detection.read_rows(arguments.data)
    sharp = [row for row in rows if detection.group_of(row) == "the rest"][PARTS[arguments.part]]
    empty = [row for row in rows if detection.group_of(row) == "negatives"]
    photos, grounds = scenes.load(arguments.data, sharp), scenes.load(arguments.data, empty)
    pipelines = {
        name: ready(DEFAULT_PIPELINE, way, arguments.threads) for name, way in WAYS.items()
    }
    full: dict[str, list[Outcome]] = {name: [] for name in WAYS}
    bare: dict[str, list[Outcome]] = {name: [] for name in WAYS}
    for outcomes, group in ((full, photos), (bare, grounds)):
        for photo in group:
            # By turns, so that another program's load slows all ways of looking alike.
            for name, pipeline in pipelines.items():
                outcomes[name] += _outcomes(pipeline, photo)
    return {
        "part": arguments.part,
        "photos": len(photos),
        "empty": len(grounds),
        "ways": [
            {
                "name": name,
                "settings": way,
                "rows": [_row(angle, full[name], bare[name]) for angle in ANGLES],
            }
            for name, way in WAYS.items()
        ],
    }


def _outcomes(pipeline: Any, photo: scenes.Cutting) -> Iterator[Outcome]:
    """A photo's outcome at every angle; faces that are small or missed upright are left out."""
    long_side = max(photo.pixels.shape[:2])
    large = photo.boxes[photo.boxes[:, 2:].max(axis=1) >= detection.PROMINENT * long_side]
    upright, _ = _faces(pipeline, Turned(photo.pixels, np.eye(2, 3)), large)
    known = [i for i, face in enumerate(upright) if face is not None]
    for angle in ANGLES:
        turned = rotate(photo.pixels, angle)
        start = time.perf_counter()
        found = pipeline.detect(turned.pixels)
        milliseconds = (time.perf_counter() - start) * 1000
        matches = match(found, large[known], turned.to)
        chosen = [found[i] for i in matches if i is not None]
        vectors = iter(_unit(pipeline.embed(turned.pixels, chosen).vectors))
        distances = [
            float(np.linalg.norm(next(vectors) - upright[face])) if i is not None else float("nan")
            for face, i in zip(known, matches, strict=True)
        ]
        invented = len(found) if not len(photo.boxes) else 0
        yield Outcome(angle, distances, invented, milliseconds)


def _faces(
    pipeline: Any, turned: Turned, boxes: scenes.Regions
) -> tuple[list[FloatArray | None], list[Detection]]:
    """The unit embedding of each face that is found, and all detections."""
    found = pipeline.detect(turned.pixels)
    matches = match(found, boxes, turned.to)
    vectors = _unit(pipeline.embed(turned.pixels, found).vectors)
    return [None if i is None else vectors[i] for i in matches], found


def rotate(image: Image, angle: int) -> Turned:
    """A picture turned anticlockwise about its middle; black where there is nothing to show."""
    height, width = image.shape[:2]
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    linear = np.array([(cosine, sine), (-sine, cosine)])
    if angle % 90 == 0:
        pixels = turn(image, angle // 90)
        middle = np.array((pixels.shape[1], pixels.shape[0])) / 2
        return Turned(pixels, _about((width / 2, height / 2), middle, linear))
    size = int(np.ceil(np.hypot(height, width)))
    matrix = _about((width / 2, height / 2), np.array((size / 2, size / 2)), linear)
    return Turned(warp(image, matrix, size), matrix)


def _about(source: tuple[float, float], target: Any, linear: Any) -> Matrix:
    return np.column_stack((linear, target - linear @ source))


def match(found: Sequence[Detection], boxes: scenes.Regions, to: Matrix) -> list[int | None]:
    """Which detection shows each face (N, 4) of the photo, after the photo was turned."""
    middles = (boxes[:, :2] + boxes[:, 2:] / 2) @ to[:, :2].T + to[:, 2]
    sides = np.sqrt(boxes[:, 2:].prod(axis=1))
    return [_nearest(found, middle, side) for middle, side in zip(middles, sides, strict=True)]


def _nearest(found: Sequence[Detection], middle: Any, side: float) -> int | None:
    if not found:
        return None
    boxes = np.array([face.box for face in found])
    away = np.linalg.norm(boxes[:, :2] + boxes[:, 2:] / 2 - middle, axis=1)
    size = np.sqrt(boxes[:, 2:].prod(axis=1)) / side
    away[(size < 0.5) | (size > 2)] = np.inf
    return int(away.argmin()) if away.min() <= side / 3 else None


def _unit(vectors: FloatArray) -> FloatArray:
    unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _row(angle: int, full: Sequence[Outcome], empty: Sequence[Outcome]) -> dict[str, Any]:
    mine = [outcome for outcome in full if outcome.angle == angle]
    bare = [outcome for outcome in empty if outcome.angle == angle]
    distances = np.array([value for outcome in mine for value in outcome.distances])
    seen = distances[~np.isnan(distances)]
    return {
        "angle": angle,
        "faces": len(distances),
        "found": len(seen),
        "median_distance": round(float(np.median(seen)), 3),
        "ninth_decile": round(float(np.quantile(seen, 0.9)), 3),
        "invented_in_empty": sum(outcome.invented for outcome in bare),
        "ms": round(float(np.mean([outcome.ms for outcome in mine]))),
        "ms_empty": round(float(np.mean([outcome.ms for outcome in bare]))),
    }


def render(figures: dict[str, Any]) -> str:
    """A row for each angle and way of looking."""
    lines = [
        "| turned by | looked at | faces found | distance, median | 9 of 10 below "
        "| false, no face | ms | ms, no face |",
        "|---" * 8 + "|",
    ]
    for i, angle in enumerate(ANGLES):
        for way in figures["ways"]:
            row = way["rows"][i]
            share = row["found"] / row["faces"]
            lines.append(
                f"| {angle} | {way['name']} | {share:.3f} | {row['median_distance']:.3f} "
                f"| {row['ninth_decile']:.3f} | {row['invented_in_empty']} "
                f"| {row['ms']} | {row['ms_empty']} |"
            )
    return "\n".join(lines) + "\n\n" + _words(figures)


def _words(figures: dict[str, Any]) -> str:
    faces = figures["ways"][0]["rows"][0]["faces"]
    return (
        f"Degrees anticlockwise. Of {figures['photos']} photos, {faces} faces of 2.5 % of the "
        "long side or\nmore that are found upright "
        f"(part `{figures['part']}`; on the third called `held` nothing was\nchosen); false faces "
        f"and the last time are of {figures['empty']} photos without a face.\nDistances are "
        "between unit embeddings of a face in the turned photo and in the upright one.\nTimes are "
        'means a photo, decoding and embedding not counted. "As it is" never looks at a\nphoto '
        "turned; `default` does where its faces, or hints of faces, seem to be."
    )

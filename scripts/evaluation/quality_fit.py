"""What quality is fitted on: detections known to be right or wrong, spoilt copies of portraits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefind import images
from facefind.geometry import iou_matrix
from facefind.inference import quality
from facefind.inference.embedders import dlib_resnet
from facefind.inference.pipeline import Pipeline
from facefind.inference.quality import Features, Floats, Logistic
from facefind.portraits import most_prominent
from facefind.types import Detection, Face, Image
from scripts.evaluation import detection
from scripts.evaluation.embeddings import lfw_photos, progressing

LOWEST_SCORE = 0.25
"""Detections are judged from this score on, so that there are enough wrong ones."""

FALSE_COST = 2.5
"""What a wrong detection weighs in the fit, a right one being 1; see `quality.LOW_QUALITY`."""

FACE_SIGNS = {
    "score": 1,
    "score_for_size": 1,
    "tiny": 1,
    "contrast": 1,
    "sharpness": 1,
    "asymmetry": -1,
    "residual": -1,
}
"""The features of the first regression, and which way each may count."""

KNOWN_SIGNS = {
    "score": 1,
    "small": 1,
    "contrast": 1,
    "sharpness": 1,
    "asymmetry": -1,
    "residual": -1,
    "turned": -1,
}
"""The same for the second."""

PEOPLE = 150
"""Of Labeled Faces in the Wild, in the fit; as many others in the report."""

MOSAIC = 500

Indices = NDArray[np.intp]


# --- detections ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Judged:
    """N detections, those in regions to be ignored left out.

    Attributes:
        features: One row each.
        true: (N,) bool.
        score, size: (N,) the detector's score; the geometric mean of the box's sides in pixels.
        photo: (N,) number of the photo.
        group: (N,) number in `detection.GROUPS`.
        faces: By group, how many faces the photos have.
    """

    features: Features
    true: NDArray[np.bool_]
    score: Floats
    size: Floats
    photo: Indices
    group: Indices
    faces: tuple[int, ...]


def judged_detections(finder: Pipeline, data: Path) -> Judged:
    """All detections of the photos with boxes; `finder` reports them from `LOWEST_SCORE` on."""
    rows = detection.read_rows(data)
    faces = [0] * len(detection.GROUPS)
    features, facts = [], []
    for number, row in enumerate(progressing("photos", rows)):
        group = detection.GROUPS.index(detection.group_of(row))
        faces[group] += len(row["boxes"])
        pixels = images.read_photo(data / "events" / row["file"]).pixels
        found = finder.detect(pixels)
        verdicts = verdict(found, row["boxes"], row.get("ignore", []))
        kept = [i for i, right in enumerate(verdicts) if right is not None]
        features.append(rows_of(measured(finder, pixels, found)[0], kept))
        sides = [found[i].box for i in kept]
        facts += [
            (verdicts[i], found[i].score, (box.w * box.h) ** 0.5, number, group)
            for i, box in zip(kept, sides, strict=True)
        ]
    true, score, size, photo, group_numbers = map(np.array, zip(*facts, strict=True))
    return Judged(joined(features), true, score, size, photo, group_numbers, tuple(faces))


def verdict(
    found: Sequence[Detection],
    faces: Sequence[Sequence[float]],
    ignored: Sequence[Sequence[float]],
) -> list[bool | None]:
    """Whether each detection, best first, finds a face; None half or more in an ignored region."""
    boxes = np.array([face.box for face in found], np.float32).reshape(-1, 4)
    finders = set(detection.assign(iou_matrix(boxes, np.array(faces, np.float32))).values())
    outside = detection.inside(boxes, ignored) < 0.5
    return [True if i in finders else False if outside[i] else None for i in range(len(boxes))]


def measured(
    finder: Pipeline, pixels: Image, found: Sequence[Detection]
) -> tuple[Features, NDArray[np.float32]]:
    """The features and the embeddings of detections in a photo."""
    vectors, asymmetry = finder.embed(pixels, found)
    if asymmetry is None:
        raise ValueError(f"pipeline {finder.spec.name} does not look at mirror images")
    chips = finder.cut(pixels, found)
    return quality.measure(found, chips, asymmetry, template(finder)), vectors


def template(finder: Pipeline) -> ArrayLike:
    """Where a pipeline's chips have the landmarks."""
    if finder.spec.name != "dlib":
        raise ValueError(f"no quality is fitted for pipeline {finder.spec.name}")
    return dlib_resnet.TEMPLATE


def rows_of(features: Features, rows: Sequence[int] | NDArray[Any]) -> Features:
    """Some rows of the features."""
    chosen = np.asarray(rows)
    chosen = chosen if chosen.dtype == bool else chosen.astype(int)
    return Features(*(column[chosen] for column in features))


def joined(parts: Sequence[Features]) -> Features:
    """Features below each other."""
    return Features(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


# --- spoilt copies -------------------------------------------------------------------------------


def shrunk(picture: Image, factor: float) -> Image:
    side = max(8, round(len(picture) * factor))
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def blurred(picture: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def moved(picture: Image, length: float) -> Image:
    return np.asarray(cv2.blur(picture, (round(length), 1)), np.uint8)


def shaken(picture: Image, length: float) -> Image:
    return np.asarray(cv2.blur(picture, (1, round(length))), np.uint8)


SPOILT: tuple[tuple[str, Callable[[Image, float], Image], tuple[float, ...]], ...] = (
    ("shrunk to", shrunk, (1.0, 0.55, 0.4, 0.3, 0.22, 0.16, 0.11, 0.08)),
    ("blurred by a sigma of", blurred, (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)),
    ("moved across by", moved, (7.0, 15.0, 25.0)),
    ("moved down by", shaken, (7.0, 15.0, 25.0)),
)
"""Ways of spoiling a photo of 250 pixels, whose face is some 110 wide, from weak to strong."""


@dataclass(frozen=True, eq=False)
class Copies:
    """N spoilt copies in which the face was found.

    Attributes:
        features: One row each.
        person: (N,) number of the person.
        level: (N,) number in `levels`.
        known: (N,) share of the person's other photos within the pipeline's threshold.
        width: (N,) geometric mean of the box's sides in pixels.
    """

    features: Features
    person: Indices
    level: Indices
    known: Floats
    width: Floats


def levels() -> list[tuple[str, Callable[[Image, float], Image], float]]:
    """Every way of spoiling with every strength."""
    return [(name, spoil, amount) for name, spoil, amounts in SPOILT for amount in amounts]


def spoilt_copies(finder: Pipeline, data: Path, odd: bool) -> Copies:
    """Copies of a photo each of `PEOPLE` people, every second one of those with several photos."""
    photos: dict[str, list[Path]] = defaultdict(list)
    for photo in lfw_photos(data):
        photos[photo.person].append(photo.path)
    several = [files for files in photos.values() if len(files) > 1]
    return spoil(finder, several[int(odd) :: 2][:PEOPLE])


def spoil(finder: Pipeline, people: Sequence[Sequence[Path]]) -> Copies:
    """Copies of the first photo of each person, known or not by the next three."""
    pictures = [images.read_photo(files[0]).pixels for files in people]
    boxes = [_prominent(finder, picture).box for picture in pictures]
    others = [
        [_vector(finder, path) for path in files[1:4]] for files in progressing("others", people)
    ]
    threshold = finder.spec.threshold or 0.0
    features, facts = [], []
    for level, (_, change, amount) in enumerate(progressing("copies", levels())):
        for mosaic, found in _found(finder, [change(p, amount) for p in pictures], boxes):
            rows, vectors = measured(finder, mosaic, list(found.values()))
            features.append(rows)
            for (person, face), vector in zip(found.items(), vectors, strict=True):
                near = np.linalg.norm(np.array(others[person]) - vector, axis=1) < threshold
                facts.append((person, level, near.mean(), (face.box.w * face.box.h) ** 0.5))
    person_numbers, level_numbers, known, width = map(np.array, zip(*facts, strict=True))
    return Copies(joined(features), person_numbers, level_numbers, known, width)


def _found(
    finder: Pipeline, copies: Sequence[Image], boxes: Sequence[Sequence[float]]
) -> Iterator[tuple[Image, dict[int, Detection]]]:
    """Mosaics of copies, all of one size, and by number of the copy the face that is found there.

    In a mosaic a small copy is what a small face is in a photo; alone it would be enlarged.
    """
    side = len(copies[0])
    across = max(1, MOSAIC // side)
    for first in range(0, len(copies), across * across):
        part = copies[first : first + across * across]
        mosaic = np.full((across * side, across * side, 3), 128, np.uint8)
        corners = [(i % across * side, i // across * side) for i in range(len(part))]
        for (x, y), copy in zip(corners, part, strict=True):
            mosaic[y : y + side, x : x + side] = copy
        found = finder.detect(mosaic)
        expected = np.array(boxes[first : first + len(part)]) * (side / 250)
        expected[:, :2] += corners
        overlap = iou_matrix(expected, np.array([face.box for face in found]).reshape(-1, 4))
        near = [i for i, row in enumerate(overlap) if row.max(initial=0) >= detection.FOUND]
        yield mosaic, {first + i: found[int(overlap[i].argmax())] for i in near}


def _prominent(finder: Pipeline, picture: Image) -> Detection:
    found = finder.detect(picture)
    unembedded = [Face(face, np.zeros(1, np.float32)) for face in found]
    return found[most_prominent(unembedded, picture)]


def _vector(finder: Pipeline, path: Path) -> NDArray[np.float32]:
    picture = images.read_photo(path).pixels
    (vector,) = finder.embed(picture, [_prominent(finder, picture)]).vectors
    return np.asarray(vector, np.float32)


# --- the fit -------------------------------------------------------------------------------------


def fit_face(judged: Judged) -> Logistic:
    """Right from wrong detections."""
    cost = np.where(judged.true, 1.0, FALSE_COST)
    return fit(judged.features, judged.true, cost, FACE_SIGNS)


def fit_known(copies: Copies) -> Logistic:
    """Recognised copies from others."""
    return fit(copies.features, copies.known, np.ones(len(copies.known)), KNOWN_SIGNS)


def held_out(judged: Judged, folds: int = 5) -> Floats:
    """The first regression's answer for each detection, fitted without its photo's fold."""
    answers = np.zeros(len(judged.true))
    fold = np.random.default_rng(0).integers(0, folds, judged.photo.max() + 1)[judged.photo]
    for number in range(folds):
        away, rest = fold == number, fold != number
        cost = np.where(judged.true[rest], 1.0, FALSE_COST)
        fitted = fit(rows_of(judged.features, rest), judged.true[rest], cost, FACE_SIGNS)
        answers[away] = fitted(rows_of(judged.features, away))
    return answers


def fit(
    features: Features, target: ArrayLike, cost: Floats, signs: Mapping[str, int], ridge: float = 1
) -> Logistic:
    """Logistic regression on standardised features; `target` (N,) in 0..1 may be shares.

    A feature whose weight would have the wrong sign is left out, the worst first: quality must not
    rise where a face gets worse.
    """
    names = list(signs)
    while True:
        columns = np.column_stack([getattr(features, name) for name in names])
        mean, spread = columns.mean(axis=0), columns.std(axis=0)
        weights = newton((columns - mean) / spread, np.asarray(target, np.float64), cost, ridge)
        wrong = [(weights[1 + i] * signs[name], name) for i, name in enumerate(names)]
        worst, name = min(wrong)
        if worst >= 0:
            break
        names.remove(name)
    slopes = weights[1:] / spread
    intercept = round(float(weights[0] - mean @ slopes), 3)
    return Logistic(intercept, dict(zip(names, slopes.round(3).tolist(), strict=True)))


def newton(columns: Floats, target: Floats, cost: Floats, ridge: float) -> Floats:
    """Intercept and weights of a logistic regression with an L2 penalty on the weights."""
    design = np.column_stack((np.ones(len(columns)), columns))
    penalty = np.diag([0.0] + [ridge] * columns.shape[1])
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (cost * (target - chance)) - penalty @ weights
        curve = (design * (cost * chance * (1 - chance))[:, None]).T @ design + penalty
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if abs(step).max() < 1e-9:
            return weights
    raise ArithmeticError("the regression does not settle")

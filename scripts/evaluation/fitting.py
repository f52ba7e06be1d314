"""Fits what `facefind.matching` has to know of a pipeline: where faces lie, and what odds mean."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facefind import matching
from facefind.matching import Calibration, Density, Question
from scripts.evaluation.drawn_events import (
    SIZES,
    Bools,
    Floats,
    Indices,
    People,
    SimulatedEvent,
    by_photo,
    draw_event,
    everybody_once,
    judge,
    questions,
)

PARTS = 32
"""Normal distributions in the density, at most."""

SMALLEST_PART = 20
"""Faces of a part, at least, so that none says what one person looks like; each person gives at
most `PHOTOS_EACH`."""

PHOTOS_EACH = 2
DIMENSIONS = 20
"""Principal components in which faces are parted."""

FACTOR = 32
"""Principal components of the covariance that is kept; of the rest only the variances are."""

DRAWN = 2000
NEAREST = 200
FLOOR = 0.34
SURE = 3.0
"""These, and `PARTS`, were chosen by R99a on events of each half of the people, fitted on the
other: the same halves and events that `simulated` reports."""

RADIUS = 0.47
"""Nobody reached `loose` beyond .45; of strangers, 6 % are within it."""
RIDGE = 0.1

SEED = 500
"""Of the first event in the fit; events of the report count from 0."""

PAIR = ("constant", "score")
GROUP = (
    "constant",
    "score",
    "log_1_plus_faces_for_probe",
    "log_portraits",
    "distance",
)


class Target(NamedTuple):
    """What a threshold is to hold in events of every size."""

    precision: float
    absent_answered: float


# The default is to hold .99 and .01 where photos are harder than those it is chosen on.
TARGETS = {
    "default": Target(0.993, 0.007),
    "strict": Target(0.997, 0.003),
    "loose": Target(0.95, 0.05),
}


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What was answered in events of one size.

    Attributes:
        probabilities: For each event (P, photos) the probability of each photo.
        shown: For each event (P, photos) whether it shows the person.
    """

    probabilities: Sequence[Floats]
    shown: Sequence[Bools]

    def counts(self, threshold: float) -> tuple[int, int, int, int, int]:
        """Photos right, wrong and missed; absent people, and those answered with a photo."""
        sums = np.zeros(5, int)
        for probabilities, shown in zip(self.probabilities, self.shown, strict=True):
            answered = probabilities >= threshold
            absent = ~shown.any(axis=1)
            sums += (
                (answered & shown).sum(),
                (answered & ~shown).sum(),
                (shown & ~answered).sum(),
                absent.sum(),
                (absent & answered.any(axis=1)).sum(),
            )
        right, wrong, missed, nobody, invented = map(int, sums)
        return right, wrong, missed, nobody, invented


def joined(parts: Sequence[Answers]) -> Answers:
    """Answers of several runs."""
    return Answers(
        [each for part in parts for each in part.probabilities],
        [each for part in parts for each in part.shown],
    )


def fit(everybody: People) -> Calibration:
    """The calibration of one pipeline, without thresholds."""
    fitted = start(everybody)
    drawn = [(event, [*questions(everybody, event, fitted)]) for event in _training(everybody)]
    fitted = replace(fitted, pair=logistic([_rows(everybody, *one, None) for one in drawn]))
    return replace(fitted, group=logistic([_rows(everybody, *one, fitted) for one in drawn]))


def start(everybody: People) -> Calibration:
    """A calibration of which the surroundings are known, but neither odds nor thresholds."""
    density = fit_density(everybody)
    free = (0.0, float("inf"))
    begin = Calibration(
        pipeline="dlib",
        radius=RADIUS,
        default=1.0,
        strict=1.0,
        loose=1.0,
        nearest=NEAREST,
        floor=FLOOR,
        pair=(),
        group=(),
        sure=SURE,
        means=free,
        deviations=free,
        strangers=density.draw(DRAWN),
    )
    around = matching.surroundings(everybody.vectors, everybody.vectors[:0], begin)
    return replace(begin, means=_usual(around.mean), deviations=_usual(around.deviation))


def _usual(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, (0.005, 0.995))
    return float(low), float(high)


def _training(everybody: People) -> Iterator[SimulatedEvent]:
    """Events of all sizes that there are enough people for, with one to three portraits."""
    whole = everybody_once(everybody)
    sizes = [size for size in SIZES.values() if size.faces < whole.faces / 2]
    sizes = sizes[:3] * 4 + sizes[3:] + [whole] * 3
    portraits = [1] * len(sizes) + [2, 2, 3, 3]
    sizes += [SIZES["small"], whole, SIZES["small"], whole]
    for number, (size, count) in enumerate(zip(sizes, portraits, strict=True)):
        yield draw_event(everybody, size, SEED + number, count)


class _Rows(NamedTuple):
    """Examples of one event: features, whether mates, how much they count, and the prior."""

    features: Floats
    right: Bools
    weights: Floats
    prior: Floats


def _rows(
    everybody: People,
    event: SimulatedEvent,
    asked: Sequence[tuple[Indices, Question]],
    fitted: Calibration | None,
) -> _Rows:
    """The examples of an event: for `Calibration.group`, or for `pair` where nothing is fitted.

    All people asked about in an event count the same, whatever the number of candidates.
    """
    features, right = [], []
    prior = matching.log_prior(len(event.faces))
    for portraits, (near, question) in zip(event.portraits, asked, strict=True):
        if fitted is None:
            rows = np.stack([np.ones(len(near)), question.scores], axis=1)
        else:
            rows = matching.features(question.expanded(fitted.enough(prior)), len(portraits))
        features.append(rows)
        right.append(everybody.numbers[event.faces[near]] == everybody.numbers[portraits[0]])
    one = np.ones(sum(map(len, right)))
    return _Rows(np.concatenate(features), np.concatenate(right), one / len(asked), one * prior)


def logistic(parts: Sequence[_Rows], ridge: float = RIDGE) -> tuple[float, ...]:
    """Logistic regression with a known prior, by Newton's method with a little ridge.

    The first feature is 1, and its weight is not held back.
    """
    rows, right, weights, prior = (np.concatenate(column) for column in zip(*parts, strict=True))
    mean, spread = rows[:, 1:].mean(axis=0), rows[:, 1:].std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    x = np.c_[np.ones(len(rows)), (rows[:, 1:] - mean) / spread]
    offset = prior - prior.mean()
    b = np.zeros(x.shape[1])
    hold = np.r_[1e-9, np.full(len(b) - 1, ridge)]
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(x @ b + offset, -30, 30)))
        gradient = x.T @ (weights * (p - right)) + hold * b
        hessian = (x * (weights * p * (1 - p))[:, None]).T @ x + np.diag(hold)
        step = np.linalg.solve(hessian, gradient)
        b -= step
        if np.abs(step).max() < 1e-9:
            break
    slopes = b[1:] / spread
    return (float(b[0] - slopes @ mean - prior.mean()), *map(float, slopes))


def fit_density(everybody: People, parts: int = PARTS) -> Density:
    """A mixture of normals with one covariance: k-means on whitened principal components."""
    random = np.random.RandomState(0)
    vectors = everybody.vectors[_few_of_each(everybody, random)].astype(np.float64)
    values, axes = np.linalg.eigh(np.cov(vectors.T))
    flat = (vectors - vectors.mean(axis=0)) @ axes[:, -DIMENSIONS:] / np.sqrt(values[-DIMENSIONS:])
    owner = _parted(flat, parts, random)
    means = np.stack([vectors[owner == part].mean(axis=0) for part in range(owner.max() + 1)])
    inside = np.cov((vectors - means[owner]).T)
    values, axes = np.linalg.eigh(inside)
    factor = axes[:, -FACTOR:] * np.sqrt(values[-FACTOR:])
    rest = np.maximum(np.diag(inside) - (factor**2).sum(axis=1), 0)
    shares = np.bincount(owner) / len(owner)
    # As they are stored, so that a fit and what is read back draw the same strangers.
    half = (np.asarray(each, np.float16) for each in (shares, means, factor, rest))
    return Density(*(each.astype(np.float32) for each in half))


def _few_of_each(everybody: People, random: np.random.RandomState) -> Indices:
    seen = np.zeros(len(everybody.numbers), int)
    chosen = []
    for row in random.permutation(len(everybody.numbers)):
        seen[everybody.numbers[row]] += 1
        if seen[everybody.numbers[row]] <= PHOTOS_EACH:
            chosen.append(row)
    return np.sort(np.array(chosen, np.intp))


def _parted(points: Floats, parts: int, random: np.random.RandomState) -> Indices:
    """Which part each point is in, by k-means; parts that are too small are given up."""
    centres = points[random.choice(len(points), parts, replace=False)]
    while True:
        for _ in range(30):
            owner = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
            sizes = np.bincount(owner, minlength=len(centres))
            kept = np.flatnonzero(sizes)
            centres = np.stack([points[owner == part].mean(axis=0) for part in kept])
        owner = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        sizes = np.bincount(owner, minlength=len(centres))
        if sizes.min() >= SMALLEST_PART:
            return np.asarray(owner, np.intp)
        centres = np.delete(centres, sizes.argmin(), axis=0)


def answers(everybody: People, fitted: Calibration, drawn: Sequence[SimulatedEvent]) -> Answers:
    """What a calibration answers in some events."""
    best = [by_photo(judge(everybody, event, fitted), event.photos) for event in drawn]
    return Answers(best, [event.shown for event in drawn])


def thresholds(of_sizes: Sequence[Answers]) -> dict[str, float]:
    """The lowest hundredth from which on each of `TARGETS` is held, by the mean over sizes."""
    steps = [step / 100 for step in range(5, 100)]
    rates = np.array([[_rates(size.counts(step)) for size in of_sizes] for step in steps])
    precision, answered = rates.mean(axis=1).T
    found = {}
    for name, target in TARGETS.items():
        held = (precision >= target.precision) & (answered <= target.absent_answered)
        # Above the last that fails, so that one lucky step is not taken for the border.
        failed = np.flatnonzero(~held)
        found[name] = steps[min(failed[-1] + 1, len(steps) - 1) if len(failed) else 0]
    return found


def _rates(counts: tuple[int, int, int, int, int]) -> tuple[float, float]:
    """Precision, and the share of absent people answered."""
    right, wrong, _, absent, answered = counts
    return right / max(right + wrong, 1), answered / max(absent, 1)


def write(folder: Path, fitted: Calibration, density: Density, made_by: str) -> None:
    """Puts a calibration where `matching.load_calibration` finds it."""
    values = {
        "made_by": made_by,
        "radius": fitted.radius,
        **{name: getattr(fitted, name) for name in TARGETS},
        "nearest": fitted.nearest,
        "floor": fitted.floor,
        "sure": fitted.sure,
        "means": [round(value, 5) for value in fitted.means],
        "deviations": [round(value, 5) for value in fitted.deviations],
        "pair": _rounded(PAIR, fitted.pair),
        "group": _rounded(GROUP, fitted.group),
        "strangers": DRAWN,
    }
    text = json.dumps(values, indent=1) + "\n"
    (folder / f"{fitted.pipeline}.json").write_text(text, encoding="utf-8")
    arrays = {name: getattr(density, name).astype(np.float16) for name in density.__slots__}
    np.savez(folder / f"{fitted.pipeline}.npz", **arrays)


def _rounded(names: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
    return {name: round(weight, 4) for name, weight in zip(names, weights, strict=True)}

"""Matching: from distances to the probability that a face is the person asked about.

A distance alone says little: in a crowd of lookalikes strangers come near, elsewhere mates stay
far. So each distance is first judged against the strangers around both faces (adaptive symmetric
normalisation; S. Cumani et al., "Comparison of speaker recognition approaches for real
applications", 2011): ``-((d - mq) / sq + (d - mc) / sc) / 2``, where m and s are the mean and the
deviation of the distances from the probe, and from the candidate, to their nearest strangers. The
strangers are faces of the library, each person once, and points drawn from a density of faces, so
that one answers as well in an event of one person as in an event of a thousand.

Then faces speak for one another (query expansion, from both sides; O. Chum et al., "Total Recall",
2007): the score of a candidate becomes the mean over the faces that are surely the probe's and
those that are surely the candidate's. A logistic regression makes a probability of it. Its prior
falls with the number of faces searched, so that a probability means the same in every event.

Nothing here depends on chance: equal questions get equal answers. All vectors are of unit length,
all distances L2.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facefind.errors import SetupError
from facefind.resources import judged_as, resource_dir
from facefind.scoring import (
    Faces,
    Surroundings,
    as_distances,
    distances_of,
    likeness,
    scores_of,
    speaking,
)
from facefind.types import FloatArray

BLOCK = 64
"""Candidates whose distances exist at one time: with 4000 strangers' they fit into a cache."""

MOST_SURE = 50
"""Faces, at most, that speak for the probe."""

MOST_WITNESSES = 2000
"""Candidates, the best first, that may speak for another."""

FEWEST = 16
"""Faces from which on the prior falls: smaller events were not fitted on."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Faces that may be the person asked about.

    Attributes:
        vectors: (N, D) float32, unit embeddings.
        photos: (N,) int64, tells the faces of one photo from those of another.
    """

    vectors: FloatArray
    photos: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What was fitted for one pipeline; see `load_calibration`.

    Attributes:
        pipeline: Whose embeddings.
        radius: L2 distance between unit embeddings beyond which no face reaches `loose`.
        default, strict, loose: Probabilities from which on a face is taken to be the person's.
        nearest: How many of the nearest strangers a face is judged by.
        floor: L2 distance below which a face of the library may be a mate, and so no stranger.
        pair: The log odds of a score without expansion, less the prior: constant and slope.
        group: The log odds after expansion, less the prior: weights of `features`.
        sure: Log odds by `pair` from which on a face speaks for another.
        means, deviations: The usual range of both in `Surroundings`. What lies outside of it is
            no usual face, and is not to seem unmistakable because no face comes near it.
        strangers: (M, D) float32, unit vectors drawn from the density of faces.
    """

    pipeline: str
    radius: float
    default: float
    strict: float
    loose: float
    nearest: int
    floor: float
    pair: tuple[float, ...]
    group: tuple[float, ...]
    sure: float
    means: tuple[float, float]
    deviations: tuple[float, float]
    strangers: FloatArray

    def enough(self, prior: float) -> float:
        """The score from which on a face speaks for another, by `log_prior`."""
        constant, slope = self.pair
        return (self.sure - constant - prior) / slope


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """A mixture of normal distributions that share one covariance: where faces lie.

    Attributes:
        shares: (K,) of the parts.
        means: (K, D).
        factor: (D, R), the covariance's largest part as ``factor @ factor.T``.
        rest: (D,) variances that are not in it.
    """

    shares: FloatArray
    means: FloatArray
    factor: FloatArray
    rest: FloatArray

    def draw(self, count: int) -> FloatArray:
        """(M, D) unit vectors, M about `count`; always the same ones."""
        # The stream of this generator never changes, whatever the version of numpy.
        random = np.random.RandomState(0)
        parts = np.repeat(self.means, np.rint(self.shares * count).astype(int), axis=0)
        wide = random.standard_normal((len(parts), self.factor.shape[1]))
        narrow = random.standard_normal(parts.shape)
        return _unit(parts + wide @ self.factor.T + narrow * np.sqrt(self.rest))


class Expanded(NamedTuple):
    """What is known of N candidates after expansion.

    Attributes:
        scores: (N,).
        for_probe: (N,) how many faces spoke for the probe; a face does not for itself.
        distances: (N,) of the probe, without expansion.
    """

    scores: FloatArray
    for_probe: FloatArray
    distances: FloatArray


def load_calibration(pipeline: str) -> Calibration | None:
    """The calibration that ships for a pipeline; None where there is none.

    Raises:
        SetupError: Its files are damaged.
    """
    folder = resource_dir("calibration")
    fitted = judged_as(pipeline)
    path = folder / f"{fitted}.json"
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        with np.load(folder / f"{fitted}.npz") as arrays:
            density = Density(**{name: arrays[name].astype(np.float32) for name in arrays.files})
        strangers = density.draw(values.pop("strangers"))
        for name in ("pair", "group"):
            values[name] = tuple(values[name].values())
        for name in ("means", "deviations"):
            values[name] = tuple(values[name])
        values.pop("made_by", None)
        return Calibration(pipeline=pipeline, strangers=strangers, **values)
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise SetupError(f"{path} is damaged.", "Install facefind again.") from error


def rescore(
    probe: FloatArray,
    candidates: Candidates,
    cohort: FloatArray,
    *,
    faces_in_scope: int,
    portraits: int = 1,
    calibration: Calibration,
) -> FloatArray:
    """How likely each candidate is the person of the probe.

    Args:
        probe: (D,) float32, of unit length.
        candidates: The faces searched that are within `calibration.radius` of the probe.
        cohort: (M, D) float32, other faces of the same pipeline: a sample of the searched events
            first, then of others. May be empty, and may hold the candidates, their mates and the
            probe themselves.
        faces_in_scope: How many faces were searched.
        portraits: How many pictures the probe is the mean of.

    Returns:
        (N,) float32, probabilities in the candidates' order.
    """
    if not len(candidates.vectors):
        return np.empty(0, np.float32)
    library = each_person_once(cohort, calibration.floor)
    question = Question(
        candidates,
        surroundings(candidates.vectors, library, calibration),
        probe,
        surroundings(probe[None], library, calibration),
    )
    prior = log_prior(faces_in_scope)
    rows = features(question.expanded(calibration.enough(prior)), portraits)
    return probability(calibration.group, rows, prior)


def features(expanded: Expanded, portraits: int) -> NDArray[np.float64]:
    """What `Calibration.group` weighs, (N, 5).

    1, the score, the logarithm of 1 + the faces that speak for the probe, that of the number of
    portraits, and the distance. Not the quality of the faces: it was tried, and made probabilities
    truer on the whole but less so where they decide; see docs/accuracy.md.
    """
    one = np.ones(len(expanded.scores))
    columns = (
        one,
        expanded.scores,
        np.log1p(expanded.for_probe),
        one * np.log(portraits),
        expanded.distances,
    )
    return np.stack(columns, axis=1).astype(np.float64)


def probability(weights: tuple[float, ...], rows: NDArray[np.float64], prior: float) -> FloatArray:
    """The logistic regression's answer for each row of features."""
    odds = np.clip(rows @ np.asarray(weights) + prior, -50, 50)
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def log_prior(faces: int) -> float:
    """The logarithm of the odds that a face is the person asked about, but for a constant.

    Of twice as many faces, each is half as likely.
    """
    return -float(np.log(max(faces, FEWEST)))


def each_person_once(cohort: FloatArray, floor: float) -> FloatArray:
    """The cohort without faces that are nearer than `floor` to one before them.

    So a person who was photographed a hundred times is one stranger, and not a crowd.
    """
    if len(cohort) < 2:
        return cohort
    kept = np.ones(len(cohort), bool)
    for first in range(0, len(cohort), BLOCK):
        block = cohort[first : first + BLOCK]
        near = block @ cohort[: first + len(block)].T > likeness(floor)
        before = np.tril(near, first - 1)
        for row in np.flatnonzero(before.any(axis=1)):
            kept[first + row] = not before[row][kept[: first + len(block)]].any()
    return cohort[kept]


class Question:
    """A probe and its candidates among the strangers."""

    def __init__(
        self,
        candidates: Candidates,
        around: Surroundings,
        probe: FloatArray,
        probe_around: Surroundings,
    ) -> None:
        """Takes the surroundings of each candidate, and of the probe as those of one face."""
        self._vectors = candidates.vectors
        self._photos = candidates.photos
        self._around = around
        self.distances = distances_of(probe[None], self._vectors)[0]
        self.scores = scores_of(self.distances, probe_around, around)

    def expanded(self, enough: float) -> Expanded:
        """The scores after expansion.

        Args:
            enough: The score from which on a face speaks for another.
        """
        order = np.argsort(-self.scores, kind="stable")
        means, for_probe = self._for_probe(order[:MOST_SURE], enough)
        sums, counts = means.copy(), np.zeros_like(means)
        every = Faces(self._vectors, self._photos, self._around)
        witnesses = every.at(order[:MOST_WITNESSES])
        heard = means[order[:MOST_WITNESSES]]
        for first in range(0, len(means), BLOCK):
            rows = slice(first, first + BLOCK)
            speaks = speaking(every.at(rows), witnesses, enough)
            sums[rows] += speaks @ heard
            counts[rows] = speaks.sum(axis=1)
        return Expanded(sums / (1 + counts), for_probe, self.distances)

    def _for_probe(self, best: NDArray[np.intp], enough: float) -> tuple[FloatArray, FloatArray]:
        """The mean score of each candidate to the probe, counted twice, and to its sure faces.

        A face does not speak for itself.
        """
        sure = best[self.scores[best] >= enough]
        if not len(sure):
            return self.scores, np.zeros_like(self.scores)
        distances = distances_of(self._vectors[sure], self._vectors)
        between = scores_of(distances, self._around.at((sure, None)), self._around)
        between[np.arange(len(sure)), sure] = 0
        counts = np.full(len(self.scores), len(sure), np.float32)
        counts[sure] -= 1
        return (2 * self.scores + between.sum(axis=0)) / (2 + counts), counts


def surroundings(faces: FloatArray, library: FloatArray, fitted: Calibration) -> Surroundings:
    """Of each of N faces; strangers that are drawn may come as near as they like."""
    distances = _nearest_strangers(faces, library, fitted)
    mean, deviation = distances.mean(axis=1), distances.std(axis=1)
    return Surroundings(np.clip(mean, *fitted.means), np.clip(deviation, *fitted.deviations))


def _nearest_strangers(faces: FloatArray, library: FloatArray, fitted: Calibration) -> FloatArray:
    """(N, `Calibration.nearest`) distances, in no order."""
    strangers = np.concatenate([library, fitted.strangers]).T
    cut, limit = strangers.shape[1] - fitted.nearest, likeness(fitted.floor)
    nearest = np.empty((len(faces), fitted.nearest), np.float32)
    for first in range(0, len(faces), BLOCK):
        # The most alike are the nearest: only theirs become distances.
        alike = faces[first : first + BLOCK] @ strangers
        real = alike[:, : len(library)]
        real[real > limit] = -np.inf
        alike.partition(cut, axis=1)
        nearest[first : first + BLOCK] = alike[:, cut:]
    return as_distances(nearest)


def _unit(vectors: NDArray[Any]) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)

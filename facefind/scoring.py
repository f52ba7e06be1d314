"""How well two faces go together, by what is around both; which faces speak for which.

See `facefind.matching`. All vectors are of unit length. What is made for thousands of pairs is
made in its place, and only for those that may matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facefind.types import FloatArray

MOST_NEIGHBOURS = 20
"""Faces, at most, that speak for a candidate."""

HIGHEST_SCORE = 12.0
"""Scores above are cut: the same picture twice is no better evidence than two pictures."""

ROUNDING = 1e-5
"""By how much a dot product of unit vectors may be wrong, at the most."""


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """How far the nearest strangers of some faces are: mean and deviation, (N,) each."""

    mean: FloatArray
    deviation: FloatArray

    def at(self, rows: Any) -> Surroundings:
        """Of some of the faces."""
        return Surroundings(self.mean[rows], self.deviation[rows])


class Faces(NamedTuple):
    """Faces and what is around them.

    Attributes:
        vectors: (N, D).
        photos: (N,) tells the faces of one photo from those of another.
    """

    vectors: FloatArray
    photos: NDArray[np.int64]
    around: Surroundings

    def at(self, rows: Any) -> Faces:
        """Some of them."""
        return Faces(self.vectors[rows], self.photos[rows], self.around.at(rows))


def speaking(candidates: Faces, witnesses: Faces, enough: float) -> FloatArray:
    """1 where a witness (column) speaks for a candidate (row), else 0.

    Few pairs are near enough that it may; scores are made of those alone.
    """
    alike = candidates.vectors @ witnesses.vectors.T
    near = alike >= _least_alike(candidates.around, witnesses.around, enough)[:, None]
    speaks = np.zeros(near.shape, np.float32)
    many = np.flatnonzero(near.sum(axis=1) > MOST_NEIGHBOURS)
    if len(many):
        speaks[many] = _best_speaking(candidates.at(many), witnesses, alike[many], enough)
        near[many] = False
    pairs = np.flatnonzero(near)
    rows, columns = np.divmod(pairs, near.shape[1])
    distances = as_distances(alike.ravel()[pairs])
    scores = scores_of(distances, candidates.around.at(rows), witnesses.around.at(columns))
    others = candidates.photos[rows] != witnesses.photos[columns]
    speaks.ravel()[pairs] = (scores >= enough) & others
    return speaks


def _least_alike(rows: Surroundings, columns: Surroundings, enough: float) -> FloatArray:
    """(N,) the dot product below which a row's score is `enough` with no column.

    A pair's score is enough up to a distance that is the weighted mean, by 1 / s, of both faces'
    m - enough * s; the larger of the two is no less.
    """
    farthest = np.max(columns.mean - enough * columns.deviation)
    farthest = np.maximum(rows.mean - enough * rows.deviation, farthest)
    least: FloatArray = 1 - np.maximum(farthest, 0) ** 2 / 2 - ROUNDING
    return least


def _best_speaking(
    candidates: Faces, witnesses: Faces, alike: FloatArray, enough: float
) -> NDArray[np.bool_]:
    """Which witnesses speak for candidates that may have more than are heard."""
    rows = candidates.around.at(np.s_[:, None])
    scores = scores_of(as_distances(alike), rows, witnesses.around)
    scores[candidates.photos[:, None] == witnesses.photos] = -np.inf
    cut = scores.shape[1] - MOST_NEIGHBOURS
    least = np.partition(scores, cut, axis=1)[:, cut, None]
    return np.asarray(scores >= np.maximum(least, enough))


def scores_of(distances: FloatArray, rows: Surroundings, columns: Surroundings) -> FloatArray:
    """For each distance; what is around both of its faces is broadcast to it."""
    scores = distances - rows.mean
    scores *= -0.5 / rows.deviation
    other = distances - columns.mean
    other *= -0.5 / columns.deviation
    scores += other
    np.minimum(scores, HIGHEST_SCORE, out=scores)
    return scores


def distances_of(a: FloatArray, b: FloatArray) -> FloatArray:
    """L2, each of the one to each of the other."""
    return as_distances(a @ b.T)


def as_distances(products: FloatArray) -> FloatArray:
    """The L2 distances of unit vectors with these dot products, in their place."""
    products *= -2
    products += 2
    np.maximum(products, 0, out=products)
    distances: FloatArray = np.sqrt(products, out=products)
    return distances


def likeness(distance: float) -> float:
    """The dot product of unit vectors at an L2 distance."""
    return 1 - distance**2 / 2

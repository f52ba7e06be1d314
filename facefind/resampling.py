"""How far a measure would be off with other people: the bootstrap over people.

Photos of one person resemble each other, and pairs share photos, so only people are independent:
they are drawn with replacement, as many as there are, again and again (B. Efron, R. Tibshirani,
"An Introduction to the Bootstrap", 1993, percentile intervals).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from facefind.metrics import Floats, Pairs, impostor_weight, tar_at_far


class Interval(NamedTuple):
    """A figure with the bounds within which it falls when the people are drawn anew."""

    value: float
    low: float
    high: float


def bootstrap_tar(
    pairs: Pairs,
    fars: Sequence[float],
    *,
    rounds: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Interval | None]:
    """TAR at each FAR with its interval over people drawn with replacement.

    A person drawn w times counts w-fold in the pairs of their own photos, and two people v * w-fold
    in the pairs between them; copies of one person do not meet. So only weights are drawn anew,
    never distances. The threshold is found anew in every round: its own uncertainty is in the
    interval. None where `tar_at_far` is.
    """
    values = [tar_at_far(pairs, far) for far in fars]
    measured = [far for far, value in zip(fars, values, strict=True) if value is not None]
    if not measured:
        return [None] * len(fars)
    sizes = np.bincount(pairs.people).astype(np.float64)
    owners = pairs.people[pairs.genuine_photos[:, 0]]
    nearest = _NearestStrangers(pairs, sizes, measured)
    drawn = np.full((rounds, len(measured)), np.nan)
    for number, weights in enumerate(_people_weights(len(sizes), rounds, seed)):
        within = np.concatenate([[0.0], np.cumsum(weights[owners] * pairs.weights)])
        limits = nearest.limits(weights)
        if within[-1] > 0 and limits is not None:
            drawn[number] = within[np.searchsorted(pairs.genuine, limits, "left")] / within[-1]
    bounds = iter(_percentiles(drawn, level))
    return [None if value is None else Interval(value, *next(bounds)) for value in values]


def bootstrap_mean(
    values: ArrayLike,
    people: Sequence[object],
    *,
    rounds: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """The mean of N values with its interval over people drawn with replacement.

    Args:
        values: (N,), such as the average precision of each probe.
        people: (N,) whose value each is.
    """
    numbers = np.asarray(values, np.float64)
    _, owner = np.unique(np.asarray(people), return_inverse=True)
    owner = owner.reshape(-1)
    sums, sizes = np.bincount(owner, numbers), np.bincount(owner)
    drawn = [
        weights @ sums / (weights @ sizes) for weights in _people_weights(len(sums), rounds, seed)
    ]
    ((low, high),) = _percentiles(np.array(drawn)[:, None], level)
    return Interval(float(numbers.mean()), low, high)


class _NearestStrangers:
    """The nearest strangers in order, as many as the largest FAR asks for under any weights."""

    def __init__(self, pairs: Pairs, sizes: Floats, fars: Sequence[float]) -> None:
        self._pairs = pairs
        self._sizes = sizes
        self._fars = np.asarray(fars)
        self._take(int(2 * max(fars) * pairs.impostors))

    def limits(self, weights: Floats) -> Floats | None:
        """The nearest refused stranger at each FAR, infinite where all are accepted.

        None where the weights leave no strangers.
        """
        total = impostor_weight(weights * self._sizes)
        if not total:
            return None
        running = np.cumsum(weights[self._a] * weights[self._b])
        while running[-1] <= self._fars.max() * total and len(self._a) < len(self._pairs.impostor):
            self._take(2 * len(self._a))
            running = np.cumsum(weights[self._a] * weights[self._b])
        # One part in 10^12 is for the rounding of far * total, as in `threshold_at_far`.
        places = np.searchsorted(running, self._fars * total * (1 + 1e-12), "right")
        return np.append(self._pairs.impostor[: len(self._a)], np.inf)[places]

    def _take(self, count: int) -> None:
        photos = self._pairs.impostor_photos[:count]
        self._a, self._b = self._pairs.people[photos].T


def _people_weights(people: int, rounds: int, seed: int) -> Iterator[Floats]:
    """How often each person is drawn, round by round."""
    random = np.random.default_rng(seed)
    for _ in range(rounds):
        yield np.bincount(random.integers(people, size=people), minlength=people).astype(np.float64)


def _percentiles(drawn: Floats, level: float) -> list[tuple[float, float]]:
    """The middle `level` of each column, rounds without a value left out."""
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    if not len(drawn):
        return [(float("nan"), float("nan"))] * drawn.shape[1]
    tail = 50 * (1 - level)
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]

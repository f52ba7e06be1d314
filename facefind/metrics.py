"""How well distances tell people apart: measures of verification, retrieval and calibration.

A pair of photos is *genuine* when both show one person (mates), *impostor* when they show two
(strangers); it is accepted when its distance is at most the threshold. TAR and FAR are the shares
of genuine and impostor pairs that are accepted, as in ISO/IEC 19795-1. Unless said otherwise every
person weighs the same among the genuine pairs, however many photos show them: among all pairs, a
person with a hundred photos weighs five thousand times as much as one with two. Intervals for these
measures are in `facefind.resampling`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCK = 2**21
"""Distances that are computed at one time."""

KEPT_IMPOSTORS = 10_000_000
"""Impostor pairs that are remembered one by one: all those of 4,400 photos. Of more, the nearest
are, and the rest are counted; every FAR up to their share is still exact."""

FEWEST_FALSE = 10
"""False accepts below which a rate is not called measured. Independent errors would put a third of
the rate to either side as its standard error (1 / sqrt(10)); see G. R. Doddington et al., "The NIST
speaker recognition evaluation" (2000), whose "rule of 30" asks for more."""

Floats: TypeAlias = NDArray[np.floating]
Indices: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The distances of all pairs of photos, nearest first.

    Attributes:
        people: (N,) which person each photo shows, 0 .. P - 1.
        genuine, genuine_photos: (G,) distances and (G, 2) the two photos' rows.
        weights: (G,) how much each pair of mates counts; they sum to 1.
        impostor, impostor_photos: Of the nearest strangers; see `KEPT_IMPOSTORS`.
        impostors: How many pairs of strangers there are, those that are not kept included.
    """

    people: NDArray[np.intp]
    genuine: Floats
    genuine_photos: Indices
    weights: Floats
    impostor: Floats
    impostor_photos: Indices
    impostors: int

    @property
    def measurable_far(self) -> float:
        """The smallest FAR behind which `FEWEST_FALSE` pairs stand; above 1 where there is none."""
        return FEWEST_FALSE / self.impostors if self.impostors else float("inf")

    def tar(self, threshold: float) -> float:
        """The share of mates within a distance; NaN without mates."""
        within = int(np.searchsorted(self.genuine, threshold, "right"))
        return float(self.weights[:within].sum()) if len(self.weights) else float("nan")

    def far(self, threshold: float) -> float:
        """The share of strangers within a distance; NaN without strangers.

        Where `keeps_all_within` says no it is a lower bound.
        """
        return _share(int(np.searchsorted(self.impostor, threshold, "right")), self.impostors)

    def keeps_all_within(self, threshold: float) -> bool:
        """Whether every stranger within a distance is kept, so that they can be counted."""
        return len(self.impostor) == self.impostors or bool(
            len(self.impostor) and threshold < self.impostor[-1]
        )

    def with_equal_pairs(self) -> Pairs:
        """The same with every pair of mates counting the same, as most publications have it."""
        count = len(self.genuine)
        return replace(self, weights=np.full(count, 1 / max(count, 1)))


class EqualError(NamedTuple):
    """The rate at which as many mates are refused as strangers are accepted, and where."""

    rate: float
    threshold: float


class Accuracy(NamedTuple):
    """The share of right decisions where mates and strangers are equally frequent.

    Attributes:
        value: Over the held-out pairs of all folds.
        threshold: The median of the thresholds that the folds were judged by.
        folds: How many there were.
    """

    value: float
    threshold: float
    folds: int


class Bin(NamedTuple):
    """Answers of similar probability: how many, their mean, and the share that was right."""

    answers: int
    probability: float
    right: float


class Calibration(NamedTuple):
    """How far probabilities are from the shares of right answers; see `calibration`."""

    error: float
    bins: tuple[Bin, ...]


def all_pairs(vectors: ArrayLike, people: Sequence[object], kept: int = KEPT_IMPOSTORS) -> Pairs:
    """The L2 distances of every pair of N photos.

    Args:
        vectors: (N, D); a row of NaN stands for a photo without a face, which is infinitely far
            from every other, so that its mates count as refused.
        people: (N,) who each photo shows, as anything that sorts.
        kept: As `KEPT_IMPOSTORS`.
    """
    rows = np.asarray(vectors, np.float64)
    _, numbers = np.unique(np.asarray(people), return_inverse=True)
    numbers = numbers.reshape(-1)
    if rows.ndim != 2 or len(rows) != len(numbers):
        raise ValueError(f"{len(numbers)} people for vectors of shape {rows.shape}")
    genuine = _Nearest(None)
    impostor = _Nearest(kept)
    for first, distances in _blocks(rows):
        a, b = np.nonzero(_above_diagonal(first, distances.shape))
        same = numbers[first + a] == numbers[b]
        for side, mask in ((genuine, same), (impostor, ~same)):
            i, j = a[mask], b[mask]
            side.add(distances[i, j], np.stack([first + i, j], axis=1).astype(np.int32))
    near, mates = genuine.sorted()
    return Pairs(
        numbers, near, mates, _by_person(numbers, mates), *impostor.sorted(), impostor.seen
    )


def threshold_at_far(pairs: Pairs, far: float) -> float | None:
    """The largest distance that accepts no more than a share `far` of the strangers.

    None where fewer than `FEWEST_FALSE` pairs would stand behind it, where that many are not kept,
    where they include photos without a face, and where more are at distance 0.
    """
    # One part in 10^12 is for the rounding of the product.
    allowed = int(np.floor(far * pairs.impostors * (1 + 1e-12)))
    if allowed < FEWEST_FALSE or allowed >= len(pairs.impostor):
        return None
    refused = pairs.impostor[allowed]
    within = np.isfinite(refused) and refused > 0
    return float(np.nextafter(refused, np.float32(-1))) if within else None


def tar_at_far(pairs: Pairs, far: float) -> float | None:
    """The share of mates accepted where a share `far` of the strangers is; None as above."""
    threshold = threshold_at_far(pairs, far)
    return None if threshold is None or not len(pairs.genuine) else pairs.tar(threshold)


def equal_error(pairs: Pairs) -> EqualError | None:
    """The equal error rate; None without mates or strangers, or where no distance gives it.

    Both rates go in steps; the answer is their mean at the step where they differ least. No
    distance gives it where too many photos show no face, or too few strangers are kept.
    """
    if not len(pairs.genuine) or not pairs.impostors:
        return None

    def refused_at(threshold: float) -> float:
        # A sum of weights need not reach 1 to the last bit.
        return round(1 - pairs.tar(threshold), 12)

    def crossed(threshold: float) -> bool:
        return pairs.far(threshold) >= refused_at(threshold)

    here = float("inf")
    for side in (pairs.genuine, pairs.impostor):
        place = bisect_left(side, True, key=crossed)
        here = min(here, float(side[place])) if place < len(side) else here
    if not np.isfinite(here) or not pairs.keeps_all_within(here):
        return None
    below = float(np.nextafter(np.float32(here), np.float32(-1)))
    rates = [(pairs.far(t), refused_at(t), t) for t in (here, below)]
    far, refused, threshold = min(rates, key=lambda rate: abs(rate[0] - rate[1]))
    return EqualError((far + refused) / 2, threshold)


def accuracy_by_folds(pairs: Pairs, folds: int = 10, seed: int = 0) -> Accuracy | None:
    """Accuracy with a threshold that was chosen on other people.

    The people are dealt into folds. For each, the threshold that decides best among the pairs of
    the other people judges the pairs with one or two people of the fold. Mates and strangers weigh
    the same, as in the protocol of Labeled Faces in the Wild (G. Huang et al., 2007), whatever
    their numbers. None where there are too few people to choose a threshold on some, or where too
    few strangers are kept to judge by it.
    """
    count = int(pairs.people.max(initial=-1)) + 1
    folds = min(folds, count)
    if folds < 2:
        return None
    fold = np.random.default_rng(seed).permutation(np.arange(count) % folds)[pairs.people]
    mates, strangers = fold[pairs.genuine_photos], fold[pairs.impostor_photos]
    accepted, thresholds = np.zeros((2, 2)), []
    for held_out in range(folds):
        others = fold != held_out
        known = (mates != held_out).all(axis=1)
        threshold = _best_threshold(
            pairs.genuine[known],
            pairs.weights[known],
            pairs.impostor[(strangers != held_out).all(axis=1)],
            _count_impostors(pairs.people[others]),
        )
        if threshold is None:
            continue
        # Strangers that are not kept seem refused, so what decides best may only seem so.
        if not pairs.keeps_all_within(threshold):
            return None
        thresholds.append(threshold)
        right = pairs.genuine[~known] <= threshold
        foreign = pairs.impostor[(strangers == held_out).any(axis=1)]
        accepted[0] += pairs.weights[~known][right].sum(), pairs.weights[~known].sum()
        all_foreign = pairs.impostors - _count_impostors(pairs.people[others])
        accepted[1] += (foreign <= threshold).sum(), all_foreign
    if not accepted[:, 1].all():
        return None
    tar, far = accepted[:, 0] / accepted[:, 1]
    return Accuracy(float(tar + 1 - far) / 2, float(np.median(thresholds)), len(thresholds))


def average_precision(relevant: ArrayLike, expected: int | None = None) -> float:
    """The mean, over what should be found, of the precision at its rank.

    Without interpolation, as in C. Manning et al., "Introduction to Information Retrieval" (2008),
    section 8.4. NaN where nothing is to be found.

    Args:
        relevant: Whether each answer is right, best answer first.
        expected: How many right answers there are, where some are not among the answers at all.
    """
    right = np.asarray(relevant, bool)
    total = int(right.sum()) if expected is None else expected
    ranks = np.flatnonzero(right) + 1
    return _share(float((np.arange(1, len(ranks) + 1) / ranks).sum()), total)


def calibration(probability: ArrayLike, right: ArrayLike, bins: int = 10) -> Calibration:
    """The expected calibration error and the reliability curve.

    Answers are sorted by probability into bins of equal numbers; the error is the mean distance,
    over answers, between a bin's mean probability and its share of right answers. (Bins of equal
    width, as in C. Guo et al., "On Calibration of Modern Neural Networks", 2017, leave most bins
    empty here, as nearly all answers are near 0 or 1.) NaN without answers.

    Args:
        probability: (N,) in 0..1.
        right: (N,) whether each answer was right.
    """
    p, truth = np.asarray(probability, np.float64), np.asarray(right, np.float64)
    if p.shape != truth.shape or p.ndim != 1:
        raise ValueError(f"probabilities {p.shape} for answers {truth.shape}")
    order = np.argsort(p, kind="stable")
    groups = [group for group in np.array_split(order, bins) if len(group)]
    curve = tuple(Bin(len(g), float(p[g].mean()), float(truth[g].mean())) for g in groups)
    gaps = sum(b.answers * abs(b.probability - b.right) for b in curve)
    return Calibration(_share(gaps, len(p)), curve)


def impostor_weight(sizes: Floats) -> float:
    """The number of pairs of strangers among people with so many photos each.

    A number of photos may be a fraction, or a count that was multiplied by a weight.
    """
    return float(sizes.sum() ** 2 - (sizes**2).sum()) / 2


class _Nearest:
    """Collects pairs and keeps the nearest `limit` of them; all where it is None."""

    def __init__(self, limit: int | None) -> None:
        self.seen = 0
        self._limit = limit
        self._parts: list[tuple[Floats, Indices]] = []
        self._held = 0

    def add(self, distances: Floats, photos: Indices) -> None:
        self.seen += len(distances)
        self._held += len(distances)
        self._parts.append((distances.astype(np.float32), photos))
        if self._limit is not None and self._held > self._limit + self._limit // 4:
            self._parts = [self._cut()]
            self._held = len(self._parts[0][0])

    def sorted(self) -> tuple[Floats, Indices]:
        distances, photos = self._cut()
        order = np.argsort(distances, kind="stable")
        return distances[order], photos[order]

    def _cut(self) -> tuple[Floats, Indices]:
        distances = np.concatenate([d for d, _ in self._parts] or [np.empty(0, np.float32)])
        photos = np.concatenate([p for _, p in self._parts] or [np.empty((0, 2), np.int32)])
        if self._limit is not None and len(distances) > self._limit:
            nearest = np.sort(np.argpartition(distances, self._limit)[: self._limit])
            return distances[nearest], photos[nearest]
        return distances, photos


def _blocks(rows: Floats) -> Iterator[tuple[int, Floats]]:
    """The distance matrix, some rows at a time with the number of the first; infinite for NaN."""
    squares = (rows * rows).sum(axis=1)
    step = max(1, BLOCK // max(len(rows), 1))
    for first in range(0, len(rows), step):
        some = slice(first, first + step)
        product = rows[some] @ rows.T
        squared = squares[some, None] + squares - 2 * product
        distances = np.sqrt(np.clip(squared, 0, None))
        yield first, np.where(np.isnan(distances), np.inf, distances)


def _above_diagonal(first: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.arange(shape[1]) > np.arange(first, first + shape[0])[:, None]


def _by_person(people: NDArray[np.intp], mates: Indices) -> Floats:
    """Weights of pairs of mates that give every person who has some the same sum."""
    owner = people[mates[:, 0]]
    counts = np.bincount(owner, minlength=1)
    weights: Floats = 1 / (counts[owner] * (counts > 0).sum())
    return weights


def _best_threshold(
    genuine: Floats, weights: Floats, impostor: Floats, impostors: int
) -> float | None:
    """The mate's distance at which accepting decides best, both kinds weighing the same."""
    if not np.isfinite(genuine[:1]).any() or not impostors:
        return None
    tar = np.cumsum(weights) / weights.sum()
    far = np.searchsorted(impostor, genuine, "right") / impostors
    best = int(np.argmax(np.where(np.isfinite(genuine), tar - far, -1.0)))
    here = float(genuine[best])
    # Halfway to the next pair, so that no photo sits on the limit.
    beyond = [float(d) for side in (genuine, impostor) for d in _first_above(side, here)]
    return (here + min(beyond)) / 2 if beyond else here


def _first_above(side: Floats, distance: float) -> Floats:
    """The next finite distance of a side that is sorted, if any."""
    following = side[np.searchsorted(side, distance, "right") :][:1]
    return following[np.isfinite(following)]


def _count_impostors(people: NDArray[np.intp]) -> int:
    return round(impostor_weight(np.bincount(people).astype(np.float64)))


def _share(part: float, whole: float) -> float:
    return float(part) / whole if whole else float("nan")

"""Groups of faces, how far they are from joining, and the rounds in which they join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facefind.grouping.neighbours import near_pairs
from facefind.grouping.settings import GroupingSettings
from facefind.types import FloatArray

CHUNK = 16384
"""Pairs of groups whose embeddings are held at one time."""

PARTNERS = 8
"""Faces of its photo, at most, that a face is compared with to see how alike strangers are."""

FEWEST_STRANGERS, MOST_STRANGERS = 20, 20_000
"""Pairs that are needed for it, and that are looked at for each of the partners."""

MOST_REPEATED = 0.15
"""Share of the pairs in one photo that may seem to be one person's. In a group that the embedder
hardly tells apart .08 do; where people are shown several times (photo booths), .25 and more."""

Indices = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """What is grouped.

    Attributes:
        vectors: (N, D) float32, unit embeddings of one pipeline.
        photos: (N,) which photo (content) each is in.
        qualities: (N,) `Quality.value`, 1 where it is unknown.
        seeds: (N,) number of the decided person whose pinned face each is, 0 for none.
        rejected: Pairs of a row and a seed: that face is not that person.
        groups: (N,) the group each face is in already, 0 for new faces. Groups start as they are,
            and only new faces are compared with all. None to group from scratch.

    Raises:
        ValueError: The arrays do not fit together, or a pinned face is rejected by its own person.
    """

    vectors: FloatArray
    photos: NDArray[np.int64]
    qualities: FloatArray
    seeds: NDArray[np.int64]
    rejected: Sequence[tuple[int, int]] = ()
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.vectors)
        groups = self.seeds if self.groups is None else self.groups
        shapes = [self.photos.shape, self.qualities.shape, self.seeds.shape, groups.shape]
        if self.vectors.ndim != 2 or any(shape != (count,) for shape in shapes):
            raise ValueError(f"embeddings {self.vectors.shape} with columns {shapes}")
        if any(self.seeds[row] == seed for row, seed in self.rejected):
            raise ValueError("a pinned face is rejected by the person that it is pinned to")

    def at(self, order: Indices) -> Faces:
        """The same faces in another order of rows."""
        place = np.empty(len(order), np.intp)
        place[order] = np.arange(len(order))
        return Faces(
            self.vectors[order],
            self.photos[order],
            self.qualities[order],
            self.seeds[order],
            [(int(place[row]), seed) for row, seed in self.rejected],
            None if self.groups is None else self.groups[order],
        )


class Groups:
    """What is known of G groups of faces: enough to tell how far any two are from joining.

    Attributes:
        labels: (N,) the group of each face.
        says: (N,) whether a face counts in `sums`: it is good enough, or none of its group is.
        sums, counts: (G, D) and (G,) of the faces that count.
        members: (G,) number of faces, 0 for groups that were joined to others.
        seeds: (G,) the decided person that a group is, or 0.
        weak: (G,) whether no face of a group is good enough, and nobody decided about it.
    """

    def __init__(self, faces: Faces, labels: Indices, settings: GroupingSettings) -> None:
        """Takes labels 0 .. G - 1."""
        size = int(labels.max(initial=-1)) + 1
        self.labels = labels
        self._settings = settings
        good = faces.qualities >= settings.low_quality
        none_good = np.bincount(labels, good, size) == 0
        self.says = good | none_good[labels]
        self.members = np.bincount(labels, minlength=size)
        self.counts = np.bincount(labels, self.says, size).astype(np.float32)
        self.sums = _sums(faces.vectors, labels, self.says, size)
        self.seeds = np.zeros(size, np.int64)
        np.maximum.at(self.seeds, labels, faces.seeds)
        self.weak = none_good & (self.seeds == 0)
        self._photos = _shared_photos(faces.photos)
        near = _near_strangers(faces.vectors, *self._photos, good, settings.join)
        self._alike = max(0.0, settings.strangers - near)
        self._join = 0.0
        self.adapt()
        self._rejected = self._rejected_pairs(faces)

    @property
    def reach(self) -> float:
        """Of two groups that ever join, some faces are nearer than this."""
        highest = self._settings.join_among(0, len(self.labels))
        return max(highest - self._alike, 0) + self._settings.gain

    @property
    def hope(self) -> float:
        """The gap beyond which two groups never join, however far the threshold rises."""
        return self.reach - self._join

    def adapt(self) -> float:
        """Sets the threshold by the number of groups there are now; returns how much it rose."""
        before = self._join
        people = int(((self.members > 0) & ~self.weak).sum())
        usual = self._settings.join_among(people, len(self.labels))
        self._join = max(usual - self._alike, 0)
        return self._join - before

    def threshold(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """The root mean squared distance below which groups of `a` and `b` faces join."""
        large = self._settings.large
        alone: FloatArray = 1 / np.sqrt(np.minimum(a, large) * np.minimum(b, large))
        return np.asarray(self._join + self._settings.gain * (1 - alone), np.float32)

    def gaps(self, a: Indices, b: Indices, *, seeds_join: bool = False) -> FloatArray:
        """(P,) how far pairs of groups are beyond joining; negative ones may join.

        Infinite for two seeds, unless they may join, and for what a rejection keeps apart.
        """
        squared = np.empty(len(a), np.float32)
        for first in range(0, len(a), CHUNK):
            some = slice(first, first + CHUNK)
            products = np.einsum("ij,ij->i", self.sums[a[some]], self.sums[b[some]])
            squared[some] = 2 - 2 * products / (self.counts[a[some]] * self.counts[b[some]])
        limits = self.threshold(self.counts[a], self.counts[b])
        # The penalty only matters for those that would join without.
        near = np.flatnonzero(squared < limits**2)
        squared[near] += self._settings.same_photo * self._in_one_photo(a[near], b[near])
        gaps = np.sqrt(np.maximum(squared, 0)) - limits
        apart = self._kept_apart(a, b)
        if not seeds_join:
            apart |= (self.seeds[a] > 0) & (self.seeds[b] > 0)
        gaps[apart] = np.inf
        return np.asarray(gaps, np.float32)

    def join(self, a: Indices, b: Indices) -> Indices:
        """Puts each group of `b` into that of `a`, which may be the same for several weak ones.

        Returns:
            (G,) where each group is now.
        """
        into = np.arange(len(self.members))
        into[b] = a
        said = ~self.weak[b]
        np.add.at(self.members, a, self.members[b])
        self.sums[a[said]] += self.sums[b[said]]
        self.counts[a[said]] += self.counts[b[said]]
        self.seeds[a] = np.maximum(self.seeds[a], self.seeds[b])
        self.members[b] = 0
        self.labels = into[self.labels]
        if len(self._rejected):
            self._rejected = into[self._rejected]
        return into

    def _rejected_pairs(self, faces: Faces) -> Indices:
        """(R, 2) groups that a rejection keeps apart."""
        of_seed = {int(seed): number for number, seed in enumerate(self.seeds) if seed}
        pairs = [
            (self.labels[row], of_seed[seed]) for row, seed in faces.rejected if seed in of_seed
        ]
        return np.array(pairs, np.intp).reshape(-1, 2)

    def _kept_apart(self, a: Indices, b: Indices) -> Bools:
        if not len(self._rejected):
            return np.zeros(len(a), bool)
        keys = np.sort(self._rejected, axis=1) @ (len(self.members), 1)
        return np.isin(np.minimum(a, b) * len(self.members) + np.maximum(a, b), keys)

    def _in_one_photo(self, a: Indices, b: Indices) -> FloatArray:
        """(P,) the share of the pairs of faces, one of each group, that are in one photo."""
        rows, photos = self._photos
        size = int(photos.max(initial=-1)) + 1
        keys, counts = np.unique(self.labels[rows] * size + photos, return_counts=True)
        starts = np.searchsorted(keys, np.arange(len(self.members) + 1) * size)
        lengths = np.diff(starts)
        swapped = lengths[a] > lengths[b]
        few, many = np.where(swapped, b, a), np.where(swapped, a, b)
        shared = np.zeros(len(a))
        for some in _in_parts(lengths[few]):
            shared[some] = _matches(keys, counts, size, starts, few[some], many[some])
        return np.asarray(shared / (self.members[a] * self.members[b]), np.float32)


def linked(faces: Faces, settings: GroupingSettings) -> Indices:
    """The group of each face, in numbers of no meaning.

    The rows are in an order that depends on nothing but the faces: of equal gaps the first counts.
    """
    groups = Groups(faces, _start(faces), settings)
    pairs = near_pairs(
        faces.vectors,
        groups.reach,
        nearest=settings.nearest,
        new=None if faces.groups is None else faces.groups == 0,
        exact_up_to=settings.exact_up_to,
    )
    a, b = _each_once(groups.labels[pairs.a], groups.labels[pairs.b], len(groups.members))
    del pairs
    strong = ~groups.weak[a] & ~groups.weak[b]
    into = _join_in_rounds(groups, a[strong], b[strong])
    one_weak = groups.weak[a] != groups.weak[b]
    _add_weak(groups, into[a[one_weak]], into[b[one_weak]])
    return groups.labels


def _join_in_rounds(groups: Groups, a: Indices, b: Indices) -> Indices:
    """Joins the pairs that are each other's best until none is left; returns where groups are.

    The threshold rises meanwhile, by the same for all pairs, so that it decides how far this goes
    and not in which order.
    """
    size = len(groups.members)
    everywhere = np.arange(size)
    a, b, gaps = _hopeful(groups, a, b)
    while True:
        rise = groups.adapt()
        if rise > 0:
            near = np.flatnonzero((gaps >= 0) & (gaps < rise))
            gaps -= rise
            gaps[near] = groups.gaps(a[near], b[near])
        joining = np.flatnonzero(gaps < 0)
        if not len(joining):
            return everywhere
        best = joining[_each_others_best(a[joining], b[joining], gaps[joining], size)]
        changed = np.zeros(size, bool)
        changed[a[best]] = changed[b[best]] = True
        into = groups.join(a[best], b[best])
        everywhere = into[everywhere]
        stale = changed[a] | changed[b]
        new = _hopeful(groups, *_each_once(into[a[stale]], into[b[stale]], size))
        a, b = np.concatenate([a[~stale], new[0]]), np.concatenate([b[~stale], new[1]])
        gaps = np.concatenate([gaps[~stale], new[2]])


def _hopeful(groups: Groups, a: Indices, b: Indices) -> tuple[Indices, Indices, FloatArray]:
    """The pairs that may ever join, and their gaps.

    As a mean, the distance of two groups is never less than those of both their parts.
    """
    gaps = groups.gaps(a, b)
    kept = gaps < groups.hope
    return a[kept], b[kept], gaps[kept]


def _each_others_best(a: Indices, b: Indices, gaps: FloatArray, size: int) -> Indices:
    """Which pairs have the smallest gap of both their groups; of equal ones the lowest numbers."""
    best = np.full(size, np.inf, np.float32)
    np.minimum.at(best, a, gaps)
    np.minimum.at(best, b, gaps)
    mutual = np.flatnonzero((gaps == best[a]) & (gaps == best[b]))
    mutual = mutual[np.lexsort((b[mutual], a[mutual]))]
    places = np.arange(len(mutual))
    first = np.full(size, len(mutual))
    np.minimum.at(first, a[mutual], places)
    np.minimum.at(first, b[mutual], places)
    chosen: Indices = mutual[(first[a[mutual]] == places) & (first[b[mutual]] == places)]
    return chosen


def _add_weak(groups: Groups, a: Indices, b: Indices) -> None:
    """Puts each weak group into the one that it is nearest to joining, which stays as it was."""
    weak, strong = np.where(groups.weak[a], a, b), np.where(groups.weak[a], b, a)
    gaps = groups.gaps(weak, strong)
    near = gaps < 0
    weak, strong, gaps = weak[near], strong[near], gaps[near]
    order = np.lexsort((strong, gaps, weak))
    _, first = np.unique(weak[order], return_index=True)
    groups.join(strong[order][first], weak[order][first])


def _start(faces: Faces) -> Indices:
    """The groups before the first round: seeds, the given groups, and every other face alone.

    Of a given group with several seeds, and where a rejection forbids it, faces that are not
    pinned start alone.
    """
    count = len(faces.vectors)
    owners = faces.seeds.astype(np.int64)
    given = np.zeros(count, np.int64) if faces.groups is None else faces.groups.copy()
    numbers, of = np.unique(given, return_inverse=True)
    of = of.reshape(-1)
    highest = np.zeros(len(numbers), np.int64)
    np.maximum.at(highest, of, owners)
    lowest = np.full(len(numbers), np.iinfo(np.int64).max)
    pinned = owners > 0
    np.minimum.at(lowest, of[pinned], owners[pinned])
    decided = (given > 0) & (highest[of] > 0)
    owners = np.where(decided & ~pinned & (lowest == highest)[of], highest[of], owners)
    for row, seed in faces.rejected:
        if owners[row] == seed:
            owners[row] = 0
    keys = np.arange(count)
    keys[given > 0] = count + of[given > 0]
    keys[decided & (owners == 0)] = np.flatnonzero(decided & (owners == 0))
    kinds = owners > 0
    _, labels = np.unique(np.where(kinds, owners, -1 - keys), return_inverse=True)
    return labels.reshape(-1).astype(np.intp)


def _sums(vectors: FloatArray, labels: Indices, says: Bools, size: int) -> FloatArray:
    sums = np.zeros((size, vectors.shape[1]), np.float32)
    rows = np.flatnonzero(says)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    there, starts = np.unique(labels[rows], return_index=True)
    if len(rows):
        sums[there] = np.add.reduceat(vectors[rows], starts, axis=0)
    return sums


def _shared_photos(photos: NDArray[np.int64]) -> tuple[Indices, Indices]:
    """The rows of faces that are not alone in their photo, and numbers 0 .. of their photos."""
    _, numbers, counts = np.unique(photos, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[numbers.reshape(-1)] > 1)
    _, shared = np.unique(numbers.reshape(-1)[rows], return_inverse=True)
    return rows, shared.reshape(-1)


def _near_strangers(
    vectors: FloatArray, rows: Indices, photos: Indices, good: Bools, join: float
) -> float:
    """The L2 distance below which a tenth of the pairs of strangers in one photo are.

    Pairs of good faces are taken for strangers, but for those nearer than `join`: there are mirrors
    and collages. Of photos of many, each face is compared with some. Infinite where it cannot be
    told: there are too few pairs, or too many photos that show somebody several times.
    """
    rows, photos = rows[good[rows]], photos[good[rows]]
    order = np.argsort(photos, kind="stable")
    rows, photos = rows[order], photos[order]
    products = [np.empty(0, np.float32)]
    for step in range(1, PARTNERS + 1):
        one = np.flatnonzero(photos[step:] == photos[:-step])[:MOST_STRANGERS]
        products.append(np.einsum("ij,ij->i", vectors[rows[one]], vectors[rows[one + step]]))
    found = np.concatenate(products)
    strangers = found[found <= 1 - join**2 / 2]
    if len(strangers) < max(FEWEST_STRANGERS, (1 - MOST_REPEATED) * len(found)):
        return float("inf")
    return float(np.sqrt(max(2 - 2 * np.quantile(strangers, 0.9), 0)))


def _each_once(a: Indices, b: Indices, size: int) -> tuple[Indices, Indices]:
    """Pairs of groups, the lower number first, without those of a group with itself."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    two = low != high
    keys = np.sort(low[two] * size + high[two])
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return np.asarray(keys // size), np.asarray(keys % size)


def _in_parts(lengths: Indices) -> list[slice]:
    """Slices of pairs that have some hundred thousand photos together."""
    bounds = np.searchsorted(np.cumsum(lengths), np.arange(0, lengths.sum(), 16 * CHUNK))
    edges = [*np.unique(bounds), len(lengths)]
    return [slice(first, last) for first, last in pairwise(edges)]


def _matches(
    keys: Indices, counts: Indices, size: int, starts: Indices, few: Indices, many: Indices
) -> NDArray[np.float64]:
    """(P,) the number of pairs of faces of two groups that are in one photo.

    Args:
        keys, counts: Sorted ``group * size + photo``, and the number of faces in each.
        size: Number of photos.
        starts: (G + 1,) where the keys of each group start.
        few, many: (P,) the groups, that with fewer photos first.
    """
    lengths = starts[few + 1] - starts[few]
    pair = np.repeat(np.arange(len(few)), lengths)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    own = starts[few][pair] + within
    wanted = keys[own] % size + many[pair] * size
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    both = np.where(keys[place] == wanted, counts[own] * counts[place], 0)
    return np.bincount(pair, both, len(few)).astype(np.float64)

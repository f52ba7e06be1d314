"""Pairs of near faces among very many, without holding all distances or a Python object per pair.

Exact up to a number of faces that the caller chooses: the upper triangle of all products, in tiles.
Most pairs are ruled out by half of their dimensions. Beyond that number, faces are first put into
cells around centres, as in an inverted file (H. Jégou et al., "Product Quantization for Nearest
Neighbor Search", 2011), and compared within cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facefind.types import FloatArray

Rows = NDArray[np.int32]

TILE = 1024, 2048
"""Rows and columns whose products exist at one time: 8 MB, which a cache holds."""

CHUNK = 16384
"""Pairs whose embeddings are held at one time."""

MOST_PAIRS = 4_000_000
"""Pairs, 48 MB of them, that are collected at least before those that are not among the nearest of
either face are left out."""

ENERGY = 0.97
"""Of the vectors' squared length, that half of the dimensions must hold to rule out pairs."""

SAMPLE = 8192
"""Vectors, at least where there are so many, that the principal dimensions are taken from."""

SLACK = 1e-5
"""What rounding may take from a product of two unit vectors."""

CELL = 2000
"""Faces in a cell, on average."""

CELLS_OF_A_FACE = 8
"""Cells that a face is looked for in."""


class Pairs(NamedTuple):
    """P pairs of rows, each once, the lower in `a`, and how far apart their vectors are (L2)."""

    a: Rows
    b: Rows
    distances: FloatArray


def near_pairs(
    vectors: FloatArray,
    reach: float,
    *,
    nearest: int,
    new: NDArray[np.bool_] | None = None,
    exact_up_to: int,
) -> Pairs:
    """The pairs of unit vectors that are less than `reach` apart.

    Where there are more than `MOST_PAIRS`, and more than twice `nearest` for each vector, only
    those that are among the `nearest` of one of their faces are kept.

    Args:
        vectors: (N, D) of unit length.
        nearest: See above.
        new: (N,) compare only these with all.
        exact_up_to: Number of vectors from which on near ones are looked for in cells.
    """
    if new is not None and not new.all():
        tiles = _new_tiles(vectors, np.flatnonzero(new))
    elif len(vectors) <= exact_up_to:
        tiles = _all_tiles(vectors)
    else:
        tiles = _cell_tiles(vectors)
    collected = _Collected(nearest, max(MOST_PAIRS, 2 * nearest * len(vectors)))
    short = shortened(vectors) if new is None else vectors
    for rows, columns in tiles:
        collected.add(_within(vectors, short, rows, columns, 1 - reach**2 / 2))
    return collected.pairs()


def shortened(vectors: FloatArray) -> FloatArray:
    """Vectors of fewer dimensions whose products are at least those of the unit vectors given.

    They are the principal dimensions, and the length of what is left out: the product of what two
    vectors lose is at most that of its lengths (Cauchy and Schwarz). The vectors as they are where
    half of the dimensions hold too little of them.
    """
    sample = vectors[:: max(1, len(vectors) // SAMPLE)]
    energies, axes = np.linalg.eigh(sample.T @ sample)
    kept = vectors.shape[1] // 2 - 1
    if kept < 1 or energies[-kept:].sum() < ENERGY * energies.sum():
        return vectors
    principal = vectors @ np.ascontiguousarray(axes[:, -kept:])
    lost = np.sqrt(np.maximum(1 + SLACK - np.einsum("ij,ij->i", principal, principal), 0))
    return np.column_stack([principal, lost])


Some = slice | NDArray[np.intp]


def _all_tiles(vectors: FloatArray) -> Iterator[tuple[Some, Some]]:
    """The upper triangle."""
    count = len(vectors)
    for first in range(0, count, TILE[0]):
        for start in range(first, count, TILE[1]):
            yield slice(first, first + TILE[0]), slice(start, start + TILE[1])


def _new_tiles(vectors: FloatArray, new: NDArray[np.intp]) -> Iterator[tuple[Some, Some]]:
    for first in range(0, len(new), TILE[0]):
        for start in range(0, len(vectors), TILE[1]):
            yield new[first : first + TILE[0]], slice(start, start + TILE[1])


def _cell_tiles(vectors: FloatArray) -> Iterator[tuple[Some, Some]]:
    """Each cell's own faces, and those that have it among their nearest cells."""
    centres = _centres(vectors, max(2, len(vectors) // CELL))
    cells = np.concatenate(
        [
            _largest(vectors[first : first + TILE[1]] @ centres.T, CELLS_OF_A_FACE)
            for first in range(0, len(vectors), TILE[1])
        ]
    )
    order = np.argsort(cells, axis=None, kind="stable")
    bounds = np.searchsorted(cells.ravel()[order], np.arange(len(centres) + 1))
    faces, places = np.divmod(order, cells.shape[1])
    for start, end in pairwise(bounds):
        own = faces[start:end][places[start:end] == 0]
        for first in range(0, len(own), TILE[0]):
            for column in range(start, end, TILE[1]):
                yield own[first : first + TILE[0]], faces[column : min(column + TILE[1], end)]


def _centres(vectors: FloatArray, count: int) -> FloatArray:
    """Unit means of the faces that are nearest to evenly spaced faces, twice over."""
    sample = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), 32 * count)).astype(int)]
    centres = sample[np.linspace(0, len(sample) - 1, count).astype(int)]
    for _ in range(2):
        nearest = np.argmax(sample @ centres.T, axis=1)
        sums = centres.copy()
        np.add.at(sums, nearest, sample)
        centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(centres, np.float32)


def _largest(products: FloatArray, count: int) -> NDArray[np.intp]:
    """The columns of the largest values of each row, the largest first."""
    count = min(count, products.shape[1])
    best = np.argpartition(-products, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(products, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def _within(
    vectors: FloatArray, short: FloatArray, rows: Some, columns: Some, least: float
) -> Pairs:
    products = short[rows] @ short[columns].T
    i, j = np.divmod(np.flatnonzero(products > np.float32(least - SLACK)), products.shape[1])
    a, b = _numbers(rows, i), _numbers(columns, j)
    other = a != b
    a, b = np.minimum(a, b)[other], np.maximum(a, b)[other]
    exact = np.empty(len(a), np.float32)
    for first in range(0, len(a), CHUNK):
        some = slice(first, first + CHUNK)
        exact[some] = np.einsum("ij,ij->i", vectors[a[some]], vectors[b[some]])
    near = exact > np.float32(least)
    return Pairs(a[near], b[near], np.sqrt(np.maximum(2 - 2 * exact[near], 0)))


def _numbers(some: Some, places: NDArray[np.intp]) -> Rows:
    if isinstance(some, slice):
        return np.asarray(places + some.start, np.int32)
    return np.asarray(some[places], np.int32)


class _Collected:
    """Pairs, the distant ones of which are left out where they become too many."""

    def __init__(self, nearest: int, most: int) -> None:
        self._nearest = nearest
        self._most = most
        self._parts: list[Pairs] = []
        self._held = 0

    def add(self, pairs: Pairs) -> None:
        self._parts.append(pairs)
        self._held += len(pairs.a)
        if self._held > self._most:
            self._parts = [self._cut(_each_once(self._joined()))]
            # What cannot be cut is no reason to try again for every tile.
            self._held = min(len(self._parts[0].a), self._most // 2)

    def pairs(self) -> Pairs:
        return _each_once(self._joined())

    def _joined(self) -> Pairs:
        if not self._parts:
            return Pairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
        parts, self._parts = self._parts, []
        return Pairs(
            np.concatenate([part.a for part in parts]),
            np.concatenate([part.b for part in parts]),
            np.concatenate([part.distances for part in parts]),
        )

    def _cut(self, pairs: Pairs) -> Pairs:
        order = np.argsort(pairs.distances, kind="stable")
        kept = np.zeros(len(order), bool)
        for ends in (pairs.a, pairs.b):
            kept |= _rank(ends, order) < self._nearest
        return Pairs(pairs.a[kept], pairs.b[kept], pairs.distances[kept])


def _rank(ends: Rows, order: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many of the pairs with the same end come earlier in the order."""
    by_end = order[np.argsort(ends[order], kind="stable")]
    sorted_ends = ends[by_end]
    first = np.searchsorted(sorted_ends, sorted_ends, "left")
    ranks = np.empty(len(order), np.intp)
    ranks[by_end] = np.arange(len(order)) - first
    return ranks


def _each_once(pairs: Pairs) -> Pairs:
    """In the order of their rows, without repetitions."""
    order = np.lexsort((pairs.b, pairs.a))
    a, b = pairs.a[order], pairs.b[order]
    other = np.ones(len(order), bool)
    other[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return Pairs(a[other], b[other], pairs.distances[order][other])

"""Groups of faces, and what nearly is one: see `facefind.grouping`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facefind.grouping.linkage import Faces, Groups, Indices, linked
from facefind.grouping.settings import GroupingSettings

ROWS = 256
"""Groups that are compared with all others at one time."""


class NearJoin(NamedTuple):
    """Two groups that may be one person: their labels, and by how much they missed joining (L2)."""

    a: int
    b: int
    gap: float


class Misfit(NamedTuple):
    """A face that may be in the wrong group: its row, and how far it is beyond joining (L2).

    The gap is negative for faces that would join the rest of their group again.
    """

    row: int
    label: int
    gap: float


def group(faces: Faces, settings: GroupingSettings) -> NDArray[np.int64]:
    """Which faces are one person's.

    Returns:
        (N,) labels 0 .. G - 1, the largest group first. Equal questions get equal answers, and the
        order of the faces does not matter.
    """
    if not len(faces.vectors):
        return np.empty(0, np.int64)
    order = _canonical(faces)
    labels = linked(faces.at(order), settings)
    result = np.empty(len(order), np.int64)
    result[order] = _largest_first(labels)
    return result


def near_joins(
    faces: Faces,
    labels: NDArray[np.int64],
    settings: GroupingSettings,
    limit: int,
    *,
    reach: float = 0.1,
    decided: bool = False,
) -> list[NearJoin]:
    """The pairs of groups that are nearest to being joined, the nearest first.

    Pairs of two lone faces are left out, and those that a rejection keeps apart.

    Args:
        faces: As they were grouped.
        labels: What `group` made of them, or what a user made of that; 0 .. G - 1.
        settings: As they were grouped by.
        limit: How many pairs, at most.
        reach: The largest gap (L2) that is worth mentioning.
        decided: Whether pairs of two decided people are mentioned, too.
    """
    state = Groups(faces, labels.astype(np.intp), settings)
    several = np.flatnonzero(state.members > 1)
    best = np.empty((0, 3))
    for first in range(0, len(several), ROWS):
        near = _near(state, several[first : first + ROWS], reach, decided)
        found = np.concatenate([best, near])
        best = found[np.lexsort((found[:, 1], found[:, 0], found[:, 2]))[:limit]]
    return [NearJoin(int(a), int(b), float(gap)) for a, b, gap in best]


def misfits(
    faces: Faces, labels: NDArray[np.int64], settings: GroupingSettings, limit: int
) -> list[Misfit]:
    """The faces that fit their group least, the worst first; arguments as of `near_joins`.

    Each is compared with the others of its group, of which there must be two: of two faces it
    cannot be said which is the wrong one.
    """
    state = Groups(faces, labels.astype(np.intp), settings)
    rows = np.flatnonzero(state.members[labels] > 2)
    own, of, said = faces.vectors[rows], labels[rows], state.says[rows].astype(np.float32)
    others = np.maximum(state.counts[of] - said, 1)
    products = (np.einsum("ij,ij->i", own, state.sums[of]) - said) / others
    distances = np.sqrt(np.maximum(2 - 2 * products, 0))
    gaps = distances - state.threshold(np.ones(len(rows), np.float32), others)
    order = np.argsort(-gaps, kind="stable")[:limit]
    return [Misfit(int(rows[i]), int(of[i]), float(gaps[i])) for i in order]


def _near(state: Groups, rows: Indices, reach: float, decided: bool) -> NDArray[np.float64]:
    """(P, 3) a, b and gap of the groups near those of the rows, each pair once."""
    least = 1 - (state.reach + reach) ** 2 / 2
    counts = np.maximum(state.counts, 1)
    products = state.sums[rows] / counts[rows, None] @ state.sums.T
    i, b = np.divmod(np.flatnonzero(products > least * counts), len(counts))
    a = rows[i]
    # A pair of groups with several faces each is found twice.
    once = (state.members[b] == 1) | (b > a)
    a, b = a[once], b[once]
    gaps = state.gaps(a, b, seeds_join=decided)
    pairs = np.column_stack([np.minimum(a, b), np.maximum(a, b), gaps])
    return np.asarray(pairs[gaps < reach], np.float64)


# --- the order of the faces ----------------------------------------------------------------------


def _canonical(faces: Faces) -> Indices:
    """An order of the rows that depends on what they are and not on where they stand.

    By a digest of each vector, then by one of the photo's vectors: numbers of photos follow the
    order of ingest.
    """
    words = np.ascontiguousarray(faces.vectors, np.float32).view(np.uint32).astype(np.uint64)
    weights = np.random.RandomState(0).randint(1, 2**63, words.shape[1], np.int64)
    digests = words @ (weights.astype(np.uint64) * np.uint64(2) + np.uint64(1))
    _, photo = np.unique(faces.photos, return_inverse=True)
    of_photo = np.zeros(len(faces.vectors), np.uint64)
    np.add.at(of_photo, photo.reshape(-1), digests)
    return np.lexsort((faces.seeds, faces.qualities, of_photo[photo.reshape(-1)], digests))


def _largest_first(labels: Indices) -> NDArray[np.int64]:
    """Labels 0 .. G - 1 by falling size; of equal size, that with the first row goes first."""
    _, first, inverse, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    number = np.empty(len(sizes), np.int64)
    number[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return number[inverse.reshape(-1)]

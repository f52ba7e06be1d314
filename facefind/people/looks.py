"""Decided people as grouping takes them: somebody who looks several ways has several seeds.

A user may say that two groups are one person whom grouping cannot see as one: with glasses and
without, as a child and grown up. The mean distance of a new face to both together would be too
large for either. So the pinned faces of such a person are grouped by themselves, and each of these
groups is a seed of its own, which stands for the same person.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facefind.grouping import Faces, GroupingSettings, group


def with_looks(faces: Faces, settings: GroupingSettings) -> tuple[Faces, dict[int, int]]:
    """The same question with a seed for each look of a person.

    A pinned face alone is a look only beside no larger one: else it stays in the largest and says
    nothing there, lest a face that was pinned by oversight draws strangers.

    Args:
        faces: As they are to be grouped; portraits have negative photos, and are looks in any case.

    Returns:
        The faces, and the person that each new seed stands for.
    """
    owners: dict[int, int] = {}
    seeds, qualities = faces.seeds.copy(), faces.qualities.copy()
    number = int(max(seeds.max(initial=0), 0 if faces.groups is None else faces.groups.max()))
    for person in _loose(faces, settings.join):
        rows = np.flatnonzero(faces.seeds == person)
        looks, silent = _looks(faces, rows, settings)
        qualities[rows[silent]] = 0
        for look in range(1, int(looks.max()) + 1):
            number += 1
            owners[number] = person
            seeds[rows[looks == look]] = number
    looks_of: dict[int, list[int]] = {}
    for seed, person in owners.items():
        looks_of.setdefault(person, [person]).append(seed)
    rejected = [
        (row, seed) for row, person in faces.rejected for seed in looks_of.get(person, [person])
    ]
    groups = None if faces.groups is None else _regrouped(faces.groups, seeds, looks_of)
    changed = replace(faces, seeds=seeds, qualities=qualities, rejected=rejected, groups=groups)
    return changed, owners


def _loose(faces: Faces, join: float) -> list[int]:
    """People whose pinned faces are farther from one another than those of a group."""
    rows = np.flatnonzero(faces.seeds > 0)
    people, of, counts = np.unique(faces.seeds[rows], return_inverse=True, return_counts=True)
    sums = np.zeros((len(people), faces.vectors.shape[1]))
    np.add.at(sums, of.reshape(-1), faces.vectors[rows])
    pairs = np.maximum(counts * (counts - 1), 1)
    squared = 2 - 2 * (np.einsum("ij,ij->i", sums, sums) - counts) / pairs
    return [int(person) for person in people[(counts > 1) & (squared > join**2)]]


def _looks(
    faces: Faces, rows: NDArray[np.intp], settings: GroupingSettings
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(n,) the look of each pinned face of a person, the main one 0, and which say nothing."""
    alone = Faces(
        vectors=faces.vectors[rows],
        # Two faces in one photo are this person all the same: the user said so.
        photos=np.arange(len(rows)),
        qualities=faces.qualities[rows],
        seeds=np.zeros(len(rows), np.int64),
    )
    labels = group(alone, settings)
    sizes = np.bincount(labels)[labels]
    silent = (sizes == 1) & (faces.photos[rows] >= 0) & (sizes.max() > 1)
    labels[silent] = 0
    _, looks = np.unique(labels, return_inverse=True)
    return looks.reshape(-1).astype(np.int64), silent


def _regrouped(
    groups: NDArray[np.int64], seeds: NDArray[np.int64], looks_of: dict[int, list[int]]
) -> NDArray[np.int64]:
    """Groups in which each look is one; others of that person are looked at as new faces are."""
    looks = [look for several in looks_of.values() for look in several]
    theirs = np.isin(groups, list(looks_of)) | np.isin(seeds, looks)
    return np.where(theirs, seeds, groups)

"""Grouping: which faces are one person's, without anybody having been asked about.

Average linkage: two groups join while the root of the mean squared distance between their faces is
below a threshold. For unit embeddings that mean is ``2 - 2 (A . B) / (a b)``, where A and B are the
sums of the two groups' embeddings and a and b their numbers of faces, so a group is remembered by
its sum and nothing else. The threshold rises with the size of the groups (two lone faces say less
than two albums) and falls with the number of faces grouped (among more people are more
lookalikes).

In each round all groups join that are each other's best: what a queue of all pairs would give, in
some dozen rounds of array operations. Nothing depends on chance or on the order of the faces, which
are first sorted by what they are.

What a user decided is a constraint: the pinned faces of a person (a *seed*) are together from the
start, two seeds never join, and a face that was rejected never comes to be with that person.
"""

from __future__ import annotations

from facefind.grouping.groups import Misfit, NearJoin, group, misfits, near_joins
from facefind.grouping.linkage import Faces
from facefind.grouping.settings import GroupingSettings, load_grouping

__all__ = [
    "Faces",
    "GroupingSettings",
    "Misfit",
    "NearJoin",
    "group",
    "load_grouping",
    "misfits",
    "near_joins",
]

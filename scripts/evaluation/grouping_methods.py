"""Ways to group faces into people, how right a grouping is, and events to group.

The methods that facefind does not use are written to be compared, not to be fast.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facefind import grouping
from facefind.grouping import Faces, GroupingSettings
from facefind.grouping.neighbours import near_pairs
from facefind.types import FloatArray
from scripts.evaluation.drawn_events import People

SMOOTHING = 0.7
"""How far the people of `population` are from those of LFW: 0 are LFW's, 1 know nothing of them but
their mean and covariance. So chosen that strangers are near as often as in LFW: 5 in a million
within .30 (LFW: 5), 37 within .33 (45), 190 within .36 (290)."""

Labels = NDArray[np.int64]
Floats = NDArray[np.floating]


class Outcome(NamedTuple):
    """How right a grouping is.

    Attributes:
        precision, recall, f1: BCubed (A. Bagga, B. Baldwin, 1998): of a face's group, the share of
            its person; of its person, the share in its group; means over faces.
        split: People who are in more than one group.
        joined: Groups with more than one person.
    """

    precision: float
    recall: float
    f1: float
    split: float
    joined: float


def bcubed(people: NDArray[Any], labels: Labels) -> Outcome:
    """Compares groups with the truth; (N,) each."""
    _, person = np.unique(people, return_inverse=True)
    _, label = np.unique(labels, return_inverse=True)
    size = int(label.max(initial=-1)) + 1
    both, inverse, counts = np.unique(
        person.reshape(-1) * size + label.reshape(-1), return_inverse=True, return_counts=True
    )
    common = counts[inverse.reshape(-1)]
    precision = float((common / np.bincount(label)[label]).mean())
    recall = float((common / np.bincount(person)[person]).mean())
    split = int((np.bincount(both // size) > 1).sum())
    joined = int((np.bincount(both % size) > 1).sum())
    f1 = 2 * precision * recall / (precision + recall)
    return Outcome(precision, recall, f1, split, joined)


def mean_outcome(outcomes: list[Outcome]) -> Outcome:
    """Each figure's mean."""
    return Outcome(*np.mean(outcomes, axis=0).tolist())


def shipped() -> GroupingSettings:
    """The settings of the default pipeline."""
    settings = grouping.load_grouping("dlib")
    assert settings is not None
    return settings


def plain_faces(vectors: FloatArray, qualities: FloatArray | None = None) -> Faces:
    """Faces that are each in a photo of their own, nobody having decided anything."""
    count = len(vectors)
    good = np.ones(count, np.float32) if qualities is None else qualities
    return Faces(vectors, np.arange(count), good, np.zeros(count, np.int64))


# --- methods -------------------------------------------------------------------------------------

Method = Callable[[FloatArray, float], Labels]
"""Groups unit embeddings by a threshold (L2)."""


def product(vectors: FloatArray, threshold: float) -> Labels:
    """As it ships, but for the threshold for two lone faces."""
    return grouping.group(plain_faces(vectors), replace(shipped(), join=threshold))


def same_for_all_sizes(vectors: FloatArray, threshold: float) -> Labels:
    """The threshold depends on the groups, but not on how many people there are."""
    settings = replace(shipped(), join=threshold, fall=0.0)
    return grouping.group(plain_faces(vectors), settings)


def average_linkage(vectors: FloatArray, threshold: float) -> Labels:
    """One threshold for all."""
    settings = replace(shipped(), join=threshold, fall=0.0, gain=0.0)
    return grouping.group(plain_faces(vectors), settings)


def components(vectors: FloatArray, threshold: float) -> Labels:
    """Faces that are connected by pairs below the threshold."""
    pairs = _pairs(vectors, threshold)
    labels = np.arange(len(vectors))
    while True:
        lowest = labels.copy()
        np.minimum.at(lowest, pairs.a, labels[pairs.b])
        np.minimum.at(lowest, pairs.b, labels[pairs.a])
        lowest = lowest[lowest]
        if (lowest == labels).all():
            return labels
        labels = lowest


def chinese_whispers(vectors: FloatArray, threshold: float) -> Labels:
    """Each face takes the label that most of its neighbours have (C. Biemann, 2006)."""
    pairs = _pairs(vectors, threshold)
    ends = np.concatenate([pairs.a, pairs.b])
    order = np.argsort(ends, kind="stable")
    others = np.concatenate([pairs.b, pairs.a])[order]
    bounds = np.searchsorted(ends[order], np.arange(len(vectors) + 1))
    labels = np.arange(len(vectors))
    random = np.random.RandomState(0)
    for _ in range(20):
        for row in random.permutation(len(vectors)):
            near = labels[others[bounds[row] : bounds[row + 1]]]
            if len(near):
                labels[row] = np.argmax(np.bincount(near))
    return labels


def louvain(vectors: FloatArray, threshold: float) -> Labels:
    """Communities of the graph of the 30 nearest neighbours (V. Blondel et al., 2008)."""
    networkx: Any = importlib.import_module("networkx")
    pairs = _pairs(vectors, threshold)
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(vectors)))
    kept = _among_nearest(pairs.a, pairs.distances, 30) | _among_nearest(
        pairs.b, pairs.distances, 30
    )
    weights = threshold - pairs.distances[kept]
    edges = zip(pairs.a[kept].tolist(), pairs.b[kept].tolist(), weights.tolist(), strict=True)
    graph.add_weighted_edges_from(edges)
    labels = np.zeros(len(vectors), np.int64)
    for number, community in enumerate(networkx.community.louvain_communities(graph, seed=0)):
        labels[list(community)] = number
    return labels


def _pairs(vectors: FloatArray, threshold: float) -> Any:
    return near_pairs(vectors, threshold, nearest=len(vectors), exact_up_to=len(vectors))


def _among_nearest(ends: NDArray[np.int32], distances: FloatArray, count: int) -> NDArray[np.bool_]:
    order = np.lexsort((distances, ends))
    first = np.searchsorted(ends[order], ends[order], "left")
    near = np.zeros(len(ends), bool)
    near[order] = np.arange(len(ends)) - first < count
    return near


# --- events --------------------------------------------------------------------------------------


def halves(everybody: People, rounds: int) -> Iterator[tuple[People, People]]:
    """The people dealt into two halves at random, so many times."""
    count = int(everybody.numbers.max()) + 1
    for seed in range(rounds):
        first = (np.random.RandomState(seed).permutation(count) % 2 == 0)[everybody.numbers]
        yield everybody.part(first), everybody.part(~first)


def some_people(everybody: People, faces: int, seed: int) -> People:
    """People at random, with all their faces, about so many."""
    count = int(everybody.numbers.max()) + 1
    taken = np.random.RandomState(seed).permutation(count)
    share = round(count * faces / len(everybody.numbers))
    return everybody.part(np.isin(everybody.numbers, taken[:share]))


@dataclass(frozen=True, eq=False)
class Population:
    """Drawn faces: (N, D) unit embeddings, and (N,) whose they are."""

    vectors: FloatArray
    people: Labels


def population(everybody: People, faces: int, *, faces_of_a_person: float | None) -> Population:
    """Draws people who are alike as those of LFW are, for events that LFW is too small for.

    A person's first face is drawn from the density of one face of each person of LFW (a smoothed
    bootstrap: B. W. Silverman, "Density Estimation", 1986, section 6.4.1). The others differ from
    it as those of a person of LFW, drawn at random, differ from one another.

    Args:
        faces_of_a_person: On average, distributed log-normally; None for as many as in LFW.
    """
    random = np.random.RandomState(0)
    counts = np.bincount(everybody.numbers)
    sizes = counts[random.randint(len(counts), size=faces)]
    if faces_of_a_person is not None:
        middle = np.log(faces_of_a_person) - 0.72
        sizes = np.maximum(np.exp(random.normal(middle, 1.2, faces)), 1).astype(int)
    people = np.repeat(np.arange(faces), sizes)[:faces]
    starts = np.flatnonzero(np.diff(people, prepend=-1))
    vectors = _first_faces(everybody, int(people[-1]) + 1, random)[people]
    known = [
        everybody.vectors[everybody.numbers == number] for number in np.flatnonzero(counts > 2)
    ]
    for start, end in zip(starts, [*starts[1:], faces], strict=True):
        own = known[random.randint(len(known))]
        chosen = own[random.randint(len(own), size=end - start)]
        vectors[start:end] += chosen - chosen[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Population(vectors, people)


def _first_faces(everybody: People, count: int, random: np.random.RandomState) -> FloatArray:
    _, rows = np.unique(everybody.numbers, return_index=True)
    real = everybody.vectors[rows]
    mean = real.mean(axis=0)
    spread = np.asarray((real - mean) / np.sqrt(len(real)), np.float32)
    near = real[random.randint(len(real), size=count)] - mean
    drawn = np.empty_like(near)
    for first in range(0, count, 4096):
        some = slice(first, first + 4096)
        noise = random.standard_normal((len(near[some]), len(real))).astype(np.float32)
        drawn[some] = noise @ spread
    return np.asarray(mean + np.sqrt(1 - SMOOTHING**2) * near + SMOOTHING * drawn, np.float32)

"""Draws events from portraits: faces of many people in group photos, some people absent.

The photos of Labeled Faces in the Wild (LFW) are taken for faces of an event: in random order they
are put into group photos of one to eight different people. Some of the people with several photos
are asked about by one of them, the others (at most `MOST_PHOTOS`) being in the event; of some,
*absent*, only the portrait is used. A photo's score is that of its best face.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facefind import matching
from facefind.matching import Calibration, Candidates, Question
from facefind.types import FloatArray

MOST_PHOTOS = 5
LARGEST_GROUP = 8

WRONG_LABELS = frozenset(
    {
        "Andrew_Caldecott",
        "Andrew_Gilligan",
        "Carlos_Ruckauf",
        "Chyung_Dai-chul",
        "Dai_Chul_Chyung",
        "Emmy_Rossum",
        "Eva_Amurri",
        "Flor_Montulo",
    }
)
"""People of LFW who are left out: one of their photos is of somebody else, or they have two names.

Three pairs of names share a person (their photos are within .2 of each other), one name's photo is
within .31 of most photos of another name, and one has two photos .43 apart. No other label was
doubted, so a few that are wrong may be left.
"""

Indices = NDArray[np.intp]
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Faces with names.

    Attributes:
        vectors: (N, D) unit embeddings.
        names: (N,) of the people.
        numbers: (N,) 0 .. P - 1, the people in order of their names.
    """

    vectors: FloatArray
    names: NDArray[np.str_]
    numbers: Indices

    def part(self, rows: Bools) -> People:
        """Some of the faces."""
        return people(self.vectors[rows], self.names[rows])


class Size(NamedTuple):
    """How many faces an event has, and how many people are asked about."""

    faces: int
    present: int
    absent: int


SIZES = {
    "tiny": Size(16, 5, 5),
    "small": Size(64, 15, 15),
    "middle": Size(250, 50, 50),
    "half": Size(970, 148, 99),
    "large": Size(1700, 200, 150),
}
"""The events of the report. Of the people who can be asked about, three of five are present."""


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedEvent:
    """An event and the people asked about.

    Attributes:
        faces: (F,) rows of `People`.
        photos: (F,) which photo each is in.
        portraits: One row array for each person asked about: their portraits.
        shown: (P, photos) whether a photo shows the person.
    """

    faces: Indices
    photos: Indices
    portraits: tuple[Indices, ...]
    shown: Bools

    @property
    def absent(self) -> Bools:
        """(P,) whether a person is in no photo."""
        return np.logical_not(self.shown.any(axis=1))


def people(vectors: FloatArray, names: NDArray[np.str_]) -> People:
    """Faces with names, without those of `WRONG_LABELS`."""
    right = ~np.isin(names, sorted(WRONG_LABELS))
    _, numbers = np.unique(names[right], return_inverse=True)
    return People(vectors[right], names[right], numbers.reshape(-1))


def everybody_once(everybody: People) -> Size:
    """The size of an event with everybody: three of five people with several photos present."""
    several = int((np.bincount(everybody.numbers) > 1).sum())
    present = round(0.6 * several)
    return Size(len(everybody.numbers), present, several - present)


def folds(everybody: People, count: int) -> Indices:
    """(N,) a number in 0 .. count - 1 for each face, the same for all faces of a person."""
    names, numbers = np.unique(everybody.names, return_inverse=True)
    dealt = [int(sha256(name.encode()).hexdigest(), 16) % count for name in names]
    return np.array(dealt, np.intp)[numbers.reshape(-1)]


def draw_event(
    everybody: People, size: Size, seed: int, portraits: int = 1, most_photos: int = MOST_PHOTOS
) -> SimulatedEvent:
    """One event; the same one for the same arguments.

    Where there are too few people with several photos, people with one are the absent. Bystanders
    are people with one photo, then the others who are not asked about, as many as there are.
    """
    random = np.random.RandomState(seed)
    rows_of = _rows_of(everybody, random)
    many = [rows for rows in rows_of if len(rows) > portraits]
    few = [rows for rows in rows_of if len(rows) <= portraits]
    present, others = many[: size.present], many[size.present :]
    absent = (others + few)[: size.absent]
    rest = few[max(size.absent - len(others), 0) :] + others[size.absent :]
    asked = [rows[:portraits] for rows in present + absent]
    faces = [row for rows in present for row in rows[portraits:][:most_photos]]
    bystanders = [row for rows in rest for row in rows[:most_photos]]
    faces += bystanders[: max(size.faces - len(faces), 0)]
    order, photos = _compose(np.array(faces, np.intp), everybody.numbers, random)
    shown = np.zeros((len(asked), int(photos.max()) + 1), bool)
    for number, rows in enumerate(asked):
        shown[number, photos[everybody.numbers[order] == everybody.numbers[rows[0]]]] = True
    return SimulatedEvent(order, photos, tuple(asked), shown)


def _rows_of(everybody: People, random: np.random.RandomState) -> list[Indices]:
    """The rows of each person, people and rows in random order."""
    order = random.permutation(len(everybody.numbers))
    order = order[np.argsort(everybody.numbers[order], kind="stable")]
    starts = np.flatnonzero(np.diff(everybody.numbers[order])) + 1
    groups = np.split(order, starts)
    return [groups[number] for number in random.permutation(len(groups))]


def _compose(
    faces: Indices, who: Indices, random: np.random.RandomState
) -> tuple[Indices, Indices]:
    """The faces in photo order and the number of each one's photo; nobody is twice in one."""
    waiting = list(random.permutation(faces))
    order: list[int] = []
    photos: list[int] = []
    while waiting:
        wanted = random.randint(1, LARGEST_GROUP + 1)
        taken: dict[int, int] = {}
        for place, row in enumerate(waiting):
            if len(taken) == wanted:
                break
            taken.setdefault(int(who[row]), place)
        photo = photos[-1] + 1 if photos else 0
        order += [waiting[place] for place in taken.values()]
        photos += [photo] * len(taken)
        for place in sorted(taken.values(), reverse=True):
            del waiting[place]
    return np.array(order, np.intp), np.array(photos, np.intp)


def probe_of(everybody: People, rows: Indices) -> FloatArray:
    """The mean of a person's portraits, of unit length."""
    mean = everybody.vectors[rows].mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def questions(
    everybody: People,
    event: SimulatedEvent,
    fitted: Calibration,
    cohort: FloatArray | None = None,
) -> Iterator[tuple[Indices, Question]]:
    """What `matching.rescore` makes of each person asked about, and which faces it is about.

    All people of an event are judged among the same strangers, so these are looked up once.

    Args:
        cohort: The event's own faces where None.
    """
    vectors = everybody.vectors[event.faces]
    library = matching.each_person_once(vectors if cohort is None else cohort, fitted.floor)
    probes = np.stack([probe_of(everybody, rows) for rows in event.portraits])
    around = matching.surroundings(vectors, library, fitted)
    probes_around = matching.surroundings(probes, library, fitted)
    reach = 2 - 2 * probes @ vectors.T <= fitted.radius**2
    for number, probe in enumerate(probes):
        near = np.flatnonzero(reach[number])
        candidates = Candidates(vectors[near], event.photos[near])
        mine = slice(number, number + 1)
        yield near, Question(candidates, around.at(near), probe, probes_around.at(mine))


def judge(
    everybody: People,
    event: SimulatedEvent,
    fitted: Calibration,
    cohort: FloatArray | None = None,
) -> Floats:
    """(P, F) probability of each face for each person asked about; 0 beyond the radius."""
    result = np.zeros((len(event.portraits), len(event.faces)))
    prior = matching.log_prior(len(event.faces))
    for number, (near, question) in enumerate(questions(everybody, event, fitted, cohort)):
        portraits = event.portraits[number]
        rows = matching.features(question.expanded(fitted.enough(prior)), len(portraits))
        result[number, near] = matching.probability(fitted.group, rows, prior)
    return result


def by_photo(scores: Floats, photos: Indices) -> Floats:
    """(P, photos) the best score in each photo, from (P, F)."""
    best = np.full((len(scores), int(photos.max()) + 1), -np.inf)
    for row, faces in zip(best, scores, strict=True):
        np.maximum.at(row, photos, faces)
    return best


def recall_at_precision(scores: Floats, right: Bools, precision: float = 0.99) -> float:
    """The highest recall at which that share of the answers is right; equal scores go together."""
    flat, truth = scores.ravel(), right.ravel()
    order = np.argsort(-flat, kind="stable")
    found = np.cumsum(truth[order])
    last = np.append(flat[order][1:] != flat[order][:-1], True)
    precise = last & (found >= precision * np.arange(1, len(found) + 1)) & (flat[order] > -np.inf)
    return float(found[precise].max(initial=0) / truth.sum())


def recall_at_absent(scores: Floats, right: Bools, share: float = 0.01) -> float:
    """The recall above the score at which more than that share of absent people are answered."""
    absent = ~right.any(axis=1)
    highest = np.sort(scores[absent].max(axis=1))[::-1]
    limit = highest[int(share * len(highest))] if len(highest) else -np.inf
    return float((right & (scores > limit)).sum() / right.sum())

"""Photos and faces by L2 distance: which statement answers, and how far it has to look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from facefind.store.access import Access
from facefind.store.queries import queries
from facefind.store.records import FaceNearby
from facefind.store.values import aware, embedding_of, path_of
from facefind.types import Box, Event, FloatArray, Match

EXACT_UP_TO = 50_000
"""Faces in scope up to which every one is compared."""

FIRST_CANDIDATES = 400
MOST_CANDIDATES = 25_600
"""Faces asked of the index, at first and at most; beyond, comparing all of them is cheaper."""

COHORT_EVENTS = 20
"""Events that a cohort is drawn from at most."""

_ITERATIVE_SCAN = (0, 8)
_LARGEST_EF_SEARCH = 1000


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked: the arguments of ``Repository.search`` or ``Repository.faces_within``.

    Attributes:
        probe: (D,) float32.
        events: Ids of events of ``pipeline``; at least one.
        limit: Photos, or faces, at most; 0 for all.
        after, before: Aware; ``after <= taken_at < before``.
        min_quality: Faces known to be of less are left out.
    """

    probe: FloatArray
    events: Sequence[int]
    pipeline: str
    max_distance: float | None
    limit: int
    after: datetime | None
    before: datetime | None
    min_quality: float

    def parameters(self, candidates: int | None = None) -> Mapping[str, Any]:
        """The parameters of the search statements."""
        return {
            "probe": self.probe,
            "dimension": int(self.probe.shape[0]),
            "events": list(self.events),
            "pipeline": self.pipeline,
            "max_distance": self.max_distance,
            "limit": self.limit or None,
            "candidates": candidates,
            "after": self.after,
            "before": self.before,
            "min_quality": self.min_quality,
        }


class PeopleNearby(Access):
    """Part of `facefind.store.repository.Repository`: what a search asks about people."""

    def faces_of_people(
        self,
        probe: FloatArray,
        events: Sequence[Event],
        people: Collection[int],
        *,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> list[Match]:
        """Every face of some people, by sighting, with its distance to a probe.

        Args:
            probe: (D,) float32, of the events' dimension.
            events: At least one, all of one pipeline and fingerprint.
            after, before: Only of photos with ``after <= taken_at < before``.
        """
        values = {
            "probe": probe, "events": [event.id for event in events], "people": sorted(people),
            "pipeline": events[0].pipeline, "after": aware(after), "before": aware(before),
        }  # fmt: skip
        with self._search("looking at people", events) as cursor:
            cursor.execute(queries("search")["faces_of_people"], values)
            return [_match(row) for row in cursor.fetchall()]

    def ruled_out(self, sightings: Collection[int], people: Collection[int]) -> set[int]:
        """Those of the sightings of which a user has said that they are none of these people."""
        values = {"sightings": list(sightings), "people": list(people)}
        return {row[0] for row in self._select("search", "ruled_out", values)}


def find_nearest(cursor: Any, question: Question, exact_up_to: int = EXACT_UP_TO) -> list[Match]:
    """The photos in scope by distance then path: one row for each, with its nearest face.

    Up to ``exact_up_to`` faces in scope, all of them are compared. Beyond, the pipeline's HNSW
    index answers, for more and more faces until the last one is too far or enough photos are
    found. It is approximate: a face that no path through its graph leads to is not found.
    """
    if question.limit == 0 and question.max_distance is None:
        return _exact(cursor, question)
    if _is_small(cursor, question, exact_up_to):
        return _exact(cursor, question)
    # A photo may have several faces near.
    first = max(FIRST_CANDIDATES, 4 * question.limit)
    found = _by_index(cursor, question, _one_row_per_photo, first)
    return _exact(cursor, question) if found is None else [_match(row) for row in found]


def find_faces(cursor: Any, question: Question, exact_up_to: int = EXACT_UP_TO) -> list[FaceNearby]:
    """The faces within ``max_distance``, by distance then path, as `find_nearest` looks for them.

    Content in several of the events gives its faces once.
    """
    rows = None
    if not _is_small(cursor, question, exact_up_to):
        rows = _by_index(cursor, question, _faces_of_one_event, FIRST_CANDIDATES)
    if rows is None:
        candidates = question.limit or None
        cursor.execute(queries("search")["faces_within"], question.parameters(candidates))
        rows = cursor.fetchall()
    return [FaceNearby(_match(row), embedding_of(row[13])) for row in rows]


def draw_cohort(
    cursor: Any, events: Sequence[Event], size: int, min_quality: float
) -> list[FloatArray]:
    """Embeddings of up to ``size`` faces: of these events first, then of others of their kind."""
    values = {
        "events": [event.id for event in events],
        "pipeline": events[0].pipeline,
        "fingerprint": events[0].fingerprint,
        "size": size,
        "min_quality": min_quality,
    }
    rows: Rows = []
    for most_events in (len(events), max(COHORT_EVENTS, len(events))):
        if len(rows) < size:
            cursor.execute(queries("search")["cohort"], {**values, "most_events": most_events})
            rows = cursor.fetchall()
    return [embedding_of(row[0]) for row in rows]


def count_faces(cursor: Any, events: Sequence[Event], min_quality: float) -> int:
    """How many faces of these events are good enough."""
    values = {"events": [event.id for event in events], "min_quality": min_quality}
    cursor.execute(queries("search")["count_faces"], {**values, "pipeline": events[0].pipeline})
    count: int = cursor.fetchone()[0]
    return count


def _is_small(cursor: Any, question: Question, exact_up_to: int) -> bool:
    values = {**question.parameters(), "enough": exact_up_to + 1}
    cursor.execute(queries("search")["count_scope"], values)
    return bool(cursor.fetchone()[0] <= exact_up_to)


def _exact(cursor: Any, question: Question) -> list[Match]:
    cursor.execute(queries("search")["search_exact"], question.parameters())
    return [_match(row) for row in cursor.fetchall()]


Rows = list[Sequence[Any]]


def _by_index(
    cursor: Any, question: Question, distinct: Callable[[Rows], Rows], first: int
) -> Rows | None:
    """The answer by the index; None where it would have to look at too much of it.

    Args:
        distinct: Leaves of the rows, faces by distance, those that are an answer.
        first: How many faces to ask for at first.
    """
    candidates = first
    iterative = _has_iterative_scan(cursor)
    while candidates <= (MOST_CANDIDATES if iterative else _LARGEST_EF_SEARCH):
        _let_index_reach(cursor, candidates, iterative)
        cursor.execute(queries("search")["search_nearest"], question.parameters(candidates))
        rows = cursor.fetchall()
        # Fewer than asked for: the filters left too few of what the index has looked at.
        if len(rows) < candidates:
            return None
        near = [row for row in rows if _is_near(row, question)]
        best = distinct(near)
        if len(near) < len(rows) or len(best) >= question.limit > 0:
            return best[: question.limit or None]
        candidates *= 4
    return None


def _has_iterative_scan(cursor: Any) -> bool:
    cursor.execute(queries("schema")["vector_versions"])
    created, _ = cursor.fetchone()
    return tuple(int(part) for part in created.split(".")[:2]) >= _ITERATIVE_SCAN


def _let_index_reach(cursor: Any, candidates: int, iterative: bool) -> None:
    """Settings of this transaction: look at enough of the index to return ``candidates``."""
    cursor.execute("SET LOCAL hnsw.ef_search = %s", (min(candidates, _LARGEST_EF_SEARCH),))
    if iterative:
        cursor.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        cursor.execute("SET LOCAL hnsw.max_scan_tuples = %s", (4 * MOST_CANDIDATES,))


def _is_near(row: Sequence[Any], question: Question) -> bool:
    return question.max_distance is None or bool(row[2] <= question.max_distance)


def _faces_of_one_event(rows: Rows) -> Rows:
    """The rows of each photo's first event; rows are faces by distance."""
    first: dict[int, int] = {}
    for row in rows:
        first[row[8]] = min(row[12], first.get(row[8], row[12]))
    return [row for row in rows if row[12] == first[row[8]]]


def _one_row_per_photo(rows: Rows) -> Rows:
    """The first row of each photo; rows are faces by distance."""
    first: dict[int, Sequence[Any]] = {}
    for row in rows:
        first.setdefault(row[8], row)
    return list(first.values())


def _match(row: Sequence[Any]) -> Match:
    path, event, distance, x, y, w, h, taken_at, photo, quality, sighting, person = row[:12]
    return Match(
        path_of(path), event, distance, Box(x, y, w, h), taken_at, photo,
        quality=quality, sighting=sighting, person=person,
    )  # fmt: skip

"""Photos and faces by L2 distance: which statement answers, and how far it has to look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from facefind.store.access import Access
from facefind.store.queries import queries
from facefind.store.records import FaceNearby
from facefind.store.values import aware, embedding_of, path_of, vector_text
from facefind.types import Box, Event, FloatArray, Match

EXACT_UP_TO = 20_000
"""Faces in scope up to which every one is compared: of 128 numbers in 25 ms, and exactly. The index
is quicker from some thousands on, but by no more than a user would notice."""

FIRST_CANDIDATES = 100
MOST_CANDIDATES = 25_600
"""Faces asked of the index, at first and at most; beyond, comparing all of them is cheaper."""

EF_SEARCH = 100
"""Faces that the index holds in view where all of them are in scope: twice as many take twice the
time. Where a tenth is, it has to hold ten times as many to find as much."""

COHORT_EVENTS = 20
"""Events that a cohort is drawn from at most."""

_LARGEST_BATCH = 1600


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
        """The parameters of the statements that compare faces."""
        return {
            "probe": vector_text(self.probe),
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
            "probe": vector_text(probe), "events": [event.id for event in events],
            "people": sorted(people), "pipeline": events[0].pipeline,
            "after": aware(after), "before": aware(before),
        }  # fmt: skip
        with self._search("looking at people", events) as cursor:
            cursor.execute(queries("search")["faces_of_people"], values)
            return [_match(row) for row in cursor.fetchall()]

    def ruled_out(self, sightings: Collection[int], people: Collection[int]) -> set[int]:
        """Those of the sightings of which a user has said that they are none of these people."""
        values = {"sightings": list(sightings), "people": list(people)}
        return {row[0] for row in self._select("search", "ruled_out", values)}


class NearFace(NamedTuple):
    """A face by its distance, before it is known where it is to be seen."""

    face: int
    distance: float
    event: int
    content: int
    sighting: int
    x: float
    y: float
    w: float
    h: float
    quality: float | None
    embedding: memoryview


class Spotted(NamedTuple):
    """A face with where it is to be seen."""

    near: NearFace
    path: bytes
    event: str
    taken_at: datetime | None
    photo: int
    person: int | None

    @property
    def match(self) -> Match:
        """As the search answers it."""
        near = self.near
        return Match(
            path_of(self.path), self.event, near.distance, Box(near.x, near.y, near.w, near.h),
            self.taken_at, self.photo, quality=near.quality, sighting=near.sighting,
            person=self.person,
        )  # fmt: skip


def find_nearest(cursor: Any, question: Question, exact_up_to: int = EXACT_UP_TO) -> list[Match]:
    """The photos in scope by distance then path: one row for each, with its nearest face.

    Up to ``exact_up_to`` faces in scope, all of them are compared. Beyond, the pipeline's HNSW
    index answers, for more and more faces until the last ones are too far or enough photos are
    found. It is approximate: a face that no path through its graph leads to is not found.
    """
    found = None
    if question.limit or question.max_distance is not None:
        found = _find(cursor, question, _one_of_each_photo, exact_up_to)
    if found is not None:
        return [spotted.match for spotted in found]
    cursor.execute(queries("search")["search_exact"], question.parameters())
    return [_match(row) for row in cursor.fetchall()]


def find_faces(cursor: Any, question: Question, exact_up_to: int = EXACT_UP_TO) -> list[FaceNearby]:
    """The faces within ``max_distance``, by distance then path, as `find_nearest` looks for them.

    Content in several of the events gives its faces once.
    """
    found = _find(cursor, question, _faces_of_one_event, exact_up_to)
    assert found is not None, "limited by distance, comparing all finds an answer"
    return [FaceNearby(one.match, embedding_of(one.near.embedding)) for one in found]


def nearest_by_index(cursor: Any, question: Question) -> list[NearFace]:
    """The first batch that the pipeline's index gives, nearest first, nearly; for measuring it.

    Empty where there is no index, or fewer faces in scope than a batch has.
    """
    if not _prepare_index(cursor, question):
        return []
    with _opened(cursor, question) as batches:
        return next(batches, [])


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
    rows: list[Any] = []
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


Distinct = Callable[[Sequence[Spotted]], list[Spotted]]
"""Leaves of faces, by distance, those that are an answer."""


def _find(
    cursor: Any, question: Question, distinct: Distinct, exact_up_to: int
) -> list[Spotted] | None:
    """The answer by distance then path; None where that takes looking at every photo in scope."""
    found = None
    in_scope = _count_scope(cursor, question)
    if in_scope > exact_up_to:
        found = _by_index(cursor, question, distinct, in_scope)
    if found is None:
        found = _by_comparing_all(cursor, question, distinct)
    if found is None:
        return None
    found.sort(key=lambda one: (one.near.distance, bytes(one.path), one.near.face))
    return found[: question.limit or None]


def _count_scope(cursor: Any, question: Question) -> int:
    cursor.execute(queries("search")["count_scope"], {"events": list(question.events)})
    count: int = cursor.fetchone()[0]
    return count


def _by_comparing_all(cursor: Any, question: Question, distinct: Distinct) -> list[Spotted] | None:
    """None where the filters left too few photos of the nearest faces."""
    # A photo may have several faces near.
    candidates = max(FIRST_CANDIDATES, 4 * question.limit)
    if question.max_distance is not None:
        candidates = 0
    cursor.execute(queries("search")["compare_all"], question.parameters(candidates or None))
    near = [NearFace(*row) for row in cursor.fetchall()]
    found = distinct(_located(cursor, question, near))
    cut = 0 < candidates == len(near)
    return None if cut and len(found) < question.limit else found


def _by_index(
    cursor: Any, question: Question, distinct: Distinct, in_scope: int
) -> list[Spotted] | None:
    """None where there is no index, or it would have to be looked at too much."""
    if not _prepare_index(cursor, question, in_scope):
        return None
    with _opened(cursor, question) as batches:
        return _enough(cursor, question, distinct, batches)


def _enough(
    cursor: Any, question: Question, distinct: Distinct, batches: Iterator[list[NearFace]]
) -> list[Spotted] | None:
    """The answer from as many batches as it takes; None where they end, or are too many."""
    near: list[NearFace] = []
    looked_at = 0
    for batch in batches:
        before = len(near)
        near += [face for face in batch if _is_near(face, question)]
        looked_at += len(batch)
        # What the index comes upon late it gives late, so one face that is too far is not the end.
        beyond = len(near) - before < 0.75 * len(batch)
        if beyond or len(near) >= question.limit > 0:
            best = distinct(_located(cursor, question, near))
            if beyond or len(best) >= question.limit:
                return best
        if looked_at >= MOST_CANDIDATES:
            break
    return None


def _prepare_index(cursor: Any, question: Question, in_scope: int | None = None) -> bool:
    """Settings of this transaction; False where the pipeline has no index.

    Args:
        in_scope: How many faces are; None for all that are indexed.
    """
    values = {
        "pipeline": question.pipeline,
        "ef_search": EF_SEARCH,
        "in_scope": in_scope or None,
        "most": str(4 * MOST_CANDIDATES),
    }
    cursor.execute(queries("search")["prepare_index"], values)
    *_, exists = cursor.fetchone()
    return bool(exists)


@contextmanager
def _opened(cursor: Any, question: Question) -> Iterator[Iterator[list[NearFace]]]:
    """The index's answer, for the block: see `_batches`.

    An error in the block ends the transaction, and the server's cursor with it.
    """
    named = queries("search")
    count = FIRST_CANDIDATES
    if question.max_distance is None:
        # A photo may have several faces near.
        count = min(2 * question.limit, count)
    # At once: each on its own would wait for the server's answer.
    opening = ("without_sorting", "open_nearest", "with_sorting", "fetch_nearest")
    cursor.execute(
        "\n".join(named[name] for name in opening), {**question.parameters(), "count": count}
    )
    yield _batches(cursor, cursor.fetchall(), count)
    cursor.execute(named["close_nearest"])


def _batches(cursor: Any, rows: list[Any], count: int) -> Iterator[list[NearFace]]:
    """The faces by the index, nearest first, in growing batches, all of them full.

    With a batch that is not full the index has come to its end, or given up before: it does not say
    which, and faces in scope may be missing. So that batch is no part of any answer; all faces are
    compared then.

    Args:
        rows, count: Of the first batch: what came, and how many were asked for.
    """
    while len(rows) == count:
        yield [NearFace(*row) for row in rows]
        count = min(2 * count, _LARGEST_BATCH)
        cursor.execute(queries("search")["fetch_nearest"], {"count": count})
        rows = cursor.fetchall()


def _located(cursor: Any, question: Question, near: Sequence[NearFace]) -> list[Spotted]:
    """Those of the faces, by distance, that are to be seen in scope."""
    if not near:
        return []
    near = sorted(near, key=lambda face: (face.distance, face.face))
    values = {
        "after": question.after,
        "before": question.before,
        "contents": [face.content for face in near],
        "sightings": [face.sighting for face in near],
    }
    cursor.execute(queries("search")["located"], values)
    rows = sorted(cursor.fetchall())
    return [Spotted(near[nth - 1], *rest) for nth, *rest in rows]


def _is_near(face: NearFace, question: Question) -> bool:
    return question.max_distance is None or face.distance <= question.max_distance


def _faces_of_one_event(found: Sequence[Spotted]) -> list[Spotted]:
    """The faces of each photo's first event."""
    first: dict[int, int] = {}
    for one in found:
        first[one.photo] = min(one.near.event, first.get(one.photo, one.near.event))
    return [one for one in found if one.near.event == first[one.photo]]


def _one_of_each_photo(found: Sequence[Spotted]) -> list[Spotted]:
    """The nearest face of each photo."""
    best: dict[int, Spotted] = {}
    for one in sorted(found, key=lambda one: (one.near.distance, one.near.face)):
        best.setdefault(one.photo, one)
    return list(best.values())


def _match(row: Sequence[Any]) -> Match:
    path, event, distance, x, y, w, h, taken_at, photo, quality, sighting, person = row[:12]
    return Match(
        path_of(path), event, distance, Box(x, y, w, h), taken_at, photo,
        quality=quality, sighting=sighting, person=person,
    )  # fmt: skip

"""Search: what it answers, and by which plan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from facefind.errors import StoreError, UsageError
from facefind.store import nearest
from facefind.store.db import connect, register_vectors
from facefind.store.queries import queries
from facefind.store.repository import Repository
from facefind.types import Event, Face, FloatArray, PhotoInfo
from tests.stored import DIMENSION, JPEG, STAMP, digest, face, new_event, put, rows, vector

pytestmark = pytest.mark.every_server

NOON = datetime(2024, 6, 1, 12, 0, tzinfo=timezone.utc)
PHOTOS = 1500


def paths(store: Repository, events: Sequence[Event], **options: Any) -> list[str]:
    return [str(match.photo) for match in store.search(vector(0), events, **options)]


@pytest.fixture(params=["exact", "index"])
def searching(request: pytest.FixtureRequest, store: Repository, database_url: str) -> Any:
    """The store, answering small scopes by comparing all faces or by the index."""
    connection = connect(database_url)
    register_vectors(connection)
    yield Repository(connection, exact_up_to=0 if request.param == "index" else 1000)
    connection.close()


def test_one_row_per_photo_by_distance_then_path(searching: Repository) -> None:
    event = new_event(searching)
    put(searching, event, "/far.jpg", 0.9, 0.8)
    put(searching, event, "/near.jpg", 0.5, 0.1, 0.7)
    put(searching, event, "/b.jpg", 0.25)
    put(searching, event, "/a.jpg", 0.25)
    put(searching, event, "/nobody.jpg")
    everything = ["/near.jpg", "/a.jpg", "/b.jpg", "/far.jpg"]
    assert paths(searching, [event]) == everything
    assert paths(searching, [event], limit=2) == everything[:2]
    assert paths(searching, [event], max_distance=0.25) == everything[:3]
    assert paths(searching, [event], max_distance=0.25, limit=1) == everything[:1]
    assert paths(searching, [event], max_distance=0.05) == []
    assert paths(searching, []) == []


def test_only_the_events_asked_for(searching: Repository) -> None:
    first, second, third = (new_event(searching, name) for name in "abc")
    for event in (first, second, third):
        put(searching, event, f"/{event.name}.jpg", 0.1)
    assert paths(searching, [first], limit=9) == ["/a.jpg"]
    assert paths(searching, [first, third], limit=9) == ["/a.jpg", "/c.jpg"]


def test_only_photos_taken_in_time(searching: Repository) -> None:
    event = new_event(searching)
    for number in range(4):
        info = PhotoInfo("JPEG", 1, 1, NOON + timedelta(hours=number))
        put(searching, event, f"/{number}.jpg", 0.1, info=info)
    put(searching, event, "/unknown.jpg", 0.1)
    hour = timedelta(hours=1)
    assert len(paths(searching, [event], limit=9)) == 5
    after = paths(searching, [event], limit=9, after=NOON + hour)
    assert after == ["/1.jpg", "/2.jpg", "/3.jpg"]
    both = paths(searching, [event], limit=9, after=NOON + hour, before=NOON + 3 * hour)
    assert both == ["/1.jpg", "/2.jpg"]
    assert paths(searching, [event], limit=9, before=NOON) == []


def test_events_of_other_pipelines_do_not_disturb(searching: Repository) -> None:
    event = new_event(searching)
    clip = searching.ensure_event("clip", "clip", "weights-2", 768, {})
    odd = searching.ensure_event("odd", "no-index", "weights-3", 5, {})
    put(searching, event, "/dlib.jpg", 0.1)
    for other, dimension in ((clip, 768), (odd, 5)):
        faces = [face(0.2, dimension=dimension)]
        path = os.fsencode(f"/{other.name}.jpg")
        searching.record_photo(other, path, STAMP, digest(other.name), JPEG, faces)
    assert paths(searching, [event], limit=9, max_distance=1) == ["/dlib.jpg"]
    for other, dimension in ((clip, 768), (odd, 5)):
        found = searching.search(vector(0, dimension), [other], max_distance=1)
        assert [(str(m.photo), round(m.distance, 4)) for m in found] == [
            (f"/{other.name}.jpg", 0.2)
        ]


def test_events_that_cannot_be_compared_are_refused(store: Repository) -> None:
    event = new_event(store)
    clip = store.ensure_event("clip", "clip", "weights-2", 768, {})
    with pytest.raises(UsageError, match="cannot be searched together"):
        store.search(vector(0), [event, clip])


def test_a_probe_of_another_dimension_is_refused(store: Repository) -> None:
    event = new_event(store)
    put(store, event, "/a.jpg", 0.1)
    with pytest.raises(StoreError, match="different vector dimensions"):
        store.search(vector(0, 64), [event])


# Many faces: which plan is used, and that both find the same.


@pytest.fixture(scope="module")
def people() -> FloatArray:
    """One face for each of PHOTOS photos: 15 people, seen a hundred times each."""
    random = np.random.default_rng(7)
    centres = random.normal(size=(15, DIMENSION))
    seen = np.repeat(centres, PHOTOS // 15, axis=0)
    seen = seen / np.linalg.norm(seen, axis=1, keepdims=True)
    found: FloatArray = (seen + random.normal(size=seen.shape) * 0.02).astype(np.float32)
    return found


@pytest.fixture
def crowd(store: Repository, sql: Any, people: FloatArray) -> Event:
    event = new_event(store)
    for number, embedding in enumerate(people):
        one = Face(face(0).detection, embedding)
        path = f"/{number:04}.jpg"
        store.record_photo(event, path.encode(), STAMP, digest(path), JPEG, [one])
    rows(sql, "ANALYZE")
    return event


def plan(connection: Any, statement: str, question: nearest.Question) -> str:
    """What EXPLAIN says of a search statement."""
    sql = "EXPLAIN " + queries("search")[statement]
    with connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL hnsw.ef_search = 50")
        cursor.execute(sql, question.parameters(candidates=50))
        return "\n".join(line for (line,) in cursor.fetchall())


def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the search statements that are used from now on."""
    used: list[str] = []

    class Noting(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            used.append(name)
            return super().__getitem__(name)

    noting = Noting(queries("search"))
    monkeypatch.setattr(
        nearest, "queries", lambda file: noting if file == "search" else queries(file)
    )
    return used


def test_plans(database_url: str, crowd: Event, people: FloatArray) -> None:
    connection = connect(database_url)
    question = nearest.Question(people[0], [crowd.id], "dlib", None, 5, None, None)
    assert "faces_hnsw_dlib" in plan(connection, "search_nearest", question)
    exact = plan(connection, "search_exact", question)
    assert "faces" in exact
    assert "hnsw" not in exact
    connection.close()


def test_the_index_finds_what_comparing_all_finds(
    database_url: str, crowd: Event, people: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few that the planner prefers the index to sorting these few faces.
    monkeypatch.setattr(nearest, "FIRST_CANDIDATES", 40)
    connection = connect(database_url)
    exact = Repository(connection, exact_up_to=PHOTOS)
    index = Repository(connection, exact_up_to=PHOTOS - 1)
    used = executed(monkeypatch)
    for options, expected in (
        ({"max_distance": 0.6}, 100),
        ({"limit": 7}, 7),
        ({"max_distance": 0.6, "limit": 150}, 100),
    ):
        truth = exact.search(people[0], [crowd], **options)
        assert used == ["count_scope", "search_exact"]
        used.clear()
        found = index.search(people[0], [crowd], **options)
        assert set(used) == {"count_scope", "search_nearest"}
        used.clear()
        assert len(truth) == expected
        assert len({m.photo for m in found} & {m.photo for m in truth}) >= 0.95 * expected
        assert [m.distance for m in found] == sorted(m.distance for m in found)
    connection.close()


def test_the_index_is_asked_for_more_until_the_last_is_too_far(
    database_url: str, crowd: Event, people: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "FIRST_CANDIDATES", 20)
    connection = connect(database_url)
    index = Repository(connection, exact_up_to=0)
    used = executed(monkeypatch)
    found = index.search(people[0], [crowd], max_distance=0.6)
    assert used == ["count_scope", *["search_nearest"] * 3]
    assert len(found) >= 95
    used.clear()
    assert len(index.search(people[0], [crowd], max_distance=9.0)) == PHOTOS
    assert used[-1] == "search_exact"
    connection.close()


def test_without_iterative_scans_the_exact_search_steps_in(
    database_url: str, crowd: Event, people: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "_has_iterative_scan", lambda _: False)
    connection = connect(database_url)
    index = Repository(connection, exact_up_to=0)
    assert len(index.search(people[0], [crowd], max_distance=0.6)) >= 95
    assert len(index.search(people[0], [crowd], max_distance=9.0)) == PHOTOS
    connection.close()

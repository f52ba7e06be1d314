"""Search: what it answers, and by which plan."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from psycopg2.extensions import parse_dsn

from facefind.errors import StoreError, UsageError
from facefind.store import nearest
from facefind.store.db import connect, register_vectors
from facefind.store.queries import queries
from facefind.store.records import FoundPhoto
from facefind.store.repository import Repository
from facefind.types import Box, Event, Face, FloatArray, PhotoInfo, Quality
from tests.stored import (
    DIMENSION,
    JPEG,
    STAMP,
    database,
    digest,
    execute,
    face,
    new_event,
    put,
    record_failure,
    record_photo,
    rows,
    search_statements,
    vector,
)

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
        record_photo(searching, other, path, STAMP, digest(other.name), JPEG, faces)
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


# Every face, not one for each photo


def faces(
    store: Repository, events: Sequence[Event], max_distance: float = 1
) -> list[tuple[str, str, float]]:
    """Event, path and distance of every face within a distance."""
    found = store.faces_within(vector(0), events, max_distance=max_distance)
    matches = [face.match for face in found]
    return [(match.event, str(match.photo), round(match.distance, 4)) for match in matches]


def test_every_face_by_distance_then_path(searching: Repository) -> None:
    event = new_event(searching)
    put(searching, event, "/b.jpg", 0.5, 0.25, 2)
    put(searching, event, "/a.jpg", 0.75, 0.25, 0.25)
    put(searching, event, "/nobody.jpg")
    nearest_first = [
        ("party", "/a.jpg", 0.25),
        ("party", "/a.jpg", 0.25),
        ("party", "/b.jpg", 0.25),
        ("party", "/b.jpg", 0.5),
        ("party", "/a.jpg", 0.75),
    ]
    assert faces(searching, [event]) == nearest_first
    assert faces(searching, [event], 0.5) == nearest_first[:4]
    assert faces(searching, [event], 0.125) == []
    assert faces(searching, []) == []


def test_a_face_is_told_as_search_tells_it(store: Repository) -> None:
    event = new_event(store)
    info = PhotoInfo("JPEG", 1, 1, NOON)
    two = [face(0.5, x=5), face(0.25, x=7)]
    record_photo(store, event, b"/a.jpg", STAMP, digest("a"), info, two)
    near, far = store.faces_within(vector(0), [event], max_distance=1)
    assert [near.match] == store.search(vector(0), [event])
    assert far.match == replace(
        near.match, distance=0.5, box=Box(5, 20, 30, 40), sighting=far.match.sighting
    )
    np.testing.assert_array_equal([near.embedding, far.embedding], [vector(0.25), vector(0.5)])


def test_a_face_is_at_the_first_path_that_is_there(store: Repository) -> None:
    event = new_event(store)
    for path in ("/c.jpg", "/b.jpg", "/a.jpg"):
        put(store, event, path, 0.5, content="x")
    store.mark_missing(event.id, [b"/c.jpg"])
    assert faces(store, [event]) == [("party", "/b.jpg", 0.5)]
    record_failure(store, event, b"/b.jpg", None, None, "permission denied")
    assert faces(store, [event]) == [("party", "/a.jpg", 0.5)]
    store.mark_missing(event.id, [b"/a.jpg"])
    assert faces(store, [event]) == [("party", "/b.jpg", 0.5)]
    store.mark_missing(event.id, [b"/b.jpg"])
    assert faces(store, [event]) == []


def test_content_of_several_events_gives_its_faces_once(store: Repository) -> None:
    first, second, third = (new_event(store, name) for name in "zyx")
    for event in (third, second, first):
        put(store, event, f"/{event.name}.jpg", 0.5, 0.25, content="same")
    put(store, third, "/own.jpg", 0.75)
    own = ("x", "/own.jpg", 0.75)
    everywhere = [third, first, second]
    assert faces(store, everywhere) == [("z", "/z.jpg", 0.25), ("z", "/z.jpg", 0.5), own]
    store.mark_missing(first.id, [b"/z.jpg"])
    assert faces(store, everywhere) == [("y", "/y.jpg", 0.25), ("y", "/y.jpg", 0.5), own]
    assert faces(store, [third]) == [("x", "/x.jpg", 0.25), ("x", "/x.jpg", 0.5), own]


def test_content_that_failed_in_the_first_event_is_found_in_the_second(store: Repository) -> None:
    first, second = new_event(store, "a"), new_event(store, "b")
    record_failure(store, first, b"/a.jpg", STAMP, digest("x"), "out of memory")
    put(store, second, "/b.jpg", 0.5, content="x")
    assert faces(store, [first, second]) == [("b", "/b.jpg", 0.5)]


def test_faces_of_other_dimensions_are_not_compared(store: Repository, sql: Any) -> None:
    event = new_event(store)
    odd = store.ensure_event("odd", "no-index", "weights-3", 5, {})
    for number in range(50):
        path = f"/{number}.jpg"
        put(store, event, path, 0.5)
        one = [face(0.25, dimension=5)]
        record_photo(store, odd, path.encode(), STAMP, digest(path), JPEG, one)
    rows(sql, "ANALYZE")
    assert len(faces(store, [event])) == 50
    found = store.faces_within(vector(0, 5), [odd], max_distance=1)
    assert [face.match.distance for face in found] == [0.25] * 50


def test_faces_that_cannot_be_compared_are_refused(store: Repository) -> None:
    event = new_event(store)
    put(store, event, "/a.jpg", 0.5)
    clip = store.ensure_event("clip", "clip", "weights-2", 768, {})
    newer = store.ensure_event("newer", "dlib", "weights-2", DIMENSION, {})
    for other in (clip, newer):
        with pytest.raises(UsageError, match="cannot be searched together"):
            store.faces_within(vector(0), [event, other], max_distance=1)
    with pytest.raises(StoreError, match="different vector dimensions"):
        store.faces_within(vector(0, 64), [event], max_distance=1)


def of_quality(value: float | None, distance: float) -> Face:
    """A face of this quality; without one where None."""
    plain = face(distance)
    quality = None if value is None else Quality(value, 5.5, 1.0, 2.0, -3.0)
    return Face(plain.detection, plain.embedding, 0.25, quality)


def test_faces_of_low_quality_are_kept_and_left_out(store: Repository, sql: Any) -> None:
    event = new_event(store)
    for name, quality in (("good", 0.75), ("poor", 0.25), ("unjudged", None)):
        one = [of_quality(quality, 0.5)]
        path = f"/{name}.jpg"
        record_photo(store, event, path.encode(), STAMP, digest(name), JPEG, one)
    everything = {"/good.jpg", "/poor.jpg", "/unjudged.jpg"}
    for floor, expected in ((0.0, everything), (0.5, everything - {"/poor.jpg"})):
        photos = store.search(vector(0), [event], max_distance=1, min_quality=floor)
        assert {str(match.photo) for match in photos} == expected
        near = store.faces_within(vector(0), [event], max_distance=1, min_quality=floor)
        assert {str(found.match.photo) for found in near} == expected
        assert store.count_faces([event], floor) == len(expected)
        assert store.cohort([event], 10, floor).shape == (len(expected), DIMENSION)
    assert {match.quality for match in photos} == {0.75, None}
    parts = rows(
        sql, "SELECT asymmetry, sharpness, yaw, pitch, roll FROM faces WHERE quality = .75"
    )
    assert parts == [(0.25, 5.5, 1.0, 2.0, -3.0)]


# A cohort


def test_a_cohort_is_the_events_own_first(store: Repository) -> None:
    event, other = new_event(store), new_event(store, "other")
    put(store, event, "/a.jpg", 0.25, 0.5)
    put(store, other, "/b.jpg", 0.75)
    strange = store.ensure_event("strange", "dlib", "weights-2", DIMENSION, {})
    put(store, strange, "/c.jpg", 1.0)
    assert sorted(store.cohort([event], 2)[:, 0]) == [0.25, 0.5]
    assert store.cohort([event], 9)[2:, 0].tolist() == [0.75]
    assert store.cohort([event, other], 9)[:, 0].shape == (3,)


def test_a_cohort_is_the_same_in_whatever_order_photos_came(store: Repository) -> None:
    distances = [0.01 * number for number in range(40)]
    samples = []
    for name, order in (("forward", distances), ("backward", distances[::-1])):
        event = new_event(store, name)
        for distance in order:
            put(store, event, f"/{name}/{distance}.jpg", distance, content=f"{distance}")
        samples.append(store.cohort([event], 10)[:, 0].tolist())
    assert samples[0] == samples[1]
    assert sorted(samples[0]) != pytest.approx(distances[:10])


def test_a_cohort_of_no_faces_is_empty(store: Repository) -> None:
    assert len(store.cohort([new_event(store)], 9)) == 0


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


@pytest.fixture(scope="module")
def full(server: str, template: str, people: FloatArray) -> Iterator[str]:
    """The URL of a database that holds the people, stored as ingest stores them: the index grows.

    Filled once for each server; tests work on copies of it, so nobody may stay connected.
    """
    found = [
        FoundPhoto(
            f"/{number:04}.jpg".encode(), STAMP, digest(str(number)), JPEG,
            [Face(face(0).detection, embedding)],
        )
        for number, embedding in enumerate(people)
    ]  # fmt: skip
    with database(server, template) as url:
        connection = connect(url)
        register_vectors(connection)
        store = Repository(connection)
        event = new_event(store)
        for first in range(0, PHOTOS, 100):
            assert store.record(event, found[first : first + 100]) == [True] * 100
        connection.close()
        execute(url, "ANALYZE")
        yield url


@pytest.fixture
def crowded_url(server: str, full: str) -> Iterator[str]:
    """A database of the test's own with all the people in it."""
    with database(server, parse_dsn(full)["dbname"]) as url:
        yield url


@pytest.fixture
def crowded(crowded_url: str) -> Iterator[Any]:
    """A connection to ``crowded_url``."""
    connection = connect(crowded_url)
    register_vectors(connection)
    yield connection
    connection.close()


@pytest.fixture
def crowd(crowded: Any) -> Event:
    event = Repository(crowded).event("party")
    assert event is not None
    return event


BY_INDEX = {
    "count_scope", "prepare_index", "without_sorting", "open_nearest", "with_sorting",
    "fetch_nearest", "located", "close_nearest",
}  # fmt: skip
"""The statements of a search that needs nothing but the index."""


def plan(connection: Any, statement: str, question: nearest.Question) -> str:
    """What EXPLAIN says of a search statement."""
    sql = "EXPLAIN " + queries("search")[statement]
    with connection, connection.cursor() as cursor:
        if statement == "open_nearest":
            cursor.execute(queries("search")["without_sorting"])
        cursor.execute(sql, question.parameters(candidates=50))
        return "\n".join(line for (line,) in cursor.fetchall())


def test_plans(crowded: Any, crowd: Event, people: FloatArray) -> None:
    question = nearest.Question(people[0], [crowd.id], "dlib", None, 5, None, None, 0)
    assert "faces_hnsw_dlib" in plan(crowded, "open_nearest", question)
    exact = plan(crowded, "search_exact", question)
    assert "faces" in exact
    assert "hnsw" not in exact
    near = nearest.Question(people[0], [crowd.id], "dlib", 0.6, 0, None, None, 0)
    every_face = plan(crowded, "compare_all", near)
    assert "faces" in every_face
    assert "hnsw" not in every_face


def test_every_face_of_a_person_in_a_crowd(crowded: Any, crowd: Event, people: FloatArray) -> None:
    store = Repository(crowded)
    found = store.faces_within(people[0], [crowd], max_distance=0.6)
    distances = np.linalg.norm(people - people[0], axis=1)
    nearest_faces = np.argsort(distances)[:100]
    assert [int(face.match.photo.stem) for face in found] == nearest_faces.tolist()
    np.testing.assert_array_equal([face.embedding for face in found], people[nearest_faces])
    found_photos = [face.match for face in found]
    assert found_photos == store.search(people[0], [crowd], max_distance=0.6)


def test_the_index_finds_what_comparing_all_finds(
    crowded: Any, crowd: Event, people: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = Repository(crowded, exact_up_to=PHOTOS)
    index = Repository(crowded, exact_up_to=PHOTOS - 1)
    used = search_statements(monkeypatch)
    for options, expected in (
        ({"max_distance": 0.6}, 100),
        ({"limit": 7}, 7),
        ({"max_distance": 0.6, "limit": 150}, 100),
    ):
        truth = exact.search(people[0], [crowd], **options)
        assert used == ["count_scope", "compare_all", "located"]
        used.clear()
        found = index.search(people[0], [crowd], **options)
        assert set(used) == BY_INDEX
        used.clear()
        if options.get("max_distance"):
            # Far more than there are, as the search that judges them asks for.
            within: dict[str, Any] = {**options, "limit": 20_000}
            near = exact.faces_within(people[0], [crowd], **within)
            assert used == ["count_scope", "compare_all", "located"]
            used.clear()
            by_index = index.faces_within(people[0], [crowd], **within)
            assert set(used) == BY_INDEX
            used.clear()
            assert [face.match for face in near] == truth
            assert [face.match for face in by_index] == found
        assert len(truth) == expected
        assert len({m.photo for m in found} & {m.photo for m in truth}) >= 0.95 * expected
        assert [m.distance for m in found] == sorted(m.distance for m in found)


def test_the_index_is_asked_for_more_until_the_last_is_too_far(
    crowded: Any, crowd: Event, people: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "FIRST_CANDIDATES", 20)
    index = Repository(crowded, exact_up_to=0)
    used = search_statements(monkeypatch)
    found = index.search(people[0], [crowd], max_distance=0.6)
    assert set(used) == BY_INDEX
    assert used.count("fetch_nearest") == 3
    assert len(found) >= 95
    used.clear()
    assert len(index.search(people[0], [crowd], max_distance=9.0)) == PHOTOS
    assert used[-2:] == ["compare_all", "located"]


def test_without_iterative_scans_comparing_all_steps_in(
    crowded: Any, crowd: Event, people: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = {**queries("search")}
    older["prepare_index"] = older["prepare_index"].replace("'{0,8}'", "'{999,0}'")
    monkeypatch.setattr(nearest, "queries", lambda file: {"search": older}[file])
    index = Repository(crowded, exact_up_to=0)
    assert len(index.search(people[0], [crowd], max_distance=0.6)) >= 95
    assert len(index.search(people[0], [crowd], max_distance=9.0)) == PHOTOS


def test_without_an_index_all_are_compared(
    crowded: Any, crowded_url: str, crowd: Event, people: FloatArray
) -> None:
    exact = Repository(crowded, exact_up_to=PHOTOS).search(people[0], [crowd], limit=7)
    execute(crowded_url, "DROP INDEX faces_hnsw_dlib")
    assert Repository(crowded, exact_up_to=0).search(people[0], [crowd], limit=7) == exact


@pytest.mark.parametrize(("distance", "found"), [(0.6, 100), (9.0, PHOTOS)], ids=["few", "all"])
def test_an_index_that_was_asked_leaves_the_transaction_as_it_was(
    crowded: Any, crowd: Event, people: FloatArray, distance: float, found: int
) -> None:
    question = nearest.Question(people[0], [crowd.id], "dlib", distance, 0, None, None, 0)
    with crowded, crowded.cursor() as cursor:
        faces = nearest.find_faces(cursor, question, exact_up_to=0)
        assert 0.95 * found <= len(faces) <= found
        cursor.execute("SELECT current_setting('enable_sort')")
        assert cursor.fetchall() == [("on",)]
        cursor.execute("SELECT name FROM pg_cursors")
        assert cursor.fetchall() == []


def test_the_index_alone_gives_full_batches_or_nothing(
    crowded: Any, crowd: Event, people: FloatArray
) -> None:
    few = nearest.Question(people[0], [crowd.id], "dlib", None, 10, None, None, 0)
    with crowded, crowded.cursor() as cursor:
        assert len(nearest.nearest_by_index(cursor, few)) == 20
        assert nearest.nearest_by_index(cursor, replace(few, events=[crowd.id + 1])) == []
        assert nearest.nearest_by_index(cursor, replace(few, pipeline="none")) == []


def test_half_precision_decides_nothing(crowded: Any, crowd: Event, people: FloatArray) -> None:
    index = Repository(crowded, exact_up_to=0)
    for match in (found := index.search(people[0], [crowd], limit=9)):
        true = np.linalg.norm(people[int(match.photo.stem)] - people[0])
        assert match.distance == pytest.approx(true, abs=1e-6)
    assert len(found) == 9


# Faces are counted as they come and go


def test_faces_are_counted_as_they_come_and_go(store: Repository, sql: Any) -> None:
    event, other = new_event(store), new_event(store, "other")
    put(store, event, "/a.jpg", 0.25, 0.5)
    put(store, other, "/a.jpg", 0.25, 0.5)
    poor = [of_quality(0.25, 0.5), of_quality(0.5, 0.5)]
    record_photo(store, event, b"/b.jpg", STAMP, digest("b"), JPEG, poor)
    put(store, event, "/nobody.jpg")
    assert [store.count_faces([event], floor) for floor in (0, 0.5, 0.9)] == [4, 3, 2]
    assert store.count_faces([event, other]) == 6
    rows(sql, "UPDATE faces SET quality = .95 WHERE quality = .25")
    assert store.count_faces([event], 0.9) == 3
    store.forget_paths([b"/a.jpg"], event)
    assert store.count_faces([event]) == 2
    store.forget_event("other")
    assert rows(sql, "SELECT DISTINCT event_id FROM face_counts") == [(event.id,)]
    counted = rows(sql, "SELECT sum(faces) FROM face_counts")
    assert counted == rows(sql, "SELECT count(*) FROM faces") == [(2,)]

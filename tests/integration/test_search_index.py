"""The vector indexes on a drawn library: when one answers, what it finds, and what made it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from psycopg2.extensions import parse_dsn

from facefind.store import nearest
from facefind.store.configuration import LARGEST_BUFFERS, SMALLEST_BUFFERS, buffers
from facefind.store.db import connect, register_vectors
from facefind.store.migrate import migrate, migrations
from facefind.store.repository import Repository
from facefind.types import Event, FloatArray
from scripts.benchmarks.drawn_library import draw_probes, draw_vectors, fill
from tests.stored import (
    connected,
    database,
    execute,
    new_event,
    put,
    rows,
    search_statements,
    vector,
)

FACES = 3000
PROBES = 40
LINKS_CHOSEN = 13
"""The migration from which on links are chosen among more."""

_OPTIONS = """
    SELECT relname, reloptions FROM pg_class JOIN pg_am ON pg_am.oid = relam AND amname = 'hnsw'
    ORDER BY relname
"""
_FILE = "SELECT relfilenode FROM pg_class WHERE relname = 'faces_hnsw_dlib'"


@pytest.fixture(scope="module")
def vectors() -> FloatArray:
    return draw_vectors(FACES, 128)


@pytest.fixture(scope="module")
def drawn(server: str, template: str, vectors: FloatArray) -> Iterator[str]:
    """The URL of a database with the drawn library in it; tests work on copies."""
    with database(server, template) as url:
        with connected(url) as connection:
            definition = rows(connection, "SELECT pg_get_indexdef('faces_hnsw_dlib'::regclass)")
        connection = connect(url)
        register_vectors(connection)
        fill(connection, vectors)
        connection.close()
        execute(url, definition[0][0])
        yield url


@pytest.fixture
def library(server: str, drawn: str) -> Iterator[Any]:
    """A connection to a copy of it."""
    with database(server, parse_dsn(drawn)["dbname"]) as url:
        connection = connect(url)
        register_vectors(connection)
        yield connection
        connection.close()


def probes_of(vectors: FloatArray) -> FloatArray:
    return draw_probes(vectors, PROBES)


def found(store: Repository, probe: FloatArray, events: list[Event]) -> set[int | None]:
    return {match.sighting for match in store.search(probe, events, limit=10)}


def recall(connection: Any, vectors: FloatArray, events: list[Event]) -> float:
    """The share of the ten nearest photos' faces that the index finds."""
    index, exact = (Repository(connection, exact_up_to=n) for n in (0, FACES))
    pairs = [
        (found(index, probe, events), found(exact, probe, events)) for probe in probes_of(vectors)
    ]
    assert [len(truth) for _, truth in pairs] == [10] * PROBES
    return sum(len(a & truth) for a, truth in pairs) / (10 * PROBES)


def test_the_index_answers_above_the_measured_size(
    library: Any, vectors: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Repository(library)
    events = store.events()
    used = search_statements(monkeypatch)
    truth = store.search(vectors[0], events, limit=10)
    assert used == ["count_scope", "compare_all", "located"]
    used.clear()
    with library, library.cursor() as cursor:
        # As if the library had so many.
        more = {"faces": nearest.EXACT_UP_TO + 1 - FACES, "event": events[0].id}
        cursor.execute(
            "INSERT INTO face_counts VALUES (%(event)s, 101, %(faces)s)",
            more,
        )
    assert store.search(vectors[0], events, limit=10) == truth
    assert "open_nearest" in used
    assert "compare_all" not in used


def test_the_index_finds_99_of_100(library: Any, vectors: FloatArray) -> None:
    assert recall(library, vectors, Repository(library).events()) >= 0.99


def test_fewer_in_view_find_fewer(
    library: Any, vectors: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = Repository(library).events()
    usual = recall(library, vectors, events)
    monkeypatch.setattr(nearest, "EF_SEARCH", 5)
    assert recall(library, vectors, events) < usual


@pytest.mark.parametrize(
    ("in_scope", "view"), [(FACES, 100), (FACES // 5, 500), (FACES // 50, 1000), (None, 100)]
)
def test_the_fewer_faces_are_in_scope_the_more_are_in_view(
    library: Any, vectors: FloatArray, in_scope: int | None, view: int
) -> None:
    events = [event.id for event in Repository(library).events()]
    question = nearest.Question(vectors[0], events, "dlib", None, 10, None, None, 0.0)
    with library, library.cursor() as cursor:
        assert nearest._prepare_index(cursor, question, in_scope)
        cursor.execute("SHOW hnsw.ef_search")
        assert cursor.fetchone() == (str(view),)


def test_the_index_keeps_to_the_events_asked_for(
    library: Any, vectors: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Repository(library, exact_up_to=0)
    tenth = [event for event in store.events() if event.name == "tenth"]
    assert recall(library, vectors, tenth) >= 0.99
    used = search_statements(monkeypatch)
    matches = store.search(vectors[0], tenth, limit=10)
    assert "open_nearest" in used
    assert "compare_all" not in used
    assert {match.event for match in matches} == {"tenth"}
    assert len(matches) == 10


def test_links_are_chosen_among_more_in_every_index(database_url: str) -> None:
    with connected(database_url) as connection:
        options = rows(connection, _OPTIONS)
    names = ["arcface", "clip", "dlib", "dlib_fast", "sface"]
    assert options == [(f"faces_hnsw_{name}", ["ef_construction=128"]) for name in names]


def test_an_older_index_stays_and_takes_new_faces(empty_database_url: str) -> None:
    known = migrations()
    connection = connect(empty_database_url)
    assert len(migrate(connection, known[: LINKS_CHOSEN - 1])) == LINKS_CHOSEN - 1
    register_vectors(connection)
    store = Repository(connection, exact_up_to=0)
    event = new_event(store)
    for number in range(60):
        assert put(store, event, f"/{number}.jpg", 0.5 + 0.01 * number)
    with connected(empty_database_url) as looking:
        before = rows(looking, _FILE)
        assert next(m.version for m in migrate(connection, known)) == LINKS_CHOSEN
        assert rows(looking, _FILE) == before
    assert put(store, event, "/new.jpg", 0.25)
    photos = [str(match.photo) for match in store.search(vector(0), [event], limit=3)]
    connection.close()
    assert photos == ["/new.jpg", "/0.jpg", "/1.jpg"]


def test_buffers_are_a_part_of_the_memory() -> None:
    gigabyte = 2**30
    sizes = [buffers(memory) for memory in (None, gigabyte // 2, 4 * gigabyte, 64 * gigabyte)]
    assert sizes == [SMALLEST_BUFFERS, SMALLEST_BUFFERS, 512, LARGEST_BUFFERS]
    assert np.all(np.diff(sizes) >= 0)

"""What the store keeps of ingested files."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest

from facefind.errors import StoreError
from facefind.store.records import EventSummary, Failure, Forgotten, KnownFile
from facefind.store.repository import Repository
from facefind.types import Box, Event, FileStamp, PhotoInfo, SettingValue
from tests.stored import (
    DIMENSION,
    JPEG,
    STAMP,
    counts,
    digest,
    face,
    finish,
    found,
    new_event,
    put,
    record_failure,
    record_path,
    record_photo,
    rows,
    start_python,
    vector,
)

pytestmark = pytest.mark.every_server

EDITED = FileStamp(2000, 1_800_000_000_000_000_000)

_RECORD_50 = """
import sys
from pathlib import Path
from facefind.store.opening import open_store
from tests.stored import new_event, put
with open_store(Path(sys.argv[1]), sys.argv[2]) as store:
    event = new_event(store)
    print("ready", flush=True)
    sys.stdin.readline()
    print(sum(put(store, event, f"/{n}.jpg", n / 100) for n in range(50)))
"""


# Events


def test_an_event_keeps_what_it_was_made_with(store: Repository) -> None:
    settings: dict[str, SettingValue] = {
        "detector.size": 1024,
        "detector.score": 0.5,
        "mirror": True,
        "name": "x",
    }
    made = store.ensure_event("Ann's party", "dlib", "f" * 64, 128, settings)
    assert made.settings == settings
    assert store.event("Ann's party") == made
    assert store.event("another") is None
    assert store.ensure_event("Ann's party", "clip", "other", 768, {}) == made
    second = new_event(store, "A")
    assert store.events() == [second, made]


# Files


def test_a_photo_and_its_faces(store: Repository, event: Event, sql: Any) -> None:
    taken = datetime(2024, 5, 4, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    info = PhotoInfo("HEIF", 4000, 3000, taken, "Canon R5", 52.5, 13.4)
    stored = record_photo(
        store, event, b"/p/a.jpg", STAMP, digest("a"), info, [face(0.3, x=5), face(0.2, x=7)]
    )
    assert stored
    assert store.known_files(event.id) == {
        b"/p/a.jpg": KnownFile(STAMP, "done", False, digest("a"), None)
    }
    assert store.searched_contents(event.id) == {digest("a")}
    match = store.search(vector(0), [event])[0]
    assert (match.photo, match.event, match.box) == (Path("/p/a.jpg"), "party", Box(7, 20, 30, 40))
    assert match.distance == pytest.approx(0.2)
    assert match.taken_at == taken
    assert match.taken_at.utcoffset() == timedelta(0)
    kept = "SELECT format, width, height, taken_offset_minutes, camera, latitude FROM photos"
    assert rows(sql, kept) == [("HEIF", 4000, 3000, 120, "Canon R5", 52.5)]
    assert rows(sql, "SELECT landmarks, score FROM faces LIMIT 1") == [
        ([float(n) for n in range(10)], 0.5)
    ]


def test_embeddings_come_back_exactly(store: Repository, event: Event, sql: Any) -> None:
    exact = np.random.default_rng(1).normal(size=DIMENSION).astype(np.float32)
    one = face(0)
    one.embedding[:] = exact
    record_photo(store, event, b"/a.jpg", STAMP, digest("a"), JPEG, [one])
    text = rows(sql, "SELECT embedding::text FROM faces")[0][0]
    assert np.array_equal(np.array(text.strip("[]").split(","), np.float32), exact)
    assert store.search(exact, [event])[0].distance == 0


def test_a_naive_time_is_of_this_machine_s_zone(store: Repository, event: Event, sql: Any) -> None:
    naive = datetime(2024, 7, 1, 12, 0)
    put(store, event, "/a.jpg", 0.1, info=PhotoInfo("JPEG", 1, 1, naive))
    assert store.event_photos(event.id)[0].taken_at == naive.astimezone()
    assert rows(sql, "SELECT taken_offset_minutes FROM photos") == [(None,)]


def test_the_same_content_is_one_photo_at_two_paths(
    store: Repository, event: Event, sql: Any
) -> None:
    assert put(store, event, "/b.jpg", 0.1, content="same")
    assert not put(store, event, "/a.jpg", 0.1, content="same")
    assert counts(sql) == {"photos": 1, "event_photos": 1, "event_paths": 2, "faces": 1}
    assert found(store, event) == [("/b.jpg", 0.1)]


def test_the_same_content_in_two_events(store: Repository, event: Event, sql: Any) -> None:
    other = new_event(store, "copy")
    put(store, event, "/a.jpg", 0.1)
    assert put(store, other, "/a.jpg", 0.1)
    assert counts(sql) == {"photos": 1, "event_photos": 2, "event_paths": 2, "faces": 2}
    assert found(store, event, other) == [("/a.jpg", 0.1)]


def test_a_moved_file_is_found_at_its_new_place(store: Repository, event: Event) -> None:
    put(store, event, "/old.jpg", 0.1, content="x")
    assert record_path(store, event, b"/new.jpg", STAMP, digest("x"))
    store.mark_missing(event.id, [b"/old.jpg"])
    assert found(store, event) == [("/new.jpg", 0.1)]
    assert store.known_files(event.id)[b"/old.jpg"].missing
    assert not store.known_files(event.id)[b"/new.jpg"].missing


def test_a_deleted_file_is_not_found_until_it_returns(store: Repository, event: Event) -> None:
    put(store, event, "/a.jpg", 0.1, content="x")
    store.mark_missing(event.id, {b"/a.jpg"})
    assert found(store, event) == []
    assert store.event_photos(event.id) == []
    assert store.searched_contents(event.id) == {digest("x")}
    assert record_path(store, event, b"/a.jpg", STAMP, digest("x"))
    assert found(store, event) == [("/a.jpg", 0.1)]
    assert not store.known_files(event.id)[b"/a.jpg"].missing


def test_an_edited_file_drops_its_old_content(store: Repository, event: Event, sql: Any) -> None:
    put(store, event, "/a.jpg", 0.1, content="before")
    put(store, event, "/a.jpg", 0.2, 0.3, content="after")
    assert found(store, event) == [("/a.jpg", 0.2)]
    assert counts(sql) == {"photos": 1, "event_photos": 1, "event_paths": 1, "faces": 2}


def test_an_edited_copy_leaves_the_original(store: Repository, event: Event, sql: Any) -> None:
    put(store, event, "/a.jpg", 0.1, content="before")
    put(store, event, "/b.jpg", 0.1, content="before")
    put(store, event, "/b.jpg", 0.2, content="after")
    assert found(store, event) == [("/a.jpg", 0.1), ("/b.jpg", 0.2)]
    assert counts(sql)["photos"] == 2


def test_an_edit_leaves_the_content_to_other_events(
    store: Repository, event: Event, sql: Any
) -> None:
    other = new_event(store, "copy")
    put(store, event, "/a.jpg", 0.1, content="before")
    put(store, other, "/a.jpg", 0.1, content="before")
    put(store, event, "/a.jpg", 0.2, content="after")
    assert found(store, other) == [("/a.jpg", 0.1)]
    assert counts(sql)["photos"] == 2


def test_odd_names_and_texts(store: Repository, event: Event) -> None:
    name = b"/" + b"d" * 255 + b"/" + b"\xff\xfe %s %(a)s 'q' \\ \n" + b"x" * 3000
    camera = "NUL\0 and \udcff"
    info = PhotoInfo("JPEG", 1, 1, None, camera)
    record_photo(store, event, name, STAMP, digest("x"), info, [face(0.1)])
    record_failure(store, event, b"/y", STAMP, None, f"no: {os.fsdecode(name)}")
    assert name in store.known_files(event.id)
    assert os.fsencode(store.search(vector(0), [event])[0].photo) == name
    assert "\\udcff" in store.failures(event.id)[0].reason


# Failures


def test_failures_and_their_recovery(store: Repository, event: Event, sql: Any) -> None:
    record_failure(store, event, b"/broken.jpg", STAMP, digest("b"), "truncated")
    record_failure(store, event, b"/closed.jpg", None, None, "permission denied")
    assert store.known_files(event.id) == {
        b"/broken.jpg": KnownFile(STAMP, "failed", False, digest("b"), "truncated"),
        b"/closed.jpg": KnownFile(None, "unreadable", False, None, "permission denied"),
    }
    assert store.failures(event.id) == [
        Failure(Path("/broken.jpg"), "truncated"),
        Failure(Path("/closed.jpg"), "permission denied"),
    ]
    assert store.searched_contents(event.id) == set()
    assert put(store, event, "/broken.jpg", 0.1, content="b")
    assert put(store, event, "/closed.jpg", 0.2, content="c")
    assert store.failures(event.id) == []
    assert found(store, event) == [("/broken.jpg", 0.1), ("/closed.jpg", 0.2)]
    assert counts(sql)["photos"] == 2


def test_a_failure_does_not_undo_what_another_process_found(
    store: Repository, event: Event
) -> None:
    put(store, event, "/a.jpg", 0.1, content="x")
    record_failure(store, event, b"/b.jpg", STAMP, digest("x"), "out of memory")
    assert store.searched_contents(event.id) == {digest("x")}
    assert store.failures(event.id) == []
    assert store.known_files(event.id)[b"/b.jpg"].state == "done"


@pytest.mark.parametrize("stamp", [None, EDITED])
def test_a_file_that_cannot_be_read_any_more_keeps_its_faces(
    store: Repository, event: Event, sql: Any, stamp: FileStamp | None
) -> None:
    put(store, event, "/a.jpg", 0.1, 0.2, content="x")
    record_failure(store, event, b"/a.jpg", stamp, None, "permission denied")
    assert store.known_files(event.id) == {
        b"/a.jpg": KnownFile(stamp, "unreadable", False, digest("x"), "permission denied")
    }
    assert store.failures(event.id) == [Failure(Path("/a.jpg"), "permission denied")]
    assert store.summary(event.id) == EventSummary(photos=1, faces=2, failed=1, missing=0)
    assert store.searched_contents(event.id) == {digest("x")}
    assert found(store, event) == [("/a.jpg", 0.1)]
    assert [(str(p.path), p.faces) for p in store.event_photos(event.id)] == [("/a.jpg", 2)]
    assert counts(sql) == {"photos": 1, "event_photos": 1, "event_paths": 1, "faces": 2}


@pytest.mark.parametrize("searched_again", [False, True])
def test_a_file_that_can_be_read_again_has_no_error_left(
    store: Repository, event: Event, searched_again: bool
) -> None:
    put(store, event, "/a.jpg", 0.1, content="x")
    record_failure(store, event, b"/a.jpg", None, None, "input/output error")
    if searched_again:
        assert not put(store, event, "/a.jpg", 0.1, content="x")
    else:
        assert record_path(store, event, b"/a.jpg", STAMP, digest("x"))
    assert store.known_files(event.id) == {
        b"/a.jpg": KnownFile(STAMP, "done", False, digest("x"), None)
    }
    assert store.failures(event.id) == []
    assert store.summary(event.id).failed == 0
    assert found(store, event) == [("/a.jpg", 0.1)]


def test_a_file_that_can_be_read_again_and_was_edited_drops_its_old_content(
    store: Repository, event: Event, sql: Any
) -> None:
    put(store, event, "/a.jpg", 0.1, content="before")
    record_failure(store, event, b"/a.jpg", None, None, "input/output error")
    put(store, event, "/a.jpg", 0.2, 0.3, content="after")
    assert found(store, event) == [("/a.jpg", 0.2)]
    assert store.failures(event.id) == []
    assert counts(sql) == {"photos": 1, "event_photos": 1, "event_paths": 1, "faces": 2}


def test_a_broken_file_that_then_cannot_be_read_is_one_failure(
    store: Repository, event: Event
) -> None:
    record_failure(store, event, b"/a.jpg", STAMP, digest("x"), "truncated")
    record_failure(store, event, b"/a.jpg", None, None, "permission denied")
    assert store.known_files(event.id) == {
        b"/a.jpg": KnownFile(None, "unreadable", False, digest("x"), "permission denied")
    }
    assert store.failures(event.id) == [Failure(Path("/a.jpg"), "permission denied")]
    assert store.summary(event.id).failed == 1
    record_failure(store, event, b"/a.jpg", STAMP, digest("x"), "truncated")
    assert store.failures(event.id) == [Failure(Path("/a.jpg"), "truncated")]
    assert store.known_files(event.id)[b"/a.jpg"].state == "failed"


def test_an_unreadable_file_that_is_deleted_is_missing(store: Repository, event: Event) -> None:
    put(store, event, "/a.jpg", 0.1)
    record_failure(store, event, b"/a.jpg", None, None, "permission denied")
    store.mark_missing(event.id, [b"/a.jpg"])
    assert found(store, event) == []
    assert store.event_photos(event.id) == []
    assert store.summary(event.id) == EventSummary(photos=0, faces=0, failed=0, missing=1)


def test_an_unreadable_file_can_be_forgotten(store: Repository, event: Event, sql: Any) -> None:
    put(store, event, "/a.jpg", 0.1, 0.2)
    record_failure(store, event, b"/a.jpg", None, None, "permission denied")
    assert store.forget_paths([b"/a.jpg"], event) == Forgotten(1, 2)
    assert set(counts(sql).values()) == {0}


def test_a_path_has_a_content_or_an_error(store: Repository, event: Event, sql: Any) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        rows(sql, "INSERT INTO event_paths (event_id, path) VALUES (%s, '/a')", event.id)


def test_a_path_of_forgotten_content_is_refused(store: Repository, event: Event) -> None:
    assert not record_path(store, event, b"/a.jpg", STAMP, digest("x"))


# One transaction


def test_a_face_that_is_refused_leaves_nothing_of_its_photo(
    store: Repository, event: Event, sql: Any
) -> None:
    faces = [face(0.1), face(0.2, dimension=64)]
    with pytest.raises(StoreError, match="storing photos"):
        record_photo(store, event, b"/a.jpg", STAMP, digest("a"), JPEG, faces)
    assert set(counts(sql).values()) == {0}
    assert put(store, event, "/a.jpg", 0.1)


def test_a_lost_connection_is_a_store_error(store: Repository, event: Event, sql: Any) -> None:
    rows(
        sql,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'facefind' AND datname = current_database()",
    )
    with pytest.raises(StoreError, match="while storing photos") as caught:
        put(store, event, "/a.jpg", 0.1)
    assert "run the command again" in caught.value.hint


def test_two_programs_that_ingest_the_same_store_each_photo_once(
    database_url: str, sql: Any, tmp_path: Path
) -> None:
    both = [start_python(_RECORD_50, tmp_path, database_url) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    stored = []
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        assert process.stdout is not None
        stored.append(int(process.stdout.readline()))
    assert finish(both) == [0, 0]
    assert sum(stored) == 50
    assert counts(sql) == {"photos": 50, "event_photos": 50, "event_paths": 50, "faces": 50}

"""What the store tells of an event, and what it forgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facefind.errors import UsageError
from facefind.store.opening import open_store
from facefind.store.records import EventSummary, Forgotten
from facefind.store.repository import Repository
from facefind.types import Event
from tests.stored import (
    STAMP,
    counts,
    digest,
    found,
    new_event,
    put,
    record_failure,
    rows,
    vector,
)

pytestmark = pytest.mark.every_server


# Reports


def test_the_summary(store: Repository, event: Event) -> None:
    assert store.summary(event.id) == EventSummary(0, 0, 0, 0)
    put(store, event, "/a.jpg", 0.1, 0.2)
    put(store, event, "/b.jpg")
    put(store, event, "/gone.jpg", content="/b.jpg")
    record_failure(store, event, b"/c.jpg", STAMP, digest("c"), "truncated")
    record_failure(store, event, b"/d.jpg", None, None, "permission denied")
    store.mark_missing(event.id, [b"/gone.jpg"])
    assert store.summary(event.id) == EventSummary(2, 2, 2, 0)
    listed = [(str(photo.path), photo.faces) for photo in store.event_photos(event.id)]
    assert listed == [("/a.jpg", 2), ("/b.jpg", 0)]


def test_a_photo_is_gone_when_all_its_places_are(store: Repository, event: Event) -> None:
    put(store, event, "/a.jpg", 0.1, 0.2, content="x")
    put(store, event, "/b.jpg", content="x")
    store.mark_missing(event.id, [b"/a.jpg"])
    assert store.summary(event.id) == EventSummary(1, 2, 0, 0)
    store.mark_missing(event.id, [b"/b.jpg"])
    assert store.summary(event.id) == EventSummary(0, 0, 0, 1)


def test_a_photo_has_one_number_wherever_it_is(store: Repository, event: Event) -> None:
    other = new_event(store, "copy")
    put(store, event, "/a.jpg", 0.1, content="x")
    put(store, event, "/b.jpg", 0.2, content="y")
    put(store, other, "/c.jpg", 0.1, content="x")
    numbers = {str(photo.path): photo.photo_id for photo in store.event_photos(event.id)}
    assert len(set(numbers.values())) == 2
    assert [photo.photo_id for photo in store.event_photos(other.id)] == [numbers["/a.jpg"]]
    matches = store.search(vector(0), [event])
    assert {str(match.photo): match.photo_id for match in matches} == numbers


# Forgetting


def test_forgetting_a_file_and_a_folder(store: Repository, event: Event, sql: Any) -> None:
    for path in ("/p/a.jpg", "/p/b/c.jpg", "/p/b2.jpg", "/p/b/d.jpg"):
        put(store, event, path, 0.1, 0.2)
    assert store.forget_paths([b"/p/nothing"], event) == Forgotten(0, 0)
    assert store.forget_paths([b"/p/b/"], event) == Forgotten(2, 4)
    assert [path for path, _ in found(store, event)] == ["/p/a.jpg", "/p/b2.jpg"]
    assert store.forget_paths([b"/p/a.jpg"], None) == Forgotten(1, 2)
    assert counts(sql) == {"photos": 1, "event_photos": 1, "event_paths": 1, "faces": 2}
    assert store.forget_paths([b"/"], None) == Forgotten(1, 2)
    assert set(counts(sql).values()) == {0}


def test_forgetting_one_of_two_copies_keeps_the_photo(store: Repository, event: Event) -> None:
    put(store, event, "/a.jpg", 0.1, content="x")
    put(store, event, "/b.jpg", 0.1, content="x")
    assert store.forget_paths([b"/a.jpg"], event) == Forgotten(0, 0)
    assert found(store, event) == [("/b.jpg", 0.1)]


def test_forgetting_a_moved_file_forgets_it_where_it_was_too(
    store: Repository, event: Event, sql: Any
) -> None:
    put(store, event, "/old.jpg", 0.1, content="x")
    put(store, event, "/new.jpg", 0.1, content="x")
    store.mark_missing(event.id, [b"/old.jpg"])
    assert store.forget_paths([b"/new.jpg"], event) == Forgotten(1, 1)
    assert set(counts(sql).values()) == {0}


def test_forgetting_an_event_leaves_the_others(store: Repository, event: Event, sql: Any) -> None:
    other = new_event(store, "copy")
    put(store, event, "/a.jpg", 0.1)
    put(store, event, "/b.jpg", 0.2)
    put(store, other, "/a.jpg", 0.1)
    assert store.forget_event("party") == Forgotten(2, 2)
    assert store.events() == [other]
    assert counts(sql) == {"photos": 1, "event_photos": 1, "event_paths": 1, "faces": 1}
    with pytest.raises(UsageError, match="no event 'party'"):
        store.forget_event("party")


def test_forgetting_in_one_event_only(store: Repository, event: Event) -> None:
    other = new_event(store, "copy")
    put(store, event, "/a.jpg", 0.1)
    put(store, other, "/a.jpg", 0.1)
    assert store.forget_paths([b"/a.jpg"], other) == Forgotten(1, 1)
    assert found(store, event) == [("/a.jpg", 0.1)]
    assert found(store, other) == []


def test_what_was_decided_goes_with_the_photo_and_the_person_stays(
    store: Repository, event: Event, sql: Any
) -> None:
    put(store, event, "/a.jpg", 0.1)
    put(store, new_event(store, "copy"), "/b.jpg", 0.1, content="/a.jpg")
    ((sighting,),) = rows(sql, "SELECT id FROM sightings")
    with store.deciding("confirm") as draft:
        draft.assign(draft.create("Ann", "ann"), [sighting], confirmed=True)
        draft.reject(draft.create("Ben", "ben"), [sighting])
    store.forget_paths([b"/a.jpg"], event)
    assert rows(sql, "SELECT decided_by FROM sighting_person") == [("user",)]
    store.forget_paths([b"/b.jpg"], None)
    for table in ("sightings", "sighting_person", "rejections"):
        assert rows(sql, f"SELECT count(*) FROM {table}") == [(0,)]
    assert rows(sql, "SELECT name FROM people ORDER BY 1") == [("Ann",), ("Ben",)]


def test_everything_is_there_for_the_next_program(
    store: Repository, event: Event, database_url: str, tmp_path: Path
) -> None:
    put(store, event, "/a.jpg", 0.1)
    with open_store(tmp_path, database_url) as another:
        assert found(another, event) == [("/a.jpg", 0.1)]

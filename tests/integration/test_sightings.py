"""Sightings: a face is the same face in every event, whichever pipeline found it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facefind.store.repository import Repository
from facefind.types import Box, Detection, Event, Face
from tests.deciding import put_apart
from tests.moving import FakePipeline, move
from tests.stored import (
    JPEG,
    STAMP,
    counts,
    digest,
    face,
    finish,
    new_event,
    put,
    record_failure,
    record_photo,
    rows,
    start_python,
    vector,
)  # fmt: skip

SEEN = "SELECT sighting_id, x FROM faces WHERE event_id = %s ORDER BY x"
_PUT = """
import sys
from pathlib import Path
from facefind.store.opening import open_store
from tests.stored import new_event, put

with open_store(Path(sys.argv[1]), sys.argv[2]) as store:
    event = new_event(store, sys.argv[3])
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(20):
        put(store, event, f"/{number}.jpg", 0.1)
"""


def put_boxes(store: Repository, event: Event, path: str, *boxes: Box) -> None:
    found = [Face(Detection(box, 0.5, None), vector(i)) for i, box in enumerate(boxes)]
    record_photo(store, event, path.encode(), STAMP, digest("x"), JPEG, found)


def seen(sql: Any, event: Event) -> list[tuple[int, float]]:
    return [(number, x) for number, x in rows(sql, SEEN, event.id)]


def test_two_events_with_one_photo_share_its_sightings(
    store: Repository, event: Event, sql: Any
) -> None:
    other = new_event(store, "copy", "sface")
    put_boxes(store, event, "/a.jpg", Box(0, 0, 100, 100), Box(200, 0, 100, 100))
    put_boxes(store, other, "/b.jpg", Box(205, 3, 90, 90), Box(6, 0, 100, 100), Box(400, 0, 50, 50))
    (one, _), (two, _) = seen(sql, event)
    assert one != two
    found = seen(sql, other)
    assert [number for number, _ in found[:2]] == [one, two]
    assert found[2][0] not in (one, two)
    # The box is that of the first who saw it.
    assert rows(sql, "SELECT x FROM sightings ORDER BY id") == [(0.0,), (200.0,), (400.0,)]


def test_two_faces_of_one_event_never_share_one(store: Repository, event: Event, sql: Any) -> None:
    other = new_event(store, "copy")
    twice = Box(10, 10, 50, 50)
    put_boxes(store, event, "/a.jpg", twice, twice, twice._replace(x=12))
    put_boxes(store, other, "/a.jpg", twice, twice)
    numbers = [number for number, _ in seen(sql, event)]
    assert len(set(numbers)) == 3
    assert {number for number, _ in seen(sql, other)} <= set(numbers)
    assert len({number for number, _ in seen(sql, other)}) == 2
    with pytest.raises(Exception, match="faces_sighting"):
        rows(sql, "UPDATE faces SET sighting_id = %s WHERE event_id = %s", numbers[0], event.id)


def test_boxes_of_another_photo_do_not_count(store: Repository, event: Event, sql: Any) -> None:
    put(store, event, "/a.jpg", 0.1)
    put(store, event, "/b.jpg", 0.1)
    assert len({number for number, _ in seen(sql, event)}) == 2


def test_a_failed_photo_that_is_read_after_all_has_its_old_faces(
    store: Repository, event: Event, sql: Any
) -> None:
    other = new_event(store, "copy")
    record_failure(store, other, b"/a.jpg", STAMP, digest("/a.jpg"), "truncated")
    put(store, event, "/a.jpg", 0.1, 0.2)
    ((sighting, *_), *_) = rows(sql, "SELECT id FROM sightings ORDER BY id")
    with store.deciding("confirm") as draft:
        draft.assign(draft.create("Ann", "ann"), [sighting], confirmed=True)
    store.forget_event("party")
    assert rows(sql, "SELECT id FROM sightings") == [(sighting,)]
    assert put(store, other, "/a.jpg", 0.1, 0.2)
    assert [face.sighting for face in store.seen_faces(people=[1])] == [sighting]


def test_two_processes_that_store_the_same_photos_at_once(
    store: Repository, sql: Any, database_url: str, tmp_path: Path
) -> None:
    names = ["party", "party", "copy"]
    processes = [start_python(_PUT, tmp_path, database_url, name) for name in names]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert finish(processes) == [0, 0, 0]
    assert counts(sql)["faces"] == 40
    assert rows(sql, "SELECT count(*) FROM sightings") == [(20,)]


def test_what_nobody_sees_or_decided_goes_with_the_last_face(
    store: Repository, event: Event, sql: Any
) -> None:
    other = new_event(store, "copy")
    put_apart(store, event, "/a.jpg", [0.1, 1.1])
    record_photo(store, other, b"/b.jpg", STAMP, digest("/a.jpg"), JPEG, [face(0.1, 500)])
    assert rows(sql, "SELECT count(*) FROM sightings") == [(3,)]
    store.forget_event("party")
    assert rows(sql, "SELECT x FROM sightings") == [(500.0,)]
    store.forget_paths([b"/b.jpg"], other)
    assert rows(sql, "SELECT count(*) FROM sightings") == [(0,)]


@pytest.mark.parametrize("kept", ["user", "rejection", "cover", "log"])
def test_what_somebody_decided_stays_without_a_face(
    store: Repository, party: Event, sql: Any, kept: str
) -> None:
    ((sighting,), *_) = rows(sql, "SELECT id FROM sightings ORDER BY id")
    with store.deciding(kept) as draft:
        person = draft.create("Ann", "ann")
        if kept == "cover":
            draft.cover(person, sighting)
        elif kept == "rejection":
            draft.reject(person, [sighting])
        else:
            draft.assign(person, [sighting], confirmed=False)
    if kept == "log":
        store.undo()
    move(store, FakePipeline("clip", shift=1000))
    assert rows(sql, "SELECT id FROM sightings WHERE x < 900") == [(sighting,)]

"""What was decided about people lasts: names, merges, rejections, hidden people and covers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facefind.store.repository import Repository
from facefind.types import Event
from tests.deciding import group, kind_of
from tests.moving import NARROW, WIDE, FakePipeline, fill, move, the_event
from tests.stored import rows


@pytest.fixture
def album(store: Repository, party: Event, sql: Any) -> list[Any]:
    """Red and green merged into Ann, but for a red that she is not; blue is hidden.

    Answers with what is to last.
    """
    colours = {
        channel: [
            number
            for (number,) in rows(
                sql, "SELECT sighting_id FROM faces WHERE (embedding::real[])[%s] = 1 ORDER BY 1",
                channel,
            )
        ]
        for channel in (1, 2, 3)
    }  # fmt: skip
    assert [len(found) for found in colours.values()] == [4, 2, 1]
    red, green, blue = group(store, party, *colours.values())
    with store.deciding("merge") as draft:
        draft.keep(red, green)
        draft.move(green, red)
        draft.remove(green)
    with store.deciding("name") as draft:
        draft.rename(red, "Ann", "ann")
        draft.cover(red, colours[2][1])
    with store.deciding("reject") as draft:
        draft.reject(red, colours[1][:1])
    with store.deciding("hide") as draft:
        draft.keep(blue)
        draft.hide(blue, True)
    album = lasting(store, sql)
    assert [len(found) for found in album] == [2, 5 + 1, 1]
    assert [(p.title, p.hidden, p.faces) for p in store.people()] == [
        ("Ann", False, 5), ("Person 003", True, 1)
    ]  # fmt: skip
    return album


def lasting(store: Repository, sql: Any) -> list[Any]:
    """People with their names and covers, whose photos show whom, and who is not whom."""
    return [
        [(p.id, p.name, p.hidden, p.cover) for p in store.people()],
        sorted((f.sighting, f.person, f.photo_id) for f in store.seen_faces() if f.person),
        rows(sql, "SELECT sighting_id, person_id FROM rejections"),
    ]


def test_photos_are_ingested_again_and_moved(
    store: Repository, party: Event, photos: Path, sql: Any, album: list[Any]
) -> None:
    assert fill(store, photos, FakePipeline(NARROW)).new == 0
    assert lasting(store, sql) == album
    (photos / "copy.png").unlink()
    for path in sorted(photos.glob("[0-3].png")):
        path.rename(photos / f"moved {path.name}")
    moved = fill(store, photos, FakePipeline(NARROW))
    assert (moved.new, moved.photos) == (0, 4)
    assert lasting(store, sql) == album
    assert {face.photo.name[:5] for face in store.seen_faces()} == {"moved"}


def test_the_event_has_faces_of_another_pipeline(
    store: Repository, party: Event, sql: Any, album: list[Any]
) -> None:
    report = move(store, FakePipeline(WIDE, shift=8))
    assert (report.outcome, report.carried, report.lost) == ("done", 7, 0)
    assert lasting(store, sql) == album
    assert {face.box.x for face in store.seen_faces()} == {8, 40, 54, 72}
    found = store.faces_to_group(kind_of(the_event(store)), 768)
    assert found.pinned.sum() == 6


def test_faces_are_lost_and_found_again(
    store: Repository, party: Event, sql: Any, album: list[Any]
) -> None:
    report = move(store, FakePipeline(WIDE, shift=1000))
    assert (report.carried, report.lost) == (0, 7)
    assert [(p.title, p.photos, p.cover) for p in store.people()] == [
        ("Ann", 0, album[0][0][3]), ("Person 003", 0, None)
    ]  # fmt: skip
    assert move(store, FakePipeline(NARROW, "newer", shift=-4)).carried == 7
    assert lasting(store, sql) == album


def test_the_same_photos_are_another_event_too(
    store: Repository, party: Event, photos: Path, sql: Any, album: list[Any]
) -> None:
    fill(store, photos, FakePipeline(WIDE, shift=4), "copy")
    assert lasting(store, sql) == album
    copy = [the_event(store, "copy").id]
    assert [(p.title, p.faces) for p in store.people(events=copy)] == [
        ("Ann", 5), ("Person 003", 1)
    ]  # fmt: skip
    store.forget_event("party")
    assert lasting(store, sql) == album
    assert {face.event for face in store.seen_faces()} == {"copy"}


def test_they_are_undone_after_all_of_that(
    store: Repository, party: Event, photos: Path, sql: Any, album: list[Any]
) -> None:
    move(store, FakePipeline(WIDE, shift=8))
    fill(store, photos, FakePipeline(NARROW), "copy")
    while [d for d in store.decisions() if d.undone_at is None]:
        store.undo()
    assert [(p.title, p.hidden, p.faces, p.decided) for p in store.people()] == [
        ("Person 001", False, 4, 0), ("Person 002", False, 2, 0), ("Person 003", False, 1, 0)
    ]  # fmt: skip
    for _ in range(4):
        store.redo()
    assert lasting(store, sql) == album

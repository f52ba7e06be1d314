"""Moving events on a real database, with stand-ins for the models."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facefind.reindex import CHANGED
from facefind.store.opening import open_store
from facefind.store.repository import Repository
from facefind.types import Event
from tests.fakes import BLUE, write_photo
from tests.moving import (
    NARROW,
    WIDE,
    FakePipeline,
    colour,
    decide,
    decisions,
    fill,
    lost,
    move,
    orphans,
    reds,
    snapshot,
    stop_after,
    the_event,
)
from tests.stored import counts, record_failure, rows

# The plain move


def test_the_event_has_new_faces_and_its_old_name_and_files(
    store: Repository, party: Event, sql: Any
) -> None:
    record_failure(store, party, b"/closed.jpg", None, None, "permission denied")
    files, before = store.known_files(party.id), counts(sql)
    when = "SELECT photo_id, state, ingested_at FROM event_photos ORDER BY 1"
    ingested = rows(sql, when)
    report = move(store)
    assert (report.outcome, report.was, report.pipeline) == ("done", NARROW, WIDE)
    assert (report.photos, report.new) == (4, 4)
    assert (report.faces_before, report.faces_after) == (7, 7)
    moved = the_event(store)
    assert (moved.name, moved.pipeline, moved.fingerprint) == ("party", WIDE, "today")
    assert moved.settings == FakePipeline(WIDE).settings
    assert store.events() == [moved]
    assert store.known_files(moved.id) == files
    assert counts(sql) == before
    assert rows(sql, when) == ingested
    assert rows(sql, "SELECT DISTINCT pipeline, dimension, event_id FROM faces") == [
        (WIDE, 768, moved.id)
    ]
    assert rows(sql, "SELECT count(*) FROM events") == [(1,)]
    assert rows(sql, "SELECT count(*) FROM event_photos WHERE replaces IS NOT NULL") == [(0,)]
    assert reds(store, WIDE) == ["0.png", "1.png", "2.png", "3.png"]


def test_the_result_is_that_of_an_ingest(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    move(store)
    fill(store, photos, FakePipeline(WIDE), "fresh")
    moved, fresh = snapshot(sql), snapshot(sql, "fresh")
    when = 7
    assert [row[:when] + row[when + 1 :] for row in moved] == [
        row[:when] + row[when + 1 :] for row in fresh
    ]
    assert len(moved) == 10
    again = fill(store, photos, FakePipeline(WIDE))
    assert (again.new, again.skipped) == (0, 5)


def test_other_settings_and_other_weights_of_the_same_pipeline(
    store: Repository, party: Event, sql: Any
) -> None:
    finder = FakePipeline(NARROW, settings={"detector.threshold": 0.7}, shift=5)
    assert move(store, finder).outcome == "done"
    assert the_event(store).settings["detector.threshold"] == 0.7
    assert rows(sql, "SELECT min(x) FROM faces") == [(5.0,)]
    newer = FakePipeline(NARROW, "newer", settings={"detector.threshold": 0.7})
    assert move(store, newer).outcome == "done"
    assert the_event(store).fingerprint == "newer"
    assert rows(sql, "SELECT count(*), min(x) FROM faces") == [(7, 0.0)]


def test_an_event_that_is_there_already_is_left_alone(store: Repository, party: Event) -> None:
    finder = FakePipeline(NARROW)
    report = move(store, finder)
    assert (report.outcome, report.photos, report.faces_after) == ("already", 4, 7)
    assert finder.seen == 0
    assert the_event(store) == party


def test_an_event_without_photos(store: Repository) -> None:
    narrow = FakePipeline(NARROW)
    store.ensure_event("empty", NARROW, narrow.fingerprint, 128, narrow.settings)
    report = move(store, name="empty")
    assert (report.outcome, report.photos, report.faces_after) == ("done", 0, 0)
    assert the_event(store, "empty").pipeline == WIDE


def test_other_events_are_left_alone(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    fill(store, photos, FakePipeline(NARROW), "copy")
    before = snapshot(sql, "copy")
    move(store)
    assert snapshot(sql, "copy") == before
    assert [event.pipeline for event in store.events()] == [NARROW, WIDE]


# Throughout


def test_the_old_faces_are_searched_until_the_new_ones_are_whole(
    store: Repository, party: Event, photos: Path, database_url: str, tmp_path: Path
) -> None:
    def state(of: Repository) -> tuple[Any, ...]:
        now = the_event(of)
        return reds(of), of.events(), of.summary(now.id), of.event_photos(now.id)

    expected, seen = state(store), []

    @contextmanager
    def watch(_photos: int) -> Iterator[Callable[[int], object]]:
        with open_store(tmp_path, database_url) as other:
            yield lambda _stored: seen.append(state(other))

    assert move(store, progress=watch).outcome == "done"
    assert seen == [expected] * 4


def test_an_unfinished_move_is_seen_nowhere(store: Repository, party: Event, photos: Path) -> None:
    known = store.known_files(party.id)
    assert move(store, stop=stop_after(3)).outcome == "interrupted"
    assert store.events() == [party]
    assert store.event("party") == party
    assert store.known_files(party.id) == known
    assert (store.summary(party.id).photos, store.summary(party.id).faces) == (4, 7)
    # Of the same weights, so only its being hidden keeps its faces out of samples.
    same = FakePipeline(NARROW, settings={"detector.threshold": 0.7})
    assert move(store, same, stop=stop_after(3)).outcome == "interrupted"
    assert len(store.cohort([party], 100)) == 7
    assert store.count_faces([party]) == 7
    assert len(store.faces_within(colour(0, NARROW), [party], max_distance=9)) == 7


def test_a_stopped_run_goes_on_where_it_was(store: Repository, party: Event, sql: Any) -> None:
    assert move(store, stop=stop_after(3)).new == 3
    finder = FakePipeline(WIDE)
    report = move(store, finder)
    assert (report.outcome, report.new, finder.seen) == ("done", 1, 1)
    assert report.photos == 4


def test_a_move_elsewhere_drops_the_unfinished_one_and_says_so(
    store: Repository, party: Event, sql: Any
) -> None:
    told: list[str] = []
    move(store, stop=stop_after(3), tell=told.append)
    assert told == []
    finder = FakePipeline(WIDE, "other weights")
    assert move(store, finder, stop=stop_after(2), tell=told.append).new == 2
    assert len(told) == 1
    assert f"to pipeline {WIDE}" in told[0]
    assert rows(sql, "SELECT count(*) FROM event_photos WHERE replaces IS NOT NULL") == [(2,)]
    assert move(store, FakePipeline(NARROW), tell=told.append).outcome == "already"
    assert len(told) == 2
    assert rows(sql, "SELECT count(*) FROM events") == [(1,)]
    assert counts(sql)["faces"] == 7


# Files that cannot be read


def test_a_photo_that_is_gone_keeps_the_event_from_moving(
    store: Repository, party: Event, photos: Path
) -> None:
    (photos / "0.png").rename(photos.parent / "elsewhere.png")
    report = move(store)
    assert (report.outcome, report.new, report.faces_after) == ("incomplete", 3, 7)
    assert [(photo.path, photo.reason) for photo in report.unreadable] == [
        (photos / "0.png", "the file is gone")
    ]
    assert the_event(store) == party
    assert reds(store) == ["0.png", "1.png", "2.png", "3.png"]
    (photos.parent / "elsewhere.png").rename(photos / "0.png")
    finder = FakePipeline(WIDE)
    assert (move(store, finder).outcome, finder.seen) == ("done", 1)


def test_a_photo_that_was_gone_before_counts_too(
    store: Repository, party: Event, photos: Path
) -> None:
    (photos / "0.png").unlink()
    fill(store, photos, FakePipeline(NARROW))
    assert store.summary(party.id).missing == 1
    assert move(store).outcome == "incomplete"


def test_a_photo_that_is_forgotten_does_not(store: Repository, party: Event, photos: Path) -> None:
    (photos / "0.png").unlink()
    store.forget_paths([os.fsencode(photos / "0.png")], party)
    report = move(store)
    assert (report.outcome, report.photos, report.unreadable) == ("done", 3, ())


def test_a_changed_file_is_not_the_photo_but_its_copy_is(
    store: Repository, party: Event, photos: Path
) -> None:
    write_photo(photos / "0.png", BLUE, size=(30, 30))
    write_photo(photos / "1.png", BLUE, size=(30, 30))
    report = move(store)
    assert report.new == 3
    assert [(photo.path.name, photo.reason) for photo in report.unreadable] == [("0.png", CHANGED)]


def test_left_out_photos_are_failed_and_found_again_by_an_ingest(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    decide(sql, "0.png", 0)
    away = photos.parent / "elsewhere.png"
    (photos / "0.png").rename(away)
    report = move(store, leave_out_missing=True)
    assert (report.outcome, report.photos, report.faces_after, report.lost) == ("done", 3, 6, 1)
    assert [photo.path.name for photo in report.unreadable] == ["0.png"]
    moved = the_event(store)
    failed = {failure.path.name: failure.reason for failure in store.failures(moved.id)}
    assert failed["0.png"] == "the file is gone"
    assert failed.keys() == {"0.png", "broken.png"}
    assert (decisions(sql), lost(sql)) == ([], ["0.png 0"])
    away.rename(photos / "0.png")
    again = fill(store, photos, FakePipeline(WIDE))
    assert (again.new, again.photos, again.faces) == (1, 4, 7)
    assert (decisions(sql), lost(sql)) == ([("0.png 0", 0.0)], [])


# What was decided about faces


WHO = "SELECT person_id, decided_by, created_at FROM sighting_person ORDER BY 1"


def test_decisions_go_to_the_face_in_the_same_place(
    store: Repository, party: Event, sql: Any
) -> None:
    decide(sql, "2.png", 0)
    decide(sql, "2.png", 2, by="machine")
    before = rows(sql, WHO)
    report = move(store, FakePipeline(WIDE, shift=10))
    # What the machine said goes along; it is not counted.
    assert (report.carried, report.lost) == (1, 0)
    assert decisions(sql) == [("2.png 0", 10.0), ("2.png 2", 74.0)]
    assert rows(sql, WHO) == before
    assert orphans(sql) == 0


def test_decisions_without_a_face_wait_for_one(store: Repository, party: Event, sql: Any) -> None:
    decide(sql, "2.png", 0)
    away = FakePipeline(WIDE, shift=1000)
    assert (move(store, away).lost, decisions(sql), lost(sql)) == (1, [], ["2.png 0"])
    assert (move(store, FakePipeline(WIDE, "2", shift=1000)).lost, lost(sql)) == (1, ["2.png 0"])
    report = move(store, FakePipeline(NARROW))
    assert (report.carried, report.lost) == (1, 0)
    assert (decisions(sql), lost(sql)) == ([("2.png 0", 0.0)], [])
    assert orphans(sql) == 0


def test_a_decision_that_was_undone_waits_too(store: Repository, party: Event, sql: Any) -> None:
    ((sighting,),) = rows(sql, "SELECT sighting_id FROM faces ORDER BY id LIMIT 1")
    with store.deciding("confirm") as draft:
        draft.assign(draft.create("Ann", "ann"), [sighting], confirmed=True)
    store.undo()
    move(store, FakePipeline(WIDE, shift=1000))
    store.redo()
    move(store, FakePipeline(NARROW))
    assert decisions(sql) == [("Ann", 0.0)]


def test_what_the_machine_said_goes_with_the_last_face(
    store: Repository, party: Event, sql: Any
) -> None:
    decide(sql, "2.png", 0, by="machine")
    assert move(store, FakePipeline(WIDE, shift=1000)).lost == 0
    assert rows(sql, WHO) == []
    assert orphans(sql) == 0


def test_a_decision_made_since_wins_over_one_that_was_lost(
    store: Repository, party: Event, sql: Any
) -> None:
    decide(sql, "0.png", 0)
    move(store, FakePipeline(WIDE, shift=60))
    assert lost(sql) == ["0.png 0"]
    rows(sql, "UPDATE people SET name = 'before', name_key = 'before'")
    decide(sql, "0.png", 0)
    # Between the two, and nearer to the one that was lost.
    report = move(store, FakePipeline(NARROW, shift=25))
    assert (report.carried, report.lost) == (1, 1)
    assert (decisions(sql), lost(sql)) == ([("0.png 0", 25.0)], ["before"])


def test_what_is_forgotten_takes_its_decisions_along(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    decide(sql, "2.png", 0)
    move(store, FakePipeline(WIDE, shift=1000))
    store.forget_paths([os.fsencode(photos / "2.png")], None)
    assert lost(sql) == []


def test_a_move_that_is_given_up_leaves_no_sightings(
    store: Repository, party: Event, sql: Any
) -> None:
    count = "SELECT count(*) FROM sightings"
    away = FakePipeline(WIDE, shift=1000)
    move(store, away, stop=stop_after(3))
    assert rows(sql, count) == [(7 + 6,)]
    move(store, FakePipeline(WIDE, "other", shift=2000), stop=stop_after(1))
    assert rows(sql, count) == [(7 + 1,)]
    assert move(store, FakePipeline(NARROW)).outcome == "already"
    assert rows(sql, count) == [(7,)]

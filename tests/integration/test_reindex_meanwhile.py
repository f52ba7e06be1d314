"""Moving events while others ingest, forget, search and move them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facefind.errors import StoreError
from facefind.ingest import find_photos, ingest
from facefind.reindex import reindex, target_of
from facefind.store.opening import open_store
from facefind.store.repository import Repository
from facefind.types import Event
from tests.fakes import BLUE, GREEN, RED, write_photo
from tests.moving import (
    NARROW,
    WIDE,
    FakePipeline,
    before_photo,
    colour,
    fill,
    move,
    reds,
    snapshot,
    stop_after,
    the_event,
)
from tests.stored import connected, counts, finish, record_failure, record_path, rows

# Others at work meanwhile


def test_photos_ingested_meanwhile_are_moved_too(
    store: Repository, party: Event, photos: Path, database_url: str, tmp_path: Path
) -> None:
    def add() -> None:
        write_photo(photos / "new.png", RED, GREEN, BLUE)
        with open_store(tmp_path, database_url) as other:
            assert fill(other, photos, FakePipeline(NARROW)).new == 1

    report = move(store, stop=before_photo(3, add))
    assert (report.outcome, report.photos, report.faces_before) == ("done", 5, 10)
    assert len(reds(store, WIDE)) == 5


def test_photos_forgotten_meanwhile_are_gone_from_both(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    def forget() -> None:
        forgotten = store.forget_paths([os.fsencode(photos / "0.png")], None)
        assert (forgotten.photos, forgotten.faces) == (1, 1)
        names = "SELECT count(*) FROM photos WHERE width = 90"
        assert rows(sql, names) == [(0,)]

    report = move(store, stop=before_photo(2, forget))
    assert (report.outcome, report.photos, report.faces_after) == ("done", 3, 6)
    assert counts(sql)["photos"] == 4


def test_a_photo_edited_meanwhile_leaves_nothing_behind(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    def edit() -> None:
        write_photo(photos / "0.png", BLUE, size=(30, 30))
        assert fill(store, photos, FakePipeline(NARROW)).new == 1

    report = move(store, stop=before_photo(2, edit))
    assert (report.outcome, report.photos, report.faces_after) == ("done", 4, 7)
    assert counts(sql) == {"photos": 5, "event_photos": 5, "event_paths": 6, "faces": 7}


def test_an_event_forgotten_meanwhile(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    with pytest.raises(StoreError, match="forgotten"):
        move(store, stop=before_photo(2, lambda: store.forget_event("party")))
    assert set(counts(sql).values()) == {0}
    assert rows(sql, "SELECT count(*) FROM events") == [(0,)]


def test_another_reindex_begun_meanwhile(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    def other() -> None:
        move(store, FakePipeline(WIDE, "other weights"), stop=stop_after(1))

    with pytest.raises(StoreError, match="another facefind reindex"):
        move(store, stop=before_photo(2, other))
    assert the_event(store) == party
    assert counts(sql)["faces"] == 8


def test_the_same_reindex_finished_meanwhile(store: Repository, party: Event) -> None:
    report = move(store, stop=before_photo(2, lambda: move(store)))
    assert (report.outcome, report.photos) == ("already", 4)


def test_the_same_reindex_finished_before_this_one_began(store: Repository, party: Event) -> None:
    finder = FakePipeline(WIDE)
    move(store)
    report = reindex(party, target_of(finder), store=store, finder=finder)
    assert (report.outcome, report.photos, finder.seen) == ("already", 4, 0)
    for other in (FakePipeline(WIDE, "other weights"), FakePipeline(NARROW)):
        with pytest.raises(StoreError):
            reindex(party, target_of(other), store=store, finder=other)


@pytest.mark.parametrize(
    "after", [FakePipeline(WIDE), FakePipeline(NARROW, "newer"),
              FakePipeline(NARROW, settings={"detector.threshold": 0.7})],
)  # fmt: skip
def test_an_ingest_that_began_before_is_refused(
    store: Repository, party: Event, photos: Path, sql: Any, after: FakePipeline
) -> None:
    finder = FakePipeline(NARROW)
    known = store.known_files(party.id)
    path = next(path for path in known if path.endswith(b"/0.png"))
    stamp, sha256 = known[path].stamp, known[path].sha256
    assert stamp is not None
    assert sha256 is not None
    move(store, after)
    whole = snapshot(sql)
    write_photo(photos / "new.png", RED)
    with pytest.raises(StoreError, match="reindex") as refused:
        ingest(find_photos([photos]), event=party, store=store, finder=finder)
    assert refused.value.hint == "Run the command again."
    writes: tuple[Callable[[], object], ...] = (
        lambda: record_failure(store, party, path, stamp, sha256, "broken"),
        lambda: record_path(store, party, path, stamp, sha256),
        lambda: store.mark_missing(party.id, [path]),
    )
    for write in writes:
        with pytest.raises(StoreError, match="reindex"):
            write()
    assert snapshot(sql) == whole


def test_a_search_that_began_before_is_refused(store: Repository, party: Event) -> None:
    move(store, FakePipeline(NARROW, "newer"))
    probe = colour(0, NARROW)
    for ask in (
        lambda: store.search(probe, [party]),
        lambda: store.faces_within(probe, [party], max_distance=1),
        lambda: store.cohort([party], 10),
        lambda: store.count_faces([party]),
    ):
        with pytest.raises(StoreError, match="Run the command again"):
            ask()


POINTS_TO = """
    SELECT conrelid::regclass::text, confrelid::regclass::text
    FROM pg_constraint
    WHERE contype = 'f' AND confrelid IN ('events'::regclass, 'event_photos'::regclass)
    ORDER BY 1, 2
"""


def test_every_table_that_points_to_an_event_is_known_to_the_move(sql: Any) -> None:
    """A new one needs a statement in reindex.sql: the event's old number goes away."""
    assert rows(sql, POINTS_TO) == [
        ("event_paths", "event_photos"),
        ("event_paths", "events"),
        ("event_photos", "event_photos"),
        ("event_photos", "events"),
        ("events", "events"),
        # Kept by triggers for whatever number the faces have.
        ("face_counts", "events"),
        ("faces", "event_photos"),
        ("faces", "events"),
    ]


def test_names_are_unique_among_visible_events(store: Repository, party: Event, sql: Any) -> None:
    move(store, stop=stop_after(1))
    assert rows(sql, "SELECT count(*) FROM events WHERE name = 'party'") == [(2,)]
    again = store.ensure_event("party", WIDE, "x", 768, {})
    assert again == party
    with connected(sql.dsn) as other, pytest.raises(Exception, match="events_name"):
        rows(other, "INSERT INTO events (name, pipeline, fingerprint, dimension) "
                    "VALUES ('party', 'dlib', 'x', 128)")  # fmt: skip
    assert finish([]) == []

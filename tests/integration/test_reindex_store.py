"""Moving events on a real database, with stand-ins for the models."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from facefind.errors import StoreError
from facefind.reindex import CHANGED, ReindexReport, reindex, target_of
from facefind.store.opening import open_store
from facefind.store.records import Outstanding
from facefind.store.repository import Repository
from facefind.types import Event
from tests.fakes import BLUE, GREEN, RED, write_photo
from tests.moving import (
    NARROW,
    WIDE,
    FakePipeline,
    colour,
    fill,
    snapshot,
    the_event,
    write_photos,
)
from tests.stored import connected, counts, finish, rows, start_python

_REINDEX = """
import sys, time
from pathlib import Path
from facefind.reindex import reindex, target_of
from facefind.store.opening import open_store
from tests.moving import WIDE, FakePipeline, the_event

def slowly(photos):
    for photo in photos:
        print("photo", flush=True)
        time.sleep(0.01)
        yield photo

with open_store(Path(sys.argv[1]), sys.argv[2]) as store:
    finder = FakePipeline(WIDE)
    print("ready", flush=True)
    sys.stdin.readline()
    report = reindex(
        the_event(store), target_of(finder), store=store, finder=finder, progress=slowly
    )
    print(report.outcome, flush=True)
"""

POINTS_TO = """
    SELECT conrelid::regclass::text, confrelid::regclass::text
    FROM pg_constraint
    WHERE contype = 'f' AND confrelid IN ('events'::regclass, 'event_photos'::regclass)
    ORDER BY 1, 2
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "party"
    write_photos(folder)
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    (folder / "broken.png").write_bytes((folder / "2.png").read_bytes()[:90])
    return folder


@pytest.fixture
def party(store: Repository, photos: Path) -> Event:
    """An event of the narrow pipeline: four photos with seven faces, one twice; one broken."""
    report = fill(store, photos, FakePipeline(NARROW))
    assert (report.photos, report.faces, len(report.failed)) == (4, 7, 1)
    return the_event(store)


def move(
    store: Repository, finder: FakePipeline | None = None, name: str = "party", **options: Any
) -> ReindexReport:
    finder = finder or FakePipeline(WIDE)
    return reindex(the_event(store, name), target_of(finder), store=store, finder=finder, **options)


def before_photo(number: int, do: Callable[[], object]) -> Callable[..., Iterable[Outstanding]]:
    """A progress that does something once, before the photo of that number."""
    left = [do]

    def wrap(items: Iterable[Outstanding]) -> Iterator[Outstanding]:
        for index, item in enumerate(items):
            if index == number and left:
                left.pop()()
            yield item

    return wrap


def stop_after(photos: int) -> Callable[[], bool]:
    """Asks to stop before the photo of that number, counted from 0."""
    asked = iter(range(10_000))
    return lambda: next(asked) >= photos


def reds(store: Repository, pipeline: str = NARROW) -> list[str]:
    """Names of the photos that show red."""
    found = store.search(colour(0, pipeline), [the_event(store)], max_distance=0.1)
    return [match.photo.name for match in found]


def decide(sql: Any, name: str, index: int, by: str = "user", event: str = "party") -> int:
    """Decides who the face of that number from the left is, in the photo of that name."""
    person = rows(sql, "INSERT INTO people (name) VALUES (%s) RETURNING id", f"{name} {index}")
    found = rows(
        sql,
        """INSERT INTO face_person (face_id, person_id, decided_by)
           SELECT f.id, %s, %s FROM faces f
           JOIN events e ON e.id = f.event_id AND e.replaces IS NULL AND e.name = %s
           WHERE f.event_photo_id IN (SELECT event_photo_id FROM event_paths
                                      WHERE convert_from(path, 'UTF8') LIKE %s)
           ORDER BY f.x OFFSET %s LIMIT 1 RETURNING face_id""",
        person[0][0], by, event, f"%/{name}", index,
    )  # fmt: skip
    assert len(found) == 1
    number: int = person[0][0]
    return number


def decisions(sql: Any) -> list[tuple[str, float]]:
    """Each decision with a face: the person's name, and where the face is."""
    found = rows(
        sql,
        """SELECT people.name, faces.x FROM face_person d JOIN people ON people.id = d.person_id
           JOIN faces ON faces.id = d.face_id ORDER BY 1""",
    )
    return [(name, x) for name, x in found]


def lost(sql: Any) -> list[str]:
    """The people of decisions that have no face."""
    found = rows(sql, "SELECT name FROM lost_decisions l JOIN people ON people.id = l.person_id")
    return sorted(row[0] for row in found)


# The plain move


def test_the_event_has_new_faces_and_its_old_name_and_files(
    store: Repository, party: Event, sql: Any
) -> None:
    store.record_failure(party, b"/closed.jpg", None, None, "permission denied")
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
    expected = reds(store), store.events(), store.summary(party.id), store.event_photos(party.id)
    seen = []

    def watch(items: Iterable[Outstanding]) -> Iterator[Outstanding]:
        with open_store(tmp_path, database_url) as other:
            for item in items:
                yield item
                now = the_event(other)
                seen.append(
                    (reds(other), other.events(), other.summary(now.id), other.event_photos(now.id))
                )

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


# Stopped anywhere


class Stopping:
    """A connection that fails at the statement of that number, and ever after."""

    def __init__(self, connection: Any, statements: int) -> None:
        self._connection, self.left = connection, statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def cursor(self) -> StoppingCursor:
        return StoppingCursor(self._connection.cursor(), self)

    def commit(self) -> None:
        self.count()
        self._connection.commit()
        self.count()


class StoppingCursor:
    """Counts statements."""

    def __init__(self, cursor: Any, connection: Stopping) -> None:
        self._cursor, self._connection = cursor, connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __enter__(self) -> StoppingCursor:
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.close()

    def execute(self, *arguments: Any) -> None:
        self._connection.count()
        self._cursor.execute(*arguments)


def test_stopped_at_any_statement_the_event_is_whole_and_the_next_run_ends_alike(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    connection = store._connection
    old = snapshot(sql)
    decide(sql, "2.png", 1)
    decided = snapshot(sql)
    move(store)
    new = snapshot(sql)
    assert old != decided != new
    stopped, both = 0, {"old": 0, "new": 0}
    while True:
        store.forget_event("party")
        fill(store, photos, FakePipeline(NARROW))
        rows(sql, "UPDATE event_photos SET ingested_at = %s", old[0][7])
        rows(sql, "DELETE FROM people")
        decide(sql, "2.png", 1)
        expected = [snapshot(sql), None]
        store._connection = Stopping(connection, stopped)
        try:
            move(store)
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            store._connection = connection
        now = snapshot(sql)
        is_old = now == expected[0]
        both["old" if is_old else "new"] += 1
        assert move(store).outcome == ("done" if is_old else "already")
        assert without_people(snapshot(sql)) == without_people(new)
        assert decisions(sql) == [("2.png 1", 32.0)]
        stopped += 1
    # Every statement of four photos and of the switch; and the moment after the switch.
    assert both["old"] > 40
    assert both["new"] == 1


def without_people(snapshot: list[Any]) -> list[Any]:
    return [(*row[:7], *row[8:-2]) for row in snapshot]


def begin(database_url: str, tmp_path: Path, count: int = 1) -> list[subprocess.Popen[str]]:
    """Processes that begin to move the event at the same time."""
    processes = [start_python(_REINDEX, tmp_path, database_url) for _ in range(count)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def test_kill_9_at_random_moments(
    store: Repository, tmp_path: Path, sql: Any, database_url: str
) -> None:
    write_photos(tmp_path / "party", 12)
    fill(store, tmp_path / "party", FakePipeline(NARROW))
    old, chance, photos = snapshot(sql), random.Random(3), []
    while the_event(store).pipeline == NARROW:
        assert snapshot(sql) == old
        (process,) = begin(database_url, tmp_path)
        assert process.stdout is not None
        wanted = chance.randrange(4)
        process.stdout.readline()
        for _ in range(wanted):
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        photos.append(wanted)
        assert len(photos) < 100
    assert len(photos) > 3
    killed = snapshot(sql)
    fill(store, tmp_path / "party", FakePipeline(WIDE), "fresh")
    assert [row[:7] + row[8:] for row in killed] == [
        row[:7] + row[8:] for row in snapshot(sql, "fresh")
    ]
    assert len(killed) == 24
    assert rows(sql, "SELECT count(*) FROM events") == [(2,)]


def test_three_at_once_end_as_one(
    store: Repository, party: Event, tmp_path: Path, database_url: str, sql: Any
) -> None:
    outcomes = []
    for process in begin(database_url, tmp_path, 3):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        outcomes.append(out.splitlines()[-1])
    assert sorted(outcomes) == ["already", "already", "done"]
    assert counts(sql)["faces"] == 7
    assert rows(sql, "SELECT DISTINCT pipeline FROM faces") == [(WIDE,)]


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


# Others at work meanwhile


def test_photos_ingested_meanwhile_are_moved_too(
    store: Repository, party: Event, photos: Path, database_url: str, tmp_path: Path
) -> None:
    def add() -> None:
        write_photo(photos / "new.png", RED, GREEN, BLUE)
        with open_store(tmp_path, database_url) as other:
            assert fill(other, photos, FakePipeline(NARROW)).new == 1

    report = move(store, progress=before_photo(3, add))
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

    report = move(store, progress=before_photo(2, forget))
    assert (report.outcome, report.photos, report.faces_after) == ("done", 3, 6)
    assert counts(sql)["photos"] == 4


def test_a_photo_edited_meanwhile_leaves_nothing_behind(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    def edit() -> None:
        write_photo(photos / "0.png", BLUE, size=(30, 30))
        assert fill(store, photos, FakePipeline(NARROW)).new == 1

    report = move(store, progress=before_photo(2, edit))
    assert (report.outcome, report.photos, report.faces_after) == ("done", 4, 7)
    assert counts(sql) == {"photos": 5, "event_photos": 5, "event_paths": 6, "faces": 7}


def test_an_event_forgotten_meanwhile(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    with pytest.raises(StoreError, match="forgotten"):
        move(store, progress=before_photo(2, lambda: store.forget_event("party")))
    assert set(counts(sql).values()) == {0}
    assert rows(sql, "SELECT count(*) FROM events") == [(0,)]


def test_another_reindex_begun_meanwhile(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    def other() -> None:
        move(store, FakePipeline(WIDE, "other weights"), stop=stop_after(1))

    with pytest.raises(StoreError, match="another facefind reindex"):
        move(store, progress=before_photo(2, other))
    assert the_event(store) == party
    assert counts(sql)["faces"] == 8


def test_the_same_reindex_finished_meanwhile(store: Repository, party: Event) -> None:
    report = move(store, progress=before_photo(2, lambda: move(store)))
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
    from facefind.ingest import find_photos, ingest

    with pytest.raises(StoreError, match="reindex") as refused:
        ingest(find_photos([photos]), event=party, store=store, finder=finder)
    assert refused.value.hint == "Run the command again."
    writes: tuple[Callable[[], object], ...] = (
        lambda: store.record_failure(party, path, stamp, sha256, "broken"),
        lambda: store.record_path(party, path, stamp, sha256),
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


# What was decided about faces


def test_decisions_go_to_the_face_in_the_same_place(
    store: Repository, party: Event, sql: Any
) -> None:
    decide(sql, "2.png", 0)
    decide(sql, "2.png", 2, by="machine")
    when = rows(sql, "SELECT person_id, decided_by, created_at FROM face_person ORDER BY 1")
    report = move(store, FakePipeline(WIDE, shift=10))
    assert (report.carried, report.lost) == (2, 0)
    assert decisions(sql) == [("2.png 0", 10.0), ("2.png 2", 74.0)]
    assert rows(sql, "SELECT person_id, decided_by, created_at FROM face_person ORDER BY 1") == when


def test_decisions_without_a_counterpart_wait_for_one(
    store: Repository, party: Event, sql: Any
) -> None:
    decide(sql, "2.png", 0)
    away = FakePipeline(WIDE, shift=1000)
    assert (move(store, away).lost, decisions(sql), lost(sql)) == (1, [], ["2.png 0"])
    assert (move(store, FakePipeline(WIDE, "2", shift=1000)).lost, lost(sql)) == (1, ["2.png 0"])
    report = move(store, FakePipeline(NARROW))
    assert (report.carried, report.lost) == (1, 0)
    assert (decisions(sql), lost(sql)) == ([("2.png 0", 0.0)], [])


def test_a_decision_made_since_wins_over_one_that_was_lost(
    store: Repository, party: Event, sql: Any
) -> None:
    decide(sql, "2.png", 0)
    move(store, FakePipeline(WIDE, shift=20))
    assert lost(sql) == ["2.png 0"]
    decide(sql, "2.png", 0)
    rows(sql, "UPDATE people SET name = 'since' WHERE id = (SELECT max(id) FROM people)")
    # Between the two, and nearer to the one that was lost.
    report = move(store, FakePipeline(NARROW, shift=8))
    assert (report.carried, report.lost) == (1, 1)
    assert (decisions(sql), lost(sql)) == ([("since", 8.0)], ["2.png 0"])


def test_what_is_forgotten_takes_its_decisions_along(
    store: Repository, party: Event, photos: Path, sql: Any
) -> None:
    decide(sql, "2.png", 0)
    move(store, FakePipeline(WIDE, shift=1000))
    store.forget_paths([os.fsencode(photos / "2.png")], None)
    assert lost(sql) == []


def test_every_table_that_points_to_an_event_is_known_to_the_move(sql: Any) -> None:
    """A new one needs a statement in reindex.sql: the event's old number goes away."""
    assert rows(sql, POINTS_TO) == [
        ("event_paths", "event_photos"),
        ("event_paths", "events"),
        ("event_photos", "event_photos"),
        ("event_photos", "events"),
        ("events", "events"),
        ("faces", "event_photos"),
        ("faces", "events"),
        ("lost_decisions", "event_photos"),
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

"""A move that is stopped anywhere: the event is whole, and the next run ends alike."""

from __future__ import annotations

import random
import signal
import subprocess
from pathlib import Path
from typing import Any

from facefind.store.repository import Repository
from facefind.types import Event
from tests.moving import (
    NARROW,
    WIDE,
    FakePipeline,
    decide,
    decisions,
    fill,
    move,
    snapshot,
    the_event,
    write_photos,
)
from tests.stopping import stopping
from tests.stored import counts, rows, start_python

_REINDEX = """
import sys
from pathlib import Path
from facefind.looking import Pace
from facefind.reindex import reindex, target_of
from facefind.store.opening import open_store
from tests.facefind_child import before_statements
from tests.moving import WIDE, FakePipeline, the_event
from tests.stopping import Stopper

step = lambda: None
before_statements(lambda: step())
with open_store(Path(sys.argv[1]), sys.argv[2]) as store:
    finder = FakePipeline(WIDE)
    print("ready", flush=True)
    sys.stdin.readline()
    step = Stopper.of(sys.argv[3]).step
    event, pace = the_event(store), Pace(threads=2)
    report = reindex(event, target_of(finder), store=store, finder=finder, pace=pace)
    print(report.outcome, flush=True)
"""


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


def begin(
    database_url: str, tmp_path: Path, count: int = 1, stop: str = ""
) -> list[subprocess.Popen[str]]:
    """Processes that begin to move the event at the same time.

    Args:
        stop: Before which of the move's statements each ends itself, as `stopping` says it.
    """
    processes = [start_python(_REINDEX, tmp_path, database_url, stop) for _ in range(count)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def test_kill_9_at_drawn_statements(
    store: Repository, tmp_path: Path, sql: Any, database_url: str
) -> None:
    write_photos(tmp_path / "party", 12)
    fill(store, tmp_path / "party", FakePipeline(NARROW))
    old, chance, codes = snapshot(sql), random.Random(3), []
    while the_event(store).pipeline == NARROW:
        assert snapshot(sql) == old
        stop = stopping(chance.randint(1, 40), signal.SIGKILL)
        (process,) = begin(database_url, tmp_path, stop=stop)
        process.communicate(timeout=120)
        codes.append(process.returncode)
        assert len(codes) < 100
    # Only the last may have come to its end.
    assert codes[:-1] == [-signal.SIGKILL] * (len(codes) - 1)
    assert len(codes) > 3
    moved = snapshot(sql)
    fill(store, tmp_path / "party", FakePipeline(WIDE), "fresh")
    assert [row[:7] + row[8:] for row in moved] == [
        row[:7] + row[8:] for row in snapshot(sql, "fresh")
    ]
    assert len(moved) == 24
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

"""Ingest killed at random moments, stopped, and run twice at once: nothing lost or doubled."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.program import Program
from tests.stopping import LATEST, stopping

FILES = 8
KILLS = 6

ROWS = """
    SELECT convert_from(paths.path, 'UTF8'), photos.sha256, event_photos.state,
           faces.x, faces.y, faces.w, faces.h, faces.score, faces.embedding::text
    FROM events
    JOIN event_paths paths ON paths.event_id = events.id
    JOIN event_photos ON event_photos.id = paths.event_photo_id
    JOIN photos ON photos.id = event_photos.photo_id
    LEFT JOIN faces ON faces.event_photo_id = event_photos.id
    WHERE events.name = %s
    ORDER BY 1, 4, 5
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def url(program: Program) -> Iterator[str]:
    """The database, running throughout, so that no run's time goes into starting it."""
    yield program.json("db", "start")["url"]
    assert program.json("db", "stop") == {"stopped": True}


@pytest.fixture(autouse=True)
def no_waiting_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction for each photo, so that there is more between them to be killed at."""
    monkeypatch.setenv("FACEFIND_BATCH", "1")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, sample_event: Path) -> Path:
    """Six photos with eight faces, one of them twice, and a broken one."""
    folder = tmp_path_factory.mktemp("photos") / "party"
    folder.mkdir()
    for number in (101, 102, 103, 106, 108, 110):
        shutil.copy(sample_event / "photos" / f"IMG_0{number}.jpg", folder)
    shutil.copy(folder / "IMG_0101.jpg", folder / "copy of IMG_0101.jpg")
    (folder / "broken.jpg").write_bytes((folder / "IMG_0102.jpg").read_bytes()[:5000])
    assert len(list(folder.iterdir())) == FILES
    return folder


def rows(url: str, event: str) -> list[tuple[Any, ...]]:
    """Everything stored of an event, in a stable order."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(ROWS, (event,))
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def stored_files(url: str, event: str) -> int:
    return len({row[0] for row in rows(url, event)})


def ingest(program: Program, photos: Path, event: str) -> None:
    done = program("ingest", photos, "--event", event)
    assert done.returncode == 1, done.stderr  # the broken photo


def moments(statements: int) -> list[str]:
    """When to kill a run of so many statements: every other time amid one or what follows it."""
    chance = random.Random(20)
    # One in each of as many equal parts: chance alone might leave a part of the run out.
    parts = [(part + chance.random()) / KILLS for part in range(KILLS)]
    seconds = [chance.uniform(1e-4, 4e-3) if part % 2 else 0.0 for part in range(KILLS)]
    return [
        stopping(1 + int(part * (statements - LATEST)), signal.SIGKILL, later)
        for part, later in zip(parts, seconds, strict=True)
    ]


def kill(program: Program, url: str, photos: Path, event: str, moment: str) -> int:
    """Runs an ingest into a new event, killed at that moment; how many of the files it stored."""
    done = program.stopping("statements", moment, "ingest", photos, "--event", event)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return stored_files(url, event)


def test_kill_9_at_random_moments_then_a_normal_run_equals_an_undisturbed_one(
    program: Program, url: str, photos: Path
) -> None:
    ingest(program, photos, "undisturbed")
    expected = rows(url, "undisturbed")
    assert len({row[0] for row in expected}) == FILES
    assert sum(row[8] is not None for row in expected) == 8
    # Grouping sends fewer statements where there are people already.
    statements = program.statements("ingest", photos, "--event", "counted")
    files, equal = [], []
    for number, moment in enumerate(moments(statements)):
        event = f"killed {number}"
        files.append(kill(program, url, photos, event, moment))
        ingest(program, photos, event)
        equal.append(rows(url, event) == expected)
    assert sum(0 < stored < FILES for stored in files) >= KILLS // 3, files
    assert equal == [True] * KILLS


def test_two_at_once_equal_one(program: Program, url: str, photos: Path) -> None:
    ingest(program, photos, "one")
    both = [program.start("ingest", photos, "--event", "two") for _ in range(2)]
    assert [process.wait() for process in both] == [1, 1]
    assert rows(url, "two") == rows(url, "one")


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(
    program: Program, url: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEFIND_THREADS", "1")
    stop = stopping(1, signal.SIGINT)
    done = program.stopping("photos", stop, "ingest", photos, "--event", "stopped", "-v")
    assert done.returncode == 130
    assert "To go on: facefind ingest" in done.stdout + done.stderr
    assert 0 < stored_files(url, "stopped") < FILES
    ingest(program, photos, "stopped")
    assert len(rows(url, "stopped")) == 10

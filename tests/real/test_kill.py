"""Ingest killed at random moments, stopped, and run twice at once: nothing lost or doubled."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import pytest

from tests.program import Program

FILES = 8
FIRST_LINE = "IMG_0101.jpg: 1 face"

KILLS_BEFORE, KILLS_AFTER = 4, 16
"""Before and after the first photo is stored."""

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


class Course(NamedTuple):
    """Seconds that a run takes to the line of its first photo, and from there to its end."""

    first: float
    rest: float


class Kill(NamedTuple):
    """What became of a run that was killed: its exit code, and how many of the files it stored."""

    code: int
    files: int


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def url(program: Program) -> Iterator[str]:
    """The database, running throughout, so that no run's time goes into starting it."""
    yield program.json("db", "start")["url"]
    assert program.json("db", "stop") == {"stopped": True}


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


def begin(program: Program, photos: Path, event: str) -> subprocess.Popen[str]:
    """Starts an ingest that says on stderr which photos it has stored."""
    return subprocess.Popen(
        program.command("ingest", photos, "--event", event, "-v"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=program.environment(),
    )


def await_first_photo(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    assert any(FIRST_LINE in line for line in process.stderr)


def course(program: Program, photos: Path) -> Course:
    """How an undisturbed run goes, at its fastest: a machine that is busy now may not be later."""
    runs = [timed(program, photos, f"timed {number}") for number in range(3)]
    return Course(*map(min, zip(*runs, strict=True)))


def timed(program: Program, photos: Path, event: str) -> Course:
    started = time.monotonic()
    process = begin(program, photos, event)
    await_first_photo(process)
    first = time.monotonic()
    process.communicate()
    return Course(first - started, time.monotonic() - first)


def moments(run: Course) -> list[tuple[bool, float]]:
    """When to kill: whether to await the first photo, and how many seconds to wait then."""
    chance = random.Random(20)
    before = [(False, chance.uniform(0.1, 0.9) * run.first) for _ in range(KILLS_BEFORE)]
    # One in each of as many equal parts: chance alone might leave a part of the run out.
    parts = [(part + chance.random()) / KILLS_AFTER for part in range(KILLS_AFTER)]
    return [*before, *((True, part * run.rest) for part in parts)]


def kill(
    program: Program, url: str, photos: Path, event: str, after_first: bool, seconds: float
) -> Kill:
    """Runs an ingest into a new event and kills it with SIGKILL at a moment of `moments`."""
    process = begin(program, photos, event)
    if after_first:
        await_first_photo(process)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return Kill(process.returncode, stored_files(url, event))


def test_kill_9_at_random_moments_then_a_normal_run_equals_an_undisturbed_one(
    program: Program, url: str, photos: Path
) -> None:
    ingest(program, photos, "undisturbed")
    expected = rows(url, "undisturbed")
    assert len({row[0] for row in expected}) == FILES
    assert sum(row[8] is not None for row in expected) == 8
    kills, equal = [], []
    for number, (after_first, seconds) in enumerate(moments(course(program, photos))):
        event = f"killed {number}"
        kills.append(kill(program, url, photos, event, after_first, seconds))
        ingest(program, photos, event)
        equal.append(rows(url, event) == expected)
    # The moments are guesses from another run's times: a few may come too late.
    assert sum(done.code == -signal.SIGKILL for done in kills) >= 15, kills
    assert sum(0 < done.files < FILES for done in kills) >= 5, kills
    assert equal == [True] * (KILLS_BEFORE + KILLS_AFTER)


def test_two_at_once_equal_one(program: Program, url: str, photos: Path) -> None:
    ingest(program, photos, "one")
    both = [program.start("ingest", photos, "--event", "two") for _ in range(2)]
    assert [process.wait() for process in both] == [1, 1]
    assert rows(url, "two") == rows(url, "one")


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(
    program: Program, url: str, photos: Path
) -> None:
    process = begin(program, photos, "stopped")
    await_first_photo(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "To go on: facefind ingest" in out + err
    assert 0 < stored_files(url, "stopped") < FILES
    ingest(program, photos, "stopped")
    assert len(rows(url, "stopped")) == 10

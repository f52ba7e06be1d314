"""Ingest killed at random moments, stopped, and run twice at once: nothing lost or doubled."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest

from tests.program import Program

KILLS = 20

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
def photos(tmp_path_factory: pytest.TempPathFactory, sample_event: Path) -> Path:
    """Six photos with eight faces, one of them twice, and a broken one."""
    folder = tmp_path_factory.mktemp("photos") / "party"
    folder.mkdir()
    for number in (101, 102, 103, 106, 108, 110):
        shutil.copy(sample_event / "photos" / f"IMG_0{number}.jpg", folder)
    shutil.copy(folder / "IMG_0101.jpg", folder / "copy of IMG_0101.jpg")
    (folder / "broken.jpg").write_bytes((folder / "IMG_0102.jpg").read_bytes()[:5000])
    return folder


def rows(program: Program, event: str) -> list[tuple[Any, ...]]:
    """Everything stored of an event, in a stable order."""
    url = program.json("db", "start")["url"]
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(ROWS, (event,))
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found
    finally:
        connection.close()
        program("db", "stop")


def ingest(program: Program, photos: Path, event: str) -> None:
    done = program("ingest", photos, "--event", event)
    assert done.returncode == 1, done.stderr  # the broken photo


def test_kill_9_at_random_moments_then_a_normal_run_equals_an_undisturbed_one(
    program: Program, photos: Path
) -> None:
    started = time.monotonic()
    ingest(program, photos, "undisturbed")
    whole_run = time.monotonic() - started
    expected = rows(program, "undisturbed")
    assert len({row[0] for row in expected}) == 8
    assert sum(row[8] is not None for row in expected) == 8
    moments = random.Random(20).sample(np.linspace(0.05, 1.0, KILLS).tolist(), KILLS)
    equal = []
    for number, moment in enumerate(moments):
        process = program.start("ingest", photos, "--event", f"killed {number}")
        time.sleep(moment * whole_run)
        process.send_signal(signal.SIGKILL)
        process.wait()
        ingest(program, photos, f"killed {number}")
        equal.append(rows(program, f"killed {number}") == expected)
    assert equal == [True] * KILLS


def test_two_at_once_equal_one(program: Program, photos: Path) -> None:
    ingest(program, photos, "one")
    both = [program.start("ingest", photos, "--event", "two") for _ in range(2)]
    assert [process.wait() for process in both] == [1, 1]
    assert rows(program, "two") == rows(program, "one")


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(program: Program, photos: Path) -> None:
    process = subprocess.Popen(
        program.command("ingest", photos, "--event", "stopped", "-v"),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=program.environment(),
    )
    assert process.stderr is not None
    line = next(line for line in process.stderr if "IMG_0101.jpg" in line)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert "1 face" in line
    assert process.returncode == 130
    assert "To go on: facefind ingest" in out
    ingest(program, photos, "stopped")
    assert len(rows(program, "stopped")) == 10

"""Albums killed at random moments, then written again: as if nothing had happened."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from PIL import Image

from tests.albums_child import PHOTOS
from tests.albums_written import contents_of
from tests.program import REPO
from tests.stopping import LATEST, stopping

Writing: TypeAlias = subprocess.Popen[str]

KILLS = 4
"""Of each course."""

COURSES = [("link", "link"), ("copy", "copy"), ("copy", "zip"), ("zip", "link")]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of noise, which make large files: they take time to write."""
    folder = tmp_path_factory.mktemp("photos") / "party"
    folder.mkdir()
    noise = np.random.default_rng(7)
    for number in range(PHOTOS):
        pixels = noise.integers(0, 256, (750, 1000, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"IMG_{number:04}.jpg", quality=92)
        os.utime(folder / f"IMG_{number:04}.jpg", (1_600_000_000 + number, 1_600_000_000 + number))
    return folder


def begin(out: Path, photos: Path, mode: str, state: str, stop: str = "") -> Writing:
    """Starts a run that is to stop itself then."""
    arguments = (str(out), str(photos), mode, state, stop)
    return subprocess.Popen(
        # Without bytecode: written by one run alone, it would be changes of that run alone.
        [sys.executable, "-B", "-m", "tests.albums_child", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPO,
    )


def end(process: Writing) -> int:
    """Waits for a run that ends well; how many changes it made to the disk."""
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    return int(said)


def finish(out: Path, photos: Path, mode: str, state: str) -> int:
    """Runs to the end; how many changes that made to the disk."""
    return end(begin(out, photos, mode, state))


def kill(out: Path, photos: Path, mode: str, change: int, seconds: float = 0.0) -> None:
    """Runs until it is killed before the change of that number, or so many seconds later."""
    stop = stopping(change, signal.SIGKILL, seconds)
    process = begin(out, photos, mode, "later", stop)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors


def written(out: Path) -> dict[str, object]:
    return contents_of(out, times=True)


@pytest.mark.parametrize(("earlier", "later"), COURSES)
def test_kill_9_at_random_changes_then_a_normal_run_equals_an_undisturbed_one(
    photos: Path, tmp_path: Path, earlier: str, later: str
) -> None:
    finish(tmp_path / "first", photos, earlier, "earlier")
    shutil.copytree(tmp_path / "first", tmp_path / "expected", symlinks=True)
    changes = finish(tmp_path / "expected", photos, later, "later")
    first, expected = written(tmp_path / "first"), written(tmp_path / "expected")
    assert len(expected) > 2 * PHOTOS
    chance = random.Random(20)
    unfinished, equal = 0, []
    for number in range(KILLS):
        out = tmp_path / "killed"
        shutil.copytree(tmp_path / "first", out, symlinks=True)
        # One in each of as many equal parts, so that no part of the run is left out by chance.
        part = (number + chance.random()) / KILLS
        change = 1 + int(part * (changes - LATEST))
        # Every other one comes while something is being written.
        kill(out, photos, later, change, chance.uniform(1e-4, 4e-3) if number % 2 else 0.0)
        unfinished += written(out) not in (first, expected)
        finish(out, photos, later, "later")
        equal.append(written(out) == expected)
        shutil.rmtree(out)
    # Only before the first change and after the last is nothing half done.
    assert unfinished >= KILLS - 2
    assert equal == [True] * KILLS


def test_killed_again_and_again_in_the_first_run(photos: Path, tmp_path: Path) -> None:
    changes = finish(tmp_path / "expected", photos, "copy", "later")
    out = tmp_path / "killed"
    for _ in range(4):
        # Each goes on where the one before was killed, so the four do not come to the end.
        kill(out, photos, "copy", changes // 5)
    finish(out, photos, "copy", "later")
    assert written(out) == written(tmp_path / "expected")


def test_two_at_once(photos: Path, tmp_path: Path) -> None:
    changes = finish(tmp_path / "alone", photos, "copy", "earlier")
    out = tmp_path / "out"
    one = begin(out, photos, "copy", "earlier", stopping(changes // 2, signal.SIGSTOP))
    assert os.WIFSTOPPED(os.waitpid(one.pid, os.WUNTRACED)[1])
    other = begin(out, photos, "copy", "earlier")
    _, errors = other.communicate()
    one.send_signal(signal.SIGCONT)
    assert "Another facefind is writing into" in errors
    assert end(one) == changes
    assert written(out) == written(tmp_path / "alone")

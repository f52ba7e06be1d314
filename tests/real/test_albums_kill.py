"""Albums killed at random moments, then written again: as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefind.albums import RECORD_NAME
from tests.albums_child import PHOTOS
from tests.program import REPO

KILLS = 4
"""Of each course."""

COURSES = [("link", "link"), ("hardlink", "hardlink"), ("copy", "copy"), ("zip", "zip")]
COURSES += [("copy", "zip"), ("zip", "link")]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of noise, which make large files: there is time to be killed in."""
    folder = tmp_path_factory.mktemp("photos") / "party"
    folder.mkdir()
    noise = np.random.default_rng(7)
    for number in range(PHOTOS):
        pixels = noise.integers(0, 256, (750, 1000, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"IMG_{number:04}.jpg", quality=92)
        os.utime(folder / f"IMG_{number:04}.jpg", (1_600_000_000 + number, 1_600_000_000 + number))
    return folder


def begin(out: Path, photos: Path, mode: str, state: str) -> subprocess.Popen[str]:
    """Starts a run and returns when it begins to write."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.albums_child", str(out), str(photos), mode, state],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPO,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(out: Path, photos: Path, mode: str, state: str) -> float:
    """Runs to the end; seconds from the first write."""
    process = begin(out, photos, mode, state)
    started = time.monotonic()
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return time.monotonic() - started


def contents(out: Path) -> dict[str, object]:
    """Every path in a folder and what is there; of the record what it says."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.is_symlink():
            found[name] = path.readlink()
        elif path.is_dir():
            found[name] = None
        elif path.name == RECORD_NAME:
            found[name] = json.loads(path.read_text())
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            if path.suffix in (".jpg", ".zip"):
                found[f"{name} at"] = path.stat().st_mtime_ns
    return found


@pytest.mark.parametrize(("earlier", "later"), COURSES)
def test_kill_9_at_random_moments_then_a_normal_run_equals_an_undisturbed_one(
    photos: Path, tmp_path: Path, earlier: str, later: str
) -> None:
    finish(tmp_path / "first", photos, earlier, "earlier")
    shutil.copytree(tmp_path / "first", tmp_path / "expected", symlinks=True)
    seconds = finish(tmp_path / "expected", photos, later, "later")
    expected = contents(tmp_path / "expected")
    assert len(expected) > 2 * PHOTOS
    chance = random.Random(20)
    killed, unfinished, equal = 0, 0, []
    for number in range(KILLS):
        out = tmp_path / "killed"
        shutil.copytree(tmp_path / "first", out, symlinks=True)
        process = begin(out, photos, later, "later")
        # One in each of as many equal parts, so that no part of the run is left out by chance.
        time.sleep((number + chance.random()) / KILLS * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        unfinished += contents(out) not in (contents(tmp_path / "first"), expected)
        finish(out, photos, later, "later")
        equal.append(contents(out) == expected)
        shutil.rmtree(out)
    # The moments are guesses from another run's time: one may come too late.
    assert killed >= KILLS - 2
    assert unfinished >= 2
    assert equal == [True] * KILLS


def test_killed_in_the_first_run(photos: Path, tmp_path: Path) -> None:
    seconds = finish(tmp_path / "expected", photos, "copy", "later")
    expected = contents(tmp_path / "expected")
    out = tmp_path / "killed"
    for part in (0.1, 0.3, 0.5, 0.7):
        process = begin(out, photos, "copy", "later")
        time.sleep(part * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finish(out, photos, "copy", "later")
    assert contents(out) == expected


def test_two_at_once(photos: Path, tmp_path: Path) -> None:
    one = begin(tmp_path / "out", photos, "copy", "earlier")
    while not (tmp_path / "out" / RECORD_NAME).exists():
        assert one.poll() is None
    other = begin(tmp_path / "out", photos, "copy", "earlier")
    _, errors = other.communicate()
    assert one.wait() == 0
    assert "Another facefind is writing into" in errors
    finish(tmp_path / "alone", photos, "copy", "earlier")
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")

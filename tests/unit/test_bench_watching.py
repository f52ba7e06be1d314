"""What is seen of processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.benchmarks import watching

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux only")

HELD = 64 * 2**20
NOBODY = 2**22 + 1
"""Above the highest number that a process may have."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """A process that works in a home as its database does."""
    folder = tmp_path / "home" / "postgres"
    folder.mkdir(parents=True)
    code = "print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate(b"\n")


def test_a_home_s_database_is_told_from_the_command_that_it_belongs_to(
    tmp_path: Path, server: int
) -> None:
    own, database = watching._processes(os.getpid(), tmp_path / "home")
    assert os.getpid() in own
    assert database == [server]
    assert server not in own
    assert watching._processes(NOBODY, tmp_path / "other") == ([], [])


def test_memory_that_is_written_to_is_resident() -> None:
    before = watching._resident(os.getpid()), watching._pss(os.getpid())
    block = bytearray(b"\1") * HELD
    after = watching._resident(os.getpid()), watching._pss(os.getpid())
    assert after[0] - before[0] > 0.9 * HELD
    assert after[1] - before[1] > 0.9 * HELD
    assert len(block) == HELD


def test_a_process_s_time_is_counted() -> None:
    before, started = watching._cpu(os.getpid()), time.process_time()
    while time.process_time() < started + 0.1:
        pass
    assert watching._cpu(os.getpid()) - before >= 0.05


def test_a_process_that_is_gone_holds_nothing() -> None:
    gone = (watching._resident, watching._pss, watching._cpu, watching.bytes_read)
    assert [look(NOBODY) for look in gone] == [0, 0, 0, 0]


def test_what_is_watched_is_seen_while_it_lasts(tmp_path: Path) -> None:
    """A command of facefind that needs no database."""
    watch = watching.run(tmp_path / "home", "models", every=0.01)
    assert watch.answer
    assert watch.peak > 2**20
    assert watch.cpu_seconds > 0
    assert [sample.at for sample in watch.samples] == sorted(s.at for s in watch.samples)
    with pytest.raises(RuntimeError, match="no-such-folder"):
        watching.run(tmp_path / "home", "ingest", tmp_path / "no-such-folder")

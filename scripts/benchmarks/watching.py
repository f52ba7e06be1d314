"""Runs a facefind command and watches all its processes, the database's too: memory and CPU time.

Memory is what is resident: all that the command's own processes hold, and of the database's the
proportional set sizes (PSS), in which a page that several of them share is counted once. It is
sampled, so a peak shorter than a sample may be missed. To add up a PSS the kernel goes through all
pages, and to find the database's processes all processes must be looked at; so that watching takes
little from what is watched, both are done seldom once the database has started. Linux only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EVERY = 0.1
"""Seconds between samples."""

SELDOM = 1.0
"""Seconds between looks at the database's memory, and for processes that are new."""

STARTING = 2.0
"""Seconds in which these looks are at every sample."""

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """What all processes held at one time.

    Attributes:
        at: Seconds since the start.
        own, database: Bytes.
    """

    at: float
    own: int
    database: int

    @property
    def all(self) -> int:
        """Of both."""
        return self.own + self.database


@dataclass(slots=True)
class Watch:
    """What was seen of a command and of the database in its home.

    Attributes:
        seconds: From start to end.
        samples: In order.
        cpu_seconds: Of all processes, as far as was seen when they were last looked at.
        answer: What the command printed as JSON.
    """

    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    cpu_seconds: float = 0.0
    answer: Any = None

    @property
    def peak(self) -> int:
        """Bytes that all processes together held at the most."""
        return max((sample.all for sample in self.samples), default=0)


def run(
    home: Path,
    *words: object,
    env: Mapping[str, str] | None = None,
    every: float = EVERY,
    look: Callable[[int], None] = lambda _: None,
    exit_codes: Collection[int] = (0,),
) -> Watch:
    """Runs ``facefind`` with a home of its own, to its end, with ``--json``.

    Args:
        every: Seconds between samples.
        look: Called with its process's number at each sample.
        exit_codes: Those that do not mean that it failed.

    Raises:
        RuntimeError: It failed; with what it said.
    """
    command = [sys.executable, "-m", "facefind", *map(str, words), "--json"]
    environment = {k: v for k, v in os.environ.items() if k != "FACEFIND_DATABASE_URL"}
    environment |= {"FACEFIND_HOME": str(home), **(env or {})}
    watch = Watch()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=said, env=environment)
        with _watched(watch, process.pid, home, start, every, look):
            _, status, usage = os.wait4(process.pid, 0)
            watch.seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.cpu_seconds += usage.ru_utime + usage.ru_stime
        out.seek(0)
        said.seek(0)
        if process.returncode not in exit_codes:
            raise RuntimeError(f"{' '.join(command[2:])}: {(said.read() + out.read())[-2000:]}")
        watch.answer = json.loads(out.read())
    return watch


@contextmanager
def _watched(
    watch: Watch,
    pid: int,
    home: Path,
    start: float,
    every: float,
    also: Callable[[int], None],
) -> Iterator[None]:
    over = threading.Event()
    cpu: dict[int, float] = {}

    def look() -> None:
        own: list[int] = []
        held, again = 0, 0.0
        while not over.is_set():
            at = time.perf_counter() - start
            if at >= again:
                own, database = _processes(pid, home)
                cpu.update(dict.fromkeys(database, 0.0) | cpu)
                held = sum(map(_pss, database))
                again = at + SELDOM if at > STARTING else 0.0
            # A process that is gone keeps what it had.
            cpu.update((each, max(_cpu(each), before)) for each, before in cpu.items())
            watch.samples.append(Sample(at, sum(map(_resident, own)), held))
            also(pid)
            over.wait(every)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        watch.cpu_seconds = sum(cpu.values())


def _processes(pid: int, home: Path) -> tuple[list[int], list[int]]:
    """The command's own processes, and the database's: they work in its folder under the home."""
    parents: dict[int, int] = {}
    database = []
    place = str(home.resolve()) + "/"
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names alone, once a second
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text()
                folder = str(Path("/proc", entry, "cwd").readlink())
            except OSError:
                continue
            parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
            if folder.startswith(place):
                database.append(int(entry))
    own = [each for each in parents if _descends(each, pid, parents) and each not in database]
    return own, database


def _descends(pid: int, ancestor: int, parents: Mapping[int, int]) -> bool:
    while pid != ancestor and pid in parents:
        pid = parents[pid]
    return pid == ancestor


def bytes_read(pid: int) -> int:
    """Bytes that a process has read from files so far; none of one that is gone."""
    try:
        text = Path(f"/proc/{pid}/io").read_text()
    except OSError:
        return 0
    return int(text.split()[1])


def _resident(pid: int) -> int:
    """Bytes; none of a process that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _pss(pid: int) -> int:
    """Bytes; none of a process that is gone, or that has not begun yet."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def cpu_of(pid: int) -> float:
    """Seconds so far of a process of one thread, to the nanosecond; none of one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return 0.0


def _cpu(pid: int) -> float:
    """Seconds so far of a process without its children; none of one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK

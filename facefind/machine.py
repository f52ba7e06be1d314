"""What this process may use of the machine: cores and memory, within a container's limits."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")
"""Where Linux tells of control groups: in ``proc`` and ``sys``."""


def usable_cores(root: Path | None = None) -> int:
    """Cores that this process may use; a quota of one and a half counts as two."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quotas = [quota for folder in _groups("cpu", root) for quota in _quota(folder)]
    return max(1, min(cores, *map(math.ceil, quotas)) if quotas else cores)


def usable_memory(root: Path | None = None) -> int | None:
    """Bytes of memory that this process may hold; None where the system does not tell."""
    limits = [limit for folder in _groups("memory", root) for limit in _memory(folder)]
    return min([*limits, *_physical()], default=None)


def _groups(controller: str, root: Path | None) -> Iterator[Path]:
    """The folders of the control groups that this process is in, each below the one around it.

    Limits of all of them hold. Where a container sees the names that its groups have outside, it
    has no folder of that name, and its own limits are in the topmost one.
    """
    root = root or ROOT
    mount = root / "sys" / "fs" / "cgroup"
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # Version 2 has one tree for all controllers, version 1 one for each.
        top = mount / controller if controllers else mount
        group = PurePosixPath(name.lstrip("/"))
        yield from (top / each for each in (group, *group.parents))


def _quota(group: Path) -> Iterator[float]:
    """Cores' worth of time in each period, if there is a limit; of version 2, and of version 1."""
    yield from _share(_words(group / "cpu.max"))
    yield from _share(_words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us"))


def _share(words: list[str]) -> Iterator[float]:
    # No limit is "max", or -1.
    if len(words) == 2 and all(word.isdecimal() and int(word) for word in words):
        yield int(words[0]) / int(words[1])


def _memory(group: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.limit_in_bytes"):
        yield from (int(word) for word in _words(group / name) if word.isdecimal())


def _physical() -> Iterator[int]:
    try:
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return  # Windows has no sysconf, and others need not know of these.


def _words(file: Path) -> list[str]:
    """Those of a small file; none where there is no such file."""
    try:
        return file.read_text(errors="replace").split()
    except OSError:
        return []

"""Cores and memory within a container's limits, told from files as Linux has them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from facefind import machine
from facefind.machine import usable_cores, usable_memory
from facefind.settings import Settings

GROUPS, CONTROL = "proc/self/cgroup", "sys/fs/cgroup"
MEBIBYTE = 2**20
NO_LIMIT = "9223372036854771712\n"


@pytest.fixture(autouse=True)
def _eight_cores_and_16_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**22}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__, raising=False)


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({GROUPS: "0::/\n"}, 8),
        ({GROUPS: "0::/\n", f"{CONTROL}/cpu.max": "max 100000\n"}, 8),
        ({GROUPS: "0::/\n", f"{CONTROL}/cpu.max": "150000 100000\n"}, 2),
        ({GROUPS: "0::/\n", f"{CONTROL}/cpu.max": "20000 100000\n"}, 1),
        ({GROUPS: "0::/\n", f"{CONTROL}/cpu.max": "3200000 100000\n"}, 8),
        ({GROUPS: "0::/\n", f"{CONTROL}/cpu.max": "nonsense\n"}, 8),
        (
            {
                GROUPS: "0::/a.slice/b.scope\n",
                f"{CONTROL}/a.slice/cpu.max": "300000 100000\n",
                f"{CONTROL}/a.slice/b.scope/cpu.max": "max 100000\n",
            },
            3,
        ),
        (
            {
                GROUPS: "5:memory:/m\n3:cpu,cpuacct:/docker/f00d\n0::/x\n",
                f"{CONTROL}/cpu/cpu.cfs_quota_us": "250000\n",
                f"{CONTROL}/cpu/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                GROUPS: "3:cpu:/\n",
                f"{CONTROL}/cpu/cpu.cfs_quota_us": "-1\n",
                f"{CONTROL}/cpu/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
    ],
    ids=[
        "no groups", "no file", "no limit", "one and a half", "a fifth", "more than there are",
        "nonsense", "of the group around", "version 1", "version 1, no limit",
    ],
)  # fmt: skip
def test_cores_are_those_of_the_quota(files: Mapping[str, str], cores: int, tmp_path: Path) -> None:
    assert usable_cores(tree(tmp_path, files)) == cores


@pytest.mark.parametrize(
    ("files", "mebibytes"),
    [
        ({}, 16384),
        ({GROUPS: "0::/\n", f"{CONTROL}/memory.max": "max\n"}, 16384),
        ({GROUPS: "0::/\n", f"{CONTROL}/memory.max": f"{900 * MEBIBYTE}\n"}, 900),
        (
            {
                GROUPS: "0::/a/b\n",
                f"{CONTROL}/a/memory.max": f"{700 * MEBIBYTE}\n",
                f"{CONTROL}/a/b/memory.max": f"{800 * MEBIBYTE}\n",
            },
            700,
        ),
        (
            {
                GROUPS: "3:cpu:/c\n4:memory:/m\n",
                f"{CONTROL}/memory/m/memory.limit_in_bytes": f"{600 * MEBIBYTE}\n",
                f"{CONTROL}/memory/memory.limit_in_bytes": NO_LIMIT,
            },
            600,
        ),
    ],
    ids=["no groups", "no limit", "a limit", "of the group around", "version 1"],
)
def test_memory_is_that_of_the_group(
    files: Mapping[str, str], mebibytes: int, tmp_path: Path
) -> None:
    assert usable_memory(tree(tmp_path, files)) == mebibytes * MEBIBYTE


def test_a_system_that_does_not_tell_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sysconf")
    assert usable_memory(tmp_path) is None


@pytest.mark.parametrize(
    ("memory", "workers"),
    [("16000000000", 8), ("2000000000", 4), ("1400000000", 2), ("100000000", 1), ("max", 8)],
)
def test_photos_at_once_are_no_more_than_memory_allows(
    memory: str, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path, {GROUPS: "0::/\n", f"{CONTROL}/memory.max": memory})
    monkeypatch.setattr(machine, "ROOT", root)
    assert Settings(tmp_path).workers == workers
    assert Settings(tmp_path, threads=5).workers == 5

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import Any

import pytest

from facefind.memory import give_back_freed_memory, keep_freed_memory

TAKEN_AND_FREED = """
import resource, sys
from facefind.memory import give_back_freed_memory, keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] != "given back":
    keep_freed_memory()
if sys.argv[1] == "kept no more":
    bytearray(20_000_000)
    give_back_freed_memory()
bytearray(20_000_000)
before = faults()
for _ in range(20):
    bytearray(20_000_000)
print(faults() - before)
"""


def faults(way: str) -> int:
    """Pages that are mapped while 400 MB are taken and freed, 20 MB at a time."""
    command = [sys.executable, "-c", TAKEN_AND_FREED, way]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="no glibc")
def test_freed_memory_is_kept() -> None:
    assert faults("given back") > 10 * max(faults("kept"), 100)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="no glibc")
def test_kept_memory_is_given_back_again() -> None:
    assert faults("kept no more") > 10 * max(faults("kept"), 100)


def test_another_c_library_is_let_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fake(name: object) -> object:
        asked.append(name)
        return object()

    monkeypatch.setattr("ctypes.CDLL", fake)
    keep_freed_memory()
    give_back_freed_memory()
    # For mallopt twice, and for malloc_trim.
    assert asked == 3 * [None] * sys.platform.startswith("linux")

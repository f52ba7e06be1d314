"""Processes that stop themselves at a step chosen by its number, for tests of what they leave.

A kill after so many seconds hits another step on every machine, or comes when all is done.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

LATEST = 3
"""Steps by which a signal that is to come somewhat after a step comes at the latest."""

CHANGES = frozenset(
    ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.utime")
)


def stopping(number: int, kind: signal.Signals, seconds: float = 0.0) -> str:
    """What `Stopper.of` reads: which signal comes, and before which step; see there."""
    return f"{number},{kind.name},{seconds}"


class Stopper:
    """Counts a process's steps, and sends it a signal before one of them.

    Args:
        number: That step's, from 1; 0 where none is to come.
        seconds: So long after that step begins, so that it comes amid a step too; surely before
            the one that is `LATEST` steps after it.
    """

    def __init__(self, number: int, kind: signal.Signals, seconds: float) -> None:
        self._numbers = itertools.count(1)
        self._number, self._kind, self._seconds = number, kind, seconds
        self.steps = 0

    @classmethod
    def of(cls, text: str) -> Stopper:
        """As `stopping` says it; "" for one that only counts."""
        if not text:
            return cls(0, signal.SIGKILL, 0.0)
        number, kind, seconds = text.split(",")
        return cls(int(number), signal.Signals[kind], float(seconds))

    def step(self) -> None:
        """To be called before each step."""
        self.steps = number = next(self._numbers)
        if number == self._number and self._seconds:
            threading.Thread(target=self._send_later, daemon=True).start()
        elif self._number and number == self._number + (LATEST if self._seconds else 0):
            os.kill(os.getpid(), self._kind)

    def _send_later(self) -> None:
        time.sleep(self._seconds)
        os.kill(os.getpid(), self._kind)


def before_disk_changes(step: Callable[[], object]) -> None:
    """Has ``step`` called before every change that this process makes to the disk from now on."""

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if event in CHANGES or writing:
            step()

    sys.addaudithook(watch)

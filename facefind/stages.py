"""Where the time goes: seconds that each stage of a run takes, over all threads."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, TypeAlias

Stages: TypeAlias = Callable[[str], AbstractContextManager[None]]
"""Gives the block of a stage by its name."""

_NOTHING = nullcontext()


def untimed(_stage: str) -> AbstractContextManager[None]:
    """`Stages` that measures nothing."""
    return _NOTHING


class Spent(NamedTuple):
    """Seconds that passed in a stage, and of these the processor's seconds of the thread itself."""

    seconds: float = 0.0
    cpu: float = 0.0

    def plus(self, other: Spent, sign: int = 1) -> Spent:
        """Both together, or the difference."""
        return Spent(self.seconds + sign * other.seconds, self.cpu + sign * other.cpu)


class StageTimer:
    """`Stages` that measures. A stage within another is taken out of that one's time.

    Any thread may use it.
    """

    def __init__(self) -> None:
        self._spent: defaultdict[str, Spent] = defaultdict(Spent)
        self._adding = threading.Lock()
        self._local = threading.local()

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        """Adds what the block takes to the stage's seconds."""
        return self._timed(stage)

    @property
    def spent(self) -> dict[str, Spent]:
        """By stage, so far."""
        with self._adding:
            return dict(self._spent)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        outside: Spent = getattr(self._local, "within", Spent())
        self._local.within = Spent()
        started = _now()
        try:
            yield
        finally:
            spent = _now().plus(started, -1)
            with self._adding:
                self._spent[stage] = self._spent[stage].plus(spent.plus(self._local.within, -1))
            self._local.within = outside.plus(spent)


def _now() -> Spent:
    return Spent(time.perf_counter(), time.thread_time())

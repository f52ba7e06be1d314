"""Where the time goes: seconds that each stage of a run takes, over all threads."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeAlias

Stages: TypeAlias = Callable[[str], AbstractContextManager[None]]
"""Gives the block of a stage by its name."""

_NOTHING = nullcontext()


def untimed(_stage: str) -> AbstractContextManager[None]:
    """`Stages` that measures nothing."""
    return _NOTHING


class StageTimer:
    """`Stages` that measures. A stage within another is taken out of that one's time.

    Any thread may use it.
    """

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._adding = threading.Lock()
        self._local = threading.local()

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        """Adds what the block takes to the stage's seconds."""
        return self._timed(stage)

    @property
    def seconds(self) -> dict[str, float]:
        """By stage, so far."""
        with self._adding:
            return dict(self._seconds)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        outside = getattr(self._local, "within", 0.0)
        self._local.within = 0.0
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            with self._adding:
                self._seconds[stage] += spent - self._local.within
            self._local.within = outside + spent

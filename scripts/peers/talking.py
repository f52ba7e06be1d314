"""What the peers' programs have in common: when they start, and how they answer.

Peers are other ways to do what facefind does, each a small program that imports nothing of it and
runs in an environment of its own (``scripts/peers-environments``). It takes photos' paths, loads
what it needs, says ``ready``, waits for a line on stdin and answers with a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def answer(work: Callable[[str], Mapping[str, float]], photos: Iterable[str]) -> None:
    """Does the work for each photo once told to, and prints what came of it.

    Args:
        work: Takes a photo's path; returns the number of `faces` and CPU seconds by stage.
    """
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    figures: list[dict[str, Any]] = []
    for photo in photos:
        before, busy = time.perf_counter(), time.process_time()
        found = work(photo)
        seconds, cpu = time.perf_counter() - before, time.process_time() - busy
        figures.append({**found, "seconds": seconds, "cpu_seconds": cpu})
    print(json.dumps({"photos": figures, "seconds": time.perf_counter() - started}), flush=True)

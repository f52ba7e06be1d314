"""What photos and rows cost in CPU time, and the work that this time grows with.

Photos are looked at as ingest looks at them, by its own code and stages, in threads of a process
that has the networks loaded; rows are stored by the store's own functions. Called in processes of
their own; see running.py.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from facefind.flow import Workers
from facefind.images import OpenedPhoto, read_file
from facefind.inference import batches
from facefind.inference.batches import Batch
from facefind.inference.pipeline import Pipeline
from facefind.inference.protocols import PhotoPixels, Seen
from facefind.looking import Eyes, Look, Pace, look_at_all, set_up_for_many
from facefind.stages import Stages, StageTimer, untimed
from facefind.store.repository import Repository
from facefind.types import Face, Image
from scripts.benchmarks import watching
from scripts.benchmarks.alone import pipeline
from scripts.benchmarks.kept_library import database
from scripts.benchmarks.stored import drawn_photo

DETECTOR = "centerface"
"""The network whose pixels are counted."""

ROWS = 24
"""Transactions, the first few of which are not counted."""

WARM_UP = 4


def looked_at(mixes: Sequence[Sequence[str]], threads: int) -> dict[str, Any]:
    """What was done for each mix of photos, and CPU milliseconds of each stage for it.

    The networks are loaded before.
    """
    finder, shown = pipeline()
    counting = _Counting(finder)
    done = []
    with set_up_for_many():
        # The last that are needed are loaded with the first face.
        _look(counting, [mix[0] for mix in mixes], Pace(threads))
        start, busy = time.perf_counter(), time.process_time()
        for photos in mixes:
            shown.clear()
            counting.clear()
            timer = StageTimer()
            _look(counting, photos, Pace(threads, timer))
            spent = {stage: 1000 * spent.cpu for stage, spent in timer.spent.items()}
            done.append({**_work(counting, photos, shown[DETECTOR].pixels), "cpu": spent})
        seconds, cpu = time.perf_counter() - start, time.process_time() - busy
    return {"seconds": seconds, "cpu_seconds": cpu, "mixes": done}


def counted(photos: Sequence[str]) -> dict[str, Any]:
    """What is to be done for photos; nothing is embedded."""
    finder, shown = pipeline()
    counting = _Counting(finder)
    with set_up_for_many():
        for photo in photos:
            counting.see(OpenedPhoto(Path(photo).read_bytes()))
    return {"seconds": 0.0, "work": _work(counting, photos, shown[DETECTOR].pixels)}


def _work(counting: _Counting, photos: Sequence[str], pixels: int) -> dict[str, float]:
    return {
        "photos": len(photos),
        "megabytes": sum(Path(photo).stat().st_size for photo in photos) / 1e6,
        "megapixels": counting.pixels / 1e6,
        "decoded_megapixels": counting.decoded / 1e6,
        "network_megapixels": pixels / 1e6,
        "faces": counting.faces,
        "peopled": counting.peopled,
    }


def _look(finder: _Counting, photos: Sequence[str], pace: Pace) -> None:
    eyes = Eyes(finder, pace)

    def look(path: Path) -> Look[str]:
        with pace.stages("read"):
            file = read_file(path)
        return Look(file.sha256, eyes.search(file.sha256, file.data), path)

    with Workers(pace.threads) as workers:
        for found in look_at_all(workers, map(Path, photos), look, eyes):
            for one in found:
                if one.error is not None:
                    raise one.error
                eyes.forget(one.item)


class _Counting:
    """A pipeline that notes how much it looks at; a `facefind.inference.protocols.BatchFinder`."""

    def __init__(self, finder: Pipeline) -> None:
        self._finder, self._lock = finder, Lock()
        self.clear()

    @property
    def batch(self) -> Batch:
        """As the pipeline's."""
        return self._finder.batch

    def clear(self) -> None:
        """Begins anew."""
        self.pixels = self.decoded = self.faces = self.peopled = 0

    def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
        """As the pipeline."""
        noted = _NotedPixels(photo)
        seen = self._finder.see(noted, stages)
        with self._lock:
            self.pixels += photo.size[0] * photo.size[1]
            self.decoded += noted.decoded
            self.faces += len(seen.chips)
            self.peopled += bool(seen.chips)
        return seen

    def recognise(self, seen: Sequence[Seen]) -> list[list[Face]]:
        """As the pipeline."""
        return self._finder.recognise(seen)


class _NotedPixels:
    """A photo that notes how many pixels came of decoding it, each time that it was."""

    def __init__(self, photo: PhotoPixels) -> None:
        self._photo = photo
        self._last: Image | None = None
        self.decoded = 0

    @property
    def size(self) -> tuple[int, int]:
        """As the photo's."""
        return self._photo.size

    def at(self, scale: float) -> Image:
        """As the photo's."""
        image = self._photo.at(scale)
        if image is not self._last:
            self._last = image
            self.decoded += image.shape[0] * image.shape[1]
        return image


def rows(faces: int) -> dict[str, Any]:
    """CPU milliseconds to store a photo with so many faces, of this process and the database's, and
    the bytes of the faces' search index."""
    random = np.random.default_rng(0)
    # Photos in a transaction of ingest.
    together = min(batches.PHOTOS, math.ceil(batches.FACES / max(faces, 1)))
    with tempfile.TemporaryDirectory(prefix="facefind-") as home, database(Path(home)) as new:
        store = Repository(new)
        event = store.ensure_event("bench", "dlib", "bench", 128, {})
        before = _index_bytes(new)
        spent = []
        for first in range(0, ROWS * together, together):
            batch = [
                drawn_photo(number, faces, random) for number in range(first, first + together)
            ]
            start = time.process_time() + watching.cpu_of(new.info.backend_pid)
            store.record(event, batch)
            end = time.process_time() + watching.cpu_of(new.info.backend_pid)
            spent.append(1000 * (end - start) / together)
        size = _index_bytes(new) - before
    return {
        "seconds": 0.0,
        "cpu": statistics.median(spent[WARM_UP:]),
        "index": size,
        "stored": ROWS * together * faces,
    }


def _index_bytes(connection: Any) -> int:
    """Of all search indexes together."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(pg_relation_size(indexname::regclass)), 0)::bigint "
            "FROM pg_indexes WHERE indexdef LIKE '%USING hnsw%'"
        )
        (size,) = cursor.fetchone()
    return int(size)

"""Decoding and the networks alone: the same pipeline over the same photos without any store.

Threads of one process, set up as ingest sets its up, take a photo each whenever they are through
with one: read, look for faces, and embed these as many at a time as ingest does. No walk, no
hashes, no database, no order kept. What ingest reaches of this is its share.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from facefind.images import OpenedPhoto
from facefind.inference import ahead
from facefind.inference.options import resolve
from facefind.inference.pipeline import PIPELINES, CheckedDetector, Pipeline, resolve_settings
from facefind.inference.protocols import Model, Parts, Seen
from facefind.looking import set_up_for_many
from scripts.evaluation.models import models_dir


@dataclass(slots=True)
class Shown:
    """What a network was shown: pixels, and the CPU seconds that it took for them."""

    pixels: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Counted:
    """A network that notes in `shown`, under its name, how much it was shown."""

    model: Model
    name: str
    shown: dict[str, Shown]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """As the network."""
        given = next(iter(feeds.values()))
        start = time.thread_time()
        answer = self.model.run(feeds)
        noted = self.shown[self.name]
        noted.seconds += time.thread_time() - start
        noted.pixels += len(given) * given.shape[-1] * given.shape[-2]
        return answer


def open_model(record: str) -> Model:
    """A network with one thread."""
    return ahead.open_model(record, models_dir(), 1, "auto")


def pipeline(name: str = "dlib") -> tuple[Pipeline, dict[str, Shown]]:
    """A pipeline whose networks have one thread each, and what they are shown from now on."""
    spec = PIPELINES[name]
    shown: dict[str, Shown] = defaultdict(Shown)
    models = {record: Counted(open_model(record), record, shown) for record in spec.weights}
    model = models.__getitem__
    parts = Parts(
        spec.detector(resolve(spec.settings, {}, "detector."), model),
        spec.align(model),
        spec.embedder(model),
        spec.assess and spec.assess(),
    )
    return Pipeline(spec, parts, resolve_settings(name, {}), ""), shown


def detector(name: str) -> tuple[CheckedDetector, dict[str, Shown]]:
    """A pipeline's detector alone, and what its networks are shown from now on."""
    spec = PIPELINES[name]
    shown: dict[str, Shown] = defaultdict(Shown)
    made = spec.detector(
        resolve(spec.settings, {}, "detector."),
        lambda record: Counted(open_model(record), record, shown),
    )
    return CheckedDetector(made), shown


def rate(photos: Sequence[str], threads: int, name: str = "dlib") -> dict[str, Any]:
    """Photos/s, the first one apart, which loads the networks; in this process."""
    paths = [Path(photo) for photo in photos]
    finder, shown = pipeline(name)
    with set_up_for_many(), ThreadPoolExecutor(threads) as pool:
        _faces(finder, iter(paths[:1]))
        shown.clear()
        start, busy = time.perf_counter(), time.process_time()
        # A list's iterator gives each photo to one thread.
        todo = iter(paths)
        faces = sum(pool.map(lambda _: _faces(finder, todo), range(threads)))
        seconds, cpu = time.perf_counter() - start, time.process_time() - busy
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "rate": len(paths) / seconds,
        "photos": len(paths),
        "faces": faces,
    }


def _faces(finder: Pipeline, paths: Iterator[Path]) -> int:
    """How many faces are found and embedded in the photos that are left."""
    found, gathered, batch = 0, list[Seen](), finder.batch
    for path in paths:
        gathered.append(finder.see(OpenedPhoto(path.read_bytes())))
        if len(gathered) == batch.photos or sum(len(s.chips) for s in gathered) >= batch.faces:
            found += sum(map(len, finder.recognise(gathered)))
            gathered.clear()
    return found + sum(map(len, finder.recognise(gathered)))

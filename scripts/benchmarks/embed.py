"""CPU time for a face from its chip to its vector, beside dlib's own network.

facefind embeds each chip and its mirror image, dlib the chip alone. "Plain" is the network called
by onnxruntime directly, one chip after the other. One thread each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks import peers
from scripts.benchmarks.figures import shown, spread, table
from scripts.benchmarks.running import measured

TITLE = "Embedding"

BATCHES = (1, 4, 16)
PIPELINES = ("dlib", "dlib-fast")
"""Those that are not there are left out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--faces", type=int, default=48, help="for each figure; default: 48")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds a face."""
    count = 16 if arguments.quick else arguments.faces
    figures = measured("embed", "own", 1, count=count, repeats=arguments.runs)["figures"]
    ratios = {"own_over_plain": figures["dlib"]["16"]["median"] / figures["plain"]["1"]["median"]}
    if "dlib-fast" in figures:
        fast = figures["dlib-fast"]["16"]["median"]
        ratios["fast_over_own"] = fast / figures["dlib"]["16"]["median"]
    if not arguments.quick:
        each, _ = peers.asked(peers.FACE_RECOGNITION, "embed", 16)
        figures["dlib itself"] = {"1": spread([1000 * seconds for seconds in each])}
        theirs = figures["dlib itself"]["1"]["median"]
        ratios["dlib_over_own"] = theirs / figures["dlib"]["16"]["median"]
    return {"figures": figures, "ratios": ratios}


def own(count: int, repeats: int) -> dict[str, Any]:
    """Milliseconds of CPU for a face, by pipeline and batch."""
    from facefind.inference.pipeline import PIPELINES as KNOWN
    from scripts.benchmarks.alone import open_model

    started = time.perf_counter()
    chips = list(np.random.default_rng(0).integers(0, 256, (count, 150, 150, 3), np.uint8))
    figures: dict[str, Any] = {}
    for name in PIPELINES:
        if name in KNOWN:
            embedder = KNOWN[name].embedder(open_model)
            figures[name] = {
                str(batch): _timed(embedder.embed, chips, batch, repeats) for batch in BATCHES
            }
    network = open_model("dlib_resnet")
    blobs = [chip.transpose(2, 0, 1)[np.newaxis].astype(np.float32) for chip in chips]
    figures["plain"] = {
        "1": _timed(lambda some: network.run({"chips": some[0]}), blobs, 1, repeats)
    }
    return {"seconds": time.perf_counter() - started, "figures": figures}


def _timed(
    embed: Callable[[Any], object], chips: list[Any], batch: int, repeats: int
) -> dict[str, float]:
    embed(chips[:batch])
    each = []
    for _ in range(repeats):
        start = time.process_time()
        for first in range(0, len(chips), batch):
            embed(chips[first : first + batch])
        each.append(1000 * (time.process_time() - start) / len(chips))
    return spread(each)


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits."""
    return arithmetic.over_limits("embed", figures)


def render(figures: dict[str, Any]) -> str:
    """A row for each way."""
    rows = [
        [name, *(shown(row[str(batch)]) if str(batch) in row else "" for batch in BATCHES)]
        for name, row in figures["figures"].items()
    ]
    return table(["ms a face", *(f"{batch} at a time" for batch in BATCHES)], rows)

"""Grouping faces into people: from scratch, and when new ones come, beside plain comparing.

The faces are drawn: people from the density of faces that ships, ten faces a person on average and
a few people with very many, their faces around them as those of a person are. Reading them from a
database is not in these figures.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefind import grouping
from facefind.grouping import Faces, GroupingSettings
from facefind.matching import Density
from facefind.resources import resource_dir
from facefind.types import FloatArray
from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks.running import measured

FACES = 100_000

NEW = 500
"""Faces of a hundred photos."""

FACES_OF_A_PERSON = 10
LARGEST = 1500

COMPARED = 5000
"""Faces whose distances to all are what grouping is compared with."""

SPREAD = 0.21
"""Root mean squared distance of a person's faces from their mean (L2)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--faces", type=int, default=FACES, help=f"default: {FACES}")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both ways of grouping."""
    common = {"runs": arguments.runs, "faces": arguments.faces}
    full, new = measured("group", "full", **common), measured("group", "new", **common)
    return {"faces": arguments.faces, "full": full, "new": new, **beside(full, new, **common)}


def beside(full: dict[str, Any], new: dict[str, Any], runs: int, faces: int) -> dict[str, Any]:
    """Plain comparing, in a process of its own, and what both ways of grouping are to it.

    Of facefind's CPU seconds, which a busy machine changes less than its times.
    """
    plain = measured("group", "compared", runs=runs, faces=faces)
    return {
        "compared": plain,
        "ratios": {
            "all_over_compared": full["cpu_seconds"] / plain["cpu_seconds"],
            "new_over_compared": new["cpu_seconds"] / plain["cpu_seconds"],
            "peak_of_a_gigabyte": max(full["megabytes"], new["megabytes"]) / 1000,
        },
    }


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits, which are for `FACES` faces."""
    return arithmetic.over_limits("group", figures) if figures["faces"] == FACES else []


def render(figures: dict[str, Any]) -> str:
    """A row for each way."""
    lines = [
        "| grouping | faces | groups | seconds (fastest - slowest) | of all cores | peak MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in (("full", "all"), ("new", f"{NEW} more")):
        row = figures[name]
        lines.append(
            f"| {title} | {figures['faces']} | {row['groups']} | {row['seconds']:.2f} "
            f"({row['fastest']:.2f} - {row['slowest']:.2f}) | {row['cpu_seconds']:.2f} "
            f"| {row['megabytes']:.0f} |"
        )
    plain = figures["compared"]
    lines.append(
        f"| {COMPARED} compared with all | {figures['faces']} | | {plain['seconds']:.2f} "
        f"({plain['fastest']:.2f} - {plain['slowest']:.2f}) | {plain['cpu_seconds']:.2f} "
        f"| {plain['megabytes']:.0f} |"
    )
    return "\n".join(lines)


def full(faces: int) -> dict[str, Any]:
    """Groups so many faces from scratch."""
    drawn, _ = draw(faces)
    return _timed(drawn)


def new(faces: int) -> dict[str, Any]:
    """Groups `NEW` faces more with the others, which are with their own people already."""
    drawn, people = draw(faces)
    known = people + 1
    known[np.random.RandomState(1).permutation(faces)[:NEW]] = 0
    columns = (drawn.vectors, drawn.photos, drawn.qualities, drawn.seeds)
    return _timed(Faces(*columns, groups=known))


def compared(faces: int) -> dict[str, Any]:
    """The distances of `COMPARED` faces to all, a hundred at a time, by products of matrices."""
    vectors = draw(faces)[0].vectors
    vectors[:100] @ vectors.T  # starts the threads
    start, busy = time.perf_counter(), time.process_time()
    for first in range(0, COMPARED, 100):
        some = np.arange(first, first + 100) % faces
        np.sqrt(np.maximum(2 - 2 * (vectors[some] @ vectors.T), 0))
    return {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - busy}


def _timed(faces: Faces) -> dict[str, Any]:
    settings = _settings()
    start, busy = time.perf_counter(), time.process_time()
    labels = grouping.group(faces, settings)
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - busy,
        "groups": int(labels.max()) + 1,
    }


def _settings() -> GroupingSettings:
    settings = grouping.load_grouping("dlib")
    assert settings is not None
    return settings


def draw(count: int) -> tuple[Faces, NDArray[np.int64]]:
    """So many faces, in photos of four on average, and which person each is; always the same."""
    random = np.random.RandomState(0)
    with np.load(resource_dir("calibration") / "dlib.npz") as arrays:
        density = Density(**{name: arrays[name].astype(np.float32) for name in arrays.files})
    people = _people(count, random)
    centres = density.draw(int(people[-1]) + 64)
    centres = centres[random.permutation(len(centres))]
    scale = SPREAD / np.linalg.norm(density.factor)
    vectors = np.empty((count, density.means.shape[1]), np.float32)
    for first in range(0, count, 4096):
        rows = slice(first, first + 4096)
        noise = random.standard_normal((len(people[rows]), density.factor.shape[1]))
        vectors[rows] = centres[people[rows]] + scale * noise @ density.factor.T
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    photos = random.randint(0, max(count // 4, 1), count)
    order = random.permutation(count)
    ones, nobody = np.ones(count, np.float32), np.zeros(count, np.int64)
    return Faces(_shuffled(vectors, order), photos, ones, nobody), people[order]


def _people(count: int, random: np.random.RandomState) -> NDArray[np.int64]:
    """(N,) the person of each face, in order; how many each has is distributed log-normally."""
    sizes = np.exp(random.normal(np.log(FACES_OF_A_PERSON) - 0.72, 1.2, count)).astype(int)
    sizes = np.clip(sizes, 1, LARGEST)
    sizes[: min(2, count)] = LARGEST
    return np.repeat(np.arange(count), sizes)[:count]


def _shuffled(vectors: FloatArray, order: NDArray[np.int64]) -> FloatArray:
    return np.ascontiguousarray(vectors[order])

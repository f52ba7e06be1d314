"""Grouping faces into people: from scratch, and when new ones come.

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
from scripts.benchmarks.running import measured

FACES = 100_000

NEW = 500
"""Faces of a hundred photos."""

FACES_OF_A_PERSON = 10
LARGEST = 1500

SPREAD = 0.21
"""Root mean squared distance of a person's faces from their mean (L2)."""

LIMITS = {"full": (30.0, 1000.0), "new": (2.0, 1000.0)}
"""Seconds and megabytes, for `FACES` faces."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--faces", type=int, default=FACES, help=f"default: {FACES}")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both ways of grouping."""
    common = {"runs": arguments.runs, "faces": arguments.faces}
    return {
        "faces": arguments.faces,
        "full": measured("group", "full", **common),
        "new": measured("group", "new", **common),
    }


def over_limits(figures: dict[str, Any]) -> list[str]:
    """What took longer or more than it may, if so many faces as the limits are for were grouped."""
    if figures["faces"] > FACES:
        return []
    return [
        f"{name}: {figures[name][unit]:.1f} {unit}, at most {limit:g} are allowed"
        for name, limits in LIMITS.items()
        for unit, limit in zip(("seconds", "megabytes"), limits, strict=True)
        if figures[name][unit] > limit
    ]


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

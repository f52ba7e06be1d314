"""What a photo and a face cost in the database: bytes on disk, and milliseconds to store them.

Two libraries are stored by the store's own functions, in batches as ingest does: one whose photos
show nobody, one whose photos show `FACES` faces each; the second less the first is the faces'.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks.figures import table
from scripts.benchmarks.running import measured

if TYPE_CHECKING:
    from facefind.store.records import FoundPhoto

TITLE = "On disk"

FACES = 5
BATCH = 16
"""Photos in a transaction."""

WARM_UP = 4
"""Batches whose time is not counted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--photos", type=int, default=2000, help="in each; default: 2000")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Bytes and milliseconds of a photo and of a face."""
    count = 320 if arguments.quick else arguments.photos
    nobody = measured("stored", "library", 1, photos=count, faces=0)
    people = measured("stored", "library", 1, photos=count, faces=FACES)
    return {
        "photos": count,
        **{
            unit: {
                "photo": nobody[unit] / count,
                "face": (people[unit] - nobody[unit]) / (count * FACES),
            }
            for unit in ("bytes", "milliseconds")
        },
        "tables": people["tables"],
        "ratios": {"bytes_over_vector": (people["bytes"] - nobody["bytes"]) / count / FACES / 512},
    }


def library(photos: int, faces: int) -> dict[str, Any]:
    """Stores a library and measures it."""
    import psycopg2

    from facefind.store.embedded import embedded_server
    from facefind.store.opening import open_store

    random = np.random.default_rng(0)
    spent = []
    with (
        tempfile.TemporaryDirectory(prefix="facefind-") as home,
        embedded_server(Path(home)) as url,
    ):
        with open_store(Path(home), url) as store:
            event = store.ensure_event("bench", "dlib", "bench", 128, {})
            before = _sizes(url)
            for first in range(0, photos, BATCH):
                numbers = range(first, min(first + BATCH, photos))
                batch = [drawn_photo(number, faces, random) for number in numbers]
                start = time.perf_counter()
                store.record(event, batch)
                spent.append(1000 * (time.perf_counter() - start) / len(batch))
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")
        after = _sizes(url)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    return {
        "seconds": sum(spent) / 1000,
        "bytes": sum(grown.values()),
        "milliseconds": float(np.median(spent[WARM_UP:])) * photos,
        "tables": {name: size for name, size in grown.items() if size > 0},
    }


def drawn_photo(number: int, faces: int, random: np.random.Generator) -> FoundPhoto:
    """A photo of its own number with so many faces, as a camera's files are called."""
    from facefind.store.records import FoundPhoto
    from facefind.types import FileStamp, PhotoInfo

    return FoundPhoto(
        f"/photos/of/an/event/IMG_{number:06}.jpg".encode(),
        FileStamp(3_400_000, number),
        hashlib.sha256(str(number).encode()).hexdigest(),
        PhotoInfo("JPEG", 4000, 3000, camera="facefind bench"),
        [_face(nth, random) for nth in range(faces)],
    )


def _face(nth: int, random: np.random.Generator) -> Any:
    from facefind.types import Box, Detection, Face, Quality

    points = random.random((5, 2), np.float32)
    vector = random.standard_normal(128).astype(np.float32)
    return Face(
        Detection(Box(600.0 * nth, 100.0, 200.0, 250.0), 0.9, points),
        vector / np.linalg.norm(vector),
        0.2,
        Quality(0.9, 100.0, 5.0, 5.0, 5.0),
    )


def _sizes(url: str) -> dict[str, int]:
    """Bytes of each table with its indexes."""
    import psycopg2

    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables ORDER BY 1"
        )
        return dict(cursor.fetchall())


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits."""
    return arithmetic.over_limits("stored", figures)


def render(figures: dict[str, Any]) -> str:
    """A row for a photo and one for a face."""
    rows = [
        [f"a {what}", f"{figures['bytes'][what]:.0f}", f"{figures['milliseconds'][what]:.2f}"]
        for what in ("photo", "face")
    ]
    return table(["", "bytes", "ms to store"], rows)

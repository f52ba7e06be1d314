"""Grouping as ``facefind people group`` does it: reading from the database and storing included.

The faces are those of ``scripts/bench group``, in a database of their own: all of them are
grouped, then some more. Memory is that of facefind's process; the server's comes on top.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2

from facefind.people import group_people
from facefind.store.embedded import embedded_server
from facefind.store.opening import open_store
from facefind.types import FloatArray
from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks.group import FACES, NEW, beside, draw
from scripts.benchmarks.group import render as render
from scripts.benchmarks.running import measured

PHOTOS = 100
"""In which the new faces are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--faces", type=int, default=FACES, help=f"default: {FACES}")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both ways of grouping, each several times on one database."""
    count = arguments.faces
    faces, _ = draw(count + NEW * arguments.runs)
    with (
        tempfile.TemporaryDirectory(prefix="facefind-") as home,
        embedded_server(Path(home)) as url,
    ):
        with open_store(Path(home), url) as store:
            event = store.ensure_event("bench", "dlib", "bench", faces.vectors.shape[1], {})
        with _cursor(url) as cursor:
            # Nothing is searched here, and filling it would take minutes.
            cursor.execute("DROP INDEX faces_hnsw_dlib")
        photos = int(faces.photos.max()) + 1
        _put(url, event.id, faces.vectors[:count], np.sort(faces.photos[:count]))
        full = [_full(url) for _ in range(arguments.runs)]
        new = []
        for run in range(arguments.runs):
            rows = slice(count + run * NEW, count + (run + 1) * NEW)
            first = photos + run * PHOTOS
            _put(url, event.id, faces.vectors[rows], first + np.arange(NEW) * PHOTOS // NEW)
            new.append(measured("group_stored", "grouped", 1, url=url, full=False))
    medians = {"full": _median(full), "new": _median(new)}
    return {"faces": count, **medians, **beside(**medians, runs=arguments.runs, faces=count)}


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits, which are for `FACES` faces."""
    return arithmetic.over_limits("group_stored", figures) if figures["faces"] == FACES else []


def _full(url: str) -> dict[str, Any]:
    with _cursor(url) as cursor:
        cursor.execute("DELETE FROM people; DELETE FROM groupings")
    return measured("group_stored", "grouped", 1, url=url, full=True)


def grouped(url: str, full: bool) -> dict[str, Any]:
    """Groups what is in the database."""
    with open_store(Path(), url) as store:
        events = store.events()
        start, busy = time.perf_counter(), time.process_time()
        report = group_people(store, events, full=full)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - busy
    if report.full != full:
        raise RuntimeError("the other way of grouping was chosen")
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "groups": report.people}


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    runs = sorted(runs, key=lambda run: float(run["seconds"]))
    return {
        **runs[len(runs) // 2],
        "runs": len(runs),
        "fastest": runs[0]["seconds"],
        "slowest": runs[-1]["seconds"],
        "megabytes": max(run["megabytes"] for run in runs),
    }


@contextmanager
def _cursor(url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        yield cursor


def _put(url: str, event: int, vectors: FloatArray, photos: Any) -> None:
    """Stores faces, a photo's beside one another."""
    numbers = sorted(set(photos.tolist()))
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]
    with _cursor(url) as cursor:
        cursor.execute("CREATE TEMPORARY TABLE drawn (sha256 text, nth int, embedding vector)")
        text = StringIO()
        name = dict(zip(numbers, hashes, strict=True))
        for nth, (vector, photo) in enumerate(zip(vectors, photos.tolist(), strict=True)):
            text.write(f"{name[photo]}\t{nth}\t[{','.join(map(str, vector.tolist()))}]\n")
        text.seek(0)
        cursor.copy_expert("COPY drawn FROM STDIN", text)
        cursor.execute(_FILL, {"event": event, "hashes": hashes})


_FILL = """
INSERT INTO photos (sha256, size_bytes, format, width, height)
SELECT decode(h, 'hex'), 1, 'JPEG', 4000, 3000 FROM unnest(%(hashes)s::text[]) h;
INSERT INTO event_photos (event_id, photo_id, state)
SELECT %(event)s, p.id, 'done' FROM photos p
WHERE NOT EXISTS (SELECT FROM event_photos c WHERE c.photo_id = p.id);
INSERT INTO event_paths (event_id, path, size_bytes, mtime_ns, event_photo_id)
SELECT %(event)s, convert_to('/' || c.id || '.jpg', 'UTF8'), 1, 1, c.id FROM event_photos c
WHERE NOT EXISTS (SELECT FROM event_paths t WHERE t.event_photo_id = c.id);
CREATE TEMPORARY TABLE seen AS
SELECT nextval(pg_get_serial_sequence('sightings', 'id')) AS sighting, d.nth, d.embedding,
       c.id AS content, c.photo_id
FROM drawn d
JOIN photos p ON p.sha256 = decode(d.sha256, 'hex')
JOIN event_photos c ON c.photo_id = p.id;
INSERT INTO sightings (id, photo_id, x, y, w, h) OVERRIDING SYSTEM VALUE
SELECT sighting, photo_id, nth, 0, 50, 50 FROM seen;
INSERT INTO faces (event_photo_id, event_id, pipeline, dimension, x, y, w, h, score, quality, lot,
                   sighting_id, embedding)
SELECT content, %(event)s, 'dlib', vector_dims(embedding), nth, 0, 50, 50, .9, .9, nth, sighting,
       embedding
FROM seen;
ANALYZE;
"""

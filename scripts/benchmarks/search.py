"""Search: the nearest of many drawn faces in the embedded database, beside faiss in memory.

Asked are the bare statement (ten neighbours by the index), the store's search for ten photos, by
the index and by comparing all, in all events and in one that holds half, a tenth, a hundredth and a
thousandth of the faces, and every face within the calibration's radius, as `who` asks. Then photos
of five faces are stored, into an empty library and into this one. CPU is the database's and this
process's together, which a busy machine changes less than the time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from facefind.matching import load_calibration
from facefind.store import nearest
from facefind.store.db import connect, register_vectors
from facefind.store.embedded import embedded_server
from facefind.store.migrate import migrate
from facefind.store.records import FoundPhoto
from facefind.store.repository import Repository
from facefind.types import Box, Detection, Event, Face, FileStamp, FloatArray, PhotoInfo
from scripts.benchmarks import drawn_library as library
from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks.peers import environment
from scripts.benchmarks.running import REPO

TITLE = "Search"

FACES, QUICK = 100_000, 10_000
NEIGHBOURS = 10
PROBES = 100
WARM_UP = 10
STORED = 60
"""Photos of `FACES_STORED` faces."""

FACES_STORED = 5
CORE_MILLISECONDS = 250.0
"""A photo's share of two cores at eight photos a second."""

Figures = dict[str, float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--faces", type=int, default=FACES, help=f"default: {FACES}")
    parser.add_argument("--dimension", type=int, default=128, choices=sorted(library.PIPELINES))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All of it, on one library."""
    count = QUICK if arguments.quick else arguments.faces
    vectors = library.draw_vectors(count, arguments.dimension)
    probes = library.draw_probes(vectors, PROBES)
    figures: dict[str, Any] = {"faces": count, "dimension": arguments.dimension}
    with (
        tempfile.TemporaryDirectory(prefix="facefind-") as home,
        embedded_server(Path(home)) as url,
        _connected(url) as connection,
    ):
        migrate(connection)
        register_vectors(connection)
        empty = _stored(connection, arguments.dimension, probes)
        _empty(connection)
        library.fill(connection, vectors)
        figures["build_seconds"], figures["index_megabytes"] = _build(connection, arguments)
        figures["rows"] = _asked(connection, vectors, probes)
        figures["stored"] = {
            "empty": empty,
            "full": _stored(connection, arguments.dimension, probes),
        }
    figures["peer"] = _peer(vectors, probes)
    bare, graph = figures["rows"]["statement"], figures["peer"]["hnsw"]
    more = figures["stored"]["full"]["cpu"] - empty["cpu"]
    figures["ratios"] = {
        "cpu_over_faiss_hnsw": bare["cpu"] / graph["cpu"],
        "recall": bare["recall"],
        "ingest_of_empty": CORE_MILLISECONDS / (CORE_MILLISECONDS + more),
    }
    return figures


def render(figures: dict[str, Any]) -> str:
    """A table of what was asked, and a line on what it takes to keep it."""
    titles = {"flat": "faiss, all compared", "hnsw": "faiss, HNSW"}
    rows = {**figures["rows"], **{titles[k]: v for k, v in figures["peer"].items()}}
    head = ("asked", "p50 ms", "p95 ms", "CPU ms", f"recall@{NEIGHBOURS}")
    lines = [
        (name, *(f"{row[key]:.2f}" for key in ("p50", "p95", "cpu")), _shown(row.get("recall")))
        for name, row in rows.items()
    ]
    stored = figures["stored"]
    return "\n".join(
        [
            f"{figures['faces']} faces of {figures['dimension']} numbers; the index takes "
            f"{figures['index_megabytes']:.0f} MB and {figures['build_seconds']:.0f} s to build, "
            f"faiss' {figures['peer']['hnsw']['build_seconds']:.0f} s on one core.",
            "",
            arithmetic.table(head, lines),
            "",
            f"A photo of {FACES_STORED} faces is stored in {stored['empty']['cpu']:.1f} ms of CPU "
            f"in an empty library, in {stored['full']['cpu']:.1f} ms in this one.",
        ]
    )


def over_limits(figures: dict[str, Any]) -> list[str]:
    """What ``bench.toml`` does not allow."""
    return arithmetic.over(figures["ratios"], arithmetic.read_limits("search"))


def _shown(recall: float | None) -> str:
    return "" if recall is None else f"{recall:.4f}"


def _build(connection: Any, arguments: argparse.Namespace) -> tuple[float, float]:
    """Seconds and megabytes of the pipeline's index."""
    name = library.PIPELINES[arguments.dimension]
    started = time.perf_counter()
    with connection, connection.cursor() as cursor:
        # All of the graph in memory, as much as a migration may not take.
        cursor.execute("SET LOCAL maintenance_work_mem = '2GB'")
        cursor.execute(
            f"CREATE INDEX faces_hnsw_{name} ON faces USING hnsw "
            f"((embedding::halfvec({arguments.dimension})) halfvec_l2_ops) "
            f"WHERE pipeline = '{name}'"
        )
        cursor.execute(f"SELECT pg_relation_size('faces_hnsw_{name}') / 1e6::float8")
        megabytes = float(cursor.fetchone()[0])
    return time.perf_counter() - started, megabytes


def _asked(connection: Any, vectors: FloatArray, probes: FloatArray) -> dict[str, Figures]:
    """A row of figures for each kind of question."""
    index, exact = (Repository(connection, exact_up_to=n) for n in (0, len(vectors) * 2))
    events = [e for e in index.events() if e.fingerprint == "drawn"]
    server = _busy(connection)
    reach = _reach(vectors, probes)
    rows = {"statement": _bare(connection, events, probes, reach, server)}

    def photos(store: Repository, scope: Sequence[Event]) -> Figures:
        return _timed(lambda q: store.search(q, scope, limit=NEIGHBOURS), probes, server)

    rows["ten photos, by the index"] = photos(index, events)
    rows["ten photos, all compared"] = photos(exact, events)
    for event in sorted(events, key=lambda event: -index.count_faces([event])):
        size = index.count_faces([event])
        default = Repository(connection)
        rows[f"ten photos of an event of {size} faces, as the store chooses"] = photos(
            default, [event]
        )
        if size * 10 > len(vectors):
            rows[f"the same, by the index ({size})"] = photos(index, [event])
            rows[f"the same, all compared ({size})"] = photos(exact, [event])
    calibration = load_calibration(events[0].pipeline)
    if calibration is not None:
        within: dict[str, Any] = {"max_distance": calibration.radius, "limit": 20_000}
        rows["every face within reach, as who asks"] = _timed(
            lambda q: Repository(connection).faces_within(q, events, **within), probes, server
        )
    return rows


def _bare(
    connection: Any,
    events: Sequence[Event],
    probes: FloatArray,
    reach: FloatArray,
    server: Callable[[], float],
) -> Figures:
    """The scan of the index alone, and how many of the nearest it finds."""
    ids = [event.id for event in events]
    found: list[list[float]] = []

    def ask(probe: FloatArray) -> None:
        question = nearest.Question(
            probe, ids, events[0].pipeline, None, NEIGHBOURS, None, None, 0.0
        )
        with connection, connection.cursor() as cursor:
            faces = nearest.nearest_by_index(cursor, question)
        found.append(sorted(face.distance for face in faces)[:NEIGHBOURS])

    figures = _timed(ask, probes, server)
    hits = sum(
        sum(distance <= limit + 1e-5 for distance in distances)
        for distances, limit in zip(found[-len(probes) :], reach, strict=True)
    )
    return {**figures, "recall": float(hits / (NEIGHBOURS * len(probes)))}


def _reach(vectors: FloatArray, probes: FloatArray) -> FloatArray:
    """(Q,) the distance of the tenth nearest."""
    best = np.full((len(probes), NEIGHBOURS), np.inf, np.float32)
    for first in range(0, len(vectors), 50_000):
        squares = 2 - 2 * (probes @ vectors[first : first + 50_000].T)
        best = np.partition(np.hstack([best, squares]), NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    return np.asarray(np.sqrt(np.maximum(best.max(axis=1), 0)), np.float32)


def _timed(
    ask: Callable[[FloatArray], Any], probes: FloatArray, server: Callable[[], float]
) -> Figures:
    """Milliseconds of a question: by the clock, and of CPU."""
    for probe in probes[:WARM_UP]:
        ask(probe)
    times = []
    busy = server() + 1e3 * time.process_time()
    for probe in probes:
        started = time.perf_counter()
        ask(probe)
        times.append(1e3 * (time.perf_counter() - started))
    cpu = (server() + 1e3 * time.process_time() - busy) / len(probes)
    times.sort()
    return {"p50": statistics.median(times), "p95": times[int(0.95 * len(times))], "cpu": cpu}


def _busy(connection: Any) -> Callable[[], float]:
    """Milliseconds of CPU that the connection's process has taken; 0 where that is not told."""
    status = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    return lambda: int(status.read_text().split()[0]) / 1e6 if status.exists() else 0.0


def _stored(connection: Any, dimension: int, vectors: FloatArray) -> Figures:
    """What it costs to store photos of some faces each."""
    store = Repository(connection)
    name = library.PIPELINES[dimension]
    event = store.ensure_event(f"new {time.time_ns()}", name, "new", dimension, {})
    landmarks = np.arange(10, dtype=np.float32).reshape(5, 2)
    server, numbers = _busy(connection), iter(range(STORED))

    def put(_: FloatArray) -> None:
        number = next(numbers)
        faces = [
            Face(Detection(Box(100.0 * i, 20, 50, 60), 0.9, landmarks), vector)
            for i, vector in enumerate(np.roll(vectors, -FACES_STORED * number, 0)[:FACES_STORED])
        ]
        path = f"/{event.name}/{number}.jpg"
        digest = hashlib.sha256(path.encode()).hexdigest()
        info = PhotoInfo("JPEG", 4000, 3000)
        store.record(event, [FoundPhoto(path.encode(), FileStamp(1, 1), digest, info, faces)])

    return _timed(put, vectors[: STORED - WARM_UP], server)


def _empty(connection: Any) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE events, photos RESTART IDENTITY CASCADE")


def _peer(vectors: FloatArray, probes: FloatArray) -> dict[str, Figures]:
    """faiss, in an environment of its own."""
    python = environment("faiss") / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="facefind-") as folder:
        np.save(Path(folder) / "vectors.npy", vectors)
        np.save(Path(folder) / "probes.npy", probes)
        command = [str(python), str(REPO / "scripts" / "peers" / "faiss_search.py"), folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Figures] = json.loads(done.stdout)
    return answer


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    with closing(connect(url)) as connection:
        yield connection

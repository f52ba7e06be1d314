"""Search: the nearest of many drawn faces in the embedded database, beside faiss in memory.

Asked are the bare scan (ten neighbours by the index), the store's search for ten photos, by the
index and by comparing all, in all events and in one that holds half, a tenth, a hundredth and a
thousandth of the faces, and every face within the calibration's radius, as `who` asks. Then photos
of five faces are stored, into an empty library and into this one by turns. CPU is the database's
and this process's together, which a busy machine changes less than the time; only caches that it
shares still cost more then. Recall is of what comparing all finds.

Libraries are made anew unless --keep names a folder for them. A million faces of 128 numbers take
an hour and a half to make on two idle cores, nearly all of it for the two graphs, and 3 GB.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facefind.matching import load_calibration
from facefind.store import nearest
from facefind.store.records import FoundPhoto
from facefind.store.repository import Repository
from facefind.types import Box, Detection, Event, Face, FileStamp, FloatArray, PhotoInfo
from scripts.benchmarks import drawn_library as drawn
from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks import watching
from scripts.benchmarks.kept_library import Library, Size, database, opened
from scripts.benchmarks.peers import environment
from scripts.benchmarks.running import REPO

TITLE = "Search"

SIZES, QUICK = ("100000x128",), ("5000x128",)
NEIGHBOURS = 10
FEW = 20
"""Probes by which comparing all faces is timed."""

TRUTHS = 60
"""Probes by whose exact answers an index is judged."""

WARM_UP = 10
STORED = 60
"""Photos of `FACES_STORED` faces."""

TURN = 10
"""Photos that go into one library before the other's turn."""

FACES_STORED = 5
CORE_MILLISECONDS = 250.0
"""A photo's share of two cores at eight photos a second."""

BARE = "ten faces, the scan alone"
INDEX, COMPARED = "ten photos, by the index", "ten photos, all compared"

Figures = dict[str, float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--sizes", nargs="+", type=Size.of, metavar="FACESxNUMBERS",
        help=f"libraries, of the dimensions {', '.join(map(str, drawn.PIPELINES))}; "
        f"default: {' '.join(SIZES)}",
    )  # fmt: skip
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make libraries once, there")
    parser.add_argument(
        "--peer-up-to", type=int, default=10**7, metavar="FACES",
        help="faiss is asked beside libraries of no more; default: all",
    )  # fmt: skip


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All of it, on one library after the other."""
    started = time.monotonic()
    sizes = arguments.sizes or [Size.of(text) for text in (QUICK if arguments.quick else SIZES)]
    libraries = {}
    for size in sizes:
        with opened(size, arguments.keep) as library:
            beside = not arguments.quick and size.faces <= arguments.peer_up_to
            libraries[str(size)] = _measured(library, arguments.quick, beside)
    return {
        "libraries": libraries,
        "minutes": (time.monotonic() - started) / 60,
        "kept": arguments.keep is not None,
        "ratios": _ratios(list(libraries.values())),
    }


def render(figures: dict[str, Any]) -> str:
    """For each library a table of what was asked, and a line on what it takes to keep it."""
    said = f"That took {figures['minutes']:.0f} minutes"
    said += ", the libraries being there." if figures["kept"] else "."
    return "\n\n".join([said, *map(_rendered, figures["libraries"].values())])


def over_limits(figures: dict[str, Any]) -> list[str]:
    """What ``bench.toml`` does not allow."""
    return arithmetic.over_limits("search", figures)


def _measured(library: Library, quick: bool, beside: bool) -> dict[str, Any]:
    """One library's figures; with `quick` only of the index against comparing all.

    Args:
        beside: Whether faiss is asked, too.
    """
    figures: dict[str, Any] = {
        "faces": len(library.vectors),
        "dimension": library.vectors.shape[1],
        "build_seconds": library.build_seconds,
        "index": library.definition,
        "index_megabytes": library.megabytes,
        "ef_search": nearest.EF_SEARCH,
        "rows": _asked(library, quick),
    }
    if not quick:
        figures["stored"] = _stored_by_turns(library)
    if beside:
        figures["peer"] = _peer(library.folder)
    return figures


def _ratios(libraries: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The worst of all libraries; beside faiss, of the one with the most numbers."""

    def cpu(library: dict[str, Any], row: str) -> float:
        return float(library["rows"][row]["cpu"])

    recalls = [
        row["recall"]
        for library in libraries
        for row in library["rows"].values()
        if row.get("recall") is not None
    ]
    ratios = {
        "recall": min(recalls),
        "compared_over_index": min(cpu(one, COMPARED) / cpu(one, INDEX) for one in libraries),
    }
    full = [library for library in libraries if "peer" in library]
    if full:
        largest = max(full, key=lambda library: library["faces"] * library["dimension"])
        for name, peer in largest["peer"].items():
            ratios[f"cpu_over_faiss_{name}"] = cpu(largest, BARE) / peer["cpu"]
    kept = [
        CORE_MILLISECONDS / (CORE_MILLISECONDS + stored["full"]["cpu"] - stored["empty"]["cpu"])
        for stored in (library["stored"] for library in libraries if "stored" in library)
    ]
    if kept:
        ratios["ingest_of_empty"] = min(kept)
    return ratios


def _rendered(library: dict[str, Any]) -> str:
    peer = library.get("peer", {})
    rows = dict(library["rows"])
    if peer:
        view = peer["hnsw"]["ef_search"]
        rows["faiss, all compared"] = peer["flat"]
        rows[f"faiss, HNSW (ef_search {view})"] = peer["hnsw"]
    head = ("asked", "p50 ms", "p95 ms", "CPU ms", f"recall@{NEIGHBOURS}")
    lines = [
        (name, *(f"{row[key]:.2f}" for key in ("p50", "p95", "cpu")), _shown(row.get("recall")))
        for name, row in rows.items()
    ]
    made = f"{library['faces']:,} faces of {library['dimension']} numbers: the index takes "
    made += f"{library['index_megabytes']:.0f} MB"
    if library["build_seconds"] is not None:
        made += f", was built in {library['build_seconds']:.0f} s"
    made += f" and holds {library['ef_search']} faces in view (ef_search)"
    if "build_cpu_seconds" in peer.get("hnsw", {}):
        made += f"; faiss built its own in {peer['hnsw']['build_cpu_seconds']:.0f} s of CPU"
    parts = [f"### {library['faces']:,} x {library['dimension']}", f"{made}."]
    parts.append(arithmetic.table(head, lines))
    if "stored" in library:
        stored = library["stored"]
        parts.append(
            f"A photo of {FACES_STORED} faces is stored in {stored['empty']['cpu']:.1f} ms of CPU "
            f"in an empty library, in {stored['full']['cpu']:.1f} ms in this one."
        )
    return "\n\n".join(parts)


def _shown(recall: float | None) -> str:
    return "" if recall is None else f"{recall:.4f}"


def _asked(library: Library, quick: bool) -> dict[str, Figures]:
    """A row of figures for each kind of question."""
    connection, probes, few = library.connection, library.probes, library.probes[:FEW]
    count = len(library.vectors)
    index, exact = (Repository(connection, exact_up_to=n) for n in (0, count * 2))
    names = [name for name, _ in drawn.EVENTS]
    events = [event for event in index.events() if event.name in names]
    server = _busy(connection)
    rows = {BARE: _bare(library, events, server)}

    def photos(store: Repository, scope: Sequence[Event], asking: FloatArray) -> Figures:
        return _timed(lambda q: store.search(q, scope, limit=NEIGHBOURS), asking, server)

    def recall(scope: Sequence[Event]) -> float:
        asking = probes[:TRUTHS]
        pairs = [[s.search(q, scope, limit=NEIGHBOURS) for s in (index, exact)] for q in asking]
        hits = [len({m.photo_id for m in a} & {m.photo_id for m in b}) for a, b in pairs]
        return sum(hits) / sum(len(b) for _, b in pairs)

    rows[INDEX] = photos(index, events, probes)
    rows[COMPARED] = photos(exact, events, few)
    for event in () if quick else sorted(events, key=lambda event: -index.count_faces([event])):
        size = index.count_faces([event])
        named = f"ten photos of an event of {size:,} faces"
        rows[f"{named}, as the store chooses"] = photos(Repository(connection), [event], probes)
        if size * 20 > count:
            by_index = photos(index, [event], probes)
            rows[f"{named}, by the index"] = {**by_index, "recall": recall([event])}
            rows[f"{named}, all compared"] = photos(exact, [event], few)
    calibration = load_calibration(events[0].pipeline)
    if calibration is not None and not quick:
        within: dict[str, Any] = {"max_distance": calibration.radius, "limit": 20_000}
        rows["every face within reach, as who asks"] = _timed(
            lambda q: Repository(connection).faces_within(q, events, **within), probes, server
        )
    return rows


def _bare(library: Library, events: Sequence[Event], server: Callable[[], float]) -> Figures:
    """The scan of the index alone, and how many of the nearest it finds."""
    ids, probes = [event.id for event in events], library.probes
    found: list[list[float]] = []

    def ask(probe: FloatArray) -> None:
        question = nearest.Question(
            probe, ids, events[0].pipeline, None, NEIGHBOURS, None, None, 0.0
        )
        with library.connection, library.connection.cursor() as cursor:
            faces = nearest.nearest_by_index(cursor, question)
        found.append(sorted(face.distance for face in faces)[:NEIGHBOURS])

    figures = _timed(ask, probes, server)
    hits = sum(
        sum(distance <= limit + 1e-5 for distance in distances)
        for distances, limit in zip(
            found[-len(probes) :], _reach(library.vectors, probes), strict=True
        )
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
    """Milliseconds of a question: by the clock, and of CPU. Each is asked once before."""
    for probe in probes:
        ask(probe)
    times, spent = [], []
    for probe in probes:
        busy, started = server() + 1e3 * time.process_time(), time.perf_counter()
        ask(probe)
        times.append(1e3 * (time.perf_counter() - started))
        spent.append(server() + 1e3 * time.process_time() - busy)
    times.sort()
    return {
        "p50": statistics.median(times),
        "p95": times[int(0.95 * len(times))],
        "cpu": statistics.median(spent),
    }


def _busy(connection: Any) -> Callable[[], float]:
    """Milliseconds of CPU that the connection's process has taken; 0 where that is not told."""
    return lambda: 1e3 * watching.cpu_of(connection.info.backend_pid)


def _stored_by_turns(library: Library) -> dict[str, Figures]:
    """What it costs to store photos of some faces each, into an empty library and into this one."""
    dimension = library.vectors.shape[1]
    taken: dict[str, list[float]] = {"empty": [], "full": []}
    with tempfile.TemporaryDirectory(prefix="facefind-") as home, database(Path(home)) as empty:
        stores = {"empty": Repository(empty), "full": Repository(library.connection)}
        busy = {"empty": _busy(empty), "full": _busy(library.connection)}
        pipeline = drawn.PIPELINES[dimension]
        name = f"new {time.time_ns()}"
        events = {
            key: store.ensure_event(name, pipeline, "drawn", dimension, {})
            for key, store in stores.items()
        }
        try:
            for first in range(0, STORED, TURN):
                for key, store in stores.items():
                    for number in range(first, first + TURN):
                        photo = _photo(name, number, library.probes)
                        before = busy[key]() + 1e3 * time.process_time()
                        store.record(events[key], [photo])
                        taken[key].append(busy[key]() + 1e3 * time.process_time() - before)
        finally:
            stores["full"].forget_event(name)
    return {key: {"cpu": statistics.median(each[WARM_UP:])} for key, each in taken.items()}


def _photo(event: str, number: int, vectors: FloatArray) -> FoundPhoto:
    landmarks = np.arange(10, dtype=np.float32).reshape(5, 2)
    faces = [
        Face(Detection(Box(100.0 * i, 20, 50, 60), 0.9, landmarks), vector)
        for i, vector in enumerate(np.roll(vectors, -FACES_STORED * number, 0)[:FACES_STORED])
    ]
    path = f"/{event}/{number}.jpg"
    digest = hashlib.sha256(path.encode()).hexdigest()
    info = PhotoInfo("JPEG", 4000, 3000)
    return FoundPhoto(path.encode(), FileStamp(1, 1), digest, info, faces)


def _peer(folder: Path) -> dict[str, Figures]:
    """faiss, in an environment of its own."""
    python = environment("faiss") / "bin" / "python"
    command = [str(python), str(REPO / "scripts" / "peers" / "faiss_search.py"), str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Figures] = json.loads(done.stdout)
    return answer

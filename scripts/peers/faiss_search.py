"""The peer for search: faiss in memory, by comparing all and by HNSW, one question at a time.

``faiss_search.py FOLDER``: vectors.npy (N, D) and probes.npy (Q, D) in it; prints a line of JSON.
The graph is left there, too, and taken by the next run.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np

NEIGHBOURS = 10
LINKS, CONSTRUCTION = 16, 128
"""Those of facefind's indexes: pgvector's own, and ``sql/0013_index_links.sql``."""

WANTED = 0.99


def main(folder: Path) -> None:
    """Builds both, asks both."""
    faiss.omp_set_num_threads(1)
    vectors = np.load(folder / "vectors.npy")
    probes = np.load(folder / "probes.npy")
    flat = faiss.IndexFlatL2(vectors.shape[1])
    flat.add(vectors)
    truth, exact = asked(flat, probes)
    graph, built = linked(vectors, folder)
    for view in (40, 64, 100, 160, 250, 400):
        graph.hnsw.efSearch = view
        found, answered = asked(graph, probes)
        share = sum(len({*a} & {*b}) for a, b in zip(found, truth, strict=True)) / truth.size
        if share >= WANTED:
            break
    hnsw = {**answered, "recall": share, "ef_search": view, "build_cpu_seconds": built}
    print(json.dumps({"flat": {**exact, "recall": 1.0}, "hnsw": hnsw}))


def linked(vectors: Any, folder: Path) -> tuple[Any, float]:
    """The graph, kept under its own numbers, and the seconds of CPU that building it took."""
    file = folder / f"hnsw-{LINKS}-{CONSTRUCTION}.faiss"
    spent = file.with_suffix(".json")
    if not spent.exists():
        graph = faiss.IndexHNSWFlat(vectors.shape[1], LINKS)
        graph.hnsw.efConstruction = CONSTRUCTION
        busy = time.process_time()
        graph.add(vectors)
        seconds = time.process_time() - busy
        faiss.write_index(graph, str(file))
        spent.write_text(json.dumps({"seconds": seconds}), "utf-8")
    return faiss.read_index(str(file)), float(json.loads(spent.read_text("utf-8"))["seconds"])


def asked(index: Any, probes: Any) -> tuple[Any, dict[str, float]]:
    """The answers, and the milliseconds of one."""
    found, times, busy = [], [], time.process_time()
    for probe in probes:
        started = time.perf_counter()
        found.append(index.search(probe[None], NEIGHBOURS)[1][0])
        times.append(1e3 * (time.perf_counter() - started))
    cpu = 1e3 * (time.process_time() - busy) / len(probes)
    times.sort()
    p95 = times[int(0.95 * len(times))]
    return np.array(found), {"p50": statistics.median(times), "p95": p95, "cpu": cpu}


if __name__ == "__main__":
    main(Path(sys.argv[1]))

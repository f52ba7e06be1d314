"""`who PORTRAIT` in a library of drawn faces, from the command's start to its end.

With everything stopped, so that the database starts too, and with the database running. Beside it
face_recognition's way in a program of its own: models loaded, the portrait's face embedded, and all
vectors, from a file, compared with it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from facefind.inference import weights
from facefind.inference.pipeline import PIPELINES
from facefind.store.embedded import embedded_server
from facefind.store.opening import open_store
from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks import peers, watching
from scripts.benchmarks.figures import shown, spread, table
from scripts.benchmarks.running import REPO
from scripts.evaluation.models import models_dir
from scripts.pip_photos import pip_photos

TITLE = "Who"

FACES = (10_000, 100_000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    several = ",".join(map(str, FACES))
    parser.add_argument("--faces", default=several, help=f"default: {several}")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds, for each size of library."""
    folder = REPO / ".cache" / "portraits"
    folder.mkdir(parents=True, exist_ok=True)
    portrait = pip_photos(folder)[0]
    sizes = [2000] if arguments.quick else [int(size) for size in arguments.faces.split(",")]
    rows = [_library(size, portrait, arguments.runs, arguments.quick) for size in sizes]
    return {"rows": rows, "ratios": rows[-1]["ratios"]}


def _library(faces: int, portrait: Path, runs: int, quick: bool) -> dict[str, Any]:
    import psycopg2

    from scripts.benchmarks.drawn_library import draw_vectors, fill

    vectors = draw_vectors(faces, 128)
    with tempfile.TemporaryDirectory(prefix="facefind-") as name:
        home = Path(name)
        with embedded_server(home) as url:
            with open_store(home, url):
                pass
            with closing(psycopg2.connect(url)) as connection:
                fill(connection, vectors)
                with connection, connection.cursor() as cursor:
                    cursor.execute("UPDATE events SET fingerprint = %s", (_fingerprint(),))
        np.save(home / "vectors.npy", vectors)
        seconds: dict[str, list[float]] = {"stopped": [], "running": [], "bare": []}
        for _ in range(runs):
            seconds["stopped"].append(_seconds(home, portrait))
            with embedded_server(home):
                seconds["running"].append(_seconds(home, portrait))
            seconds["bare"].append(_bare())
        if not quick:
            seconds["face_recognition"] = [
                peers.asked(peers.FACE_RECOGNITION, "who", portrait, home / "vectors.npy")[1]
                for _ in range(runs)
            ]
    figures = {way: spread(each) for way, each in seconds.items()}
    running = figures["running"]["median"]
    ratios = {
        "stopped_over_running": figures["stopped"]["median"] / running,
        "running_over_bare": running / figures["bare"]["median"],
    }
    if not quick:
        ratios["face_recognition_over_running"] = figures["face_recognition"]["median"] / running
    return {"faces": faces, **figures, "ratios": ratios}


def _fingerprint() -> str:
    """Of today's weights: faces of others would not be compared."""
    return weights.fingerprint(PIPELINES["dlib"].weights, models_dir())


def _seconds(home: Path, portrait: Path) -> float:
    # 1: nobody drawn looks like the portrait.
    return watching.run(home, "who", portrait, exit_codes=(0, 1)).seconds


def _bare() -> float:
    """The start of a program that loads the same libraries and no more."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import cv2, numpy, onnxruntime, psycopg2"], check=True)
    return time.perf_counter() - start


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits."""
    return arithmetic.over_limits("who", figures)


def render(figures: dict[str, Any]) -> str:
    """A row for each library."""
    head = ["faces", "all stopped, s", "database running, s", "libraries alone, s"]
    ways = ("stopped", "running", "bare", "face_recognition")
    rows = [
        [f"{row['faces']:,}", *(shown(row[way]) if way in row else "" for way in ways)]
        for row in figures["rows"]
    ]
    return table([*head, "face_recognition's way, s"], rows)

"""Runs the peers: other ways to do the same, each in an environment of its own.

`PEERS` are (a) face_recognition's way and (b) the article's. insightface and deepface are left out:
their weights lie where they can be had by download only.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import collect
from scripts.benchmarks.running import REPO

FOLDER = REPO / ".cache" / "peers"

ONE_THREAD = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_OFFLINE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
}
"""Processes are counted against cores, so each has one thread."""

LEFT_OUT = "insightface and deepface: their weights can be had by download only"


@dataclass(frozen=True, slots=True)
class Peer:
    """A program of ``scripts/peers/``.

    Attributes:
        name: Of its environment.
        title: As tables call it.
        program: Its module.
        given: Makes the folder that it takes first.
    """

    name: str
    title: str
    program: str
    given: Callable[[], Path]

    def command(self, *arguments: object) -> list[str]:
        """Its command line; its environment is made where it is not there."""
        environment(self.name)
        python = FOLDER / self.name / "bin" / "python"
        words = (python, "-m", f"scripts.peers.{self.program}", self.given(), *arguments)
        return [str(word) for word in words]


def environment(name: str) -> Path:
    """The folder of a peer's environment, made where it is not there."""
    subprocess.run(
        [REPO / "scripts" / "peers-environments", name], check=True, stdout=subprocess.DEVNULL
    )
    return FOLDER / name


def dlib_weights() -> Path:
    """A folder with the files of face_recognition_models that are used, as published."""
    folder = FOLDER / "dlib-weights"
    folder.mkdir(parents=True, exist_ok=True)
    places = collect.Places(REPO)
    for record in collect.bundled(places.models):
        path = folder / record.published
        if record.package == "face_recognition_models" and not path.exists():
            data = collect.published_bytes(places, record, [record], lambda _: None)
            collect.write_whole(path, data)
    return folder


FACE_RECOGNITION = Peer(
    "face_recognition",
    "face_recognition's way (HOG, one upsampling)",
    "face_recognition_way",
    dlib_weights,
)
ARTICLE = Peer(
    "article",
    "the article's code (Haar 1.05, imgbeddings)",
    "article_way",
    lambda: FOLDER / "article" / "clip",
)
PEERS = (FACE_RECOGNITION, ARTICLE)


def run(peer: Peer, photos: Sequence[Path], processes: int) -> dict[str, Any]:
    """Photos from file to vectors, shared out among processes that start together.

    Loading their programs and models is left out of the figures, in the peer's favour.

    Returns:
        `seconds` from the start to the end of the last, `rate` in photos/s, and `photos`: each
        one's figures, see the program.
    """
    parts = [list(map(str, photos[nth::processes])) for nth in range(processes)]
    with tempfile.TemporaryFile("w+") as errors:
        started = [
            subprocess.Popen(
                peer.command("ingest", *part),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=REPO,
                env=ONE_THREAD,
            )
            for part in parts
            if part
        ]
        try:
            return _answers(peer, started, len(photos))
        except (RuntimeError, ValueError):
            errors.seek(0)
            raise RuntimeError(f"{peer.title} failed: {errors.read()[-2000:]}") from None
        finally:
            for process in started:
                process.kill()
                process.wait()


def _answers(peer: Peer, started: list[subprocess.Popen[str]], photos: int) -> dict[str, Any]:
    for process in started:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{peer.title} did not start")
    start = time.perf_counter()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [json.loads(process.communicate()[0]) for process in started]
    seconds = time.perf_counter() - start
    each = [figures for answer in answers for figures in answer["photos"]]
    return {"seconds": seconds, "rate": photos / seconds, "photos": each}


def asked(peer: Peer, *arguments: object) -> Any:
    """What a program answers to a command that it ends with, and how long it ran in all."""
    command = peer.command(*arguments)
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=REPO, env=ONE_THREAD, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout), time.perf_counter() - start

"""How long commands take from their start to their end where there is next to nothing to do.

`--help`, `status`, and `who` with a portrait in an event of two photos; with everything stopped, so
that the database starts and stops too, and with the database running. Beside them Python alone, a
program that loads the same libraries, and the server alone: started, connected to and stopped by
facefind's own code. All of it is Python that was compiled before, as it is once installed.

What opening the default pipeline's models takes is measured apart, each in a process of its own
that has loaded all libraries before; `who` opens them in a thread beside its imports.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks.figures import shown, spread, table
from scripts.benchmarks.running import REPO, measured
from scripts.sample_event import build_sample_event

TITLE = "Start"


TITLES = {
    "python": "`python -c pass`",
    "libraries": "`python -c 'import cv2, numpy, onnxruntime'`",
    "server": "PostgreSQL alone: start, connect, stop",
    "help": "`facefind --help`",
    "status_running": "`facefind status`, database running",
    "status_stopped": "`facefind status`, everything stopped",
    "who_running": "`facefind who PORTRAIT`, database running",
    "who_stopped": "`facefind who PORTRAIT`, everything stopped",
}

LIMITS = {"help": 0.3, "status_stopped": 0.6, "who_running": 0.8, "who_stopped": 1.5}
"""Seconds that are aimed at on two idle cores; shown, and never checked: see ``bench.toml``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds, and CPU seconds of each command and of what it starts, by turns."""
    with tempfile.TemporaryDirectory(prefix="facefind-") as name:
        folder = Path(name)
        taken = _taken(folder, arguments.runs)
    seconds = {name: spread([wall for wall, _ in each]) for name, each in taken.items()}
    busy = {name: spread([cpu for _, cpu in each]) for name, each in taken.items()}
    models = _models(arguments.runs)
    return {"seconds": seconds, "cpu_seconds": busy, "models": models, "ratios": ratios(taken)}


def _taken(folder: Path, runs: int) -> dict[str, list[tuple[float, float]]]:
    """(seconds, CPU seconds) of each run."""
    from facefind.store.embedded import embedded_server

    event, home = folder / "event", folder / "home"
    event.mkdir()
    build_sample_event(event)
    portrait = next((event / "portraits").glob("*.jpg"))
    photos = sorted((event / "photos").glob("*.jpg"))[:2]
    run = _facefind(home)
    run("ingest", *photos)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in TITLES}
    python = partial(_timed, environment=_compiling(home))
    for _ in range(1 + runs):
        taken["python"].append(python([sys.executable, "-c", "pass"]))
        libraries = "import cv2, numpy, onnxruntime"
        taken["libraries"].append(python([sys.executable, "-c", libraries]))
        taken["server"].append(_server_alone(home))
        taken["help"].append(run("--help"))
        taken["status_stopped"].append(run("status"))
        taken["who_stopped"].append(run("who", portrait))
        with embedded_server(home):
            taken["status_running"].append(run("status"))
            taken["who_running"].append(run("who", portrait))
    # The first round has compiled what the others load.
    return {name: each[1:] for name, each in taken.items()}


def _facefind(home: Path) -> Callable[..., tuple[float, float]]:
    def run(*arguments: object) -> tuple[float, float]:
        command = [sys.executable, "-m", "facefind", "--home", str(home), *map(str, arguments)]
        return _timed(command, _compiling(home))

    return run


def _compiling(home: Path) -> dict[str, str]:
    """The environment, where Python keeps what it has compiled, whatever this one's was told."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(home.with_name("compiled"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _timed(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds until a program ends; its CPU seconds, with those of programs that it waited for."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(command, cwd=REPO, env=environment, stdout=subprocess.DEVNULL, check=True)
    seconds, after = time.perf_counter() - start, os.times()
    own = after.children_user - before.children_user
    return seconds, own + after.children_system - before.children_system


def _server_alone(home: Path) -> tuple[float, float]:
    """The server of ``home``, started as facefind starts it, without the rest of facefind."""
    import psycopg2

    from facefind.store.embedded import embedded_server

    start, before = time.perf_counter(), os.times()
    with embedded_server(home) as url, closing(psycopg2.connect(url)) as connection:
        connection.cursor().execute("SELECT 1")
    after = os.times()
    return time.perf_counter() - start, sum(after[:4]) - sum(before[:4])


def _models(runs: int) -> dict[str, dict[str, dict[str, float]]]:
    """By weight record of the default pipeline: seconds to open it, CPU seconds, and, of a network,
    seconds and CPU seconds without optimising its graph."""
    from facefind.inference import weights
    from facefind.inference.pipeline import DEFAULT_PIPELINE

    taken: dict[str, dict[str, list[float]]] = {}
    for _ in range(1 + runs):
        for record in weights.chosen(DEFAULT_PIPELINE):
            of_record = taken.setdefault(record.name, {})
            for way, optimised in (("", True), ("plain_", False)):
                if optimised or record.file.endswith(".onnx"):
                    once = measured("start", "opened", 1, record=record.name, optimised=optimised)
                    for what in ("seconds", "cpu_seconds"):
                        of_record.setdefault(way + what, []).append(once[what])
    # The first round has brought the files into memory.
    return {
        name: {what: spread(each[1:]) for what, each in of_record.items()}
        for name, of_record in taken.items()
    }


def opened(record: str, optimised: bool) -> dict[str, float]:
    """Seconds and CPU seconds to open a model as facefind does, or without optimising its graph; in
    this process, which must not have opened one before."""
    from facefind.inference import ahead, session
    from scripts.evaluation.models import models_dir

    model = ahead.open_model(record, models_dir(), 0, "cpu")
    session._runtime()  # Imported before it counts.
    options_of = session._options

    def plain(runtime: Any, threads: int) -> Any:
        options = options_of(runtime, threads)
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return options

    if not optimised:
        session._options = plain
    start, busy = time.perf_counter(), time.process_time()
    model.load()
    return {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - busy}


def ratios(taken: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, float]:
    """Each command over what it cannot do without: the median of the rounds' own ratios."""
    rounds = [
        _ratios(dict(zip(taken, each, strict=True))) for each in zip(*taken.values(), strict=True)
    ]
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def _ratios(taken: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    wall = {name: seconds for name, (seconds, _) in taken.items()}
    busy = {name: seconds for name, (_, seconds) in taken.items()}
    return {
        "help_over_python": wall["help"] / wall["python"],
        "status_over_server": wall["status_stopped"] / wall["server"],
        "who_running_over_libraries": wall["who_running"] / wall["libraries"],
        "who_cpu_over_libraries": busy["who_running"] / busy["libraries"],
        "who_stopped_over_libraries_and_server": wall["who_stopped"]
        / (wall["libraries"] + wall["server"]),
    }


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits."""
    return arithmetic.over_limits("start", figures)


def render(figures: dict[str, Any]) -> str:
    """A row for each command, and one for each model."""
    rows = [
        [
            title,
            shown(figures["seconds"][name]),
            shown(figures["cpu_seconds"][name]),
            LIMITS.get(name, ""),
        ]
        for name, title in TITLES.items()
    ]
    commands = table(["", "seconds", "CPU seconds", "aim, s"], rows)
    models = figures.get("models")
    return f"{commands}\n\n{_rendered(models)}" if models else commands


def _rendered(models: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    ways = ("seconds", "cpu_seconds", "plain_seconds", "plain_cpu_seconds")
    rows = [
        [f"`{name}`", *(shown(model[way], 3) if way in model else "" for way in ways)]
        for name, model in models.items()
    ]
    seconds, busy = (
        sum(
            model[what]["median"] - model[f"plain_{what}"]["median"]
            for model in models.values()
            if f"plain_{what}" in model
        )
        for what in ("seconds", "cpu_seconds")
    )
    head = ["opened", "seconds", "CPU seconds", "its graph not optimised, seconds", "CPU seconds"]
    return (
        f"{table(head, rows)}\n\nWere the networks' optimised graphs kept, opening one after the "
        f"other would take at most {seconds:.2f} s less, and {busy:.2f} CPU seconds."
    )

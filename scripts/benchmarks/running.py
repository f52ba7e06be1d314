"""Runs a function in a process of its own, and says how long it took and what memory it held."""

from __future__ import annotations

import importlib
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parent.parent.parent


def measured(module: str, function: str, runs: int, **arguments: Any) -> dict[str, Any]:
    """Figures over some runs of a function of this package, each in a new process.

    Args:
        module: Of this package.
        function: Takes the arguments, which JSON can hold, and returns figures as a dict, among
            them `seconds`.

    Returns:
        The last run's figures; `seconds` (median), `fastest`, `slowest`, and `megabytes`: the most
        that any run held, all told.
    """
    command = [sys.executable, "-m", "scripts.benchmarks.running"]
    command += [module, function, json.dumps(arguments)]
    done = [
        subprocess.run(command, cwd=REPO, check=True, stdout=subprocess.PIPE, text=True)
        for _ in range(runs)
    ]
    answers: list[dict[str, Any]] = [json.loads(run.stdout) for run in done]
    seconds = [answer["seconds"] for answer in answers]
    return {
        **answers[-1],
        "runs": runs,
        "seconds": statistics.median(seconds),
        "fastest": min(seconds),
        "slowest": max(seconds),
        "megabytes": max(answer["megabytes"] for answer in answers),
    }


def main() -> None:
    """Runs the function that the command line names."""
    module, function, arguments = sys.argv[1:]
    called = getattr(importlib.import_module(f"scripts.benchmarks.{module}"), function)
    figures = called(**json.loads(arguments))
    print(json.dumps({**figures, "megabytes": _peak_megabytes()}))


def _peak_megabytes() -> float:
    """The most memory that this process held at one time."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux that counts what the parent held when it started this one.
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


if __name__ == "__main__":
    main()

"""The benchmarks' own arithmetic: medians with their spread, and ratios held against limits.

Limits are in ``bench.toml``, a table for each command: the name of a ratio, and how small or large
it may be. Only ratios to something measured in the same run are compared, never times: these depend
on the machine and on what else it does.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LIMITS = Path(__file__).resolve().parent.parent.parent / "bench.toml"

Limits = Mapping[str, Mapping[str, float]]
"""By a ratio's name: `at_least`, `at_most` or both."""


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest of at least one value."""
    return {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
        "runs": len(values),
    }


def shown(figure: Mapping[str, float], digits: int = 2) -> str:
    """A spread as text: the median and, where there were several runs, from which to which."""
    median = f"{figure['median']:.{digits}f}"
    if figure["runs"] == 1:
        return median
    return f"{median} ({figure['low']:.{digits}f} - {figure['high']:.{digits}f})"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def read_tables() -> dict[str, Limits]:
    """All limits, by command."""
    tables: dict[str, Limits] = tomllib.loads(LIMITS.read_text("utf-8"))
    return tables


def read_limits(command: str) -> Limits:
    """A command's limits; none where the file has none."""
    return read_tables().get(command, {})


def over(ratios: Mapping[str, float], limits: Limits) -> list[str]:
    """Which ratios are beyond their limits, in words; also if nothing could be compared at all."""
    if limits and not limits.keys() & ratios.keys():
        return [f"none of {', '.join(limits)} was measured, so nothing is checked"]
    return [
        f"{name} is {ratios[name]:.3g}, {word} {limit[bound]:g} is allowed"
        for name, limit in limits.items()
        for bound, word, sign in (("at_least", "no less than", 1), ("at_most", "no more than", -1))
        if name in ratios and bound in limit and not sign * ratios[name] >= sign * limit[bound]
    ]


def unmeasured(ratios: Mapping[str, float], limits: Limits) -> list[str]:
    """Limits without a figure: of peers that are not there, or that a quick run leaves out."""
    return [name for name in limits if name not in ratios]


def over_limits(command: str, figures: Mapping[str, Any]) -> list[str]:
    """What of a command's `ratios` is beyond its limits, in words."""
    return over(figures["ratios"], read_limits(command))

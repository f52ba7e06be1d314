"""Measures how fast facefind is and how much memory it takes; called by ``scripts/bench``.

Each figure is the median of several runs, with the smallest and the largest, beside that of its
peers in the same run. With --check the exit code is 1 where a ratio of two such figures is beyond
its limit in ``bench.toml``. With --quick, which alone means ``all --quick``, everything takes under
a minute: fewer photos, CPU time instead of seconds, and no peer that must be installed. With
--store the figures are put into ``docs/performance.json``, and ``docs/performance.md`` is made
anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

from scripts import commands
from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks import page
from scripts.commands import module_of, parser_of

COMMANDS = (
    "ingest",
    "detect",
    "embed",
    "memory",
    "stored",
    "model",
    "who",
    "search",
    "start",
    "group",
    "group_stored",
)
"""Modules of this package in the order of ``docs/performance.md``; a docstring is the help."""

QUICK = ("detect", "embed", "ingest", "search")
"""What ``all --quick`` measures."""

UNHELD = ("memory", "group_stored")
"""What ``all`` leaves out, as it takes long."""


class Command(commands.Command, Protocol):
    """What a module of `COMMANDS` provides; a `TITLE` and a `ledger` are for the page."""

    def measure(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Figures that JSON can hold; ratios are in `ratios`."""

    def render(self, figures: dict[str, Any]) -> str:
        """The figures as a table."""

    def over_limits(self, figures: dict[str, Any]) -> list[str]:
        """What is slower or larger than it may be, in words."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the commands that are asked for."""
    modules: dict[str, Command] = {name: module_of("benchmarks", name) for name in COMMANDS}
    everything: Any = ModuleType("all", "Every command with its defaults.")
    everything.add_arguments = lambda _: None
    parser = parser_of("scripts/bench", __doc__, {**modules, "all": everything}, _common)
    words = list(sys.argv[1:] if argv is None else argv)
    if words and all(word.startswith("--") for word in words) and "--quick" in words:
        words = ["all", *words]
    arguments = parser.parse_args(words)
    over: list[str] = []
    for name in _chosen(arguments):
        given = parser.parse_args([name, *words[1:]]) if arguments.command == "all" else arguments
        over += _run(name, modules, given, page.given(given, parser.parse_args([name])))
    for line in over:
        print(f"scripts/bench: {line}", file=sys.stderr)
    return 1 if over else 0


def _chosen(arguments: argparse.Namespace) -> Sequence[str]:
    if arguments.command != "all":
        return (arguments.command,)
    return QUICK if arguments.quick else [name for name in COMMANDS if name not in UNHELD]


def _run(
    name: str,
    modules: Mapping[str, Command],
    arguments: argparse.Namespace,
    options: Sequence[str],
) -> list[str]:
    """Measures, shows, stores and checks one command: what is beyond its limits."""
    module = modules[name]
    figures = module.measure(arguments)
    print(json.dumps({name: figures}) if arguments.json else module.render(figures), flush=True)
    if arguments.store:
        page.store(name, figures, options=options)
        page.write(modules)
    if not arguments.check:
        return []
    ratios = figures.get("ratios", {})
    limits = arithmetic.read_limits(name)
    for each in arithmetic.unmeasured(ratios, limits):
        print(f"scripts/bench: {name}: {each} was not measured", file=sys.stderr)
    for each, value in ratios.items():
        print(f"scripts/bench: {name}: {each} {value:.3g}", file=sys.stderr)
    return [f"{name}: {line}" for line in module.over_limits(figures)]


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--runs", type=int, default=3, help="default: 3")
    command.add_argument("--quick", action="store_true", help="little, in seconds, without peers")
    command.add_argument("--json", action="store_true", help="machine output on stdout")
    command.add_argument("--check", action="store_true", help="exit code 1 beyond a limit")
    command.add_argument("--store", action="store_true", help="put the figures into docs/")


if __name__ == "__main__":
    sys.exit(main())

"""Measures facefind on the development photos; called by ``scripts/evaluate``.

Every command prints its figures. With ``--store`` it also puts them into ``docs/accuracy.json``,
with the commit and the weights they were measured with, and renders ``docs/accuracy.md`` anew;
``all`` does so for every command; ``compare`` holds two such files against each other.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from facefind.errors import FacefindError
from scripts import commands
from scripts.commands import module_of, parser_of
from scripts.evaluation import compare, report

REPO = Path(__file__).resolve().parent.parent.parent

COMMANDS = (
    "detection",
    "size",
    "rotation",
    "quality",
    "scaled",
    "recognition",
    "alignment",
    "simulated",
    "calibration",
    "who",
    "grouping",
)
"""Modules of this package in the order of ``docs/accuracy.md``; a docstring is the help."""


COMPARE = "compare"


class Command(commands.Command, Protocol):
    """What a module of `COMMANDS` provides."""

    TITLE: str
    """Heading in ``docs/accuracy.md``."""

    def measure(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Figures that JSON can hold; ``arguments.data`` is the development photos' folder."""

    def render(self, figures: dict[str, Any]) -> str:
        """The figures in Markdown, with how they were measured and what was tuned on what."""


class Everything:
    """Every command with its defaults, stored."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """There are none of its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that is asked for."""
    modules: dict[str, Command] = {name: module_of("evaluation", name) for name in COMMANDS}
    known: dict[str, commands.Command] = {**modules, "all": Everything(), COMPARE: compare}
    parser = parser_of("scripts/evaluate", __doc__, known, _common, without=[COMPARE])
    arguments = parser.parse_args(argv)
    if arguments.command != COMPARE and not arguments.data.is_dir():
        parser.error(f"there are no development photos at {arguments.data}; give --data")
    if getattr(arguments, "simulated", False):
        arguments = _defaults(parser, "simulated", arguments)
    try:
        if arguments.command == COMPARE:
            print(compare.render(compare.read(arguments.old), compare.read(arguments.new)))
        else:
            _measure_asked(parser, modules, arguments)
    except FacefindError as error:
        print(f"scripts/evaluate: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _measure_asked(
    parser: argparse.ArgumentParser, modules: dict[str, Command], arguments: argparse.Namespace
) -> None:
    everything = arguments.command == "all"
    for name in COMMANDS if everything else (arguments.command,):
        chosen = _defaults(parser, name, arguments) if everything else arguments
        _measure(name, modules[name], chosen, store=everything or arguments.store)


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, default=_data(), help="the development photos")
    command.add_argument("--json", action="store_true", help="machine output on stdout")
    command.add_argument("--store", action="store_true", help="put the figures into docs/")


def _defaults(
    parser: argparse.ArgumentParser, name: str, given: argparse.Namespace
) -> argparse.Namespace:
    arguments = parser.parse_args([name])
    arguments.data, arguments.json, arguments.store = given.data, given.json, given.store
    return arguments


def _measure(name: str, module: Command, arguments: argparse.Namespace, *, store: bool) -> None:
    figures = module.measure(arguments)
    print(json.dumps({name: figures}) if arguments.json else module.render(figures), flush=True)
    if store:
        report.store(REPO / "docs", name, figures)
        report.write(REPO / "docs", [(each, module_of("evaluation", each)) for each in COMMANDS])


def _data() -> Path:
    return Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data"))


if __name__ == "__main__":
    sys.exit(main())

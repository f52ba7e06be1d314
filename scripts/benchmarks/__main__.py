"""Measures how fast facefind is and how much memory it takes; called by ``scripts/bench``.

Every figure is of a process of its own: seconds are the median of several runs, with the fastest
and the slowest, memory is the most that any of them held. With --check the exit code is 1 where a
figure is over its limit.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from scripts import commands
from scripts.commands import module_of, parser_of

COMMANDS = ("group", "group_stored")
"""Modules of this package; a docstring is the help."""


class Command(commands.Command, Protocol):
    """What a module of `COMMANDS` provides."""

    def measure(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Figures that JSON can hold."""

    def render(self, figures: dict[str, Any]) -> str:
        """The figures as a table."""

    def over_limits(self, figures: dict[str, Any]) -> list[str]:
        """What is slower or larger than it may be, in words."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that is asked for."""
    modules: dict[str, Command] = {name: module_of("benchmarks", name) for name in COMMANDS}
    arguments = parser_of("scripts/bench", __doc__, modules, _common).parse_args(argv)
    module = modules[arguments.command]
    figures = module.measure(arguments)
    print(json.dumps({arguments.command: figures}) if arguments.json else module.render(figures))
    over = module.over_limits(figures) if arguments.check else []
    for line in over:
        print(f"scripts/bench: {line}", file=sys.stderr)
    return 1 if over else 0


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--runs", type=int, default=3, help="default: 3")
    command.add_argument("--json", action="store_true", help="machine output on stdout")
    command.add_argument("--check", action="store_true", help="exit code 1 over a limit")


if __name__ == "__main__":
    sys.exit(main())

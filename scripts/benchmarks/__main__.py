"""Measures how fast facefind is and how much memory it takes; called by ``scripts/bench``.

Every figure is of a process of its own: seconds are the median of several runs, with the fastest
and the slowest, memory is the most that any of them held. With --check the exit code is 1 where a
figure is over its limit.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any, Protocol

COMMANDS = ("group", "group_stored")
"""Modules of this package; a docstring is the help."""


class Command(Protocol):
    """What a module of `COMMANDS` provides."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The command's own options, each with a default."""

    def measure(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Figures that JSON can hold."""

    def render(self, figures: dict[str, Any]) -> str:
        """The figures as a table."""

    def over_limits(self, figures: dict[str, Any]) -> list[str]:
        """What is slower or larger than it may be, in words."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that is asked for."""
    modules = {name: _module(name) for name in COMMANDS}
    arguments = _parser(modules).parse_args(argv)
    module = modules[arguments.command]
    figures = module.measure(arguments)
    print(json.dumps({arguments.command: figures}) if arguments.json else module.render(figures))
    over = module.over_limits(figures) if arguments.check else []
    for line in over:
        print(f"scripts/bench: {line}", file=sys.stderr)
    return 1 if over else 0


def _module(name: str) -> Command:
    module: Any = importlib.import_module(f"scripts.benchmarks.{name}")
    return module  # type: ignore[no-any-return]


def _parser(modules: dict[str, Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, module in modules.items():
        command = commands.add_parser(
            name,
            help=(module.__doc__ or "").partition("\n")[0],
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--runs", type=int, default=3, help="default: 3")
        command.add_argument("--json", action="store_true", help="machine output on stdout")
        command.add_argument("--check", action="store_true", help="exit code 1 over a limit")
        module.add_arguments(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())

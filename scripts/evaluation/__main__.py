"""Measures facefind on the development photos; called by ``scripts/evaluate``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from types import ModuleType

from facefind.errors import FacefindError
from scripts.evaluation import detection, who

REPO = Path(__file__).resolve().parent.parent.parent

COMMANDS: dict[str, ModuleType] = {"detection": detection, "who": who}
"""Modules with ``add_arguments(parser)`` and ``run(arguments)``; a docstring is the help."""


def main() -> int:
    """Runs the command that is asked for."""
    parser = argparse.ArgumentParser(prog="scripts/evaluate", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=(module.__doc__ or "").partition("\n")[0],
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--data", type=Path, default=_data(), help="the development photos")
        command.add_argument("--json", action="store_true", help="machine output on stdout")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"there are no development photos at {arguments.data}; give --data")
    try:
        arguments.run(arguments)
    except FacefindError as error:
        print(f"scripts/evaluate: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _data() -> Path:
    return Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data"))


if __name__ == "__main__":
    sys.exit(main())

"""Programs of several commands, each a module of a package whose docstring is its help."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol


class Command(Protocol):
    """What the module of a command provides to be parsed."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The command's own options, each with a default."""


def module_of(package: str, name: str) -> Any:
    """A command's module: ``name`` in ``scripts.PACKAGE``."""
    return importlib.import_module(f"scripts.{package}.{name}")


def parser_of(
    program: str,
    about: str | None,
    modules: Mapping[str, Command],
    common: Callable[[argparse.ArgumentParser], None],
    without: Collection[str] = (),
) -> argparse.ArgumentParser:
    """Parses a program's arguments; ``command`` is the name of what is asked for.

    Args:
        common: Adds the options that every command has, but for those of ``without``.
    """
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=program, description=about, formatter_class=raw)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, module in modules.items():
        command = commands.add_parser(
            name,
            help=(module.__doc__ or "").partition("\n")[0],
            description=module.__doc__,
            formatter_class=raw,
        )
        if name not in without:
            common(command)
        module.add_arguments(command)
    return parser

"""The command group: loads a command's module when it is called, and turns errors into exit codes.

Exit codes: 0 all done; 1 some photos failed, or nobody found; 2 usage or set-up; 130 interrupted.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from facefind.cli.context import EXIT_INTERRUPTED, App, global_options
from facefind.cli.output import explain
from facefind.errors import FacefindError

COMMANDS = {
    "ingest": "Find the faces of photos and remember them.",
    "who": "Show the photos of the person in a portrait.",
    "people": "Group faces into people, name and correct them.",
    "albums": "Write one folder per person.",
    "faces": "Write a copy of a photo with its faces marked.",
    "reindex": "Look at an event's photos again, with another pipeline or settings.",
    "status": "Show what is known: events, photos, faces, failures.",
    "models": "List the models, or download one.",
    "evaluate": "Measure how well your own people are told apart.",
    "compare-pipelines": "Measure every pipeline on your own people.",
    "forget": "Delete what is known of photos or of an event.",
    "db": "Start, stop, back up or restore the database.",
    "completion": "Print the shell completion script.",
}
"""Every command and its line of help; its module is `facefind.cli.<command>_command`, with "_" for
"-"."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"facefind.cli.{cmd_name.replace('-', '_')}_command")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list from `COMMANDS`, so that --help imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@global_options
def main() -> None:
    """Finds people in event photos, on your own machine.

    \b
    facefind ingest event_photos/     find every face
    facefind who slack_avatar.jpg     the photos that show this person
    facefind albums albums/           one folder per person, and a page
    facefind people list              who was found; name and correct them
    """


def run(argv: Sequence[str] | None = None) -> None:
    """The `facefind` program: parses, runs one command, exits with an honest code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding lacks is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    # Python looks for garbage once more at its end, among all modules, longer than for all else.
    atexit.register(gc.freeze)
    # Leaving through the ordinary way stops the database, if this process is its last user.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        code = _run(argv)
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else 2
    _leave(code)


def _run(argv: Sequence[str] | None) -> int:
    app = App(words=tuple(sys.argv[1:] if argv is None else argv))
    try:
        result = main.main(argv, prog_name="facefind", standalone_mode=False, obj=app)
    except FacefindError as error:
        explain(error)
        _show_traceback(app)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt) as stop:
        if isinstance(stop.__context__, EOFError):
            click.echo("\nNobody answered. An option does, see --help.", err=True)
            return 2
        click.echo("Stopped.", err=True)
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the program's edge: nothing goes on after it
        click.echo(f"facefind: an unexpected error: {type(error).__name__}: {error}", err=True)
        click.echo("This is a fault of facefind; --debug shows where it happened.", err=True)
        _show_traceback(app)
        return 2
    return result if isinstance(result, int) else 0


def _leave(code: int) -> NoReturn:
    """Ends the program; at once where a thread is still busy with a photo that nobody waits for.

    Python would take itself down around it, and the thread then crash as it came back.
    """
    flow = sys.modules.get("facefind.flow")
    if flow is not None and flow.left_behind():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _show_traceback(app: App) -> None:
    """With --debug the whole chain of causes."""
    if app.debug:
        traceback.print_exc()

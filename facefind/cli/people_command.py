"""facefind people ...: a group of commands, each of which is imported when it is called."""

from __future__ import annotations

import importlib

import click

from facefind.cli.context import global_options

SUBCOMMANDS = {
    "group": ("people_group", "Group faces into people; ingest does it by itself."),
    "list": ("people_show", "Show who was found, and in how many photos."),
    "show": ("people_show", "Show a person's photos and the numbers of the faces."),
    "name": ("people_decide", "Give a person a name."),
    "merge": ("people_decide", "Make several people one."),
    "split": ("people_decide", "Make a new person of some of a person's faces."),
    "reject": ("people_decide", "Say that faces are not this person."),
    "confirm": ("people_decide", "Say that faces are this person."),
    "hide": ("people_decide", "Leave people out of lists and albums."),
    "unhide": ("people_decide", "Show hidden people again."),
    "hide-unnamed": ("people_decide", "Hide everybody without a name."),
    "cover": ("people_decide", "Choose the face that stands for a person."),
    "delete": ("people_decide", "Forget a person; the faces stay, as nobody's."),
    "suggest": ("people_suggest", "Show who may be one person, and who may be in the wrong place."),
    "try": ("people_suggest", "Group with other settings and show what would change."),
    "learn": ("people_learn", "Name people by a folder of portraits."),
    "export": ("people_xmp", "Write names and faces for other programs."),
    "import": ("people_xmp", "Read names and faces of other programs."),
    "log": ("people_log", "Show every decision."),
    "undo": ("people_log", "Take a decision back, the last one or any other."),
    "redo": ("people_log", "Make a decision again that was undone."),
}
"""Every command, with the module of `facefind.cli` that it is in and its line of help. The command
is that module's ``<name>_command``, with "_" for "-"."""


class PeopleGroup(click.Group):
    """A group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which people need them."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module; None for an unknown name."""
        if cmd_name not in SUBCOMMANDS:
            return None
        module = importlib.import_module(f"facefind.cli.{SUBCOMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list from `SUBCOMMANDS`, so that --help imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in SUBCOMMANDS.items()])


@click.group(cls=PeopleGroup, name="people")
@global_options
def command() -> None:
    """Group faces into people, name and correct them.

    People are given by name or by number ("12", "#12", "Person 012"), faces by the numbers that
    `facefind people show` gives. Whatever you decide is kept, and can be undone.

    \b
    facefind people list                 who was found
    facefind people show 12 --sheet x.jpg
                                         their faces, with numbers
    facefind people name 12 "Anna Berg"
    facefind people undo
    """

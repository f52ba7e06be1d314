"""facefind people log, undo, redo"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import App, facefind_command
from facefind.cli.output import print_json
from facefind.cli.people_params import NUMBER

if TYPE_CHECKING:
    from facefind.store.records import Decision
    from facefind.store.repository import Repository

SHOWN = 50


@facefind_command(name="log")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=SHOWN,
    show_default=True,
    help="At most so many, the newest; 0 for all.",
)
def log_command(app: App, limit: int) -> int:
    """Show every decision about people, newest first: its number, when, what, and by whom."""
    with app.store() as store:
        decisions = store.decisions(limit or None)
    if app.json:
        print_json({"decisions": [_as_json(decision) for decision in decisions]})
        return 0
    for decision in decisions:
        click.echo(_line(decision))
    if not decisions and not app.quiet:
        click.echo("Nothing has been decided yet.", err=True)
    return 0


@facefind_command(name="undo")
@click.argument("number", type=NUMBER, required=False, metavar="[N]")
def undo_command(app: App, number: int | None) -> int:
    """Take a decision back: the last one that stands, or that of a number of the log.

    Where a later decision rests on it, that one is named instead, and goes first.
    """
    return _turn(app, lambda store: store.undo(number), "Undone")


@facefind_command(name="redo")
@click.argument("number", type=NUMBER, required=False, metavar="[N]")
def redo_command(app: App, number: int | None) -> int:
    """Make a decision again: the one undone last, or that of a number of the log."""
    return _turn(app, lambda store: store.redo(number), "Made again")


def _turn(app: App, turn: Callable[[Repository], Decision], done: str) -> int:
    with app.store() as store:
        decision = turn(store)
    if app.json:
        print_json({"decision": _as_json(decision)})
    elif not app.quiet:
        click.echo(f"{done}: {decision.id}  {decision.kind}  {_what(decision)}")
    return 0


def _line(decision: Decision) -> str:
    """A line of the log."""
    made = f"{decision.made_at.astimezone():%Y-%m-%d %H:%M}"
    what = f"{decision.kind}  {_what(decision)}  {decision.made_by}"
    undone = ""
    if decision.undone_at is not None:
        undone = f"  undone {decision.undone_at.astimezone():%Y-%m-%d %H:%M} {decision.undone_by}"
    return f"{decision.id:>4}  {made}  {what}{undone}"


def _what(decision: Decision) -> str:
    """What it was about, as whoever made it says."""
    subject = decision.subject
    if "what" in subject:
        return str(subject["what"])
    return ", ".join(f"{key} {value}" for key, value in subject.items())


def _as_json(decision: Decision) -> dict[str, Any]:
    undone = decision.undone_at
    return {
        "id": decision.id,
        "kind": decision.kind,
        "subject": dict(decision.subject),
        "made_by": decision.made_by,
        "made_at": decision.made_at.isoformat(),
        "undone_by": decision.undone_by,
        "undone_at": undone.isoformat() if undone else None,
        "changes": decision.changes,
    }

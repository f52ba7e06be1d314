"""What the commands of `facefind people` share."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.output import print_json

if TYPE_CHECKING:
    from facefind.cli.context import App
    from facefind.people.drafting import Done
    from facefind.store.records import Person
    from facefind.store.repository import Repository
    from facefind.types import Event

NUMBER = click.IntRange(min=1, max=2**63 - 1)
"""The number of a face or of a decision."""


class FaceNumber(click.IntRange):
    """The number of a face, where the person comes after it; what is no number may be a name."""

    def __init__(self) -> None:
        super().__init__(NUMBER.min, NUMBER.max)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        try:
            int(value)
        except ValueError:
            self.fail(f"{value!r} is no face number; the person comes last.", param, ctx)
        number: int = super().convert(value, param, ctx)
        return number


sheet_option = click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.jpg",
    help="Write a picture of the faces with their numbers.",
)


def chosen_events(store: Repository, name: str | None) -> list[Event]:
    """The named event, or all of them, whatever their pipelines.

    Raises:
        UsageError: There is no such event, or none at all.
    """
    from facefind.search import events_to_search

    events = store.events()
    return events if events and name is None else events_to_search(events, name)


def say(app: App, done: Done, **more: Any) -> int:
    """Says what a decision came to, and how to take it back."""
    if app.json:
        print_json({**asdict(done), **more})
    elif not app.quiet:
        if done.decision is None:
            click.echo("Nothing changed: it was so already.")
        else:
            click.echo(f"{done.said} Undo: facefind people undo {done.decision}")
    return 0


def person_json(person: Person) -> dict[str, Any]:
    """A person as --json prints them."""
    return {
        "id": person.id,
        "name": person.name,
        "title": person.title,
        "hidden": person.hidden,
        "cover": person.cover,
        "photos": person.photos,
        "faces": person.faces,
        "decided": person.decided,
    }

"""facefind people group"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from facefind.cli.context import App, facefind_command
from facefind.cli.output import plural, print_json
from facefind.cli.params import event_option
from facefind.cli.people_params import chosen_events

if TYPE_CHECKING:
    from facefind.people.groups import GroupReport


@facefind_command(name="group")
@event_option
@click.option(
    "--new-only", is_flag=True, help="In a large library, only find people for new faces."
)
def group_command(app: App, event: str | None, new_only: bool) -> int:
    """Group all faces into people.

    ingest does it by itself, in a large library for new faces only. What you have decided stays:
    people with a name, merged or hidden ones keep their faces, and take new ones that fit. Who was
    seen in one photo alone is a stranger, and no person.

    With --event, all events of its pipeline are grouped: people are the same in each of them.
    """
    from facefind.errors import UsageError
    from facefind.people import group_people

    with app.store() as store:
        report = group_people(store, chosen_events(store, event), full=not new_only)
    if report.ungrouped and not report.grouped:
        raise UsageError(ungrouped(report), "Move the photos with facefind reindex.")
    if app.json:
        print_json({**asdict(report), "seconds": round(report.seconds, 3)})
        return 0
    if report.ungrouped:
        click.echo(ungrouped(report), err=True)
    if not app.quiet:
        _print(report)
    return 0


def ungrouped(report: GroupReport) -> str:
    """Whose faces cannot be grouped."""
    pipelines = " and ".join(report.ungrouped)
    return f"Faces of pipeline {pipelines} cannot be grouped into people."


def _print(report: GroupReport) -> None:
    new = f" ({report.new_people} new)" if report.new_people else ""
    click.echo(
        f"{plural(report.people, 'person')}{new} with {plural(report.faces, 'face')}; "
        f"{plural(report.strangers, 'face')} of strangers, who are alone in "
        f"{plural(report.photos_without_people, 'photo')} ({report.seconds:.1f} s)."
    )
    if report.people:
        click.echo("Next: facefind people list")

"""facefind status"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import App, be_brief, facefind_command
from facefind.cli.output import plural, print_json, printable, shown
from facefind.cli.params import event_option

if TYPE_CHECKING:
    from facefind.store.repository import Repository
    from facefind.types import Event


@facefind_command()
@event_option
def command(app: App, event: str | None) -> int:
    """Show what is known: events, their pipelines, photos, faces, and what failed."""
    be_brief()
    with app.store() as store:
        events = store.events()
        if event is not None:
            from facefind.answers import event_named

            events = [event_named(events, event)]
        rows = [_describe(store, one) for one in events]
    if app.json:
        print_json({"home": str(app.settings.home), "events": rows})
        return 0
    if not rows:
        click.echo("Nothing has been ingested yet. Start with: facefind ingest FOLDER")
    for row in rows:
        _print_event(row, verbose=app.verbose)
    return 0


def _describe(store: Repository, event: Event) -> dict[str, Any]:
    summary = store.summary(event.id)
    return {
        "event": event.name,
        "pipeline": event.pipeline,
        "settings": dict(event.settings),
        "photos": summary.photos,
        "faces": summary.faces,
        "missing": summary.missing,
        "failed": [
            {"path": os.fsdecode(failure.path), "reason": failure.reason}
            for failure in store.failures(event.id)
        ],
    }


def _print_event(row: dict[str, Any], *, verbose: bool) -> None:
    settings = [f"{key}={value}" for key, value in row["settings"].items()] if verbose else []
    click.echo(
        f'Event "{printable(row["event"])}": {plural(row["photos"], "photo")}, '
        f"{plural(row['faces'], 'face')}, {len(row['failed'])} failed, {row['missing']} gone"
    )
    click.echo(" ".join(["  pipeline", row["pipeline"], *settings]))
    for failure in row["failed"]:
        click.echo(f"  not read: {shown(failure['path'])}: {printable(failure['reason'])}")

"""facefind people suggest, try"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import App, facefind_command
from facefind.cli.output import percent, plural, print_json, printable, progress, shown
from facefind.cli.params import event_option
from facefind.cli.people_params import chosen_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facefind.people.suggestions import Suggestion
    from facefind.people.trial import Changed, Part, Trial

SHOWN_CHANGES = 20
MOST_PARTS = 4


def setting(text: str) -> tuple[str, str]:
    """KEY=VALUE as a pair."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise click.BadParameter(f"{text!r} is not of the form KEY=VALUE.")
    return key.strip(), value.strip()


@facefind_command(name="suggest")
@event_option
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many, at most."
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.jpg|.html",
    help="Write the faces in question side by side, as a picture or as a page.",
)
def suggest_command(app: App, event: str | None, limit: int, sheet: Path | None) -> int:
    """Show who may be one person, and who may be in the wrong place.

    First what would improve the albums most. Each comes with the command that does it, and with
    the one that says no for good: what you have decided is not suggested again.
    """
    from facefind.people.suggestion_sheet import write_suggestions
    from facefind.people.suggestions import suggest

    with app.store() as store:
        found = suggest(store, chosen_events(store, event), limit)
    failed = []
    if sheet is not None and found:
        failed = write_suggestions(sheet, found, progress("sheet", app.quiet))
    for path, reason in failed:
        click.echo(f"Not read: {shown(path)}: {printable(reason)}", err=True)
    if app.json:
        print_json({"suggestions": [_suggestion_json(one) for one in found],
                    "sheet": str(sheet) if sheet and found else None})  # fmt: skip
        return 0
    _print_suggestions(found)
    if not app.quiet:
        if not found:
            unwritten = f" {shown(sheet)} was not written." if sheet is not None else ""
            click.echo(f"There is nothing to suggest.{unwritten}", err=True)
        elif sheet is not None:
            click.echo(f"Side by side: {shown(sheet)}", err=True)
    return 0


def _suggestion_json(one: Suggestion) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "people": [person.id for person in (one.person, one.other) if person],
        "titles": [person.title for person in (one.person, one.other) if person],
        "face": None if one.other else one.other_faces[0].sighting,
        "photo": None if one.other else str(one.other_faces[0].photo),
        "probability": None if one.probability is None else round(one.probability, 4),
        "gain": one.gain,
        "command": one.command,
        "contrary": one.contrary or None,
    }


def _print_suggestions(found: Sequence[Suggestion]) -> None:
    from facefind.people.suggestion_sheet import describe

    for number, one in enumerate(found, start=1):
        click.echo(f"{number:>3}. {percent(one.probability)}{printable(describe(one))}")
        click.echo(f"     yes: {printable(one.command)}")
        if one.contrary:
            click.echo(f"     no:  {printable(one.contrary)}")


@facefind_command(name="try")
@click.option(
    "--settings",
    type=setting,
    multiple=True,
    required=True,
    metavar="KEY=VALUE",
    help="A setting of grouping, such as join=0.42; may be given several times.",
)
@event_option
@click.option("--photos", type=click.IntRange(min=1), help="Only so many photos, the oldest first.")
def try_command(
    app: App, settings: tuple[tuple[str, str], ...], event: str | None, photos: int | None
) -> int:
    """Group with other settings and show what would change.

    Nothing is stored. With --event or --photos only these faces are grouped, in both ways: what
    differs is due to the settings. What you have decided stays in either.
    """
    from facefind.people.trial import try_settings

    with app.store() as store:
        trial = try_settings(store, chosen_events(store, event), dict(settings), photos)
    if app.json:
        print_json(asdict(trial))
    else:
        _print_trial(app, trial)
    return 0


def _print_trial(app: App, trial: Trial) -> None:
    for heading, changes in (
        ("Joined", trial.joined),
        ("Split", trial.split),
        ("Other faces", trial.changed),
    ):
        for one in changes[:SHOWN_CHANGES]:
            click.echo(f"{heading}: {_change(one)}")
        if len(changes) > SHOWN_CHANGES:
            click.echo(f"and {len(changes) - SHOWN_CHANGES} more; --json lists them all.")
    if not app.quiet:
        click.echo(
            f"{plural(trial.faces, 'face')}: {trial.before} people with the settings in force, "
            f"{trial.after} with these. Nothing is stored.",
            err=True,
        )


def _change(one: Changed) -> str:
    said = [f"{printable(one.title)}: {one.before} to {plural(one.after, 'face')}"]
    if one.from_whom:
        said.append(f"gets {_parts(one.from_whom)}")
    if one.to_whom:
        said.append(f"loses {_parts(one.to_whom)}")
    return "; ".join(said)


def _parts(parts: Sequence[Part]) -> str:
    said = [f"{part.faces} ({printable(part.title)})" for part in parts[:MOST_PARTS]]
    return ", ".join(said) + (", ..." if len(parts) > MOST_PARTS else "")

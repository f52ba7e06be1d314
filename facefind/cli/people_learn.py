"""facefind people learn DIR"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import EXIT_FAILED, App, facefind_command
from facefind.cli.output import plural, print_json, printable, progress, shown
from facefind.cli.params import FILE, FOLDER, event_option
from facefind.cli.people_params import chosen_events

if TYPE_CHECKING:
    from facefind.people.enrolling import Learnt
    from facefind.people.learning import LearnReport


@facefind_command(name="learn")
@click.argument("folder", type=FOLDER, metavar="DIR")
@event_option
@click.option(
    "--names",
    "table",
    type=FILE,
    metavar="FILE.csv",
    help="What people are called whose pictures are not: lines of file,name.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be decided.")
def learn_command(
    app: App, folder: Path, event: str | None, table: Path | None, dry_run: bool
) -> int:
    """Name people by a folder of portraits, such as badges or a Slack export.

    A picture stands for the person it is named after (Anna Berg.jpg), a sub-folder holds several
    of one person (Anna Berg/1.jpg). Portraits that fit nobody yet are kept, and match photos to
    come. What is in doubt is told and left alone. One `facefind people undo` takes all of it back.

    Exits with 1 if a picture could not be used or a name is in doubt.
    """
    from facefind.people.learning import learn
    from facefind.people.lessons import read_names

    names = read_names(table) if table else {}
    with app.store() as store:
        report = learn(
            store,
            folder,
            chosen_events(store, event),
            app.pipeline,
            names=names,
            dry_run=dry_run,
            progress=progress("learn", app.quiet),
        )
    if app.json:
        print_json(_as_json(report, dry_run))
    else:
        _print(app, report, dry_run)
    in_doubt = any(one.conflict for one in report.people)
    return EXIT_FAILED if report.refused or in_doubt else 0


def _as_json(report: LearnReport, dry_run: bool) -> dict[str, Any]:
    return {
        "decision": report.decision,
        "dry_run": dry_run,
        "people": [
            {
                "name": one.name,
                "person": one.person,
                "state": _state(one),
                "faces": one.faces,
                "merged": list(one.merged),
                "lone_faces": one.lone,
                "new_portraits": one.portraits,
                "hidden": one.hidden,
                "conflict": one.conflict or None,
                "notes": [{"person": note.person, "said": note.said} for note in one.notes],
            }
            for one in report.people
        ],
        "refused": [{"about": one.about, "reason": one.reason} for one in report.refused],
        "skipped_pipelines": list(report.skipped),
    }


def _state(one: Learnt) -> str:
    """One word: "conflict", "new", "named", "changed" or "known"."""
    if one.conflict:
        return "conflict"
    if one.created:
        return "new"
    return "named" if one.named else "changed" if one.changed else "known"


def _print(app: App, report: LearnReport, dry_run: bool) -> None:
    for refused in report.refused:
        click.echo(f"Not used: {shown(refused.about)}: {printable(refused.reason)}.", err=True)
    for pipeline in report.skipped:
        click.echo(
            f"Faces of pipeline {pipeline} are left out: it cannot tell people apart.", err=True
        )
    for one in report.people:
        for note in one.notes:
            click.echo(f"{printable(note.said)}: facefind people show {note.person}", err=True)
        if one.conflict:
            click.echo(f"In doubt: {printable(one.name)}: {printable(one.conflict)}.", err=True)
        else:
            click.echo(_line(one))
    if app.quiet:
        return
    if dry_run:
        click.echo("Nothing is stored: this was a dry run.")
    elif report.decision is None:
        doubtful = report.refused or any(one.conflict for one in report.people)
        click.echo(f"Nothing changed{'.' if doubtful else ': it was so already.'}")
    else:
        click.echo(f"Undo: facefind people undo {report.decision}")


def _line(one: Learnt) -> str:
    number = f" ({one.person})" if one.person is not None else ""
    said = [f"{printable(one.name)}{number}: {plural(one.faces, 'face')}"]
    if one.created and not one.faces:
        said = [f"{printable(one.name)}{number}: in no photo yet"]
    if one.merged:
        said.append(f"{', '.join(f'Person {other:03}' for other in one.merged)} merged into them")
    if one.lone:
        said.append(f"{plural(one.lone, 'face')} of nobody before")
    if one.hidden:
        said.append("hidden")
    return "; ".join(said if one.changed else [*said, "known already"])

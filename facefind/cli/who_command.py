"""facefind who PORTRAIT..."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.asking import pipeline_of, read_portraits, remarks
from facefind.cli.context import EXIT_FAILED, App, facefind_command
from facefind.cli.output import plural, print_json, shown
from facefind.cli.params import EXISTING, event_option, moment

if TYPE_CHECKING:
    from facefind.search import Portrait
    from facefind.types import Match


@facefind_command()
@click.argument("portraits", nargs=-1, required=True, type=EXISTING, metavar="PORTRAIT...")
@event_option
@click.option(
    "--limit", type=click.IntRange(min=0), default=0, help="At most so many photos; 0 is all."
)
@click.option(
    "--max-distance",
    type=click.FloatRange(min=0),
    help="How far a face may be from the portrait's; the pipeline's threshold by default.",
)
@click.option(
    "--face", type=click.IntRange(min=1), help="Which face of the portrait, from the left."
)
@click.option(
    "--after", type=moment, metavar="DATE", help="Only photos taken at or after this time."
)
@click.option("--before", type=moment, metavar="DATE", help="Only photos taken before this time.")
@click.option(
    "--copy-to", type=click.Path(file_okay=False, path_type=Path), help="Copy the photos there."
)
@click.option(
    "--link-to", type=click.Path(file_okay=False, path_type=Path), help="Link the photos there."
)
@click.option("--open", "show", is_flag=True, help="Show the photos in the file manager.")
def command(
    app: App,
    portraits: tuple[Path, ...],
    event: str | None,
    limit: int,
    max_distance: float | None,
    face: int | None,
    after: datetime | None,
    before: datetime | None,
    copy_to: Path | None,
    link_to: Path | None,
    show: bool,
) -> int:
    """Show the photos of the person in a portrait.

    Several portraits are taken to show one person and make one question.
    """
    from facefind.search import combine, events_to_search, who

    with app.store() as store:
        events = events_to_search(store.events(), event)
        pipeline = pipeline_of(app, events)
        asked = read_portraits(portraits, pipeline, face)
        threshold = pipeline.spec.threshold if max_distance is None else max_distance
        matches = who(
            combine(asked),
            store=store,
            events=events,
            max_distance=threshold,
            limit=limit,
            after=after,
            before=before,
        )
    answer = {
        "portraits": [{"path": str(p.path), "box": list(p.box), "faces": p.faces} for p in asked],
        "event": event if event or len(events) > 1 else events[0].name,
        "pipeline": pipeline.spec.name,
        "threshold": threshold,
        "matches": [match_json(match) for match in matches],
    }
    _print(app, answer, asked, matches)
    _hand_over(app, matches, copy_to, link_to, show)
    return 0 if matches else EXIT_FAILED


def match_json(match: Match) -> dict[str, Any]:
    """A match as --json prints it."""
    return {
        "photo": str(match.photo),
        "event": match.event,
        "distance": round(match.distance, 6),
        "box": [round(value, 2) for value in match.box],
        "taken_at": match.taken_at.isoformat() if match.taken_at else None,
    }


def _print(
    app: App, answer: dict[str, Any], asked: Sequence[Portrait], matches: Sequence[Match]
) -> None:
    for portrait in asked:
        for remark in remarks(portrait):
            click.echo(remark, err=True)
    if app.json:
        print_json(answer)
        return
    if answer["threshold"] is None:
        click.echo(
            f"Pipeline {answer['pipeline']} has no measured threshold: these are the nearest "
            "photos, and their distances are not calibrated.",
            err=True,
        )
    for match in matches:
        click.echo(f"{match.distance:6.3f}  {shown(match.photo)}")
    if not app.quiet:
        click.echo(_sentence(answer, matches), err=True)


def _sentence(answer: dict[str, Any], matches: Sequence[Match]) -> str:
    where = f'in event "{answer["event"]}"' if answer["event"] else "in any event"
    if not matches:
        return (
            f"Nobody {where} looks like this portrait. A second portrait, or --max-distance "
            "above the threshold, may help."
        )
    return f"{plural(len(matches), 'photo')} {where}, nearest first (L2 distance, photo)."


def _hand_over(
    app: App, matches: Sequence[Match], copy_to: Path | None, link_to: Path | None, show: bool
) -> None:
    from facefind import placing

    photos = [match.photo for match in matches]
    if copy_to is not None:
        placing.place_all(photos, copy_to, "copy")
    if link_to is not None:
        placing.place_all(photos, link_to, "link")
    if show and photos:
        click.launch(str(copy_to or link_to or _last_answer(app, photos)))


def _last_answer(app: App, photos: Sequence[Path]) -> Path:
    """A folder of links to the photos, which replaces the answer before."""
    from facefind import placing

    placing.clear_links(app.last_answer)
    placing.place_all(photos, app.last_answer, "link")
    return app.last_answer

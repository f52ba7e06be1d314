"""facefind who PORTRAIT..."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import EXIT_FAILED, App, facefind_command
from facefind.cli.output import percent, plural, print_json, printable, remarks, shown
from facefind.cli.params import (
    FILE,
    certainty_of,
    distance,
    event_option,
    loose_option,
    low_quality_option,
    moment,
    strict_option,
)

if TYPE_CHECKING:
    from facefind.portraits import FailedPortrait, Portrait
    from facefind.types import Match

MOST = 1_000_000_000

OTHER_FACE = "--face N asks about another; facefind faces PHOTO shows the numbers."


@facefind_command()
@click.argument("portraits", nargs=-1, required=True, type=FILE, metavar="PORTRAIT...")
@event_option
@click.option(
    "--limit", type=click.IntRange(0, MOST), metavar="N", help="At most so many photos; 0 is all."
)
@click.option(
    "--max-distance",
    type=distance,
    metavar="D",
    help="Let this L2 distance from the portrait decide, instead of the probability.",
)
@strict_option
@loose_option
@low_quality_option
@click.option(
    "--face",
    type=click.IntRange(min=1),
    metavar="N",
    help="Which face of the portrait, from the left.",
)
@click.option(
    "--after", type=moment, metavar="DATE", help="Only photos known to be taken then or later."
)
@click.option(
    "--before", type=moment, metavar="DATE", help="Only photos known to be taken earlier."
)
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
    limit: int | None,
    max_distance: float | None,
    strict: bool,
    loose: bool,
    include_low_quality: bool,
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
    from facefind.binding import pipeline_of
    from facefind.inference.quality import LOW_QUALITY
    from facefind.matching import load_calibration
    from facefind.portraits import read_portraits
    from facefind.search import Gallery, Scope, combine, events_to_search, reach_of

    with app.store() as store:
        events = events_to_search(store.events(), event)
        pipeline = pipeline_of(events, app.pipeline)
        calibration = load_calibration(pipeline.spec.name)
        reach = reach_of(
            calibration,
            pipeline.spec.threshold,
            max_distance=max_distance,
            certainty=certainty_of(strict, loose),
        )
        asked, failed = read_portraits(portraits, pipeline, face)
        floor = 0.0 if include_low_quality else LOW_QUALITY
        gallery = Gallery(store, Scope(events, after, before, floor), calibration)
        matches = gallery.photos(combine(asked), reach, limit) if asked else []
    gone = _hand_over(app, matches, copy_to, link_to, show)
    answer = {
        "portraits": [
            {"path": str(p.path), "box": list(p.box), "faces": p.faces, "quality": p.quality}
            for p in asked
        ],
        "event": event if event or len(events) > 1 else events[0].name,
        "pipeline": pipeline.spec.name,
        "max_distance": reach.max_distance,
        "min_probability": reach.min_probability,
        "matches": [match_json(match) for match in matches],
        "failed": [{"path": str(portrait.path), "reason": portrait.reason} for portrait in failed],
    }
    _print_remarks([] if face else asked, failed, gone)
    _print_answer(app, answer, asked, matches)
    for folder in (copy_to, link_to):
        if folder is not None and not app.quiet:
            handed = plural(len(matches) - len(gone), "photo")
            click.echo(f"{handed} in {shown(folder)}", err=True)
    return EXIT_FAILED if failed or gone or not matches else 0


def match_json(match: Match) -> dict[str, Any]:
    """A match as --json prints it."""
    from facefind.albums import rounded

    return {
        "photo": str(match.photo),
        "event": match.event,
        "distance": round(match.distance, 6),
        "probability": rounded(match.probability),
        "quality": rounded(match.quality),
        "box": [round(value, 2) for value in match.box],
        "taken_at": match.taken_at.isoformat() if match.taken_at else None,
    }


def _print_remarks(
    asked: Sequence[Portrait], failed: Sequence[FailedPortrait], gone: Sequence[Path]
) -> None:
    for left_out in failed:
        click.echo(printable(left_out.reason), err=True)
    for portrait in asked:
        for remark in remarks(portrait, OTHER_FACE):
            click.echo(remark, err=True)
    for photo in gone:
        click.echo(f"No longer there, so not handed over: {shown(photo)}", err=True)


def _print_answer(
    app: App, answer: dict[str, Any], asked: Sequence[Portrait], matches: Sequence[Match]
) -> None:
    if app.json:
        print_json(answer)
        return
    if answer["max_distance"] is None and matches:
        click.echo(
            f"Pipeline {answer['pipeline']} has no measured threshold: these are the nearest "
            "photos, and their distances are not calibrated.",
            err=True,
        )
    for match in matches:
        click.echo(f"{match.distance:6.3f}  {percent(match.probability)}{shown(match.photo)}")
    if asked and not app.quiet:
        click.echo(_sentence(answer, matches), err=True)


def _sentence(answer: dict[str, Any], matches: Sequence[Match]) -> str:
    where = f'in event "{printable(answer["event"])}"' if answer["event"] else "in any event"
    if not matches:
        return " ".join([f"Nobody {where} is surely the person asked about.", *_advice(answer)])
    columns = "L2 distance, photo"
    if matches[0].probability is not None:
        columns = "L2 distance, probability, photo"
    return f"{plural(len(matches), 'photo')} {where}, nearest first ({columns})."


def _advice(answer: dict[str, Any]) -> list[str]:
    """What may help where nobody was found."""
    context = click.get_current_context().params
    wider = []
    if len(answer["portraits"]) == 1:
        wider.append("a second portrait")
    if not context["loose"] and answer["min_probability"] is not None:
        wider.append("--loose")
    if context["max_distance"] is not None:
        wider.append("a larger --max-distance")
    advice = [f"{' or '.join(wider).capitalize()} may help."] if wider else []
    if context["after"] or context["before"]:
        advice.append("Photos without a date are left out by --after and --before.")
    return advice


def _hand_over(
    app: App, matches: Sequence[Match], copy_to: Path | None, link_to: Path | None, show: bool
) -> list[Path]:
    """Copies, links and shows the photos as asked; the photos that are gone."""
    from facefind import placing

    photos = [match.photo for match in matches]
    gone = placing.place_all(photos, copy_to, "copy") if copy_to is not None else []
    if link_to is not None:
        gone = placing.place_all(photos, link_to, "link")
    if show and photos:
        folder = copy_to or link_to
        if folder is None:
            folder = app.last_answer
            placing.clear_links(folder)
            gone = placing.place_all(photos, folder, "link")
        if click.launch(str(folder)) != 0:
            click.echo(f"Nothing here can show folders; the photos are in {folder}", err=True)
    return gone

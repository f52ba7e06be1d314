"""facefind albums OUT --portraits DIR"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from facefind.cli.context import EXIT_FAILED, App, facefind_command
from facefind.cli.output import plural, print_json, printable, remarks, shown
from facefind.cli.params import (
    certainty_of,
    event_option,
    loose_option,
    low_quality_option,
    strict_option,
)

if TYPE_CHECKING:
    from facefind.albums import AlbumsReport, People
    from facefind.placing import Mode


SHOWN_GONE = 10


@facefind_command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--portraits",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="One picture per person, named after them; a sub-folder holds several of one person.",
)
@event_option
@click.option(
    "--mode",
    type=click.Choice(["link", "hardlink", "copy"]),
    default="link",
    show_default=True,
    help="How the photos get into the albums.",
)
@click.option(
    "--min-photos",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="People with fewer photos get no folder.",
)
@strict_option
@loose_option
@low_quality_option
def command(
    app: App,
    out: Path,
    portraits: Path,
    event: str | None,
    mode: str,
    min_photos: int,
    strict: bool,
    loose: bool,
    include_low_quality: bool,
) -> int:
    """Write one folder per person of a folder of portraits.

    Run it again after the next ingest: only what changed is changed, and files that facefind did
    not write are never touched.
    """
    from facefind.albums import find_people, read_people, write_albums
    from facefind.binding import pipeline_of
    from facefind.errors import UsageError
    from facefind.inference.quality import LOW_QUALITY
    from facefind.matching import load_calibration
    from facefind.search import Gallery, Scope, events_to_search, reach_of

    if out.resolve() == portraits.resolve():
        raise UsageError("The albums need a folder of their own, not that of the portraits.")
    with app.store() as store:
        events = events_to_search(store.events(), event)
        pipeline = pipeline_of(events, app.pipeline)
        calibration = load_calibration(pipeline.spec.name)
        reach = reach_of(
            calibration, pipeline.spec.threshold, certainty=certainty_of(strict, loose)
        )
        floor = 0.0 if include_low_quality else LOW_QUALITY
        gallery = Gallery(store, Scope(events, min_quality=floor), calibration)
        people = read_people(portraits, pipeline)
        answers = find_people(people, gallery, reach)
        photos = [photo for one in events for photo in store.event_photos(one.id)]
    report = write_albums(
        out,
        answers,
        photos=photos,
        mode=cast("Mode", mode),
        min_photos=min_photos,
        keep=people.unknown,
    )
    _print_remarks(people, report)
    if app.json:
        _print_json(out, report, people)
    elif not app.quiet:
        _print_lines(out, report)
    found = any(album.matches for album in report.albums)
    return EXIT_FAILED if people.failed or report.gone or not found else 0


def _print_remarks(people: People, report: AlbumsReport) -> None:
    for left_out in people.failed:
        click.echo(f"Portrait left out: {printable(left_out.reason)}", err=True)
    for name in sorted(people.unknown):
        click.echo(f"{printable(name)} has no portrait that can be used; an album of theirs stays "
                   "as it is.", err=True)  # fmt: skip
    for portraits in people.probes.values():
        for portrait in portraits:
            for remark in remarks(portrait, choice=""):
                click.echo(remark, err=True)
    gone = sorted(set(report.gone))
    for photo in gone[:SHOWN_GONE]:
        click.echo(f"No longer there: {shown(photo)}", err=True)
    if gone:
        click.echo(f"{plural(len(gone), 'photo')} gone in all; what the albums have of them stays "
                   "until an ingest takes note of it.", err=True)  # fmt: skip
    for path in report.left_alone:
        click.echo(f"Left alone, changed since facefind wrote it: {shown(path)}", err=True)


def _print_json(out: Path, report: AlbumsReport, people: People) -> None:
    from facefind.albums import listing

    print_json(
        {
            "out": str(out),
            **listing(report.albums, report.photos_without_people),
            "written": report.written,
            "kept": report.kept,
            "removed": report.removed,
            "left_alone": [str(path) for path in report.left_alone],
            "gone": [str(path) for path in report.gone],
            "failed": [{"path": str(p.path), "reason": p.reason} for p in people.failed],
        }
    )


def _print_lines(out: Path, report: AlbumsReport) -> None:
    for album in report.albums:
        where = shown(out / album.folder) if album.folder else "no album"
        click.echo(f"{printable(album.name)}: {plural(len(album.matches), 'photo')}, {where}")
    click.echo(
        f"{plural(len(report.photos_without_people), 'photo')} without any of these people; "
        f"{report.written} written, {report.kept} kept, {report.removed} removed."
    )

"""facefind albums OUT --portraits DIR"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facefind.cli.asking import pipeline_of, read_portraits, remarks
from facefind.cli.context import EXIT_FAILED, App, facefind_command
from facefind.cli.output import plural, print_json, shown, shown_text
from facefind.cli.params import event_option

if TYPE_CHECKING:
    from facefind.albums import AlbumsReport, PortraitSet
    from facefind.inference.pipeline import Pipeline
    from facefind.search import Portrait
    from facefind.types import Match

FOLDER = click.Path(file_okay=False, path_type=Path)


@facefind_command()
@click.argument("out", type=FOLDER)
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
def command(
    app: App, out: Path, portraits: Path, event: str | None, mode: str, min_photos: int
) -> int:
    """Write one folder per person of a folder of portraits.

    Run it again after the next ingest: only what changed is changed, and files that facefind did
    not write are never touched.
    """
    from facefind.albums import one_person_per_face, portrait_sets, write_albums
    from facefind.search import combine, events_to_search, who

    people = portrait_sets(portraits)
    with app.store() as store:
        events = events_to_search(store.events(), event)
        pipeline = pipeline_of(app, events)
        threshold = _threshold(pipeline)
        probes, failed = _probes(people, pipeline)
        answers: dict[str, Sequence[Match]] = {
            name: who(combine(found), store=store, events=events, max_distance=threshold)
            for name, found in probes.items()
        }
        photos = [photo.path for event in events for photo in store.event_photos(event.id)]
    report = write_albums(
        out,
        one_person_per_face(answers),
        photos=photos,
        mode=mode,  # type: ignore[arg-type]  # click.Choice has checked it
        min_photos=min_photos,
    )
    _print(app, out, report, failed)
    return EXIT_FAILED if failed or report.gone else 0


def _threshold(pipeline: Pipeline) -> float:
    from facefind.errors import UsageError

    if pipeline.spec.threshold is None:
        raise UsageError(
            f"Pipeline {pipeline.spec.name} has no measured threshold, so it cannot tell who is "
            "in a photo.",
            "Ingest the photos under another --event with the default pipeline for albums.",
        )
    return pipeline.spec.threshold


def _probes(
    people: Sequence[PortraitSet], pipeline: Pipeline
) -> tuple[dict[str, list[Portrait]], list[tuple[Path, str]]]:
    """The portraits of each person, and the pictures that show no face or cannot be read."""
    from facefind.errors import NoFaceInPortrait, PhotoError

    probes: dict[str, list[Portrait]] = {}
    failed = []
    for person in people:
        for picture in person.pictures:
            try:
                found = read_portraits([picture], pipeline)
            except (PhotoError, NoFaceInPortrait) as error:
                failed.append((picture, error.message))
                continue
            probes.setdefault(person.name, []).extend(found)
            for remark in remarks(found[0]):
                click.echo(remark, err=True)
    return probes, failed


def _print(app: App, out: Path, report: AlbumsReport, failed: Sequence[tuple[Path, str]]) -> None:
    for _, reason in failed:
        click.echo(f"Portrait left out: {shown_text(reason)}", err=True)
    for photo in report.gone:
        click.echo(
            f"No longer there: {shown(photo)} (facefind ingest brings it up to date)", err=True
        )
    for path in report.left_alone:
        click.echo(f"Left alone, changed since facefind wrote it: {shown(path)}", err=True)
    if app.json:
        _print_json(out, report, failed)
    elif not app.quiet:
        _print_lines(out, report)


def _print_json(out: Path, report: AlbumsReport, failed: Sequence[tuple[Path, str]]) -> None:
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
            "failed": [{"path": str(path), "reason": reason} for path, reason in failed],
        }
    )


def _print_lines(out: Path, report: AlbumsReport) -> None:
    for album in report.albums:
        where = shown(out / album.folder) if album.folder else "no album"
        click.echo(f"{shown(album.name)}: {plural(len(album.matches), 'photo')}, {where}")
    click.echo(
        f"{plural(len(report.photos_without_people), 'photo')} without any of these people; "
        f"{report.written} written, {report.kept} kept, {report.removed} removed."
    )

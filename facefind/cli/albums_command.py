"""facefind albums OUT [--portraits DIR]"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.albums_output import print_report, print_unknown
from facefind.cli.context import EXIT_FAILED, App, facefind_command, to_go_on
from facefind.cli.output import progress
from facefind.cli.params import (
    certainty_of,
    event_option,
    loose_option,
    low_quality_option,
    moment,
    strict_option,
)

if TYPE_CHECKING:
    from facefind.albums import PageChoice
    from facefind.store.records import EventPhoto, Person
    from facefind.store.repository import Repository

OF_PEOPLE = ("only", "together", "include_hidden", "unsorted")
OF_PORTRAITS = ("strict", "loose", "include_low_quality")


@facefind_command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--portraits",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Albums of these people instead: one picture each, named after them, or a sub-folder.",
)
@event_option
@click.option(
    "--only", multiple=True, metavar="WHO", help="Only this person, by name or number; repeatable."
)
@click.option(
    "--together",
    nargs=2,
    multiple=True,
    metavar="WHO WHO",
    help="Also an album of the photos that show both; repeatable.",
)
@click.option("--include-hidden", is_flag=True, help="Also people who are hidden.")
@click.option("--unsorted", is_flag=True, help="Also an album of the photos that show nobody.")
@click.option(
    "--min-photos",
    type=click.IntRange(min=1),
    metavar="N",
    help="People with fewer photos get no album.  [default: 1; 2 for people without a name]",
)
@click.option(
    "--after", type=moment, metavar="DATE", help="Only photos known to be taken then or later."
)
@click.option(
    "--before", type=moment, metavar="DATE", help="Only photos known to be taken earlier."
)
@click.option(
    "--mode",
    type=click.Choice(["link", "hardlink", "copy", "zip"]),
    default="link",
    show_default=True,
    help="How the photos get into the albums; zip makes each album one file.",
)
@click.option("--no-page", is_flag=True, help="No index.html to look at the albums with.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@strict_option
@loose_option
@low_quality_option
def command(app: App, out: Path, portraits: Path | None, dry_run: bool, **options: Any) -> int:
    """Write one folder per person, and a page to look at them with.

    The people are those that facefind people knows, or those of a folder of portraits. OUT holds
    the albums asked for: run it again with other options or after an ingest, and what changed is
    changed, a renamed person's folder is renamed, and what no longer belongs is removed. Files that
    facefind did not write are never touched.
    """
    if portraits is not None:
        _refuse(options, OF_PEOPLE, "asks for people of the library: leave out --portraits")
        return _by_portraits(app, out, portraits, dry_run, options)
    _refuse(options, OF_PORTRAITS, "is about portraits: it goes with --portraits")
    return _by_people(app, out, dry_run, options)


def _to_go_on(dry_run: bool) -> AbstractContextManager[None]:
    """Says, where the user stops the writing, that it can go on."""
    return nullcontext() if dry_run else to_go_on("What is there is whole; run it again to go on.")


def _refuse(options: dict[str, Any], names: Sequence[str], reason: str) -> None:
    wrong = next((name for name in names if options[name]), None)
    if wrong is not None:
        raise click.UsageError(f"--{wrong.replace('_', '-')} {reason}.")


def _by_people(app: App, out: Path, dry_run: bool, options: dict[str, Any]) -> int:
    from facefind.albums import Choice, people_albums, write_albums
    from facefind.people.naming import find_person
    from facefind.search import events_to_search

    with app.store() as store:
        events = store.events()
        if options["event"] is not None or not events:
            events = events_to_search(events, options["event"])
        choice = Choice(
            events,
            only=_each_once(store, options["only"]),
            together=[
                (find_person(store, one), find_person(store, other))
                for one, other in options["together"]
            ],
            min_photos=options["min_photos"],
            include_hidden=options["include_hidden"],
            unsorted=options["unsorted"],
            after=options["after"],
            before=options["before"],
        )
        members = people_albums(store, choice)
        page = None
        if not options["no_page"]:
            heading = events[0].name if len(events) == 1 else "Albums"
            page = _page(app, store, members.photos, heading)
    with _to_go_on(dry_run):
        report = write_albums(
            out,
            members.albums,
            photos=members.photos,
            nobody=members.nobody,
            mode=options["mode"],
            page=page,
            dry_run=dry_run,
        )
    print_report(app, out, report, dry_run=dry_run)
    nothing = not any(album.place for album in report.albums)
    unread = report.page is not None and report.page.failed
    return EXIT_FAILED if report.gone or unread or nothing else 0


def _each_once(store: Repository, references: Sequence[str]) -> list[Person]:
    """People in the order that they are named in."""
    from facefind.people.naming import find_person

    found = [find_person(store, reference) for reference in references]
    return list({person.id: person for person in found}.values())


def _page(app: App, store: Repository, photos: Sequence[EventPhoto], heading: str) -> PageChoice:
    import os

    from facefind.albums import PageChoice

    places = store.photos_at([os.fsencode(photo.path) for photo in photos])
    sizes = {p.photo_id: (p.width, p.height) for p in places if p.width and p.height}
    return PageChoice(heading, sizes, progress("thumbnails", app.quiet))


def _by_portraits(
    app: App, out: Path, portraits: Path, dry_run: bool, options: dict[str, Any]
) -> int:
    from facefind.albums import Choice, find_people, portrait_albums, write_albums
    from facefind.albums.members import photos_between
    from facefind.binding import pipeline_of
    from facefind.errors import UsageError
    from facefind.inference.quality import LOW_QUALITY
    from facefind.matching import load_calibration
    from facefind.portrait_folder import read_people
    from facefind.search import Gallery, Scope, events_to_search, reach_of

    if out.resolve() == portraits.resolve():
        raise UsageError("The albums need a folder of their own, not that of the portraits.")
    after, before = options["after"], options["before"]
    with app.store() as store:
        events = events_to_search(store.events(), options["event"])
        pipeline = pipeline_of(events, app.pipeline)
        calibration = load_calibration(pipeline.spec.name)
        certainty = certainty_of(options["strict"], options["loose"])
        reach = reach_of(calibration, pipeline.spec.threshold, certainty=certainty)
        floor = 0.0 if options["include_low_quality"] else LOW_QUALITY
        gallery = Gallery(store, Scope(events, after, before, floor), calibration)
        people = read_people(portraits, pipeline)
        answers = find_people(people, gallery, reach)
        photos = photos_between(store, Choice(events, after=after, before=before))
    shown = {match.photo_id for matches in answers.values() for match in matches}
    with _to_go_on(dry_run):
        report = write_albums(
            out,
            portrait_albums(answers, options["min_photos"]),
            photos=photos,
            nobody=[photo for photo in photos if photo.photo_id not in shown],
            mode=options["mode"],
            keep=people.unknown,
            dry_run=dry_run,
        )
    print_unknown(people)
    print_report(app, out, report, dry_run=dry_run, people=people)
    found = any(answers.values())
    return EXIT_FAILED if people.failed or report.gone or not found else 0

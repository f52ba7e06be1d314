"""facefind who PORTRAIT..., facefind who NAME"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import EXIT_FAILED, App, be_brief, facefind_command
from facefind.cli.output import plural, shown
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
from facefind.errors import UsageError

if TYPE_CHECKING:
    from facefind.answers import Answer
    from facefind.cli.who_answer import Found
    from facefind.search import Gallery, Probe, Reach
    from facefind.store.repository import Repository
    from facefind.types import Event

MOST = 1_000_000_000

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{2,5}")


class PortraitOrName(click.Path):
    """A file, as a `Path`; what is no file, and is not called like a picture, is a name."""

    name = "portrait or name"

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """The path where something is or should be there, else the text."""
        if Path(value).is_file() or _is_called_like_a_picture(value):
            path: Path = FILE.convert(value, param, ctx)
            return path
        return str(value)


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for, but for who."""

    event: str | None
    after: datetime | None
    before: datetime | None
    face: int | None
    limit: int | None
    max_distance: float | None
    certainty: str
    include_low_quality: bool
    no_people: bool


Question = str | tuple[Path, ...]
"""A person asked about: by name or number, or by portraits."""


@facefind_command()
@click.argument("asked", nargs=-1, required=True, type=PortraitOrName(), metavar="PORTRAIT...|NAME")
@click.option(
    "--and",
    "beside",
    multiple=True,
    type=PortraitOrName(),
    metavar="PORTRAIT|NAME",
    help="Only photos that show this person too; may be given again.",
)
@click.option(
    "--together", is_flag=True, help="Each portrait or name is another person: photos with all."
)
@event_option
@click.option(
    "--limit", type=click.IntRange(0, MOST), metavar="N", help="At most so many photos; 0 is all."
)
@click.option(
    "--max-distance",
    type=distance,
    metavar="D",
    help="Let this L2 distance from the portrait decide alone, without probability and people.",
)
@strict_option
@loose_option
@low_quality_option
@click.option("--no-people", is_flag=True, help="Only by what a face looks like.")
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
    asked: tuple[Path | str, ...],
    beside: tuple[Path | str, ...],
    together: bool,
    strict: bool,
    loose: bool,
    copy_to: Path | None,
    link_to: Path | None,
    show: bool,
    **options: Any,
) -> int:
    """Show the photos of the person in a portrait, or of a person who is known.

    Several portraits are taken to show one person and make one question. A name, or a number as
    facefind people list shows them, asks for all photos of that person.
    """
    be_brief()
    wanted = Options(certainty=certainty_of(strict, loose), **options)
    questions = questions_of(asked, beside, together)
    refuse_idle(questions, wanted)
    found = find(app, questions, wanted)

    from facefind.cli.who_answer import print_answer, print_remarks

    gone = _hand_over(app, found.photos, copy_to, link_to, show)
    print_remarks(found, gone, numbered=wanted.face is not None)
    print_answer(app, found)
    for folder in (copy_to, link_to):
        if folder is not None and not app.quiet:
            handed = plural(len(found.photos) - len(gone), "photo")
            click.echo(f"{handed} in {shown(folder)}", err=True)
    return EXIT_FAILED if found.failed or gone or not found.photos else 0


def questions_of(
    asked: Sequence[Path | str], beside: Sequence[Path | str], together: bool
) -> list[Question]:
    """Who is asked about: one person, or several who are in a photo together.

    Raises:
        UsageError: It cannot be told who is meant.
    """
    if together:
        questions = [_question(one) for one in (*asked, *beside)]
        if len(questions) < 2:
            raise UsageError(
                "--together asks for photos of several people, and there is one.",
                "Give two portraits or names.",
            )
        return questions
    paths = tuple(one for one in asked if isinstance(one, Path))
    if len(paths) < len(asked) > 1:
        raise UsageError(
            "Several portraits are one person's, but a name stands for itself.",
            "For photos of several people together: --together, or --and before each other one.",
        )
    first = paths if paths else _question(asked[0])
    return [first, *(_question(one) for one in beside)]


def refuse_idle(questions: Sequence[Question], wanted: Options) -> None:
    """Refuses options that say how to look at a portrait where there is none.

    Raises:
        UsageError: One was given.
    """
    given = {
        "--face": wanted.face is not None,
        "--max-distance": wanted.max_distance is not None,
        f"--{wanted.certainty}": wanted.certainty != "default",
        "--include-low-quality": wanted.include_low_quality,
        "--no-people": wanted.no_people,
    }
    idle = [option for option, used in given.items() if used]
    if idle and all(isinstance(question, str) for question in questions):
        raise UsageError(
            f"{idle[0]} is about portraits, and nobody is asked about by one.",
            "Leave it out; a name stands for all photos that show the person.",
        )


def find(app: App, questions: Sequence[Question], wanted: Options) -> Found:
    """Asks the library.

    Raises:
        UsageError: No such event or person, or events that cannot be compared.
    """
    if all(isinstance(question, str) for question in questions):
        with app.store() as store:
            return _find_known(store, [str(question) for question in questions], wanted)
    with app.store([_load_runtime, _load_networks, _load_judging]) as store:
        return _find_portraits(app, store, questions, wanted)


def _load_runtime() -> None:
    from facefind.inference.session import check_runtime

    check_runtime()


def _load_networks() -> None:
    from facefind import binding  # noqa: F401


def _load_judging() -> None:
    from facefind import recognising  # noqa: F401


def _find_known(store: Repository, names: Sequence[str], wanted: Options) -> Found:
    """Asks about people who are known; loads no model."""
    from facefind.answers import event_named
    from facefind.cli.who_answer import Found

    events = [event_named(store.events(), wanted.event)] if wanted.event is not None else None
    answers = [_known(store, name, events, wanted) for name in names]
    return Found(answers, wanted.event, limit=wanted.limit)


def _known(store: Repository, name: str, events: Sequence[Event] | None, wanted: Options) -> Answer:
    from facefind.answers import photos_of_person
    from facefind.people.naming import find_person

    return photos_of_person(store, find_person(store, name), events, wanted.after, wanted.before)


def _find_portraits(
    app: App, store: Repository, questions: Sequence[Question], wanted: Options
) -> Found:
    known = store.events()
    pipelines = {event.pipeline for event in known if wanted.event in (None, event.name)}
    # Threads first, then imports: they read models while Python is busy with the latter.
    if len(pipelines) == 1:
        app.open_ahead(*pipelines)

    from facefind.flow import begun
    from facefind.matching import load_calibration

    calibrations = {name: begun(partial(load_calibration, name)) for name in pipelines}

    from facefind.answers import Answer
    from facefind.binding import pipeline_of
    from facefind.cli.who_answer import Found
    from facefind.inference.quality import LOW_QUALITY
    from facefind.portraits import read_portraits
    from facefind.recognising import of_two_people
    from facefind.search import Gallery, Scope, combine, events_to_search, reach_of

    events = events_to_search(known, wanted.event)
    pipeline = pipeline_of(events, app.pipeline)
    calibration = calibrations[pipeline.spec.name].result()
    reach = reach_of(
        calibration,
        pipeline.spec.threshold,
        max_distance=wanted.max_distance,
        certainty=wanted.certainty,
    )
    floor = 0.0 if wanted.include_low_quality else LOW_QUALITY
    gallery = Gallery(store, Scope(events, wanted.after, wanted.before, floor), calibration)
    found = Found(
        [],
        wanted.event if wanted.event or len(events) > 1 else events[0].name,
        limit=wanted.limit,
        pipeline=pipeline.spec.name,
        reach=reach,
    )
    for question in questions:
        if isinstance(question, str):
            found.answers.append(_known(store, question, events, wanted))
            continue
        usable, unusable = read_portraits(question, pipeline, wanted.face)
        found.portraits += usable
        found.failed += unusable
        found.disagreements += of_two_people(usable, pipeline.spec.threshold)
        answer = Answer()
        if usable:
            answer = _ask(store, gallery, combine(usable), reach, wanted, len(questions) > 1)
        found.answers.append(answer)
    return found


def _ask(
    store: Repository, gallery: Gallery, probe: Probe, reach: Reach, wanted: Options, beside: bool
) -> Answer:
    """Asks about one person by portraits.

    Args:
        beside: Somebody else is asked about too, so that every face counts and not the nearest few.
    """
    from facefind.answers import Answer
    from facefind.recognising import recognise
    from facefind.search import best_of_each_photo

    # A distance that the user gives decides alone; without a threshold nobody is told from others.
    with_people = not wanted.no_people and wanted.max_distance is None
    if with_people and reach.max_distance is not None:
        return recognise(store, gallery, probe, reach, wanted.certainty)
    if beside:
        faces = gallery.faces(probe, reach)
        return Answer(best_of_each_photo(faces), faces)
    return Answer(gallery.photos(probe, reach, wanted.limit))


def _question(asked: Path | str) -> Question:
    return (asked,) if isinstance(asked, Path) else asked


def _is_called_like_a_picture(name: str) -> bool:
    """Whether a name ends as those of pictures do; looked up only where it has some such end."""
    if not _SUFFIX.fullmatch(Path(name).suffix):
        return False
    from facefind.images.formats import has_picture_name

    return has_picture_name(Path(name))


def _hand_over(
    app: App, photos: Sequence[Path], copy_to: Path | None, link_to: Path | None, show: bool
) -> list[Path]:
    """Copies, links and shows the photos as asked; the photos that are gone."""
    if copy_to is None and link_to is None and not show:
        return []
    from facefind import placing

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

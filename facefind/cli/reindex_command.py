"""facefind reindex"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    STORED_STAYS,
    App,
    facefind_command,
    interruptible,
    to_go_on,
)
from facefind.cli.ledger import Clock, Ledger, print_ledger
from facefind.cli.output import counter, plural, print_json, printable, shown
from facefind.cli.params import (
    fast_option,
    pipeline_asked_for,
    profile_option,
    set_option,
    thorough_option,
)

if TYPE_CHECKING:
    from facefind.binding import Load
    from facefind.inference.pipeline import Pipeline
    from facefind.looking import Pace
    from facefind.reindex import ReindexReport
    from facefind.store.repository import Repository
    from facefind.types import Event, SettingValue

SHOWN_UNREADABLE = 10


@facefind_command()
@click.option(
    "--pipeline", metavar="NAME", help="How faces are found from now on; the event's by default."
)
@fast_option
@click.option("--event", metavar="NAME", help="Only this event; all by default.")
@set_option
@thorough_option
@click.option(
    "--leave-out-missing",
    is_flag=True,
    help="Move an event although some of its photos cannot be read now.",
)
@profile_option
@to_go_on(STORED_STAYS)
def command(
    app: App,
    pipeline: str | None,
    fast: bool,
    event: str | None,
    assignments: tuple[tuple[str, str], ...],
    thorough: bool,
    leave_out_missing: bool,
    profile: bool,
) -> int:
    """Look at the photos of an event again, with another pipeline, settings or newer weights.

    The event can be searched throughout, by its old faces until all the new ones are there. Stopped
    anywhere, it goes on where it was. What was decided about faces stays.
    """
    from facefind.looking import pace_of
    from facefind.reindex import chosen_settings
    from facefind.search import events_to_search

    pipeline = pipeline_asked_for(pipeline, fast)
    clock = Clock(profile)
    with ExitStack() as stack:
        with clock.stages("start"):
            store = stack.enter_context(app.store())
            stop = stack.enter_context(interruptible())
            events = store.events()
            if event is not None or not events:
                events = events_to_search(events, event)
            load = _loading_once(partial(app.pipeline, threads=1))
            # All of them before the first photo: a mistake in the request is better known at once.
            wanted = [chosen_settings(one, pipeline, dict(assignments), thorough) for one in events]
            finders = [load(*settings) for settings in wanted]
        pace = pace_of(app.settings, clock.stages)
        reports: list[ReindexReport] = []
        try:
            for one, finder in zip(events, finders, strict=True):
                if not stop():
                    reports.append(_reindex(app, store, one, finder, leave_out_missing, pace, stop))
        finally:
            # What has moved is told also where a later event cannot.
            _print(app, reports, _ledger(clock, pace, reports))
    if len(reports) < len(events) or any(r.outcome == "interrupted" for r in reports):
        click.echo(f"Stopped early. To go on: {app.again}", err=True)
        return EXIT_INTERRUPTED
    return EXIT_FAILED if any(r.outcome == "incomplete" for r in reports) else 0


def _ledger(clock: Clock, pace: Pace, reports: Sequence[ReindexReport]) -> Ledger | None:
    photos = sum(report.new for report in reports)
    faces = sum(report.new_faces for report in reports)
    return clock.ledger(clock.seconds, pace.threads, photos, faces)


def _print(app: App, reports: Sequence[ReindexReport], ledger: Ledger | None) -> None:
    """What was not said event by event."""
    if app.json:
        profile = {"profile": ledger.as_json()} if ledger else {}
        print_json({"events": [_as_json(report) for report in reports], **profile})
        return
    if not app.quiet and any(report.outcome == "done" for report in reports):
        click.echo("Next: facefind people group, for people by the new faces")
    if ledger:
        print_ledger(ledger)


def _loading_once(load: Load) -> Load:
    """Loads each pipeline once however many events want it."""
    loaded: dict[tuple[str, str], Pipeline] = {}

    def load_once(name: str, settings: Mapping[str, SettingValue]) -> Pipeline:
        key = (name, repr(sorted(settings.items())))
        if key not in loaded:
            loaded[key] = load(name, settings)
        return loaded[key]

    return load_once


def _reindex(
    app: App,
    store: Repository,
    event: Event,
    finder: Pipeline,
    leave_out_missing: bool,
    pace: Pace,
    stop: Callable[[], bool],
) -> ReindexReport:
    from facefind.looking import set_up_for_many
    from facefind.reindex import reindex, target_of

    with set_up_for_many():
        report = reindex(
            event,
            target_of(finder),
            store=store,
            finder=finder,
            leave_out_missing=leave_out_missing,
            pace=pace,
            progress=counter(f"reindex {printable(event.name)}", app.quiet),
            stop=stop,
            tell=lambda sentence: click.echo(printable(sentence), err=True),
        )
    _print_unreadable(report)
    if not app.json and not app.quiet:
        click.echo(_sentence(report))
        if report.carried or report.lost:
            click.echo(_decisions(report))
    return report


def _as_json(report: ReindexReport) -> dict[str, Any]:
    values = asdict(report)
    del values["new_faces"]
    values["seconds"] = round(report.seconds, 3)
    values["unreadable"] = [
        {"path": str(photo.path), "reason": photo.reason} for photo in report.unreadable
    ]
    return values


def _print_unreadable(report: ReindexReport) -> None:
    word = "Left out" if report.outcome == "done" else "Not read"
    for photo in report.unreadable[:SHOWN_UNREADABLE]:
        click.echo(f"{word}: {shown(photo.path)}: {printable(photo.reason)}", err=True)
    if len(report.unreadable) > SHOWN_UNREADABLE:
        rest = len(report.unreadable) - SHOWN_UNREADABLE
        click.echo(f"and {rest} more; --json lists them all.", err=True)
    if report.outcome == "incomplete":
        click.echo(
            "Bring these photos back and run this again; or let facefind forget them; or move the "
            "event without them with --leave-out-missing, and ingest them when they are back.",
            err=True,
        )


def _sentence(report: ReindexReport) -> str:
    event = f'Event "{printable(report.event)}"'
    if report.outcome == "already":
        return f"{event} has the faces of pipeline {report.pipeline}, as asked for, already."
    if report.outcome != "done":
        why = "some photos cannot be read" if report.outcome == "incomplete" else "stopped early"
        return (
            f"{event} keeps its old faces, of pipeline {report.was}: {why} "
            f"({plural(report.new, 'photo')} looked at; {report.seconds:.1f} s)."
        )
    return (
        f"{event} has the faces of pipeline {report.pipeline} now: "
        f"{plural(report.photos, 'photo')} with {plural(report.faces_after, 'face')}, before "
        f"{report.faces_before} ({report.was}; {report.seconds:.1f} s)."
    )


def _decisions(report: ReindexReport) -> str:
    carried = f"{plural(report.carried, 'decision')} about faces carried over"
    if not report.lost:
        return f"{carried}."
    return f"{carried}; {report.lost} kept until their faces are found again."

"""facefind ingest PATH..."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
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
    EXISTING,
    fast_option,
    pipeline_asked_for,
    profile_option,
    set_option,
    thorough_option,
)

if TYPE_CHECKING:
    from facefind.inference.pipeline import Pipeline
    from facefind.ingest import FailedPhoto, IngestReport, Walked
    from facefind.store.repository import Repository
    from facefind.types import Event

SHOWN_FAILURES = 10


@facefind_command()
@click.argument("paths", nargs=-1, required=True, type=EXISTING, metavar="PATH...")
@click.option("--event", metavar="NAME", help="Name of the event; the folder's by default.")
@click.option("--pipeline", metavar="NAME", help="How faces are found and compared; see README.")
@fast_option
@set_option
@thorough_option
@click.option("--retry-failed", is_flag=True, help="Try again what could not be read before.")
@click.option("--no-group", is_flag=True, help="Do not group the faces into people.")
@profile_option
@to_go_on(STORED_STAYS)
def command(
    app: App,
    paths: tuple[Path, ...],
    event: str | None,
    pipeline: str | None,
    fast: bool,
    assignments: tuple[tuple[str, str], ...],
    thorough: bool,
    retry_failed: bool,
    no_group: bool,
    profile: bool,
) -> int:
    """Find the faces in photos and folders of photos, and group them into people.

    Running it again reads only what is new or changed.
    """
    from facefind.binding import bind_event
    from facefind.ingest import default_event_name, find_photos
    from facefind.memory import give_back_freed_memory

    pipeline = pipeline_asked_for(pipeline, fast)
    clock = Clock(profile)
    with clock.stages("walk"):
        name = event or default_event_name(paths)
        found = find_photos(paths)
    with ExitStack() as stack:
        with clock.stages("start"):
            store = stack.enter_context(app.store())
            known = store.event(name)
            _refuse_nothing(found, known, paths)
            load = partial(app.pipeline, threads=1)
            bound, finder = bind_event(
                store, name, load, pipeline, dict(assignments), thorough=thorough
            )
        if known is None and not app.quiet:
            _say_what_does_not_compare(bound, store.events())
        report, stopped = _ingest(app, clock, found, bound, store, finder, retry_failed)
        photos_left, people = report.interrupted, None
        try:
            # Grouping may need as much memory as the networks and the last photos hold.
            del finder
            give_back_freed_memory()
            if not no_group and not stopped:
                with clock.stages("group"):
                    people = _group(app, store, bound)
        except KeyboardInterrupt:
            click.echo(err=True)  # A line of its own for the terminal's "^C".
            stopped = True
        finally:
            # The photos are stored, whatever becomes of the people.
            groups_left = stopped and not no_group and _has_groups(bound)
            interrupted = photos_left or groups_left
            report = replace(report, seconds=clock.seconds, interrupted=interrupted)
            workers = app.settings.workers
            ledger = clock.ledger(report.seconds, workers, report.new, report.new_faces)
            _print(app, report, people, ledger)
    if report.interrupted:
        _say_how_to_go_on(app, photos_left, groups_left)
        return EXIT_INTERRUPTED
    return EXIT_FAILED if report.failed else 0


def _ingest(
    app: App,
    clock: Clock,
    found: Walked,
    event: Event,
    store: Repository,
    finder: Pipeline,
    retry_failed: bool,
) -> tuple[IngestReport, bool]:
    """Stores the faces of photos; also whether Ctrl-C was pressed, be it after the last began."""
    from facefind.ingest import ingest
    from facefind.looking import pace_of, set_up_for_many

    with interruptible() as stop, set_up_for_many():
        report = ingest(
            found,
            event=event,
            store=store,
            finder=finder,
            retry_failed=retry_failed,
            pace=pace_of(app.settings, clock.stages),
            progress=counter("ingest", app.quiet),
            stop=stop,
        )
    # Not before the block ends: until then Ctrl-C is only noted.
    return report, stop()


def _refuse_nothing(found: Walked, event: Event | None, paths: Sequence[Path]) -> None:
    """A new event without even a file that cannot be read is a mistake."""
    from facefind.errors import UsageError

    nothing = not found.photos and all(_is_folder(one.path) for one in found.unlisted)
    if event is None and nothing:
        _print_failures(found.unlisted)
        raise UsageError(f"There are no pictures in {', '.join(shown(path) for path in paths)}.")


def _say_what_does_not_compare(event: Event, events: Sequence[Event]) -> None:
    """Where a new event's faces are of another kind than those of events before it."""
    kind = event.pipeline, event.fingerprint
    others = {other.pipeline for other in events if (other.pipeline, other.fingerprint) != kind}
    if others:
        click.echo(
            f"Faces of pipeline {event.pipeline} do not compare with those of earlier events "
            f"({', '.join(sorted(others))}): who asks about either, and a person of both is two. "
            "facefind reindex brings events to one pipeline.",
            err=True,
        )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # It may not even be looked at, which is all the same a reason to name.
        return False


def _group(app: App, store: Repository, event: Event) -> int | None:
    """Groups the faces; how many people the event shows, None where its pipeline cannot tell."""
    from facefind.people import group_people

    if group_people(store, [event]).ungrouped:
        if not app.quiet:
            click.echo(
                f"Faces of pipeline {event.pipeline} cannot be grouped into people.", err=True
            )
        return None
    return sum(person.faces > 0 for person in store.people(events=[event.id]))


def _has_groups(event: Event) -> bool:
    from facefind.people import can_be_grouped

    return can_be_grouped([event])


def _say_how_to_go_on(app: App, photos_left: bool, groups_left: bool) -> None:
    looked_at = "" if photos_left else "all photos were looked at, but "
    ungrouped = f": {looked_at}their faces may not be grouped into people yet"
    click.echo(f"Stopped early{ungrouped if groups_left else ''}.", err=True)
    click.echo(f"To go on: {app.again}", err=True)


def _print(app: App, report: IngestReport, people: int | None, ledger: Ledger | None) -> None:
    if app.json:
        profile = {"profile": ledger.as_json()} if ledger else {}
        print_json({**_as_json(report), "people": people, **profile})
        return
    _print_failures(report.failed)
    if not app.quiet:
        _print_summary(report, people)
    if ledger:
        print_ledger(ledger)


def _as_json(report: IngestReport) -> dict[str, Any]:
    values = asdict(report)
    del values["new_faces"]
    values["seconds"] = round(report.seconds, 3)
    values["failed"] = [
        {"path": str(failed.path), "reason": failed.reason, "earlier": failed.earlier}
        for failed in report.failed
    ]
    return values


def _print_failures(failures: Sequence[FailedPhoto]) -> None:
    for failed in failures[:SHOWN_FAILURES]:
        click.echo(f"Not read: {shown(failed.path)}: {printable(failed.reason)}", err=True)
    if len(failures) > SHOWN_FAILURES:
        rest = len(failures) - SHOWN_FAILURES
        click.echo(f"and {rest} more; facefind status lists them all.", err=True)
    if any(failed.earlier for failed in failures):
        click.echo("Some failed in an earlier run; --retry-failed tries them again.", err=True)


def _print_summary(report: IngestReport, people: int | None) -> None:
    counts = [
        f"{report.new} new",
        f"{report.skipped} known",
        f"{len(report.failed)} failed",
    ]
    if report.missing:
        counts.append(f"{report.missing} gone")
    grouped = "" if people is None else f" and {plural(people, 'person')}"
    click.echo(
        f'Event "{printable(report.event)}" holds {plural(report.photos, "photo")} with '
        f"{plural(report.faces, 'face')}{grouped} ({', '.join(counts)}; {report.seconds:.1f} s)."
    )
    if report.faces and not report.interrupted:
        asked = printable(shlex.join(["--event", report.event]))
        click.echo(f"Next: facefind who PORTRAIT {asked}")
        if people:
            click.echo("      facefind people list, or facefind albums FOLDER")

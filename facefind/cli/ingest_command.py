"""facefind ingest PATH..."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    App,
    facefind_command,
    interruptible,
)
from facefind.cli.output import plural, print_json, progress, shown, shown_text
from facefind.cli.params import EXISTING, assignment

if TYPE_CHECKING:
    from facefind.inference.pipeline import Pipeline
    from facefind.ingest import FailedPhoto, IngestReport
    from facefind.store.repository import Repository
    from facefind.types import Event

SHOWN_FAILURES = 10


@facefind_command()
@click.argument("paths", nargs=-1, required=True, type=EXISTING, metavar="PATH...")
@click.option("--event", metavar="NAME", help="Name of the event; the folder's by default.")
@click.option("--pipeline", metavar="NAME", help="How faces are found and compared; see README.")
@click.option(
    "--set",
    "assignments",
    type=assignment,
    multiple=True,
    metavar="detector.KEY=VALUE",
    help="Change a setting of the detector.",
)
@click.option("--retry-failed", is_flag=True, help="Try again what could not be read before.")
def command(
    app: App,
    paths: tuple[Path, ...],
    event: str | None,
    pipeline: str | None,
    assignments: tuple[tuple[str, str], ...],
    retry_failed: bool,
) -> int:
    """Find the faces in photos and folders of photos, and remember them.

    Running it again reads only what is new or changed.
    """
    from facefind.ingest import default_event_name, ingest

    name = event or default_event_name(paths)
    with app.store() as store:
        bound, finder = bind_event(app, store, name, pipeline, dict(assignments))
        with interruptible() as stop:
            report = ingest(
                paths,
                event=bound,
                store=store,
                finder=finder,
                retry_failed=retry_failed,
                progress=progress("ingest", app.quiet),
                stop=stop,
            )
    _print(app, report, paths)
    if report.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if report.failed else 0


def bind_event(
    app: App, store: Repository, name: str, pipeline: str | None, overrides: dict[str, str]
) -> tuple[Event, Pipeline]:
    """The event, new or as recorded, and its pipeline; refuses what differs from the record."""
    from facefind.inference.pipeline import DEFAULT_PIPELINE, resolve_settings
    from facefind.ingest import check_binding, check_weights

    existing = store.event(name)
    chosen = pipeline or (existing.pipeline if existing else DEFAULT_PIPELINE)
    settings = resolve_settings(chosen, overrides)
    asked = {key: settings[key] for key in overrides}
    if existing is not None:
        check_binding(existing, pipeline, asked)
        settings = dict(existing.settings)
    finder = app.pipeline(chosen, settings)
    event = existing or store.ensure_event(
        name, chosen, finder.fingerprint, finder.spec.dimension, settings
    )
    # Another process may have made the event a moment ago.
    check_binding(event, chosen, asked)
    check_weights(event, finder.fingerprint)
    return event, finder


def _print(app: App, report: IngestReport, paths: Sequence[Path]) -> None:
    if app.json:
        print_json(_as_json(report))
        return
    _print_failures(report.failed)
    if not app.quiet:
        _print_summary(report, paths)


def _as_json(report: IngestReport) -> dict[str, Any]:
    values = asdict(report)
    values["seconds"] = round(report.seconds, 3)
    values["failed"] = [
        {"path": str(failed.path), "reason": failed.reason, "earlier": failed.earlier}
        for failed in report.failed
    ]
    return values


def _print_failures(failures: Sequence[FailedPhoto]) -> None:
    for failed in failures[:SHOWN_FAILURES]:
        click.echo(f"Not read: {shown(failed.path)}: {shown_text(failed.reason)}", err=True)
    if len(failures) > SHOWN_FAILURES:
        rest = len(failures) - SHOWN_FAILURES
        click.echo(f"and {rest} more; facefind status lists them all.", err=True)
    if any(failed.earlier for failed in failures):
        click.echo("Some failed in an earlier run; --retry-failed tries them again.", err=True)


def _print_summary(report: IngestReport, paths: Sequence[Path]) -> None:
    counts = [
        f"{report.new} new",
        f"{report.skipped} known",
        f"{len(report.failed)} failed",
    ]
    if report.missing:
        counts.append(f"{report.missing} gone")
    click.echo(
        f'Event "{report.event}" holds {plural(report.photos, "photo")} with '
        f"{plural(report.faces, 'face')} ({', '.join(counts)}; {report.seconds:.1f} s)."
    )
    if report.interrupted:
        again = " ".join(shown(path) for path in paths)
        click.echo(f"Stopped early. To go on: facefind ingest {again} --event '{report.event}'")
    elif report.faces:
        click.echo(f"Next: facefind who PORTRAIT --event '{report.event}'")

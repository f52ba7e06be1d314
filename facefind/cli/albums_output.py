"""What `facefind albums` says of what it did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import App
from facefind.cli.output import plural, print_json, printable, remarks, shown

if TYPE_CHECKING:
    from facefind.albums import AlbumsReport
    from facefind.portrait_folder import People

SHOWN_GONE = 10


def print_unknown(people: People) -> None:
    """Says what is to be known of a folder's portraits."""
    for left_out in people.failed:
        click.echo(f"Portrait left out: {printable(left_out.reason)}", err=True)
    for name in sorted(people.unknown):
        click.echo(f"{printable(name)} has no portrait that can be used; an album of theirs stays "
                   "as it is.", err=True)  # fmt: skip
    for portraits in people.probes.values():
        for portrait in portraits:
            for remark in remarks(portrait, choice=""):
                click.echo(remark, err=True)


def print_report(
    app: App, out: Path, report: AlbumsReport, *, dry_run: bool, people: People | None = None
) -> None:
    """Says what was done, or would be.

    Args:
        people: Of a folder of portraits, if they were asked about.
    """
    _print_remarks(report)
    if app.json:
        _print_json(out, report, dry_run, people)
    elif not app.quiet:
        if dry_run:
            _print_plan(report)
        _print_lines(out, report, dry_run, "any of these people" if people else "people")


def _print_remarks(report: AlbumsReport) -> None:
    gone = sorted(set(report.gone))
    for photo in gone[:SHOWN_GONE]:
        click.echo(f"No longer there: {shown(photo)}", err=True)
    if gone:
        click.echo(f"{plural(len(gone), 'photo')} gone in all; what the albums have of them stays "
                   "until an ingest takes note of it.", err=True)  # fmt: skip
    for path in report.left_alone:
        click.echo(f"Left alone, changed since facefind wrote it: {shown(path)}", err=True)
    if report.copied:
        click.echo(f"{plural(report.copied, 'photo')} copied, because hard links cannot lead to "
                   "another disk.", err=True)  # fmt: skip
    failed = report.page.failed if report.page is not None else ()
    for photo in failed[:SHOWN_GONE]:
        click.echo(f"Cannot be read, so the page has no picture of it: {shown(photo)}", err=True)
    if len(failed) > SHOWN_GONE:
        click.echo(f"and {len(failed) - SHOWN_GONE} more.", err=True)


def _print_json(out: Path, report: AlbumsReport, dry_run: bool, people: People | None) -> None:
    from facefind.albums import listing

    values: dict[str, Any] = {
        "out": str(out),
        **listing(report.albums, report.nobody),
        "written": len(report.written),
        "kept": report.kept,
        "removed": len(report.removed),
        "moved": [{"from": old, "to": new} for old, new in report.moved],
        "copied": report.copied,
        "left_alone": [str(path) for path in report.left_alone],
        "gone": [str(path) for path in report.gone],
    }
    if report.page is not None:
        values["page"] = str(out / report.page.path)
        values["thumbnails"] = report.page.drawn
        values["unreadable"] = [str(path) for path in report.page.failed]
    if dry_run:
        values["plan"] = {"write": list(report.written), "remove": list(report.removed)}
    if people is not None:
        failed = people.failed
        values["failed"] = [{"path": str(p.path), "reason": p.reason} for p in failed]
    print_json(values)


def _print_plan(report: AlbumsReport) -> None:
    for old, new in report.moved:
        click.echo(f"Would move: {printable(old)} to {printable(new)}")
    for path in report.written:
        click.echo(f"Would write: {printable(path)}")
    for path in report.removed:
        click.echo(f"Would remove: {printable(path)}")
    if report.page is not None and (report.page.changed or report.page.drawn):
        pictures = plural(report.page.drawn, "thumbnail")
        click.echo(f"Would write: {printable(report.page.path)} and {pictures}")


def _print_lines(out: Path, report: AlbumsReport, dry_run: bool, whom: str) -> None:
    for one in report.albums:
        where = shown(out / one.place) if one.place else "no album"
        click.echo(f"{printable(one.album.title)}: {plural(len(one.photos), 'photo')}, {where}")
    counts = [
        f"{len(report.written)} written",
        f"{report.kept} kept",
        f"{len(report.removed)} removed",
    ]
    if report.moved:
        counts.append(f"{len(report.moved)} moved")
    would = "; nothing was changed. It would be: " if dry_run else "; "
    without = f"{plural(len(report.nobody), 'photo')} without {whom}"
    click.echo(f"{without}{would}{', '.join(counts)}.")
    if report.page is not None and not dry_run:
        click.echo(f"To look at them: {shown(out / report.page.path)}")

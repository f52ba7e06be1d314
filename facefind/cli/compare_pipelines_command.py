"""facefind compare-pipelines DIR"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import EXIT_FAILED, App, facefind_command
from facefind.cli.evaluate_command import (
    exit_code,
    percent,
    print_left_out,
    report_json,
    rounded_down,
)
from facefind.cli.output import print_json, printable, progress
from facefind.cli.params import FOLDER

if TYPE_CHECKING:
    from facefind.evaluation import Report

HEADINGS = ("pipeline", "faces found", "accuracy", "equal error", "mates at 1 %", "mates at 0.1 %",
            "distance", "ms a photo")  # fmt: skip


@facefind_command()
@click.argument("folder", type=FOLDER, metavar="DIR")
@click.option(
    "--pipeline", "chosen", metavar="NAME", multiple=True, help="Only this one; may be repeated."
)
def command(app: App, folder: Path, chosen: tuple[str, ...]) -> int:
    """Measure every pipeline on your own people.

    DIR is as for evaluate. Pipelines that cannot run, as their weights are not here, are named and
    left out; exits with 1 if one of them was asked for by name, otherwise as evaluate does. "faces
    found" are the photos in which the pipeline sees a face; "mates" are the photos of one person
    that are recognised where 1 % or 0.1 % of strangers are mistaken, within "distance" (that of
    0.1 %, else of 1 %).
    """
    from facefind.errors import SetupError
    from facefind.evaluation import find_labelled, judge, look
    from facefind.inference.pipeline import PIPELINES, resolve_settings

    for name in chosen:
        resolve_settings(name, {})
    labelled = find_labelled(folder)
    reports: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    missing: dict[str, SetupError] = {}
    code = 0
    for name in chosen or PIPELINES:
        try:
            finder = app.pipeline(name, {})
            # Some weights are opened at the first photo only.
            seen = look(labelled.photos, finder, progress(name, app.quiet))
        except SetupError as error:
            missing[name] = error
            continue
        report = judge(seen, finder.spec.threshold)
        if not rows:
            print_left_out(labelled, seen)
        found = report.photos - len(seen.without_face)
        rows.append((name, f"{found} of {report.photos}", *_cells(report)))
        reports.append(report_json(report, name, labelled, seen))
        code = max(code, exit_code(labelled, seen, report))
    if not rows:
        raise next(iter(missing.values()))
    if app.json:
        print_json({"reports": reports, "missing": {n: str(e) for n, e in missing.items()}})
    else:
        _print_table(rows)
    for name, reason in missing.items():
        click.echo(f"Left out: {name}. {printable(str(reason))}", err=True)
    return EXIT_FAILED if chosen and missing else code


def _cells(report: Report) -> tuple[str, ...]:
    accuracy, equal = report.accuracy, report.equal_error
    distances = [limit.distance for limit in report.limits if limit.distance is not None]
    return (
        percent(accuracy.value) if accuracy else "-",
        percent(equal.rate) if equal else "-",
        *(percent(limit.tar.value) if limit.tar else "-" for limit in report.limits),
        rounded_down(distances[-1]) if distances else "-",
        "-" if report.milliseconds is None else f"{report.milliseconds:.0f}",
    )


def _print_table(rows: list[tuple[str, ...]]) -> None:
    lines = [HEADINGS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    for line in lines:
        first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join([first.strip().ljust(widths[0]), *others]))

"""facefind evaluate DIR"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import EXIT_FAILED, App, facefind_command
from facefind.cli.output import plural, print_json, printable, progress, shown
from facefind.cli.params import FOLDER

if TYPE_CHECKING:
    from facefind.evaluation import BadPair, Labelled, Limit, Report, Seen

SHOWN_PATHS = 10


@facefind_command()
@click.argument("folder", type=FOLDER, metavar="DIR")
@click.option("--pipeline", metavar="NAME", help="How faces are found and compared; see README.")
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="JPEG",
    help="Write the worst pairs as a picture.",
)
def command(app: App, folder: Path, pipeline: str | None, sheet: Path | None) -> int:
    """Measure how well your own people are told apart.

    DIR holds one folder for each person, named after them, with photos in which they are the most
    prominent face. Every two photos are compared. Exits with 1 if photos could not be read or no
    two people could be compared.
    """
    from facefind.evaluation import find_labelled, judge, look
    from facefind.inference.pipeline import DEFAULT_PIPELINE

    labelled = find_labelled(folder)
    if sheet is not None:
        check_sheet(sheet, labelled)
    finder = app.pipeline(pipeline or DEFAULT_PIPELINE, {})
    seen = look(labelled.photos, finder, progress("evaluate", app.quiet))
    report = judge(seen, finder.spec.threshold)
    print_left_out(labelled, seen)
    _list("No face found, so never recognised", [shown(path) for path in seen.without_face])
    written = None
    try:
        written = _save_sheet(sheet, report)
    finally:
        # The figures took long: they are told also where there is no picture of them.
        if app.json:
            print_json({**report_json(report, finder.spec.name, labelled, seen),
                        "sheet": str(written) if written else None})  # fmt: skip
        else:
            _print(report, finder.spec.name, seen, written)
    return exit_code(labelled, seen, report)


def _save_sheet(sheet: Path | None, report: Report) -> Path | None:
    """Draws the worst pairs where they are asked for; returns where, None if there are none."""
    if sheet is None or not report.worst:
        return None
    from facefind import images
    from facefind.evaluation import draw_worst

    images.save_jpeg(sheet, draw_worst(report))
    return sheet


def check_sheet(sheet: Path, labelled: Labelled) -> None:
    """A sheet must have a folder to lie in and not take the place of a photo.

    Raises:
        UsageError: It has none, or it would.
    """
    from facefind.errors import UsageError

    if not sheet.parent.is_dir():
        raise UsageError(f"{sheet.parent} is not a folder, so {sheet.name} cannot be put there.")
    paths = [*(photo.path for photo in labelled.photos), *labelled.outside]
    if sheet.exists() and any(path.exists() and sheet.samefile(path) for path in paths):
        raise UsageError(f"{sheet} is one of the photos; write the sheet somewhere else.")


def exit_code(labelled: Labelled, seen: Seen, report: Report) -> int:
    """1 where something could not be read, or nothing could be measured."""
    unread = labelled.unlisted or seen.failed
    return EXIT_FAILED if unread or not report.comparable else 0


def print_left_out(labelled: Labelled, seen: Seen) -> None:
    """Says which files do not count, on stderr."""
    unread = [
        f"{shown(path)}: {printable(reason)}" for path, reason in (*labelled.unlisted, *seen.failed)
    ]
    _list("Not read", unread)
    _list("Left out, in no person's folder", [shown(path) for path in labelled.outside])
    _list("Left out, a copy of another photo", [shown(path) for path in seen.repeated])


def report_json(report: Report, pipeline: str, labelled: Labelled, seen: Seen) -> dict[str, Any]:
    """A report as --json prints it."""
    accuracy, equal, own = report.accuracy, report.equal_error, report.own
    smallest = _limit_json(report.smallest) if report.smallest else None
    return {
        "pipeline": pipeline,
        "photos": report.photos,
        "people": report.people,
        "photos_with_face": report.photos - len(seen.without_face),
        "faces": seen.faces,
        "pairs": {"mates": report.mates, "strangers": report.strangers},
        "accuracy": accuracy and _rounded(accuracy._asdict()),
        "equal_error": equal and _rounded(equal._asdict()),
        "limits": [_limit_json(limit) for limit in report.limits],
        "smallest_measurable": smallest,
        "own_threshold": own and _rounded(own._asdict()),
        "ms_per_photo": report.milliseconds and round(report.milliseconds, 1),
        "worst": [_pair_json(pair) for pair in report.worst],
        "without_face": [str(path) for path in seen.without_face],
        "failed": [
            {"path": str(path), "reason": reason}
            for path, reason in (*labelled.unlisted, *seen.failed)
        ],
        "outside": [str(path) for path in labelled.outside],
        "repeated": [str(path) for path in seen.repeated],
    }


def percent(share: float) -> str:
    """ "99.3 %", with as many digits as small shares need: "0.05 %"."""
    value = 100 * share
    digits = 1 if value >= 1 or value == 0 else 1 - math.floor(math.log10(value))
    return f"{value:.{digits}f} %"


def nominal(share: float) -> str:
    """A share that was asked for, with two digits at most: "0.1 %"."""
    return f"{100 * share:.2g} %"


def _limit_json(limit: Limit) -> dict[str, Any]:
    tar = limit.tar and _rounded(limit.tar._asdict())
    return {"far": limit.far, "distance": limit.distance, "tar": tar}


def _pair_json(pair: BadPair) -> dict[str, Any]:
    return {
        "kind": pair.kind,
        "distance": round(pair.distance, 6),
        "photos": [str(pair.one.path), str(pair.other.path)],
    }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in values.items()}


def _list(what: str, lines: Sequence[str]) -> None:
    for line in lines[:SHOWN_PATHS]:
        click.echo(f"{what}: {line}", err=True)
    if len(lines) > SHOWN_PATHS:
        click.echo(f"and {len(lines) - SHOWN_PATHS} more; --json lists them all.", err=True)


def _print(report: Report, pipeline: str, seen: Seen, sheet: Path | None) -> None:
    click.echo(
        f"{plural(report.photos, 'photo')} of {plural(report.people, 'person')}, pipeline "
        f"{pipeline}: {report.photos - len(seen.without_face)} show a face, "
        f"{plural(seen.faces, 'face')} in all."
    )
    if not report.comparable:
        click.echo("Fewer than two people show a face, so there is nobody to tell apart.")
        return
    click.echo(f"{report.mates} pairs show one person (mates), {report.strangers} two (strangers).")
    if not report.mates:
        click.echo("Nobody has two photos, so it cannot be said how many mates are recognised.")
    for name, figure in _figures(report, pipeline):
        click.echo(f"{name:<36} {figure}")
    for pair in report.worst:
        one, other = shown(pair.one.path), shown(pair.other.path)
        click.echo(f"{pair.kind:<9} {pair.distance:6.3f}  {one}  {other}")
    if sheet:
        click.echo(f"The worst pairs as a picture: {shown(sheet)}")
    click.echo(_advice(report))


def _figures(report: Report, pipeline: str) -> list[tuple[str, str]]:
    """The lines of the table, name and figure."""
    lines = []
    if report.accuracy:
        lines.append(("accuracy", f"{percent(report.accuracy.value)}, judged on people that the "
                                  "threshold was not chosen on"))  # fmt: skip
    if report.equal_error:
        rate, distance = report.equal_error
        lines.append(("equal error rate", f"{percent(rate)} at distance {distance:.3f}"))
    for limit in (*report.limits, *([report.smallest] if report.smallest else [])):
        name = f"mates at {nominal(limit.far)} false accepts"
        if limit.distance is None:
            continue
        tar = limit.tar
        share = f"{percent(tar.value)} ({percent(tar.low)} to {percent(tar.high)}), " if tar else ""
        lines.append((name, f"{share}distance {rounded_down(limit.distance)}"))
    if report.own:
        own = report.own
        strangers = ("too many strangers to count" if own.far is None
                     else f"{percent(own.far)} of strangers")  # fmt: skip
        lines.append((f"at {pipeline}'s own distance {own.distance:g}",
                      f"{percent(own.tar)} of mates, {strangers}"))  # fmt: skip
    return lines


def rounded_down(distance: float) -> str:
    """A distance with three digits that accepts no more than the distance itself."""
    return f"{math.floor(distance * 1000) / 1000:.3f}"


MOST_USEFUL = 0.01
"""Share of strangers let in from which on a distance is no advice."""


def _advice(report: Report) -> str:
    """What to do with the figures."""
    wanted = report.limits[-1]
    if wanted.distance is not None:
        chosen, opening = wanted, ""
    else:
        opening = (
            f"{report.strangers} pairs of strangers are too few to measure {nominal(wanted.far)} "
            f"false accepts, which takes {report.strangers_needed(wanted.far)}. "
        )
        smallest = report.smallest
        if smallest is None or smallest.distance is None or smallest.far > MOST_USEFUL:
            return f"{opening}Add photos of more people."
        chosen = smallest
    assert chosen.distance is not None
    distance = rounded_down(chosen.distance)
    return (
        f"{opening}To let in {nominal(chosen.far)} of strangers' faces, ask with: facefind who "
        f"PORTRAIT --max-distance {distance}"
    )

"""Options and value types that several commands share."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A file that is there."""

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
"""A folder that is there."""

EXISTING = click.Path(exists=True, path_type=Path)
"""A file or folder that is there."""

event_option = click.option("--event", metavar="NAME", help="Only this event.")


strict_option = click.option(
    "--strict", is_flag=True, help="Only faces that are all but surely the person's."
)
loose_option = click.option(
    "--loose", is_flag=True, help="Faces that may be the person's too; more strangers among them."
)
low_quality_option = click.option(
    "--include-low-quality",
    is_flag=True,
    help="Also faces too small or blurred to be told apart, and what may be no face.",
)


def certainty_of(strict: bool, loose: bool) -> str:
    """What the two options ask for together."""
    if strict and loose:
        raise click.UsageError("--strict and --loose contradict each other: leave one out.")
    return "strict" if strict else "loose" if loose else "default"


def moment(text: str) -> datetime:
    """A date or a time in ISO 8601; without an offset it is in this machine's time zone."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is not a date like 2026-05-01 or 2026-05-01T18:30."
        ) from error


def distance(text: str) -> float:
    """A distance: a number that is finite and not negative."""
    try:
        value = float(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a number.") from error
    if not 0 <= value < math.inf:
        raise click.BadParameter(f"{text!r} is not a distance: 0 or more, and finite.")
    return value


def assignment(text: str) -> tuple[str, str]:
    """KEY=VALUE as a pair."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise click.BadParameter(f"{text!r} is not of the form detector.KEY=VALUE.")
    return key.strip(), value.strip()


set_option = click.option(
    "--set",
    "assignments",
    type=assignment,
    multiple=True,
    metavar="detector.KEY=VALUE",
    help="Change a setting of the detector.",
)
FAST = "dlib-fast"

fast_option = click.option(
    "--fast", is_flag=True, help=f"Short for --pipeline {FAST}: quicker, and hardly less exact."
)
profile_option = click.option("--profile", is_flag=True, help="Tell where the time went.")
thorough_option = click.option(
    "--thorough", is_flag=True, help="Find more of the small faces, for more time."
)


def pipeline_asked_for(pipeline: str | None, fast: bool) -> str | None:
    """The pipeline that ``--pipeline`` and ``--fast`` name; None where neither is given."""
    if fast and pipeline not in (None, FAST):
        raise click.UsageError(f"--fast means --pipeline {FAST}: leave one of the two out.")
    return FAST if fast else pipeline

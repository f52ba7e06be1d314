"""Options and value types that several commands share."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

EXISTING = click.Path(exists=True, path_type=Path)
"""A file or folder that is there."""

event_option = click.option("--event", metavar="NAME", help="Only this event.")


class Moment(click.ParamType):
    """A date or a time; without an offset it is in this machine's time zone."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Text in ISO 8601 form to an aware datetime."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date like 2026-05-01 or 2026-05-01T18:30.", param, ctx)
        return moment.astimezone()


class Assignment(click.ParamType):
    """KEY=VALUE."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Text to a (key, value) pair."""
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not of the form detector.KEY=VALUE.", param, ctx)
        return key.strip(), text.strip()

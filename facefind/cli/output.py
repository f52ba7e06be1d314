"""How commands speak: plain lines, JSON alone on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facefind.errors import FacefindError

if TYPE_CHECKING:
    from facefind.looking import Progress
    from facefind.portraits import Portrait

T = TypeVar("T")

JOINERS = "\u200c\u200d"
"""Characters that join or part the letters beside them, in Persian, in Hindi, in emoji."""

SCREEN = (80, 24)
"""Columns and rows of a terminal that does not say how many it has."""

LINE_SECONDS = 10.0
"""Seconds between two lines of progress where there is no terminal."""


def shown(path: Path | str) -> str:
    """A path as one line of printable text, whatever bytes its name has.

    Paths below the current folder are shown from there.
    """
    path = Path(path)
    here = _current_folder()
    if here is not None and path.is_relative_to(here):
        path = path.relative_to(here)
    return printable(str(path))


def printable(text: str) -> str:
    """Text, such as a name or a reason that holds one, as one line of printable characters."""
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        c if c.isprintable() or c in JOINERS else c.encode("unicode_escape").decode() for c in plain
    )


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:
        # Somebody has removed it.
        return None


def plural(count: int, noun: str) -> str:
    """ "1 photo", "2 photos", "no photos"."""
    plural_noun = "people" if noun == "person" else noun + "s"
    return f"1 {noun}" if count == 1 else f"{count or 'no'} {plural_noun}"


def percent(probability: float | None) -> str:
    """A probability as a column of its own, never 100 %; nothing where it is not known."""
    return "" if probability is None else f"{min(int(100 * probability), 99):3} %  "


def print_json(value: Any) -> None:
    """Prints a value as JSON; bytes of names that are not UTF-8 appear as lone surrogates."""
    click.echo(json.dumps(value, indent=2))


def explain(error: FacefindError) -> None:
    """Prints what went wrong and what to do now, on stderr."""
    click.echo(f"facefind: {_readable(error.message)}", err=True)
    if error.hint:
        click.echo(_readable(error.hint), err=True)


def _readable(text: str) -> str:
    """Each line of a message made printable."""
    return "\n".join(printable(line) for line in text.split("\n"))


def remarks(portrait: Portrait, choice: str) -> list[str]:
    """What a user should know of how a portrait was read; empty for a plain one.

    Args:
        choice: How to ask about another of its faces.
    """
    from facefind.inference.quality import HARDLY_KNOWN

    notes = []
    if portrait.how:
        notes.append(f"The face in {shown(portrait.path)} was found {portrait.how}.")
    elif portrait.faces > 1:
        notes.append(
            f"{shown(portrait.path)} shows {plural(portrait.faces, 'face')}; asking about the most "
            f"prominent, number {portrait.number} from the left. {choice}".rstrip()
        )
    if portrait.animated:
        notes.append(f"{shown(portrait.path)} is animated; only its first picture was looked at.")
    if portrait.quality is not None and portrait.quality < HARDLY_KNOWN:
        notes.append(
            f"The face in {shown(portrait.path)} can hardly be told from others: it is small, "
            "blurred, turned away, or no photographed face at all. Use a sharper portrait; --loose "
            "shows who it might be."
        )
    return notes


def progress(description: str, quiet: bool) -> Callable[[Iterable[T]], Iterable[T]]:
    """A wrapper of a list of things to do that shows, as `counter` does, how many are done."""
    shows = counter(description, quiet)

    def wrap(items: Iterable[T]) -> Iterator[T]:
        items = list(items)
        with shows(len(items)) as advance:
            for item in items:
                yield item
                advance(1)

    return wrap


def counter(description: str, quiet: bool) -> Progress:
    """Shows how many photos are done, how fast, and for how long it goes on.

    A bar on a terminal, and now and then a plain line elsewhere.
    """
    if quiet:
        return lambda _photos: nullcontext(lambda _done: None)
    if not sys.stderr.isatty():
        return lambda photos: nullcontext(_Lines(description, photos))
    return lambda photos: _counting(description, photos)


@contextmanager
def _counting(description: str, photos: int) -> Iterator[Callable[[int], object]]:
    with bar(total=photos, desc=description, unit="photo") as drawn:
        yield drawn.update


def bar(**what: Any) -> Any:
    """A bar of tqdm's on the terminal that is stderr.

    Args:
        what: As tqdm takes it.
    """
    from tqdm import tqdm

    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except OSError:  # A stand-in for a terminal.
        size = os.terminal_size(SCREEN)
    # Some say that they have no columns and rows, and tqdm would draw nothing there.
    ncols, nrows = size if all(size) else SCREEN
    return tqdm(file=sys.stderr, ncols=ncols, nrows=nrows, **what)


class _Lines:
    """Tells of progress in plain lines."""

    def __init__(self, description: str, photos: int) -> None:
        self._description, self._photos = description, photos
        self._started = self._last = time.monotonic()
        self._done = 0

    def __call__(self, done: int) -> None:
        """Says how far it is after so many more, unless it has just been said."""
        self._done += done
        now = time.monotonic()
        if now - self._last >= LINE_SECONDS and self._done:
            self._last = now
            pace = self._done / (now - self._started)
            rest = (self._photos - self._done) / pace
            click.echo(
                f"{self._description}: {self._done} of {plural(self._photos, 'photo')}, "
                f"{pace:.1f} a second, {duration(rest)} left",
                err=True,
            )


def duration(seconds: float) -> str:
    """A time as people say it: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"

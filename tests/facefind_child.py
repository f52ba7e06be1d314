"""Runs facefind as its command line does, in a process that stops itself.

Arguments: what is counted, a key of `COUNTED`; when to stop, as `tests.stopping.stopping` says it,
or ""; then facefind's. The last line on stderr is the number of steps.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2 import extensions

from facefind.cli.main import run
from tests.stopping import Stopper

Step = Callable[[], object]

PHOTO_LINE = re.compile(r": \d+ (new )?faces?$")


def before_statements(step: Step) -> None:
    """Has ``step`` called before whatever is sent to the database from now on."""

    class Cursor(extensions.cursor):  # type: ignore[misc]  # the driver has no types
        def execute(self, *arguments: Any) -> None:
            step()
            super().execute(*arguments)

        def copy_expert(self, *arguments: Any) -> None:
            step()
            super().copy_expert(*arguments)

    class Connection(extensions.connection):  # type: ignore[misc]
        def commit(self) -> None:
            step()
            super().commit()

    plain = psycopg2.connect

    def connect(*arguments: Any, **named: Any) -> Any:
        return plain(*arguments, connection_factory=Connection, cursor_factory=Cursor, **named)

    psycopg2.connect = connect


def after_photos(step: Step) -> None:
    """Has ``step`` called whenever the log says from now on what a photo shows; needs -v."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if PHOTO_LINE.search(record.getMessage()):
                step()

    logging.getLogger("facefind").addHandler(Handler())


COUNTED: dict[str, Callable[[Step], None]] = {
    "statements": before_statements,
    "photos": after_photos,
}


def main() -> None:
    counted, stop, *arguments = sys.argv[1:]
    stopper = Stopper.of(stop)
    COUNTED[counted](stopper.step)
    try:
        run(arguments)
    finally:
        print(stopper.steps, file=sys.stderr)


if __name__ == "__main__":
    main()

"""What every command shares: the global options and the composition of store and pipeline.

The global options are accepted before and after the command's name; the later one wins.
"""

from __future__ import annotations

import functools
import gc
import logging
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facefind import __version__
from facefind.cli.output import printable
from facefind.errors import StoreError
from facefind.settings import DEVICES, Settings, load_settings

if TYPE_CHECKING:
    from facefind.inference.ahead import Ahead
    from facefind.inference.pipeline import Pipeline
    from facefind.inference.protocols import Detector
    from facefind.store.repository import Repository
    from facefind.types import SettingValue

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

STORED_STAYS = "What is stored stays; run the same command again to go on."

_URL_PASSWORD = re.compile(r"(://[^/:]*:).*(?=@)|(password=)[^&]*")
_DSN_PASSWORD = re.compile(r"(password\s*=\s*)(?:'(?:\\.|[^'\\])*'|(?:\\.|[^\s\\])+)()")
"""The password in a database's URL, and in the other form that libpq reads, after what is kept."""


def _without_password(database: str) -> str:
    """A database's URL, or its other form, to be shown."""
    pattern = _URL_PASSWORD if "://" in database else _DSN_PASSWORD
    return pattern.sub(r"\1\2***", database)


F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class App:
    """The global options of one run, and what is built from them.

    Attributes:
        flags: Those given, by name.
        words: The whole command line after the program's name.
    """

    flags: dict[str, Any] = field(default_factory=dict)
    words: Sequence[str] = ()
    _settings: Settings | None = None
    _ahead: Ahead | None = None

    @property
    def json(self) -> bool:
        """Machine output alone on stdout."""
        return bool(self.flags.get("json"))

    @property
    def quiet(self) -> bool:
        """Nothing but results and errors."""
        return bool(self.flags.get("quiet"))

    @property
    def verbose(self) -> bool:
        """More than most want to know."""
        return bool(self.flags.get("verbose"))

    @property
    def debug(self) -> bool:
        """Tracebacks, and every log line."""
        return bool(self.flags.get("debug"))

    @property
    def settings(self) -> Settings:
        """From flags, environment and config file, read once all options are parsed."""
        if self._settings is None:
            self._settings = load_settings(self.flags, os.environ)
        return self._settings

    @property
    def again(self) -> str:
        """This command with all that was given, to be shown and copied; without the password."""
        words: list[str] = []
        for word in self.words:
            names_database = "--database-url" in (word.partition("=")[0], *words[-1:])
            words.append(_without_password(word) if names_database else word)
        return printable(shlex.join(["facefind", *words]))

    @property
    def last_answer(self) -> Path:
        """Folder of links to the photos that `who --open` showed last."""
        return self.settings.home / "last-answer"

    def start_logging(self) -> None:
        """Sends log lines to stderr, as many as asked for."""
        level = logging.DEBUG if self.debug else logging.INFO if self.verbose else logging.WARNING
        logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
        if not self.debug:
            # Pillow narrates every chunk of every file; what matters comes as an exception.
            logging.getLogger("PIL").setLevel(logging.CRITICAL)

    @contextmanager
    def store(self, prepare: Sequence[Callable[[], object]] = ()) -> Iterator[Repository]:
        """The database, started, connected and migrated.

        Args:
            prepare: Called in a thread while the server starts; see `open_store`.
        """
        from facefind.store.opening import open_store

        settings = self.settings
        with ExitStack() as stack:
            opened = open_store(settings.home, settings.database_url, prepare)
            try:
                repository = stack.enter_context(opened)
            except StoreError as error:
                if settings.database_url is not None:
                    whose = f"The URL is that of {settings.database_url_from}."
                    error.hint = f"{error.hint} {whose}".strip()
                raise
            yield repository

    def open_ahead(self, pipeline: str) -> None:
        """Has a thread open the models of the pipeline that will be asked for."""
        from facefind.inference.ahead import Ahead

        settings = self.settings
        self._ahead = Ahead(pipeline, settings.models_dir, settings.threads, settings.device)

    def pipeline(
        self, name: str, values: Mapping[str, SettingValue], *, threads: int | None = None
    ) -> Pipeline:
        """A pipeline ready to run.

        Args:
            threads: Threads of each network; by default as the settings say, else one per core,
                which is fastest for one picture after another.
        """
        from facefind.inference.pipeline import load_pipeline

        settings = self.settings
        ahead = self._ahead if threads is None else None
        return load_pipeline(
            name,
            models_dir=settings.models_dir,
            settings=values,
            threads=settings.threads if threads is None else threads,
            device=settings.device,
            batch=settings.batch,
            opened=ahead.open if ahead is not None and ahead.pipeline == name else None,
        )

    def detector(self, name: str, values: Mapping[str, SettingValue]) -> Detector:
        """A pipeline's detector alone."""
        from facefind.inference.pipeline import load_detector

        settings = self.settings
        return load_detector(
            name,
            models_dir=settings.models_dir,
            settings=values,
            threads=settings.threads,
            device=settings.device,
        )


def facefind_command(
    parent: click.Group | None = None, name: str | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """Makes a command of a function that takes the `App` first and then its own parameters."""

    def make(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def start(*args: Any, **parameters: Any) -> Any:
            app = click.get_current_context().ensure_object(App)
            app.start_logging()
            return function(app, *args, **parameters)

        command = click.command(name or function.__name__)(start)
        command.params.extend(_GLOBAL_PARAMS)
        if parent is not None:
            parent.add_command(command)
        return command

    return make


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    app = ctx.ensure_object(App)
    if value is not None and value is not False and param.name is not None:
        app.flags[param.name] = value


def _global(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_remember, **attributes)


def global_options(command: F) -> F:
    """Adds the global options to a group; values land in the `App`, not in its parameters."""
    for option in reversed(_GLOBAL_OPTIONS):
        command = option(command)
    return command


_GLOBAL_OPTIONS: list[Callable[..., Any]] = [
    _global(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the database and the downloaded models [FACEFIND_HOME].",
    ),
    _global("--database-url", help="Use this PostgreSQL instead [FACEFIND_DATABASE_URL]."),
    _global(
        "--device",
        type=click.Choice(DEVICES),
        help="What networks run on: auto is a GPU that works, else the processor; cuda insists "
        "[FACEFIND_DEVICE].",
    ),
    _global("--json", is_flag=True, help="Machine output alone on stdout."),
    _global("-v", "--verbose", is_flag=True, help="Say more."),
    _global("-q", "--quiet", is_flag=True, help="Say only results and errors."),
    _global("--debug", is_flag=True, help="Say everything, with tracebacks."),
    click.version_option(__version__, message="facefind %(version)s"),
]

_GLOBAL_PARAMS = click.command()(global_options(lambda: None)).params
"""The same options as objects, to stand after a command's own in its help."""


_MADE_BEFORE_GARBAGE = 100_000
"""Objects more than before from which on Python looks for garbage; by itself at some hundreds."""

_SHORT_WAIT = "4"
"""OpenBLAS's least: the power of two of processor cycles that an idle thread goes on waiting."""


def be_brief() -> None:
    """Sets the process up for a command that is over in a moment; to be called before numpy loads.

    Nearly all that such a command makes are modules, among which there is no garbage to look for.
    And OpenBLAS's threads would keep a core busy with waiting when they are made, a tenth of a
    second in which other threads load what is needed.
    """
    gc.set_threshold(_MADE_BEFORE_GARBAGE)
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", _SHORT_WAIT)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C into a request to stop, asked with the callable that this yields.

    A second Ctrl-C stops at once.
    """
    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        click.echo("\nFinishing the photos at hand; Ctrl-C again stops at once.", err=True)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def to_go_on(hint: str) -> Iterator[None]:
    """Ends the program where Ctrl-C ends the block at once, and says how to go on.

    Also decorates a function.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nStopped. {hint}", err=True)
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None

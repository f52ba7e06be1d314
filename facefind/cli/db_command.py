"""facefind db start|stop|url|backup|restore"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from facefind.cli.context import EXIT_FAILED, App, facefind_command, global_options
from facefind.cli.output import print_json, shown


@click.group(name="db")
@global_options
def command() -> None:
    """Start, stop, back up or restore the database.

    None of this is needed in daily use: every command starts the embedded database by itself.
    """


@facefind_command(command)
def start(app: App) -> int:
    """Start the embedded database and keep it running until `facefind db stop`."""
    from facefind.store import embedded

    _refuse_external(app)
    address = embedded.start_server(app.settings.home)
    _say(app, {"url": address}, f"Running until facefind db stop, at {address}")
    return 0


@facefind_command(command)
@click.option("--force", is_flag=True, help="Even while other processes use it.")
def stop(app: App, force: bool) -> int:
    """Stop the embedded database."""
    from facefind.store import embedded

    _refuse_external(app)
    stopped = embedded.stop_server(app.settings.home, force=force)
    _say(app, {"stopped": stopped}, "Stopped." if stopped else "It was not running.")
    return 0


@facefind_command(command)
def url(app: App) -> int:
    """Print the database's address, for psql and other tools, while it runs."""
    from facefind.store import embedded

    settings = app.settings
    address = settings.database_url or embedded.server_url(settings.home)
    if address is None:
        click.echo("The embedded database is not running: facefind db start", err=True)
        return EXIT_FAILED
    if app.json:
        print_json({"url": address})
    else:
        click.echo(address)
    return 0


@facefind_command(command)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Even though the file is there.")
def backup(app: App, file: Path, replace: bool) -> int:
    """Write everything into one file."""
    from facefind.errors import UsageError
    from facefind.store import backup as backups

    if file.exists() and not replace:
        raise UsageError(f"{file} is there already.", "Choose another name, or give --replace.")

    with _address(app) as address:
        backups.backup(address, file)
    _say(app, {"backup": str(file)}, f"Everything is in {shown(file)}")
    return 0


@facefind_command(command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Even though the database holds something.")
def restore(app: App, file: Path, replace: bool) -> int:
    """Read everything back from a backup's file."""
    from facefind.store import backup as backups

    with _address(app) as address:
        backups.restore(address, file, replace=replace)
    _say(app, {"restored": str(file)}, f"Restored from {shown(file)}")
    return 0


@contextmanager
def _address(app: App) -> Iterator[str]:
    from facefind.store.embedded import embedded_server

    settings = app.settings
    if settings.database_url is not None:
        yield settings.database_url
    else:
        with embedded_server(settings.home) as address:
            yield address


def _refuse_external(app: App) -> None:
    from facefind.errors import UsageError

    if app.settings.database_url is not None:
        raise UsageError("This command is for the embedded database; yours is at --database-url.")


def _say(app: App, answer: dict[str, Any], sentence: str) -> None:
    if app.json:
        print_json(answer)
    elif not app.quiet:
        click.echo(sentence)

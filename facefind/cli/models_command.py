"""facefind models [pull NAME]"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from facefind.cli.context import App, facefind_command, global_options
from facefind.cli.output import print_json


@click.group(name="models", invoke_without_command=True)
@global_options
@click.pass_context
def command(ctx: click.Context) -> int:
    """List the models with their state and licence, or download one."""
    return _list(ctx.ensure_object(App)) if ctx.invoked_subcommand is None else 0


@facefind_command(command)
@click.argument("name")
def pull(app: App, name: str) -> int:
    """Download the weights of a model; a broken download goes on where it stopped."""
    from facefind.inference import weights

    with _download_bar(app.quiet, name) as progress:
        path = weights.pull(name, app.settings.models_dir, progress=progress)
    if app.json:
        print_json({"name": name, "path": str(path)})
    elif not app.quiet:
        click.echo(f"{name} is at {path}")
    return 0


def _list(app: App) -> int:
    from facefind.inference import weights

    models_dir = app.settings.models_dir
    rows = [
        {
            "name": record.name,
            "title": record.title,
            "state": weights.weight_state(record, models_dir),
            "licence": record.licence,
            "used_by": list(record.used_by),
        }
        for record in weights.records().values()
    ]
    if app.json:
        print_json({"models": rows})
        return 0
    for row in rows:
        click.echo(f"{row['name']:<14} {row['state']:<11} {row['licence']}")
        click.echo(f"{'':<14} {row['title']} (pipeline {', '.join(row['used_by'])})")
    return 0


@contextmanager
def _download_bar(quiet: bool, name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A callable that takes the bytes so far and the total, shown as a bar on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from tqdm import tqdm

    with tqdm(desc=name, unit="B", unit_scale=True, unit_divisor=1024, file=sys.stderr) as bar:

        def update(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield update

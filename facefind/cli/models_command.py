"""facefind models [pull NAME]"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from facefind.cli.context import App, facefind_command, global_options
from facefind.cli.output import bar, print_json

if TYPE_CHECKING:
    from facefind.inference.weight_records import WeightRecord


@click.group(name="models", invoke_without_command=True)
@global_options
@click.pass_context
def command(ctx: click.Context) -> int:
    """List the models with their state and licence, or download one."""
    return _list(ctx.ensure_object(App)) if ctx.invoked_subcommand is None else 0


@facefind_command(command)
@click.argument("name")
@click.option(
    "--accept-licence",
    is_flag=True,
    help="Accept the licence of weights that ask for it, without being asked.",
)
def pull(app: App, name: str, accept_licence: bool) -> int:
    """Download the weights of a pipeline, or one file; what broke off goes on where it stopped."""
    from facefind.inference import weights

    files = []
    for record in weights.chosen(name):
        accepted = accept_licence or _asked(app, record)
        with _download_bar(app.quiet, record.archive.file if record.archive else name) as progress:
            path = weights.pull(
                record.name,
                app.settings.models_dir,
                accept_licence=accepted,
                progress=progress,
            )
        files.append({"name": record.name, "path": str(path)})
        if not (app.json or app.quiet):
            click.echo(f"{record.name} is at {path}")
    if app.json:
        print_json({"name": name, "weights": files})
    return 0


def _asked(app: App, record: WeightRecord) -> bool:
    """Shows the terms that weights are published under and asks, where somebody can answer."""
    from facefind.inference import licences, weights

    models_dir = app.settings.models_dir
    if (
        licences.is_accepted(record, models_dir)
        or weights.weight_state(record, models_dir) == "downloaded"
        or not (sys.stdin.isatty() and sys.stderr.isatty())
    ):
        return False
    click.echo(f"{record.title}\n\n{record.terms}\n\n{record.licence_url}\n", err=True)
    return click.confirm(f"Do you accept this licence ({record.licence})?", err=True)


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
    with bar(desc=name, unit="B", unit_scale=True, unit_divisor=1024) as drawn:

        def update(done: int, total: int | None) -> None:
            drawn.total = total
            drawn.update(done - drawn.n)

        yield update

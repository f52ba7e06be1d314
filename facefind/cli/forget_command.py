"""facefind forget PATH... | --event NAME"""

from __future__ import annotations

from pathlib import Path

import click

from facefind.cli.context import EXIT_FAILED, App, facefind_command
from facefind.cli.output import plural, print_json, printable, shown


@facefind_command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--event", metavar="NAME", help="The event to forget, or to forget the paths of.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def command(app: App, paths: tuple[Path, ...], event: str | None, yes: bool) -> int:
    """Delete what is known of photos, of folders, or of a whole event.

    Rows, vectors and names are deleted; the photo files are never touched.
    """
    from facefind import placing
    from facefind.errors import UsageError
    from facefind.ingest import names_of
    from facefind.search import events_to_search

    if not paths and event is None:
        raise UsageError("Say what to forget: a path, or --event NAME.")
    with app.store() as store:
        chosen = events_to_search(store.events(), event)[0] if event is not None else None
        question = f"Forget {_what(paths, event)}? This cannot be undone"
        if not yes and not click.confirm(question, err=True):
            click.echo("Nothing was forgotten.", err=True)
            return EXIT_FAILED
        if paths:
            forgotten = store.forget_paths(names_of(paths), chosen)
        else:
            assert chosen is not None
            forgotten = store.forget_event(chosen.name)
    # The links that `who --open` made may show what is now forgotten.
    placing.clear_links(app.last_answer)
    if app.json:
        print_json({"photos": forgotten.photos, "faces": forgotten.faces})
    elif not app.quiet:
        click.echo(
            f"Forgotten: {plural(forgotten.photos, 'photo')}, {plural(forgotten.faces, 'face')}."
        )
    return EXIT_FAILED if paths and not forgotten.photos else 0


def _what(paths: tuple[Path, ...], event: str | None) -> str:
    where = f' in event "{printable(event)}"' if event else ""
    if not paths:
        return f'event "{printable(event or "")}" with all its faces'
    return f"all faces of {', '.join(shown(path) for path in paths)}{where}"

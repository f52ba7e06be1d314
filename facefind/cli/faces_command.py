"""facefind faces PHOTO"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facefind.cli.context import EXIT_FAILED, App, facefind_command
from facefind.cli.output import plural, print_json, shown
from facefind.cli.params import FILE, set_option

if TYPE_CHECKING:
    from facefind.types import SettingValue


@facefind_command()
@click.argument("photo", type=FILE)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the copy; PHOTO-faces.jpg in the current folder by default.",
)
@click.option("--pipeline", metavar="NAME", help="Whose detector looks.")
@set_option
@click.option("--event", metavar="NAME", help="Look as at this event's photos.")
def command(
    app: App,
    photo: Path,
    to: Path | None,
    pipeline: str | None,
    assignments: tuple[tuple[str, str], ...],
    event: str | None,
) -> int:
    """Write a copy of a photo with its faces marked and numbered from the left."""
    from facefind import images
    from facefind.portraits import left_to_right

    name, settings = _looked_at(app, pipeline, dict(assignments), event)
    detector = app.detector(name, settings)
    pixels = images.read_photo(photo).pixels
    found = left_to_right(detector.detect(pixels))
    target = _target(photo, to)
    images.save_jpeg(target, images.draw_faces(pixels, found))
    faces = [{"box": [round(v, 2) for v in d.box], "score": round(d.score, 4)} for d in found]
    if app.json:
        print_json({"photo": str(photo), "pipeline": name, "copy": str(target), "faces": faces})
    elif not app.quiet:
        click.echo(f"{plural(len(found), 'face')} in {shown(photo)}; see {shown(target)}")
    return 0 if found else EXIT_FAILED


def _looked_at(
    app: App, pipeline: str | None, asked: Mapping[str, str], event: str | None
) -> tuple[str, Mapping[str, SettingValue]]:
    """The pipeline and the detector's settings: those asked for, or an event's."""
    from facefind.answers import event_named
    from facefind.binding import settings_of
    from facefind.inference.pipeline import DEFAULT_PIPELINE, resolve_settings

    if event is None:
        name = pipeline or DEFAULT_PIPELINE
        return name, resolve_settings(name, asked)
    if pipeline is not None or asked:
        raise click.UsageError(
            "--event looks as that event was ingested: leave --pipeline and --set out."
        )
    with app.store() as store:
        found = event_named(store.events(), event)
    return found.pipeline, settings_of(found)


def _target(photo: Path, to: Path | None) -> Path:
    """Where the copy goes: where the user says, but never over the photo; else a free name here."""
    from facefind import filenames, folders
    from facefind.errors import UsageError

    if to is None:
        taken = filenames.Taken(folders.names_in(Path()))
        return Path(taken.take(f"{photo.stem}-faces", ".jpg"))
    if to.exists() and to.samefile(photo):
        raise UsageError(f"{to} is the photo itself; write the copy somewhere else.")
    return to

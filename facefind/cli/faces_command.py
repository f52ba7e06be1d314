"""facefind faces PHOTO"""

from __future__ import annotations

from pathlib import Path

import click

from facefind.cli.context import EXIT_FAILED, App, facefind_command
from facefind.cli.output import plural, print_json, shown
from facefind.cli.params import FILE, set_option


@facefind_command()
@click.argument("photo", type=FILE)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the copy; PHOTO-faces.jpg in the current folder by default.",
)
@click.option("--pipeline", metavar="NAME", help="Whose detector looks.")
@set_option
def command(
    app: App,
    photo: Path,
    to: Path | None,
    pipeline: str | None,
    assignments: tuple[tuple[str, str], ...],
) -> int:
    """Write a copy of a photo with its faces marked and numbered from the left."""
    from facefind import images
    from facefind.inference.pipeline import DEFAULT_PIPELINE, resolve_settings
    from facefind.portraits import left_to_right

    name = pipeline or DEFAULT_PIPELINE
    detector = app.detector(name, resolve_settings(name, dict(assignments)))
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

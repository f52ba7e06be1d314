"""Suggestions as a picture or as a page: in each row one, the faces in question side by side."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from facefind import images
from facefind.errors import PhotoError, UsageError
from facefind.folders import write_text
from facefind.people.suggestions import SHOWN, Suggestion
from facefind.store.records import SeenFace
from facefind.types import Image

MOST = 250
"""Suggestions on one sheet: a JPEG cannot be higher."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.4 system-ui, sans-serif; margin: auto; max-width: 60rem; padding: 1rem }}
li {{ margin: 0 0 1.5rem; border-top: 1px solid #8886; padding-top: .5rem }}
.faces {{ display: flex; flex-wrap: wrap; gap: .5rem 2rem }}
figure {{ margin: 0 }}
img {{ width: 6rem; height: 6rem; border-radius: .3rem }}
code {{ user-select: all; overflow-wrap: anywhere }}
</style></head><body><h1>{title}</h1>
<p>{intro}</p>
<ol>
{rows}
</ol></body></html>
"""
_INTRO = "Type the command where it is right. The second one says that it is not, for good."

Wrap = Callable[[Iterable[Path]], Iterable[Path]]


def write_suggestions(
    target: Path,
    suggestions: Sequence[Suggestion],
    progress: Wrap = lambda photos: photos,
) -> list[tuple[Path, str]]:
    """Writes a sheet, as a page where the target is an .html file, else as a JPEG.

    Args:
        progress: Wraps the list of photos, as tqdm does.

    Returns:
        Photos that cannot be read, and why; their faces are missing.

    Raises:
        UsageError: There is nothing to draw, or the target is one of the photos.
        OutputError: It cannot be written.
    """
    if not suggestions:
        raise UsageError("There is nothing to suggest, so there is no sheet to write.")
    faces = [face for one in suggestions for face in (*one.faces, *one.other_faces)]
    paths = list(dict.fromkeys(face.photo for face in faces))
    if target.exists() and any(path.exists() and target.samefile(path) for path in paths):
        raise UsageError(f"{target} is one of the photos.", "Write the sheet somewhere else.")
    pictures, failed = _pictures(faces, progress(paths))
    if target.suffix.lower() in (".html", ".htm"):
        write_text(target, _page(suggestions, pictures))
    else:
        images.save_jpeg(target, _picture(suggestions[:MOST], pictures))
    return failed


def describe(suggestion: Suggestion) -> str:
    """What it says, in a few words."""
    title = suggestion.person.title
    if suggestion.other is not None:
        return f"{title} and {suggestion.other.title} are one person"
    face = suggestion.other_faces[0].sighting
    verb = "is" if suggestion.kind == "face" else "is not"
    return f"face {face} {verb} {title}"


def _pictures(
    faces: Sequence[SeenFace], paths: Iterable[Path]
) -> tuple[dict[int, bytes], list[tuple[Path, str]]]:
    """Each face as a small JPEG by its number; every photo is read once."""
    pictures: dict[int, bytes] = {}
    failed = []
    for path in paths:
        of_photo = [face for face in faces if face.photo == path]
        try:
            photo = images.read_for_pictures(path, [face.box for face in of_photo])
        except PhotoError as error:
            failed.append((path, error.message))
            continue
        pictures |= {
            face.sighting: images.face_cover(photo.pixels, photo.box(face.box)) for face in of_photo
        }
    return pictures, failed


def _picture(suggestions: Sequence[Suggestion], pictures: dict[int, bytes]) -> Image:
    nothing: Image = np.full((1, 1, 3), 255, np.uint8)
    tiles: list[images.Tile] = []
    for number, one in enumerate(suggestions, start=1):
        for side, person in ((one.faces, one.person), (one.other_faces, one.other)):
            row = [
                images.Tile(
                    images.decode(pictures[face.sighting]).pixels
                    if face.sighting in pictures
                    else nothing,
                    f"face {face.sighting}",
                    person.title if person else face.photo.name,
                )
                for face in side
            ]
            row += [images.Tile(nothing, "")] * (SHOWN - len(row))
            if not tiles or len(tiles) % (2 * SHOWN + 1) == 0:
                row = [*row, images.Tile(nothing, f"{number}.", _likely(one))]
            tiles += row
    heading = f"{_count(suggestions)}: left and right of each number"
    return images.draw_grid(heading, tiles, columns=2 * SHOWN + 1)


def _count(suggestions: Sequence[Suggestion]) -> str:
    return "1 suggestion" if len(suggestions) == 1 else f"{len(suggestions)} suggestions"


def _page(suggestions: Sequence[Suggestion], pictures: dict[int, bytes]) -> str:
    rows = "\n".join(_row(one, pictures) for one in suggestions)
    return _PAGE.format(title=_count(suggestions), intro=_INTRO, rows=rows)


def _row(one: Suggestion, pictures: dict[int, bytes]) -> str:
    sides = []
    for faces, person in ((one.faces, one.person), (one.other_faces, one.other)):
        shown = "".join(
            f'<img alt="face {face.sighting}" title="face {face.sighting}" '
            f'src="data:image/jpeg;base64,{base64.b64encode(pictures[face.sighting]).decode()}">'
            for face in faces
            if face.sighting in pictures
        )
        name = person.title if person else f"face {faces[0].sighting}" if faces else ""
        sides.append(f"<figure>{shown}<figcaption>{html.escape(name)}</figcaption></figure>")
    said = html.escape(f"{describe(one)}{_percent(one)}")
    other = f" or <code>{html.escape(one.contrary)}</code>" if one.contrary else ""
    command = f"<code>{html.escape(one.command)}</code>{other}"
    return f'<li>{said}<div class="faces">{"".join(sides)}</div>{command}</li>'


def _likely(one: Suggestion) -> str:
    """The word, and how likely it is right."""
    verb = {"same": "one person", "face": "the same", "wrong": "not the same"}[one.kind]
    return f"{verb}{_percent(one)}"


def _percent(one: Suggestion) -> str:
    return "" if one.probability is None else f", {min(round(100 * one.probability), 99)} %"

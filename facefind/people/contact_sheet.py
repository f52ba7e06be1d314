"""Contact sheets: faces in rows with their numbers, cut out of the photos that show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facefind import images
from facefind.errors import PhotoError, UsageError
from facefind.store.records import SeenFace
from facefind.types import Image

MOST = 1000
"""Faces on one sheet."""

_UNREAD = (200, 200, 200)


class Labelled(NamedTuple):
    """A face and the two lines below it."""

    face: SeenFace
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What was drawn.

    Attributes:
        faces: How many of them.
        failed: Photos that cannot be read, and why; their faces are grey.
    """

    faces: int
    failed: tuple[tuple[Path, str], ...]


def write_sheet(
    target: Path,
    heading: str,
    faces: Sequence[Labelled],
    progress: Callable[[Iterable[Path]], Iterable[Path]] = lambda photos: photos,
) -> Sheet:
    """Writes a JPEG of up to `MOST` faces, in the order given.

    Args:
        progress: Wraps the list of photos, as tqdm does.

    Raises:
        UsageError: There is nothing to draw, or the target is one of the photos.
        OutputError: It cannot be written.
    """
    faces = faces[:MOST]
    if not faces:
        raise UsageError("There are no faces to draw.")
    paths = list(dict.fromkeys(labelled.face.photo for labelled in faces))
    if target.exists() and any(path.exists() and target.samefile(path) for path in paths):
        raise UsageError(f"{target} is one of the photos.", "Write the sheet somewhere else.")
    pictures: dict[int, Image] = {}
    failed = []
    for path in progress(paths):
        of_photo = [labelled.face for labelled in faces if labelled.face.photo == path]
        try:
            photo = images.read_for_pictures(path, [face.box for face in of_photo])
        except PhotoError as error:
            failed.append((path, error.message))
            continue
        pictures |= {
            face.sighting: images.face_square(photo.pixels, photo.box(face.box))
            for face in of_photo
        }
    unread: Image = np.full((1, 1, 3), _UNREAD, np.uint8)
    tiles = [
        images.Tile(pictures.get(one.face.sighting, unread), one.name, one.note) for one in faces
    ]
    images.save_jpeg(target, images.draw_grid(heading, tiles))
    return Sheet(len(faces), tuple(failed))

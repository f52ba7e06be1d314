"""One file, read and decoded, for callers that name it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from facefind.errors import PhotoError
from facefind.images.decode import decode
from facefind.images.files import read_file
from facefind.images.opened import OpenedPhoto
from facefind.images.thumbnail import scale_wanted
from facefind.types import Box, Image, Photo


class ScaledPhoto(NamedTuple):
    """A photo at some scale.

    Attributes:
        pixels: Upright RGB (H, W, 3).
        size: Width and height of the photo itself.
    """

    pixels: Image
    size: tuple[int, int]

    def box(self, box: Box) -> Box:
        """A box of the photo, in these pixels."""
        x, y = self.pixels.shape[1] / self.size[0], self.pixels.shape[0] / self.size[1]
        return Box(box.x * x, box.y * y, box.w * x, box.h * y)


def read_photo(path: Path) -> Photo:
    """The photo in a file.

    Raises:
        PhotoError: As `read_file` and `decode`; the message names the file.
    """
    with _naming(path):
        return decode(read_file(path).data)


def read_for_pictures(path: Path, boxes: Iterable[Box | None]) -> ScaledPhoto:
    """The photo in a file, decoded no larger than small pictures of it need.

    Args:
        boxes: As `scale_wanted` takes them.

    Raises:
        PhotoError: As `read_photo`.
    """
    with _naming(path):
        photo = OpenedPhoto(read_file(path).data)
        pixels = photo.at(scale_wanted(photo.size, boxes))
        return ScaledPhoto(pixels, photo.size)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except PhotoError as error:
        raise type(error)(f"{path}: {error.message}", error.hint) from error

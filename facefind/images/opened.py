"""A photo whose file is read, and that gives its pixels when asked."""

from __future__ import annotations

from facefind.images.decode import decode
from facefind.types import Image, Photo, PhotoInfo


class OpenedPhoto:
    """A picture file's bytes, decoded no larger than is asked for.

    Raises, here and in `at`, what `decode` raises.
    """

    def __init__(self, data: bytes) -> None:
        self._photo: Photo = decode(data)

    @property
    def info(self) -> PhotoInfo:
        """What the file says of the photo; width and height are its own."""
        return self._photo.info

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright photo, in its own pixels."""
        return self.info.width, self.info.height

    def at(self, scale: float) -> Image:
        """The upright RGB picture at this scale or a larger one, at most the photo's own."""
        return self._photo.pixels

"""A photo whose file is read, and that gives its pixels when asked."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from PIL.Image import fromarray

from facefind.images import colour, exif, formats, loading, raw
from facefind.types import Image, PhotoInfo

_MEGA = 1_000_000

MAX_DECODED = 48.0
"""Megapixels that are given at the most: all that most cameras have, and 340 MB while decoded."""


class OpenedPhoto:
    """A picture file's bytes, decoded no larger than is asked for.

    The format is told by the content. Of animations and stacks the first picture counts. A file
    that ends before its picture does is refused, since faces could be missing from it; a JPEG
    that lacks nothing but its end marker is read.

    Only the header is read at first; `at` decodes. A JPEG, also the preview in a camera's raw file,
    is decoded to a half, a quarter or an eighth of its sides where that is enough; other formats
    in full, a raw file by LibRaw where rawpy is installed. Should LibRaw know a file's size and yet
    fail to develop it, `at` makes its preview the photo, whose size is then another.

    Memory: 7 bytes for each decoded pixel while it is decoded, 3 of which stay; a progressive JPEG
    takes 3 to 6 more for each pixel of the file. Of AVIF it is 9, of WebP 16, of JPEG 2000 19.
    Photos of more than ``max_decoded`` megapixels come smaller. JPEGs are decoded so; others are
    shrunk once they are decoded in full, for which a PNG or TIFF takes 4 bytes a pixel beside its
    file, or 1 where it is grey, and 110 MB for what comes of it: 1.2 GB for a PNG of 200 megapixels
    and 290 MB. A TIFF that is to be turned takes 4 bytes a pixel more.

    Several threads may decode at once, each its own photo.

    Attributes:
        info: What the file says of the photo; width and height are its own, whatever the scale.
            Those of a raw file hold once it was developed.
    """

    def __init__(
        self, data: bytes, *, max_megapixels: float = 200, max_decoded: float = MAX_DECODED
    ) -> None:
        """Opens a file.

        Args:
            data: The whole file.
            max_megapixels: Pictures with more pixels are refused before they are decoded. WebP,
                ICO and some GIF have a ceiling of their own in Pillow, 179 megapixels.
            max_decoded: Pictures with more megapixels are given smaller.

        Raises:
            PhotoTooLarge: More pixels than ``max_megapixels``.
            UnreadablePhoto: No picture, or one that is damaged or of a kind that cannot be read.
                The message is a short reason without the file's name, which the caller knows.
        """
        self._data = data
        self._format = loading.format_of(data)
        self._limits = max_megapixels, max_decoded
        self._jpeg: _Jpeg | None = None
        self._orientation = 1
        self._kept: tuple[int, Image] | None = None
        with self._plain_reasons():
            self.info = self._open()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright photo, in its own pixels."""
        return self.info.width, self.info.height

    def at(self, scale: float) -> Image:
        """The upright RGB picture at this scale or a larger one, at most the photo's own.

        Each side is the photo's over one whole number, rounded up. The pixels are kept, so that
        asking for the same or for less again costs nothing; they are not to be changed.

        Raises:
            UnreadablePhoto: It is damaged. The reason does not depend on the scale.
        """
        step = 1 if self._jpeg is None else loading.coarsest_step(scale, self.size)
        if self._kept is None or step < self._kept[0]:
            self.free()
            with self._plain_reasons():
                self._kept = step, self._decode(step)
        return self._kept[1]

    def free(self) -> None:
        """Forgets the pixels; `at` decodes them again."""
        self._kept = None

    def _plain_reasons(self) -> AbstractContextManager[None]:
        return loading.plain_reasons(self._format)

    def _open(self) -> PhotoInfo:
        """What the file says. Where only its pixels can tell, they are kept."""
        if self._format == "JPEG":
            return self._open_jpeg(self._data, None)
        if self._format == formats.RAW:
            return self._open_raw()
        header = loading.header_of(self._format, self._data, self._limits[0])
        self._orientation = header.orientation
        info = _info(self._format, header.size, header.facts)
        return replace(info, animated=header.animated)

    def _open_jpeg(self, data: bytes, facts: exif.Facts | None) -> PhotoInfo:
        """What a JPEG's header says.

        Args:
            facts: What is said of the photo elsewhere and goes before this JPEG's EXIF.
        """
        image = loading.open_jpeg(data, self._limits[0])
        facts = facts or loading.facts_of(image)
        finest = next(step for step in (1, 2, 4, 8) if step == 8 or self._fits(image.size, step))
        self._jpeg = _Jpeg(data, facts.orientation, finest)
        return _info(self._format, loading.upright(image.size, facts.orientation), facts)

    def _open_raw(self) -> PhotoInfo:
        facts = raw.facts(self._data)
        size = raw.size(self._data, self._limits[0] * _MEGA)
        if size is None:
            return self._open_jpeg(raw.preview(self._data), facts)
        if facts is None:
            preview = loading.open_jpeg(raw.preview(self._data), self._limits[0])
            facts = loading.facts_of(preview)
        return _info(self._format, size, facts)

    def _decode(self, step: int) -> Image:
        if self._jpeg is None:
            return self._develop(step) if self._format == formats.RAW else self._load()
        return self._decode_jpeg(self._jpeg, step)

    def _decode_jpeg(self, photo: _Jpeg, step: int) -> Image:
        data, orientation, finest = photo
        image = loading.load_jpeg(data, max(step, finest), finest)
        return colour.to_array(colour.to_srgb(image), orientation)

    def _develop(self, step: int) -> Image:
        """A raw file's picture; its preview's at a step where there is no other."""
        pixels = raw.develop(self._data)
        if pixels is None:
            self.info = self._open_jpeg(raw.preview(self._data), raw.facts(self._data))
            return self._decode(step)
        height, width = pixels.shape[:2]
        self.info = replace(self.info, width=width, height=height)
        step = self._finest((width, height))
        return pixels if step == 1 else colour.to_array(fromarray(pixels).reduce(step), 1)

    def _load(self) -> Image:
        """A picture that can only be decoded in full."""
        image = loading.load_picture(self._format, self._data, self._limits[0])
        step = self._finest(image.size)
        # The picture itself is let go of before there is an array of it.
        image = colour.to_srgb(image) if step == 1 else colour.reduced_to_srgb(image, step)
        return colour.to_array(image, self._orientation)

    def _finest(self, size: tuple[int, int]) -> int:
        """The smallest step that a picture may be given at that was decoded in full."""
        return next(step for step in count(1) if self._fits(size, step))

    def _fits(self, size: tuple[int, int], step: int) -> bool:
        return math.prod(size) <= self._limits[1] * _MEGA * step**2


class _Jpeg(NamedTuple):
    """The JPEG that holds a photo's pixels.

    Attributes:
        orientation: How it is to be turned; see EXIF.
        finest: The smallest step that it is decoded at; see `loading.load_jpeg`.
    """

    data: bytes
    orientation: int
    finest: int


def _info(format_: str, size: tuple[int, int], facts: exif.Facts) -> PhotoInfo:
    return PhotoInfo(
        format=format_,
        width=size[0],
        height=size[1],
        taken_at=facts.taken_at,
        camera=facts.camera,
        latitude=facts.latitude,
        longitude=facts.longitude,
    )

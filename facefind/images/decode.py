"""Turns a picture file's bytes into upright 8-bit sRGB pixels."""

from __future__ import annotations

import math

from facefind.images.opened import OpenedPhoto
from facefind.types import Photo


def decode(data: bytes, *, max_megapixels: float = 200) -> Photo:
    """The upright photo in a picture file's bytes, in full; several threads may decode at once.

    Args and Raises: As `OpenedPhoto`.
    """
    opened = OpenedPhoto(data, max_megapixels=max_megapixels, max_decoded=math.inf)
    return Photo(opened.at(1.0), opened.info)

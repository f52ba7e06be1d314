"""HEIF files, without registering the format with Pillow, which would last for other tests."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image


def encode_heif(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    """A picture as a HEIF file's bytes; options as Pillow's ``save`` takes them."""
    encoded = BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(encoded, **options)
    return encoded.getvalue()

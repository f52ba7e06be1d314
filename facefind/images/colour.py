"""Turns every kind of pixel that Pillow may hand over into 8-bit sRGB."""

from __future__ import annotations

import logging
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_log = logging.getLogger(__name__)

_BITS_PER_SAMPLE = 258
_STRIP_ROWS = 64
_REDUCED_ROWS = 64

# For each EXIF orientation what turns the stored picture upright.
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_LAST_ROW_FIRST = (3, 4, 6, 7)

# The colour space that a profile must be of, to be meant for pixels of this mode.
_PROFILE_SPACES = {"RGB": "RGB", "CMYK": "CMYK", "L": "GRAY"}


def to_srgb(image: Image.Image) -> Image.Image:
    """A picture of any Pillow mode as mode RGB in sRGB.

    Transparent parts become white, because cut-out portraits and logos are drawn for white pages:
    on black, dark hair would lose its outline. A profile that is damaged, or made for other
    pixels than these, is ignored.
    """
    profile = image.info.get("icc_profile")
    image = _plain_mode(image)
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    opaque = image.convert(image.mode.rstrip("A")) if alpha else image
    colour = (profile and _through_profile(opaque, profile)) or _as_rgb(opaque)
    if alpha is None or alpha.getextrema() == (255, 255):
        return colour
    white = Image.new("RGB", colour.size, "white")
    return Image.composite(colour, white, alpha)


def reduced_to_srgb(image: Image.Image, step: int) -> Image.Image:
    """`to_srgb`, and one pixel for each ``step`` by ``step``, without a whole copy on the way."""
    width, height = (-(-side // step) for side in image.size)
    if _has_levels(image):
        # What is white in it, only the whole picture tells.
        return to_srgb(image).reduce(step)
    small = Image.new("RGB", (width, height))
    for top in range(0, height, _REDUCED_ROWS):
        bottom = min((top + _REDUCED_ROWS) * step, image.height)
        strip = image.crop((0, top * step, image.width, bottom))
        small.paste(to_srgb(strip).reduce(step), (0, top))
    return small


def to_array(image: Image.Image, orientation: int = 1) -> NDArray[np.uint8]:
    """A mode RGB picture turned upright, as (H, W, 3) uint8, writable and C-contiguous.

    Args:
        orientation: 1..8, how it is stored; see EXIF.
    """
    width, height = image.size
    shape = (width, height) if orientation in _SIDEWAYS else (height, width)
    pixels = np.empty((*shape, 3), np.uint8)
    # In strips that stay in the processor's cache this takes half as long as in one piece.
    for top in range(0, height, _STRIP_ROWS):
        rows = min(_STRIP_ROWS, height - top)
        part = image.crop((0, top, width, top + rows))
        if orientation in _TRANSPOSE:
            part = part.transpose(_TRANSPOSE[orientation])
        start = height - top - rows if orientation in _LAST_ROW_FIRST else top
        place = slice(start, start + rows)
        strip = pixels[:, place] if orientation in _SIDEWAYS else pixels[place]
        # Pillow keeps four bytes a pixel, and is slow at leaving one out.
        four = np.frombuffer(part.tobytes("raw", "RGBX"), np.uint8).reshape(*strip.shape[:2], 4)
        cv2.cvtColor(four, cv2.COLOR_RGBA2RGB, dst=strip)
    return pixels


def _as_rgb(image: Image.Image) -> Image.Image:
    # Pillow would copy what is RGB already.
    return image if image.mode == "RGB" else image.convert("RGB")


def _plain_mode(image: Image.Image) -> Image.Image:
    """The picture in mode L, LA, RGB, RGBA or CMYK, 8 bits per channel."""
    mode = image.mode
    if _has_levels(image):
        return Image.fromarray(_to_8_bit(image))
    if mode == "LAB":
        return _from_lab(image)
    if mode in ("PA", "La", "RGBa") or (mode != "CMYK" and "transparency" in image.info):
        return image.convert("RGBA")
    if mode == "1":
        return image.convert("L")
    return image if mode in ("L", "LA", "RGB", "RGBA", "CMYK") else image.convert("RGB")


def _has_levels(image: Image.Image) -> bool:
    """Whether it is grey with more than 256 levels."""
    return image.mode.startswith("I") or image.mode == "F"


def _to_8_bit(image: Image.Image) -> NDArray[np.uint8]:
    """Grey levels of 12, 16 or 32 bits or floats, scaled to 0..255.

    Formats do not record white for 32-bit numbers. The smallest customary white that no pixel
    exceeds is taken; beyond them all, the brightest pixel.
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)
    brightest = float(values.max(initial=0))
    customary = (1.0, 255.0, 65535.0) if image.mode == "F" else (_integer_white(image),)
    white = next((top for top in customary if brightest <= top), brightest)
    scaled: NDArray[np.uint8] = np.clip(values * (255 / white) + 0.5, 0, 255).astype(np.uint8)
    return scaled


def _integer_white(image: Image.Image) -> float:
    tags = getattr(image, "tag_v2", {})
    return 4095.0 if tags.get(_BITS_PER_SAMPLE) == (12,) else 65535.0


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None  # only with inPlace=True
    return converted


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The picture converted to sRGB; None where the profile is unusable or sRGB already."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILE_SPACES[image.mode]:
            _log.info("colour profile ignored: it is not made for %s pixels", image.mode)
            return None
        if (source.profile.profile_description or "").startswith("sRGB"):
            return None
        return ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.PERCEPTUAL,
            outputMode="RGB",
        )
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError) as error:
        _log.info("colour profile ignored, it is damaged: %s", error)
        return None

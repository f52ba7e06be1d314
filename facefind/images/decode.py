"""Turns a picture file's bytes into upright 8-bit sRGB pixels."""

from __future__ import annotations

import lzma
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    PsdImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from facefind.errors import PhotoTooLarge, UnreadablePhoto
from facefind.images import colour, exif, formats, jpeg, raw
from facefind.types import Image as Pixels
from facefind.types import Photo, PhotoInfo

_MEGA = 1_000_000

# A progressive JPEG passes over all its pixels in each scan. Cameras and programs write about ten
# scans; a small file that claims thousands would keep the processor busy for hours.
_MAX_MEGAPIXEL_SCANS = 10_000
_MAX_SCANS = 1000

# What Pillow, its plugins and the libraries under them are known to raise on damaged files.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)

_ANIMATIONS = ("GIF", "WEBP", "PNG", "AVIF")

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_parsing = threading.Lock()


def decode(data: bytes, *, max_megapixels: float = 200) -> Photo:
    """The upright photo in a picture file's bytes; several threads may decode at once.

    The format is told by the content. Of animations and stacks the first picture counts. A file
    that ends before its picture does is refused, since faces could be missing from it; a JPEG
    that lacks nothing but its end marker is read.

    Args:
        data: The whole file.
        max_megapixels: Pictures with more pixels are refused before they are decoded. TIFF, GIF
            and ICO have a ceiling of their own in Pillow, 358 megapixels.

    Raises:
        PhotoTooLarge: More pixels than ``max_megapixels``.
        UnreadablePhoto: No picture, or one that is damaged or of a kind that cannot be read. The
            message is a short reason without the file's name, which the caller knows.
    """
    format_ = formats.sniff(data[: formats.HEAD_BYTES])
    if format_ is None and formats.may_be_tga(data[: formats.HEAD_BYTES]):
        format_ = "TGA"
    if format_ is None:
        raise UnreadablePhoto("not a picture in a format that facefind reads")
    try:
        if format_ == "TIFF" and raw.is_raw(data):
            format_ = formats.RAW
        if format_ == formats.RAW:
            return _decode_raw(data, max_megapixels)
        return _decode_picture(format_, data, max_megapixels)
    except Image.DecompressionBombError as error:
        raise PhotoTooLarge(f"more than the limit of {max_megapixels:g} megapixels") from error
    except _DECODER_ERRORS as error:
        raise UnreadablePhoto(_reason(format_, error)) from error


def _reason(format_: str, error: BaseException) -> str:
    """A library's complaint in plain, stable words: its own name numbers, offsets and addresses."""
    if isinstance(error, MemoryError):
        return f"not enough memory to decode the {format_} picture"
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return f"the {format_} picture is truncated"
    return f"the {format_} picture is damaged, or of a kind that cannot be read"


def _decode_picture(format_: str, data: bytes, max_megapixels: float) -> Photo:
    image = _load_jpeg(data, max_megapixels) if format_ == "JPEG" else None
    if image is None:
        image = _open(format_, data, max_megapixels)
        image.load()
    with _quietly():
        facts = exif.facts_of(exif.exif_of(image))
    # Pillow turns a TIFF upright by itself, and libheif a HEIF; pillow-heif resets the EXIF tag.
    orientation = 1 if format_ in ("TIFF", "HEIF") else facts.orientation
    photo = _photo(format_, _upright(colour.to_srgb(image), orientation), facts)
    return replace(photo, info=replace(photo.info, animated=_is_animated(format_, image)))


def _is_animated(format_: str, image: Image.Image) -> bool:
    """Whether another picture follows that can be read; a HEIF's or TIFF's are not a film."""
    try:
        return format_ in _ANIMATIONS and bool(getattr(image, "is_animated", False))
    except _DECODER_ERRORS:
        return False


def _decode_raw(data: bytes, max_megapixels: float) -> Photo:
    facts = raw.facts(data)
    pixels = raw.develop(data, max_megapixels * _MEGA)
    if pixels is not None and facts is not None:
        return _photo(formats.RAW, pixels, facts)
    image = _load_jpeg(raw.preview(data), max_megapixels)
    with _quietly():
        facts = facts or exif.facts_of(exif.exif_of(image))
    if pixels is None:
        pixels = _upright(colour.to_srgb(image), facts.orientation)
    return _photo(formats.RAW, pixels, facts)


def _photo(format_: str, pixels: Pixels, facts: exif.Facts) -> Photo:
    height, width = pixels.shape[:2]
    info = PhotoInfo(
        format=format_,
        width=width,
        height=height,
        taken_at=facts.taken_at,
        camera=facts.camera,
        latitude=facts.latitude,
        longitude=facts.longitude,
    )
    return Photo(pixels, info)


def _upright(image: Image.Image, orientation: int) -> Pixels:
    if orientation in _TRANSPOSE:
        image = image.transpose(_TRANSPOSE[orientation])
    return colour.to_array(image)


@contextmanager
def _quietly() -> Iterator[None]:
    """Silences Pillow's warnings about harmless damage, in headers and EXIF.

    Python's warning filters are global until 3.14, hence the lock. It is held while headers are
    parsed, never while pixels are decoded.
    """
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(format_: str, data: bytes, max_megapixels: float) -> Image.Image:
    """The picture with its header read and its size checked, its pixels not yet decoded.

    Pillow's plugins are called directly: ``Image.open`` would try formats not meant here (EPS
    runs Ghostscript), have its own idea of too large, and needs HEIF registered globally.
    """
    with _quietly():
        image = _OPENERS[format_](BytesIO(data))
        _refuse_large(image.size, max_megapixels)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            # Loading would warn of what these two find; both remember their result.
            exif.facts_of(exif.exif_of(image))
            image.load_prepare()
    return image


def _refuse_large(size: tuple[int, int], max_megapixels: float) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise UnreadablePhoto("the picture has no pixels")
    if width * height > max_megapixels * _MEGA:
        raise PhotoTooLarge(
            f"{width} x {height} pixels, more than the limit of {max_megapixels:g} megapixels"
        )


def _load_jpeg(data: bytes, max_megapixels: float) -> Image.Image:
    """A decoded JPEG, also one that lacks only its end marker."""
    _refuse_unusual_jpeg(data)
    image = _open("JPEG", data, max_megapixels)
    progressive = "progressive" in image.info
    if progressive:
        _refuse_endless_scans(data, image.size)
    try:
        image.load()
    except OSError as error:
        if progressive or "truncated" not in str(error):
            raise
        image = _open("JPEG", data + jpeg.END, max_megapixels)
        image.load()
        if _last_block_is_missing(image):
            raise
    return image


def _refuse_unusual_jpeg(data: bytes) -> None:
    frame = jpeg.read_frame(data)
    if frame is not None and (frame.is_lossless or frame.precision != 8):
        raise UnreadablePhoto(
            "a lossless JPEG, or one of more than 8 bits per colour, which cannot be read"
        )


def _refuse_endless_scans(data: bytes, size: tuple[int, int]) -> None:
    megapixels = size[0] * size[1] / _MEGA
    if jpeg.count_scans(data, _MAX_SCANS) * megapixels > _MAX_MEGAPIXEL_SCANS:
        raise UnreadablePhoto("the JPEG picture has far too many scans")


def _last_block_is_missing(image: Image.Image) -> bool:
    """Whether the lower right corner is the even grey that libjpeg puts where data are missing."""
    width, height = image.size
    corner = image.crop((max(0, width - 4), max(0, height - 4), width, height))
    grey = np.asarray(corner, dtype=np.int16)[..., :3]
    return bool((abs(grey - 128) <= 1).all())


def _open_heif(file: BytesIO) -> Image.Image:
    from pillow_heif import HeifImageFile

    image: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call,unused-ignore]
    return image


def _open_ico(file: BytesIO) -> Image.Image:
    """The icon's largest picture."""
    return IcoImagePlugin.IcoFile(file).frame(0)


def _open_ppm(file: BytesIO) -> Image.Image:
    image = PpmImagePlugin.PpmImageFile(file)
    if image.tile[0].codec_name != "raw":
        # Pillow rescales these in a Python loop, over a second per megapixel.
        raise UnreadablePhoto("a PPM picture with an unusual maximum value, which cannot be read")
    return image


_OPENERS: dict[str, Callable[[BytesIO], Image.Image]] = {
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "HEIF": _open_heif,
    "ICO": _open_ico,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "PPM": _open_ppm,
    "PSD": PsdImagePlugin.PsdImageFile,
    "TGA": TgaImagePlugin.TgaImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}

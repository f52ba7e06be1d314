"""Has Pillow load pictures, and refuses what is damaged, endless or of an unknown kind.

Every format's plugin is called directly, and what it says of damaged files is told in plain words.
"""

from __future__ import annotations

import lzma
import math
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image

from facefind.errors import OutOfMemory, PhotoTooLarge, UnreadablePhoto
from facefind.images import exif, formats, jpeg, png, raw

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

_IMAGE_WIDTH, _IMAGE_LENGTH = 256, 257

_ANIMATIONS = ("GIF", "WEBP", "PNG", "AVIF")

_STEPS = (8, 4, 2, 1)

_parsing = threading.Lock()

_OWN_THREADS = {
    "AVIF": ("PIL.AvifImagePlugin", "DEFAULT_MAX_THREADS", 1),
    "HEIF": ("pillow_heif.options", "DECODE_THREADS", 0),
}
"""Where plugins keep how many threads a picture is decoded in that is opened next, and what stands
for a single one. libheif counts those beside the caller's, for the tiles that phones write."""

_single_threads = 0
"""How many `one_thread_each` there are."""


class Header(NamedTuple):
    """What a file says before its pixels are decoded.

    Attributes:
        size: Width and height of the upright picture.
        orientation: How its pixels are to be turned once they are decoded; see EXIF.
        animated: Another picture follows.
    """

    size: tuple[int, int]
    orientation: int
    facts: exif.Facts
    animated: bool


def format_of(data: bytes) -> str:
    """The format that a file's content announces: Pillow's name for it, or "RAW".

    Raises:
        UnreadablePhoto: None that facefind reads.
    """
    head = data[: formats.HEAD_BYTES]
    format_ = formats.sniff(head) or ("TGA" if formats.may_be_tga(head) else None)
    if format_ is None:
        raise UnreadablePhoto("not a picture in a format that facefind reads")
    return formats.RAW if format_ == "TIFF" and raw.is_raw(data) else format_


@contextmanager
def plain_reasons(format_: str) -> Iterator[None]:
    """Tells what Pillow and the libraries under it complain of in plain words.

    Raises:
        PhotoTooLarge, UnreadablePhoto, OutOfMemory: They complained.
    """
    try:
        yield
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or math.inf) / _MEGA
        reason = f"more than the {most:.0f} megapixels that Pillow reads of a {format_} picture"
        raise PhotoTooLarge(reason) from error
    except MemoryError as error:
        raise OutOfMemory(f"not enough memory to decode the {format_} picture") from error
    except _DECODER_ERRORS as error:
        raise UnreadablePhoto(_reason(format_, error)) from error


def _reason(format_: str, error: BaseException) -> str:
    """A library's complaint in plain, stable words: its own name numbers, offsets and addresses."""
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return f"the {format_} picture is truncated"
    return f"the {format_} picture is damaged, or of a kind that cannot be read"


def is_animated(format_: str, image: Image.Image) -> bool:
    """Whether another picture follows that can be read; a HEIF's or TIFF's are not a film."""
    try:
        return format_ in _ANIMATIONS and bool(getattr(image, "is_animated", False))
    except _DECODER_ERRORS:
        return False


def facts_of(image: Image.Image) -> exif.Facts:
    """What the EXIF of a picture says that Pillow has open."""
    with _quietly():
        return exif.facts_of(exif.exif_of(image))


def header_of(format_: str, data: bytes, max_megapixels: float) -> Header:
    """What the header of a picture says; nothing but icons is decoded."""
    if format_ == "PNG":
        data = png.described(data)
    image = open_picture(format_, data, max_megapixels)
    facts = facts_of(image)
    orientation = facts.orientation
    size = upright(image.size, 1 if _is_sized_upright(format_, image) else orientation)
    # libheif turns a HEIF by itself, Pillow a TIFF; pillow-heif resets the EXIF tag.
    orientation = 1 if format_ in ("TIFF", "HEIF") else orientation
    return Header(size, orientation, facts, is_animated(format_, image))


def _is_sized_upright(format_: str, image: Image.Image) -> bool:
    """Whether its size is that of the upright picture, though it may be said to be turned."""
    if format_ == "TIFF":
        from PIL.TiffImagePlugin import TiffImageFile

        # Where only its XMP tells, Pillow turns it later.
        return isinstance(image, TiffImageFile) and exif.ORIENTATION in image.tag_v2
    return format_ == "HEIF"


def upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The size of a stored picture when it is turned upright."""
    return size if orientation < 5 else (size[1], size[0])


@contextmanager
def _quietly() -> Iterator[None]:
    """Silences Pillow's warnings about harmless damage, in headers and EXIF.

    Python's warning filters are global until 3.14, hence the lock. It is held while headers are
    parsed, never while pixels are decoded.
    """
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Has pictures that are opened meanwhile, by whichever thread, decoded in one thread each.

    For many that are decoded at once: the decoders of HEIC and AVIF bring threads of their own,
    four or one for each core.
    """
    _count_single_threads(1)
    try:
        yield
    finally:
        _count_single_threads(-1)


def _count_single_threads(more: int) -> None:
    global _single_threads
    with _parsing:
        _single_threads += more


@contextmanager
def _threads_set(format_: str) -> Iterator[None]:
    """Tells a format's plugin of `one_thread_each`, while a picture is opened.

    The plugins' numbers are global, hence they are set under the lock of `_quietly` alone.
    """
    if not _single_threads or format_ not in _OWN_THREADS:
        yield
        return
    module, name, single = _OWN_THREADS[format_]
    plugin = import_module(module)
    before = getattr(plugin, name)
    setattr(plugin, name, single)
    try:
        yield
    finally:
        setattr(plugin, name, before)


def open_picture(format_: str, data: bytes, max_megapixels: float) -> Image.Image:
    """The picture with its header read and its size checked, its pixels not yet decoded.

    Pillow's plugins are called directly: ``Image.open`` would try formats not meant here (EPS
    runs Ghostscript), have its own idea of too large, and needs HEIF registered globally.
    """
    with _quietly(), _threads_set(format_):
        image = _opener(format_)(BytesIO(data))
        _refuse_large(image.size, max_megapixels)
    return image


def load_picture(format_: str, data: bytes, max_megapixels: float) -> Image.Image:
    """The decoded picture, which is refused where any of its pixels is missing."""
    image = open_picture(format_, data, max_megapixels)
    if format_ == "TIFF":
        with _quietly():
            # Loading would warn of what this finds; its result is remembered.
            exif.facts_of(exif.exif_of(image))
            _make_room(image)
    image.load()
    return image


def _make_room(tiff: Image.Image) -> None:
    """Has a TIFF's pixels allocated, which Pillow refuses by a limit of its own, 179 megapixels.

    That they are not too many, `open_picture` has seen.
    """
    from PIL.TiffImagePlugin import TiffImageFile

    assert isinstance(tiff, TiffImageFile)
    stored = tiff.tag_v2[_IMAGE_WIDTH], tiff.tag_v2[_IMAGE_LENGTH]
    tiff.im = Image.new(tiff.mode, stored, None).im


def _refuse_large(size: tuple[int, int], max_megapixels: float) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise UnreadablePhoto("the picture has no pixels")
    if width * height > max_megapixels * _MEGA:
        raise PhotoTooLarge(
            f"{width} x {height} pixels, more than the limit of {max_megapixels:g} megapixels"
        )


def open_jpeg(data: bytes, max_megapixels: float) -> Image.Image:
    """A JPEG with its header read and found fit, its pixels not yet decoded."""
    _refuse_unusual_jpeg(data)
    image = open_picture("JPEG", data, max_megapixels)
    if "progressive" in image.info:
        _refuse_endless_scans(data, image.size)
    return image


def load_jpeg(data: bytes, step: int, finest: int = 1) -> Image.Image:
    """A decoded JPEG, also one that lacks only its end marker; `open_jpeg` has found it fit.

    It is refused or read for the same reasons at whatever step.

    Args:
        data: The file.
        step: Each side comes as one in ``step`` of its pixels, rounded up: 1, 2, 4 or 8.
        finest: The smallest step that may be decoded. One that lacks its end marker comes at this.
    """
    image = _drafted(data, step)
    try:
        image.load()
    except OSError as error:
        if "progressive" in image.info or "truncated" not in str(error):
            raise
        image = _drafted(data + jpeg.END, finest)
        image.load()
        if _last_block_is_missing(image, max(1, 4 // finest)):
            raise
    return image


def coarsest_step(scale: float, size: tuple[int, int]) -> int:
    """The largest step at which a JPEG of this size comes at this scale or a larger one."""
    return next(s for s in _STEPS if s == 1 or (s <= min(size) and s * scale <= 1))


def _drafted(data: bytes, step: int) -> Image.Image:
    """An opened JPEG that will be decoded at a step: libjpeg leaves out the finest detail."""
    image = open_picture("JPEG", data, math.inf)
    if step > 1:
        image.draft(None, (image.width // step, image.height // step))
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


def _last_block_is_missing(image: Image.Image, side: int) -> bool:
    """Whether the lower right corner is the even grey that libjpeg puts where data are missing."""
    width, height = image.size
    corner = image.crop((max(0, width - side), max(0, height - side), width, height))
    grey = np.asarray(corner, dtype=np.int16)[..., :3]
    return bool((abs(grey - 128) <= 1).all())


def _open_heif(file: BytesIO) -> Image.Image:
    from pillow_heif import HeifImageFile

    image: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call,unused-ignore]
    return image


def _open_ico(file: BytesIO) -> Image.Image:
    """The icon's largest picture."""
    from PIL import IcoImagePlugin

    return IcoImagePlugin.IcoFile(file).frame(0)


def _open_ppm(file: BytesIO) -> Image.Image:
    from PIL import PpmImagePlugin

    image = PpmImagePlugin.PpmImageFile(file)
    if image.tile[0].codec_name != "raw":
        # Pillow rescales these in a Python loop, over a second per megapixel.
        raise UnreadablePhoto("a PPM picture with an unusual maximum value, which cannot be read")
    return image


_OPENERS: dict[str, Callable[[BytesIO], Image.Image]] = {
    "HEIF": _open_heif,
    "ICO": _open_ico,
    "PPM": _open_ppm,
}

_PLUGINS = {
    "AVIF": "AvifImagePlugin.AvifImageFile",
    "BMP": "BmpImagePlugin.BmpImageFile",
    "GIF": "GifImagePlugin.GifImageFile",
    "JPEG": "JpegImagePlugin.JpegImageFile",
    "JPEG2000": "Jpeg2KImagePlugin.Jpeg2KImageFile",
    "PNG": "PngImagePlugin.PngImageFile",
    "PSD": "PsdImagePlugin.PsdImageFile",
    "TGA": "TgaImagePlugin.TgaImageFile",
    "TIFF": "TiffImagePlugin.TiffImageFile",
    "WEBP": "WebPImagePlugin.WebPImageFile",
}
"""What opens the other formats; loaded when such a file comes, as a portrait is of but one."""


def _opener(format_: str) -> Callable[[BytesIO], Image.Image]:
    if format_ in _OPENERS:
        return _OPENERS[format_]
    module, name = _PLUGINS[format_].split(".")
    opener: Callable[[BytesIO], Image.Image] = getattr(import_module(f"PIL.{module}"), name)
    return opener

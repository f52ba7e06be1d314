"""Camera raw files: decoded by LibRaw where rawpy is installed, else by their JPEG preview.

Many raw formats (CR2, NEF, ARW, DNG, PEF, SRW ...) are TIFF files whose first picture is a
thumbnail, so they must be told from photographs saved as TIFF. Sources: TIFF 6.0, Adobe's DNG
specification 1.7 (tag numbers, photometric values).
"""

from __future__ import annotations

import logging
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from facefind.errors import PhotoTooLarge, UnreadablePhoto
from facefind.images import exif, jpeg
from facefind.types import Image

_log = logging.getLogger(__name__)

_SHORT, _LONG, _IFD = 3, 4, 13
_PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 262, 330, 50706
_COLOUR_FILTER_ARRAY, _LINEAR_RAW = 32803, 34892
_MAX_IFDS, _MAX_ENTRIES, _MAX_SUB_IFDS = 64, 1000, 16

_JPEG_START = re.compile(rb"\xff\xd8\xff")
_MAX_JPEGS = 4096
_HUFFMAN_8_BIT = frozenset((0xC0, 0xC1, 0xC2))
_TILE_REPEATS = 3
_SMALLEST_PREVIEW = 640
_ON_ITS_SIDE = (5, 6)

_HINT = "Install the raw decoder: pip install 'facefind[raw]'"

T = TypeVar("T")


def is_raw(data: bytes) -> bool:
    """Whether a file that begins like a TIFF holds a camera's raw data."""
    if data[:4] == b"II*\x00" and data[8:10] == b"CR":
        return True
    return any(
        _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in ((_COLOUR_FILTER_ARRAY,), (_LINEAR_RAW,))
        for tags in _ifds(data)
    )


def size(data: bytes, max_pixels: float) -> tuple[int, int] | None:
    """Width and height of the full picture, upright, by its header alone.

    None without rawpy or where LibRaw does not know the file.

    Raises:
        PhotoTooLarge: It has more than ``max_pixels`` pixels.
    """
    sizes = _by_libraw(data, lambda raw: raw.sizes)
    if sizes is None:
        return None
    if sizes.raw_width * sizes.raw_height > max_pixels:
        raise PhotoTooLarge(f"{sizes.raw_width} x {sizes.raw_height} pixels of raw data")
    lies = sizes.flip in _ON_ITS_SIDE
    return (sizes.height, sizes.width) if lies else (sizes.width, sizes.height)


def develop(data: bytes) -> Image | None:
    """The full picture by LibRaw, upright; None where it cannot, though it knew the size."""
    pixels = _by_libraw(data, lambda raw: raw.postprocess(use_camera_wb=True, output_bps=8))
    return None if pixels is None else np.ascontiguousarray(pixels, dtype=np.uint8)


def _by_libraw(data: bytes, do: Callable[[Any], T]) -> T | None:
    """What LibRaw makes of a file; None where it cannot.

    Raises:
        MemoryError: There is not enough.
    """
    try:
        import rawpy
    except ImportError:
        return None
    try:
        with rawpy.imread(BytesIO(data)) as raw:
            return do(raw)
    except rawpy.LibRawUnsufficientMemoryError as error:
        raise MemoryError from error
    except rawpy.LibRawError as error:
        _log.info("LibRaw cannot read it, its preview is used: %s", error)
        return None


def preview(data: bytes) -> bytes:
    """The largest JPEG inside a raw file, from its first byte to the file's end.

    Raises:
        UnreadablePhoto: There is none that is large enough to show a face.
    """
    found = [
        (start, frame)
        for start, frame in _jpegs(data)
        if frame.marker in _HUFFMAN_8_BIT and frame.precision == 8 and frame.components in (1, 3)
    ]
    # Lossy DNG keeps its picture as many JPEG tiles of one size, each only a piece of it.
    sizes = Counter((frame.width, frame.height) for _, frame in found)
    whole = [
        (frame.width * frame.height, start)
        for start, frame in found
        if sizes[frame.width, frame.height] < _TILE_REPEATS
        and max(frame.width, frame.height) >= _SMALLEST_PREVIEW
    ]
    if not whole:
        raise UnreadablePhoto("a camera raw file without a usable preview", _HINT)
    return data[max(whole)[1] :]


def facts(data: bytes) -> exif.Facts | None:
    """What the raw file itself says of the photo; None where only its preview can tell."""
    if data[:2] in (b"II", b"MM"):
        order = b"*\x00" if data[:2] == b"II" else b"\x00*"
        # Olympus and Panasonic write their own number where TIFF has 42.
        return exif.facts_of(exif.load_block(data[:2] + order + data[4:]))
    if data[4:12] == b"ftypcrx ":
        main, photo, gps = (_canon_block(data, name) for name in (b"CMT1", b"CMT2", b"CMT4"))
        return exif.facts(main, photo, gps)
    return None


def _canon_block(data: bytes, name: bytes) -> exif.Tags:
    """One of the TIFF blocks in which CR3 keeps its metadata."""
    start = data.find(name)
    return exif.load_block(data[start + 4 : start + 4 + 65536]) if start >= 0 else {}


def _jpegs(data: bytes) -> Iterator[tuple[int, jpeg.Frame]]:
    for match in islice(_JPEG_START.finditer(data), _MAX_JPEGS):
        frame = jpeg.read_frame(data, match.start())
        if frame is not None:
            yield match.start(), frame


def _ifds(data: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    """The integer tags of each directory of a TIFF, thumbnails and sub-directories included."""
    order = "<" if data[:2] == b"II" else ">"
    waiting = list(_unpack(order + "I", data, 4))
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_IFDS:
        offset = waiting.pop(0)
        if offset == 0 or offset in seen:
            continue
        seen.add(offset)
        tags, following = _read_ifd(data, order, offset)
        waiting.extend((*tags.get(_SUB_IFDS, ()), *following))
        yield tags


def _read_ifd(
    data: bytes, order: str, offset: int
) -> tuple[dict[int, tuple[int, ...]], tuple[int, ...]]:
    """A directory's integer tags, and the next directory's offset (none where it is cut off)."""
    (count,) = _unpack(order + "H", data, offset) or (0,)
    tags: dict[int, tuple[int, ...]] = {}
    for at in range(offset + 2, offset + 2 + 12 * min(count, _MAX_ENTRIES), 12):
        entry = _unpack(order + "HHI", data, at)
        if not entry:
            return tags, ()
        tag, kind, length = entry
        tags[tag] = _integers(data, order, at + 8, kind, length)
    return tags, _unpack(order + "I", data, offset + 2 + 12 * count)


def _integers(data: bytes, order: str, at: int, kind: int, length: int) -> tuple[int, ...]:
    """A tag's values where they are integers of 16 or 32 bits, at most ``_MAX_SUB_IFDS``."""
    if kind not in (_SHORT, _LONG, _IFD):
        return ()
    letter, size = ("H", 2) if kind == _SHORT else ("I", 4)
    if length * size > 4:
        (at,) = _unpack(order + "I", data, at) or (len(data),)
    return _unpack(f"{order}{min(length, _MAX_SUB_IFDS)}{letter}", data, at)


def _unpack(layout: str, data: bytes, at: int) -> tuple[Any, ...]:
    """``struct.unpack_from``, but nothing where the data end before."""
    if at + struct.calcsize(layout) > len(data):
        return ()
    return struct.unpack_from(layout, data, at)

"""A PNG's header, and what programs write behind its pixels.

Source: PNG specification, third edition (W3C, 2025), chapters 5 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import takewhile

_DESCRIPTIONS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
_PIXELS = b"IDAT"
_END = b"IEND"


def described(data: bytes) -> bytes:
    """A PNG up to its pixels, to which the descriptions behind them are moved.

    So what a picture's EXIF says is known without decoding it. The file itself is given where
    nothing is behind.
    """
    walk = chunks(data)
    pixels = next((start for kind, start, _ in walk if kind == _PIXELS), None)
    # The same walk goes on. Behind an ``fcTL`` there are the further pictures of an animation.
    behind = takewhile(lambda chunk: chunk[0] != b"fcTL", walk)
    late = [
        _chunk(kind, data[start + 8 : end])
        for kind, start, end in behind
        if kind in _DESCRIPTIONS and end <= len(data)
    ]
    if pixels is None or not late:
        return data
    return b"".join((data[:pixels], *late, data[pixels : pixels + 8]))


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each chunk of a PNG, where it begins, and where its content ends.

    The content, of which a cut off file may lack some, begins eight bytes behind the chunk.
    """
    start = 8
    while start + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        if kind == _END:
            return
        yield kind, start, start + 8 + length
        start += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    """With a checksum of its own: decoders do not look at those behind the pixels."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", checksum)

"""Reads a JPEG's markers without decoding it. Source: ITU-T T.81, annex B."""

from __future__ import annotations

import re
from typing import NamedTuple

END = b"\xff\xd9"

_SOS, _EOI = 0xDA, 0xD9
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD9)))
# C4, C8 and CC share the range but define tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS = frozenset((0xC3, 0xC7, 0xCB, 0xCF))
_MAX_SEGMENTS = 1000
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


class Frame(NamedTuple):
    """The frame header: what kind of JPEG this is. ``marker`` is 0xC0 for baseline."""

    marker: int
    precision: int
    width: int
    height: int
    components: int

    @property
    def is_lossless(self) -> bool:
        return self.marker in _LOSSLESS


def read_frame(data: bytes, start: int = 0) -> Frame | None:
    """The frame header of the JPEG that begins at ``start``; None where there is none."""
    position = start + 2
    for _ in range(_MAX_SEGMENTS):
        if position + 4 > len(data) or data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF or marker in _STANDALONE:
            position += 1 if marker == 0xFF else 2
            continue
        if marker in (_SOS, _EOI):
            return None
        if marker in _FRAMES:
            return _frame(marker, data[position + 4 : position + 10])
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def _frame(marker: int, body: bytes) -> Frame | None:
    if len(body) < 6:
        return None
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    return Frame(marker, body[0], width, height, body[5])


def count_scans(data: bytes, limit: int) -> int:
    """How many scans the first picture in ``data`` has, counted up to ``limit``."""
    scans = position = 0
    while scans < limit and (match := _MARKER.search(data, position)):
        position, marker = match.end(), data[match.end() - 1]
        if marker == _EOI:
            break
        scans += marker == _SOS
        if marker not in _STANDALONE:
            position += int.from_bytes(data[position : position + 2], "big")
    return scans

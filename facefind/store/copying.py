"""Rows of faces as PostgreSQL's binary COPY reads them, which is far cheaper than text.

The format is in PostgreSQL's documentation of COPY; a vector is pgvector's ``vector_recv``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np

from facefind.types import Event, Face, FloatArray

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
_TRAILER = struct.pack("!h", -1)
_NULL = struct.pack("!i", -1)
_FLOAT4_OID = 700


class FaceRow(NamedTuple):
    """A face of a content of an event, and the sighting that it belongs to."""

    content: int
    sighting: int
    face: Face


def faces_stream(event: Event, rows: Iterable[FaceRow]) -> BytesIO:
    """What ``copy_faces`` reads."""
    return BytesIO(b"".join((_HEADER, *(_row(event, row) for row in rows), _TRAILER)))


def _row(event: Event, row: FaceRow) -> bytes:
    fields = tuple(_fields(event, row))
    sized = (_NULL if field is None else struct.pack("!i", len(field)) + field for field in fields)
    return struct.pack("!h", len(fields)) + b"".join(sized)


def _fields(event: Event, row: FaceRow) -> Iterator[bytes | None]:
    """In the order of the statement's columns."""
    found, quality, embedding = row.face.detection, row.face.quality, row.face.embedding
    yield struct.pack("!q", row.content)
    yield struct.pack("!q", event.id)
    yield event.pipeline.encode()
    yield struct.pack("!i", len(embedding))
    for side in found.box:
        yield _real(side)
    yield None if found.landmarks is None else _reals(found.landmarks.ravel().tolist())
    yield _real(found.score)
    yield _real(quality.value if quality else None)
    yield _real(row.face.asymmetry)
    for name in ("sharpness", "yaw", "pitch", "roll"):
        yield _real(getattr(quality, name) if quality else None)
    yield struct.pack("!i", _lot(embedding))
    yield struct.pack("!q", row.sighting)
    yield struct.pack("!hh", len(embedding), 0) + embedding.astype(">f4").tobytes()


def _real(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("!f", value)


def _reals(values: Sequence[float]) -> bytes:
    """An array of one dimension, which counts from 1."""
    head = struct.pack("!iiiii", 1, 0, _FLOAT4_OID, len(values), 1)
    return head + b"".join(struct.pack("!if", 4, value) for value in values)


def _lot(embedding: FloatArray) -> int:
    """The number by which samples are drawn: a signed 32 bit checksum of the vector."""
    checksum = zlib.crc32(np.ascontiguousarray(embedding, "<f4").tobytes())
    return checksum - (1 << 31)

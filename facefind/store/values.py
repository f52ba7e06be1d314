"""Python values as the database wants them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facefind.store.records import FoundPhoto
from facefind.types import FileStamp, FloatArray


def text(value: str) -> str:
    """``value`` as PostgreSQL can store it: no NUL, and valid UTF-8 (file names need not be)."""
    return value.replace("\0", "").encode("utf-8", "backslashreplace").decode()


def vector_text(vector: FloatArray) -> str:
    """A vector (D,) float32 as pgvector reads it; nine digits are enough for the same number.

    What the driver would make of it by itself is twice as long, and takes three times as long.
    """
    numbers = vector.tolist()
    return f"[{','.join(['%.9g'] * len(numbers)) % tuple(numbers)}]"


def path_of(value: bytes | memoryview) -> Path:
    """A path from the bytes that the database holds."""
    return Path(os.fsdecode(bytes(value)))


def aware(moment: datetime | None) -> datetime | None:
    """A time without an offset is one of this machine's own time zone."""
    return moment.astimezone() if moment is not None and moment.tzinfo is None else moment


def offset_minutes(moment: datetime | None) -> int | None:
    """The offset a photo's clock was set to; None where the photo did not say."""
    offset = moment.utcoffset() if moment is not None else None
    return None if offset is None else round(offset.total_seconds() / 60)


class FileRow(NamedTuple):
    """A file of an event: its content's number there, None with an error where it is not known."""

    path: bytes
    stamp: FileStamp | None
    content: int | None
    error: str | None = None


def photo_parameters(photos: Sequence[FoundPhoto]) -> Mapping[str, Any]:
    """The parameters of ``put_photos``."""
    infos = [photo.info for photo in photos]
    return {
        "sha256": [bytes.fromhex(photo.sha256) for photo in photos],
        "size_bytes": [photo.stamp.size for photo in photos],
        "format": [text(info.format) for info in infos],
        "width": [info.width for info in infos],
        "height": [info.height for info in infos],
        "taken_at": [aware(info.taken_at) for info in infos],
        "taken_offset_minutes": [offset_minutes(info.taken_at) for info in infos],
        "camera": [None if info.camera is None else text(info.camera) for info in infos],
        "latitude": [info.latitude for info in infos],
        "longitude": [info.longitude for info in infos],
    }


def embedding_of(value: bytes | memoryview) -> FloatArray:
    """A vector from the bytes of pgvector's ``vector_send``: dimension, flags, big-endian floats.

    Far cheaper than the text that the driver reads otherwise.
    """
    return np.frombuffer(value, ">f4", offset=4).astype(np.float32)


def path_parameters(event_id: int, files: Sequence[FileRow]) -> Mapping[str, Any]:
    """The parameters of ``put_paths`` and ``path_contents``."""
    stamps = [file.stamp or (None, None) for file in files]
    return {
        "event": event_id,
        "paths": [file.path for file in files],
        "digests": [hashlib.sha256(file.path).digest() for file in files],
        "sizes": [size for size, _ in stamps],
        "mtimes": [mtime for _, mtime in stamps],
        "contents": [file.content for file in files],
        "errors": [file.error for file in files],
    }

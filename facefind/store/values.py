"""Python values as the database wants them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from facefind.types import Face, FileStamp, FloatArray, PhotoInfo


def text(value: str) -> str:
    """``value`` as PostgreSQL can store it: no NUL, and valid UTF-8 (file names need not be)."""
    return value.replace("\0", "").encode("utf-8", "backslashreplace").decode()


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


def photo_parameters(sha256: str, size: int, info: PhotoInfo) -> Mapping[str, Any]:
    """The parameters of ``put_photo``."""
    return {
        "sha256": bytes.fromhex(sha256),
        "size_bytes": size,
        "format": text(info.format),
        "width": info.width,
        "height": info.height,
        "taken_at": aware(info.taken_at),
        "taken_offset_minutes": offset_minutes(info.taken_at),
        "camera": None if info.camera is None else text(info.camera),
        "latitude": info.latitude,
        "longitude": info.longitude,
    }


def face_parameters(event_id: int, content: int, face: Face) -> Mapping[str, Any]:
    """The parameters of ``add_face``."""
    found, quality = face.detection, face.quality
    landmarks = None if found.landmarks is None else found.landmarks.ravel().tolist()
    box = {name: float(value) for name, value in found.box._asdict().items()}
    return {
        **box,
        "event": event_id,
        "content": content,
        "landmarks": landmarks,
        "score": float(found.score),
        "quality": quality.value if quality else None,
        "asymmetry": face.asymmetry,
        "sharpness": quality.sharpness if quality else None,
        "yaw": quality.yaw if quality else None,
        "pitch": quality.pitch if quality else None,
        "roll": quality.roll if quality else None,
        "lot": _lot(face.embedding),
        "embedding": face.embedding,
    }


def _lot(embedding: FloatArray) -> int:
    """The number by which samples are drawn: a signed 32 bit checksum of the vector."""
    checksum = zlib.crc32(np.ascontiguousarray(embedding, "<f4").tobytes())
    return checksum - (1 << 31)


def embedding_of(value: bytes | memoryview) -> FloatArray:
    """A vector from the bytes of pgvector's ``vector_send``: dimension, flags, big-endian floats.

    Far cheaper than the text that the driver reads otherwise.
    """
    return np.frombuffer(value, ">f4", offset=4).astype(np.float32)


def path_parameters(
    event_id: int, path: bytes, stamp: FileStamp | None, content: int | None, error: str | None
) -> Mapping[str, Any]:
    """The parameters of ``put_path``."""
    return {
        "event": event_id,
        "path": path,
        "size_bytes": stamp.size if stamp else None,
        "mtime_ns": stamp.mtime_ns if stamp else None,
        "content": content,
        "error": error,
    }

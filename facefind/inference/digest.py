"""The sha256 of a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from facefind.errors import WeightsError

_CHUNK = 1 << 18


def file_sha256(path: Path) -> str:
    """The file's sha256 in hex.

    Raises:
        WeightsError: It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()

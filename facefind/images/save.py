"""Writes a picture file whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from PIL import Image as PillowImage

from facefind.errors import OutputError
from facefind.types import Image

_JPEG_LARGEST_SIDE = 65_500


def save_jpeg(path: Path, image: Image, quality: int = 90) -> None:
    """Writes ``image`` to ``path`` as JPEG, replacing what is there in one step.

    Raises:
        OutputError: It cannot be written: disk full, no permission, no such folder, or wider or
            higher than JPEG allows. ``path`` is then as it was before.
    """
    if max(image.shape[:2]) > _JPEG_LARGEST_SIDE:
        raise OutputError(f"{path}: a JPEG cannot be larger than {_JPEG_LARGEST_SIDE} pixels.")
    encoded = BytesIO()
    PillowImage.fromarray(image).save(encoded, "JPEG", quality=quality)
    # A short name of its own: the target's may already be as long as the system allows.
    temporary = path.parent / f".facefind-{secrets.token_hex(8)}.tmp"
    try:
        _write_synced(temporary, encoded.getbuffer())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        # Gone where all went well. Where even this fails, the error above says more.
        with suppress(OSError):
            temporary.unlink()


def _write_synced(path: Path, data: memoryview) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())

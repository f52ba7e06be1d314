"""One file, read and decoded, for callers that name it."""

from __future__ import annotations

from pathlib import Path

from facefind.errors import PhotoError
from facefind.images.decode import decode
from facefind.images.files import read_file
from facefind.types import Photo


def read_photo(path: Path) -> Photo:
    """The photo in a file.

    Raises:
        PhotoError: As `read_file` and `decode`; the message names the file.
    """
    try:
        return decode(read_file(path).data)
    except PhotoError as error:
        raise type(error)(f"{path}: {error.message}", error.hint) from error

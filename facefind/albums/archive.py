"""Albums as ZIP files: photos stored as they are, since pictures hardly shrink.

The same photos under the same names give the same bytes, whenever and wherever it is written.
"""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

from facefind import folders
from facefind.errors import OutputError
from facefind.placing import is_there

_CHUNK = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST, _LAST = datetime(1980, 1, 1), datetime(2107, 12, 31, 23, 59, 58)
"""What the format can hold."""

_REGULAR_FILE = 0o100644 << 16
_UNIX = 3


def write_archive(target: Path, members: Mapping[str, Path], comment: bytes, mtime_ns: int) -> int:
    """Writes a ZIP file, whole or not at all, and returns its size; beyond 4 GB it is Zip64.

    Args:
        members: Name in the archive -> the photo.
        comment: What the file ends with.
        mtime_ns: The file's modification time.

    Raises:
        OutputError: It cannot be written (disk full, no permission), or a photo is gone.
    """
    try:
        with folders.whole(target) as temporary:
            with zipfile.ZipFile(temporary, "x", zipfile.ZIP_STORED, allowZip64=True) as archive:
                archive.comment = comment
                for name, photo in members.items():
                    _add(archive, name, photo)
            os.utime(temporary, ns=(mtime_ns, mtime_ns))
            return temporary.stat().st_size
    except OSError as error:
        lost = next((photo for photo in members.values() if not is_there(photo)), None)
        if lost is not None:
            raise OutputError(
                f"The photo {lost} is no longer there.", "Run facefind ingest again, then this."
            ) from error
        raise folders.not_written(target, error) from error


def _add(archive: zipfile.ZipFile, name: str, photo: Path) -> None:
    with photo.open("rb") as source:
        status = os.fstat(source.fileno())
        member = zipfile.ZipInfo(name, _dos_time(status.st_mtime_ns))
        member.compress_type = zipfile.ZIP_STORED
        # Else it would depend on the system that writes it.
        member.create_system = _UNIX
        member.external_attr = _REGULAR_FILE
        member.extra = _unix_time(status.st_mtime_ns)
        member.file_size = status.st_size
        with archive.open(member, "w") as target:
            shutil.copyfileobj(source, target, _CHUNK)


def _dos_time(mtime_ns: int) -> tuple[int, int, int, int, int, int]:
    """In UTC: the format has no time zones, and the file must not depend on this machine's."""
    when = (_EPOCH + timedelta(microseconds=mtime_ns // 1000)).replace(tzinfo=None)
    fit = min(max(when, _FIRST), _LAST)
    return fit.year, fit.month, fit.day, fit.hour, fit.minute, fit.second


def _unix_time(mtime_ns: int) -> bytes:
    """The extra field from which programs restore the time wherever they are."""
    seconds = min(max(mtime_ns // 1_000_000_000, -(2**31)), 2**31 - 1)
    return struct.pack("<HHBl", 0x5455, 5, 1, seconds)

"""Takes weight files out of the zip archives that they are published in."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from facefind.errors import WeightsError

_CHUNK = 1 << 18


def take_out(archive: Path, member: str, target: Path, sha256: str) -> None:
    """Puts one file of an archive at ``target``, whole and verified or not at all.

    Args:
        archive: A zip file.
        member: The file's name inside, whatever folder it is in there.
        target: Where it shall be; what is there is replaced.
        sha256: What it must be, in hex.

    Raises:
        WeightsError: The archive is damaged or does not hold the file, the file is another one, or
            it cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(_entry(opened, member)) as source:
            _place(source, target, sha256)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise WeightsError(f"{archive} is damaged: {error}.") from error
    except OSError as error:
        raise WeightsError(f"{member} of {archive} cannot be put at {target}: {error}.") from error


def _entry(opened: zipfile.ZipFile, member: str) -> zipfile.ZipInfo:
    found = [entry for entry in opened.infolist() if PurePosixPath(entry.filename).name == member]
    if len(found) != 1:
        raise WeightsError(f"{opened.filename} holds {len(found)} files called {member}, not one.")
    return found[0]


def _place(source: IO[bytes], target: Path, sha256: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as stream:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        if digest.hexdigest() != sha256:
            raise WeightsError(
                f"The {target.name} in the archive is another file: its sha256 is "
                f"{digest.hexdigest()}, expected {sha256}."
            )
        _open_to_readers(Path(name))
        Path(name).replace(target)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _open_to_readers(path: Path) -> None:
    """Gives a temporary file, which only its owner may read, the mode of any new file."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)

"""Where the embedded server's socket is, and how to name it in a connection URL."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote_from_bytes

from facefind.errors import StoreError
from facefind.store.account import Account

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
USER = "postgres"
DATABASE = "postgres"

# The shortest limit of the systems that have such sockets (macOS); Linux allows four more.
_LONGEST = 103
# PostgreSQL separates socket folders by commas, both in its settings and in its URLs.
_PLAIN = re.compile(rb"/[\w./+@=~-]*")


def socket_folder(data: Path, account: Account) -> Path:
    """The folder for the socket: the data folder, or a private one with a shorter name.

    Raises:
        StoreError: The private one belongs to somebody else or cannot be made.
    """
    if _fits(data):
        return data
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    bases = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]
    for base in bases:
        folder = Path(base) / f"facefind-{account.uid}-{name}"
        if base and Path(base).is_dir() and _fits(folder):
            _make_private(folder, account)
            return folder
    raise StoreError(f"No folder for temporary files has a name short enough: {bases[1]}.")


def socket_url(folder: Path) -> str:
    """The libpq URL of the server whose socket is in ``folder``."""
    host = quote_from_bytes(os.fsencode(folder), safe="/")
    return f"postgresql://{USER}@/{DATABASE}?host={host}&port={PORT}"


def answers(folder: Path) -> bool:
    """Whether a server accepts connections at the socket in ``folder``.

    Only a living postmaster does: its children close the listening socket.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fsencode(folder / SOCKET_NAME))
        except OSError:
            return False
    return True


def _fits(folder: Path) -> bool:
    path = os.fsencode(folder / SOCKET_NAME)
    return len(path) <= _LONGEST and _PLAIN.fullmatch(path) is not None


def _make_private(folder: Path, account: Account) -> None:
    """Makes a folder of mode 0700; refuses one that somebody else has put there."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid == os.geteuid():
            account.give(folder)
        found = folder.lstat()
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise StoreError(
            f"{folder} is not a private folder of the database's user.", "Remove it and try again."
        )

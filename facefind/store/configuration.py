"""The embedded server's settings, written anew at each start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facefind.machine import usable_memory
from facefind.store.account import Account
from facefind.store.sockets import PORT

_HEADER = "# Written by facefind at each start; changes are lost.\n"
_HBA = _HEADER + "local all all trust\n"

SETTINGS: Mapping[str, str] = {
    # Only a socket, in a folder that only its owner may enter. No TCP.
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    # A desktop's load: a few commands at a time.
    "max_connections": "50",
    "huge_pages": "off",
    "work_mem": "32MB",
    # Containers often have a /dev/shm of 64 MB, too small for a parallel index build.
    "dynamic_shared_memory_type": "mmap",
    # A sample of 6,000 faces with their vectors, taken in the midst of an ingest, needs 15 MB where
    # PostgreSQL's own of 30,000 needs 50; the statements here are told apart by far less.
    "default_statistics_target": "20",
    # No statement here is worth compiling.
    "jit": "off",
    # No replication, so the log need only survive a crash; and it must not fill a small disk.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    # Errors of statements reach the program that sent them. The server's own log keeps a few lines
    # for each start, so it cannot grow without bound.
    "log_min_messages": "log",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
    "log_line_prefix": "%m [%p] ",
}


LARGEST_BUFFERS, SMALLEST_BUFFERS = 1024, 128
"""Megabytes. A million faces have an index of 550 MB, and a search goes all over it."""

BUFFERS_OF_MEMORY = 8
"""Buffers are this part of the memory, within the two above, as far as data fill them."""


def made_by(data: Path) -> int | None:
    """The major version of PostgreSQL that made a data folder; None where that is not known.

    The server refuses such a folder in its own words.
    """
    try:
        return int((data / "PG_VERSION").read_bytes())
    except (OSError, ValueError):
        return None


def buffers(memory: int | None) -> int:
    """Megabytes of ``shared_buffers`` for so many bytes of memory, or where that is not known."""
    share = SMALLEST_BUFFERS if memory is None else memory // BUFFERS_OF_MEMORY // 2**20
    return min(max(share, SMALLEST_BUFFERS), LARGEST_BUFFERS)


def write_configuration(data: Path, sockets: Path, account: Account) -> None:
    """Writes postgresql.conf and pg_hba.conf into the data folder.

    Raises:
        OSError: They cannot be written.
    """
    settings = {
        **SETTINGS,
        "shared_buffers": f"{buffers(usable_memory())}MB",
        "unix_socket_directories": str(sockets),
    }
    if (made_by(data) or 0) >= 18:
        # The default keeps three processes to read ahead; they would double the time to start.
        settings["io_method"] = "sync"
    lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
    _replace(data / "postgresql.conf", _HEADER + "".join(lines), account)
    _replace(data / "pg_hba.conf", _HBA, account)


def _replace(path: Path, text: str, account: Account) -> None:
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.write_text(text)
    account.give(new)
    new.replace(path)

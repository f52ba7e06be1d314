"""What is in a folder of albums, to compare two of them by."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from facefind.albums import RECORD_NAME


def contents_of(out: Path, *, times: bool = False) -> dict[str, object]:
    """Every path in a folder and what is there; of the record what it says.

    Args:
        times: With the times of photos and archives.
    """
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.is_symlink():
            found[name] = path.readlink()
        elif path.is_dir():
            found[name] = None
        elif path.name == RECORD_NAME:
            found[name] = json.loads(path.read_text())
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            if times and path.suffix in (".jpg", ".zip"):
                found[f"{name} at"] = path.stat().st_mtime_ns
    return found


def states(out: Path) -> dict[str, tuple[int, ...]]:
    """What is known of everything there but when it was last read, which looking changes."""
    return {str(path): _state(path.lstat()) for path in out.rglob("*")}


def _state(stat: os.stat_result) -> tuple[int, ...]:
    inode = stat.st_dev, stat.st_ino, stat.st_nlink
    return *inode, stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns

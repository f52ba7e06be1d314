"""One frozen Settings, from flags, then ``FACEFIND_*``, then the config file, then defaults.

Read once at start, never at import.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

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

MOST = 1024
"""Threads, and faces in a batch, that can be asked for; more are a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What facefind needs to know of this machine and this run.

    Attributes:
        home: Folder of the embedded database, downloaded weights and the config file.
        database_url: A PostgreSQL of the user's own; None starts the embedded one.
        database_url_from: What the user calls the place where it was given.
        threads: Photos that ingest and reindex look at at once, and the threads of a model where
            there is but one picture; 0 for one on each core, but no more photos than memory allows.
        batch: Faces that are gathered across photos, and embedded in one run of the network; they
            wait for each other no longer than `facefind.flow.PATIENCE`. 0 for as many as suit the
            device; see `facefind.inference.batches`. A run takes a few megabytes for each.
        device: What models run on: "cuda" is an NVIDIA GPU or an error, "auto" one that works.
    """

    home: Path
    database_url: str | None = None
    database_url_from: str = "--database-url"
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


class _Given(NamedTuple):
    """A setting's value, and what the user who gave it calls it."""

    value: Any
    called: str


def load_settings(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Combines the sources.

    Args:
        flags: Values of the command line; None where a flag was not given.
        environ: Environment variables.

    Raises:
        UsageError: A value is of the wrong kind, or the config file cannot be understood.
    """
    home = _home(flags, environ)
    file = home / CONFIG_NAME
    config = _read_config(file)

    def first(name: str) -> _Given:
        option, variable = f"--{name.replace('_', '-')}", f"FACEFIND_{name.upper()}"
        sources = (
            _Given(flags.get(name), option),
            _Given(environ.get(variable), variable),
            _Given(config.get(name), f"{name} in {file}"),
        )
        return next((each for each in sources if each.value not in (None, "")), _Given(None, name))

    url = first("database_url")
    if url.value is not None and not isinstance(url.value, str):
        raise UsageError(f"{url.called} must be text, not {url.value!r}.")
    return Settings(
        home=home,
        database_url=url.value,
        database_url_from=url.called,
        threads=_count(first("threads")),
        batch=_count(first("batch")),
        device=_device(first("device")),
    )


def _home(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Path:
    called = "--home" if flags.get("home") else "FACEFIND_HOME"
    given = flags.get("home") or environ.get("FACEFIND_HOME")
    if given:
        try:
            home = Path(given).expanduser().absolute()
            is_file = home.exists() and not home.is_dir()
        except RuntimeError as error:
            raise UsageError(f"{called} must be a folder, and {given} is nobody's.") from error
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{called} must be a folder, and {given!r} is none: {error}."
            ) from error
        if is_file:
            raise UsageError(f"{called} must be a folder, and {given} is none.")
        return home
    import platformdirs

    return Path(platformdirs.user_data_dir("facefind", appauthor=False))


def _count(given: _Given) -> int:
    value, called = given
    wrong = f"{called} must be a whole number from 0 (automatic) to {MOST}, not {value!r}."
    if isinstance(value, (bool, float)):
        raise UsageError(wrong)
    try:
        count = int(value or 0)
    except (TypeError, ValueError) as error:
        raise UsageError(wrong) from error
    if not 0 <= count <= MOST:
        raise UsageError(wrong)
    return count


def _device(given: _Given) -> Device:
    for device in DEVICES:
        if given.value in (None, device):
            return device
    raise UsageError(f"{given.called} must be one of {', '.join(DEVICES)}, not {given.value!r}.")


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

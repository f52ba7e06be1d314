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

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONFIG_NAME = "config.toml"

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = get_args(Device)


@dataclass(frozen=True, slots=True)
class Settings:
    """What facefind needs to know of this machine and this run.

    Attributes:
        home: Folder of the embedded database, downloaded weights and the config file.
        database_url: A PostgreSQL of the user's own; None starts the embedded one.
        threads: Threads a model may use; 0 leaves the choice to the runtime.
        device: What models run on: "cuda" is an NVIDIA GPU or an error, "auto" one that works.
    """

    home: Path
    database_url: str | None = None
    threads: int = 0
    device: Device = "auto"

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
        threads=_threads(first("threads")),
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


def _threads(value: Any) -> int:
    try:
        threads = int(value or 0)
    except (TypeError, ValueError) as error:
        raise UsageError(f"threads must be a whole number, not {value!r}.") from error
    if threads < 0:
        raise UsageError(f"threads must be 0 (automatic) or more, not {threads}.")
    return threads


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
    unknown = set(config) - {"database_url", "device", "threads"}
    if unknown:
        raise UsageError(
            f"The config file {path} has unknown settings: {', '.join(sorted(unknown))}.",
            "It knows database_url, device and threads.",
        )
    return config

"""Settings of a back end: a frozen dataclass whose fields know their range and their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, field, fields
from typing import Any

from facefind.errors import UsageError
from facefind.types import SettingValue


def option(default: float, low: float, high: float, text: str) -> Any:
    """A dataclass field for a number in [low, high]; its type is the default's (int or float)."""
    return field(default=default, metadata={"low": low, "high": high, "text": text})


def resolve(settings_type: type[Any], overrides: Mapping[str, object], prefix: str) -> Any:
    """An instance of ``settings_type`` with the overrides, given as ``prefix + field name``.

    Args:
        settings_type: A dataclass of `option` fields.
        overrides: Text as typed by a user, or values as `described` gave them.
        prefix: What every key starts with, such as "detector.".

    Raises:
        UsageError: An unknown key, a value that is no number, or one out of range; it lists the
            keys with their defaults.
    """
    known = {prefix + f.name: f for f in fields(settings_type)}
    for key in overrides:
        if key not in known:
            raise UsageError(f"There is no setting {key!r}.", _listing(known))
    return settings_type(
        **{known[key].name: _parse(key, value, known) for key, value in overrides.items()}
    )


def described(settings: Any, prefix: str) -> dict[str, SettingValue]:
    """All values of a settings instance by key, in the order of its fields."""
    return {prefix + f.name: getattr(settings, f.name) for f in fields(settings)}


def _parse(key: str, value: object, known: Mapping[str, Field[Any]]) -> float:
    option_field = known[key]
    kind = int if isinstance(option_field.default, int) else float
    low, high = option_field.metadata["low"], option_field.metadata["high"]
    try:
        number: float = kind(str(value))
    except ValueError as error:
        noun = "a whole number" if kind is int else "a number"
        raise UsageError(f"{key} wants {noun}, not {value!r}.", _listing(known)) from error
    if not low <= number <= high:
        raise UsageError(f"{key}={value} is out of range.", _listing(known))
    return number


def _listing(known: Mapping[str, Field[Any]]) -> str:
    lines = [
        f"  {key}={f.default}  {f.metadata['text']}; {f.metadata['low']} to {f.metadata['high']}"
        for key, f in known.items()
    ]
    return "The settings and their defaults:\n" + "\n".join(lines)

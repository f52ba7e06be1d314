"""Reads the named statements of ``sql/queries/*.sql``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from facefind.resources import resource_dir

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def queries(file: str) -> Mapping[str, str]:
    """The statements of ``sql/queries/<file>.sql`` by name; parameters are ``%(name)s``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Two statements have one name.
    """
    path = resource_dir("sql") / "queries" / f"{file}.sql"
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> Mapping[str, str]:
    """Splits a file's text into statements; the comment above a name belongs to people.

    Raises:
        ValueError: Two statements have one name.
    """
    parts = _NAME.split(text)[1:]
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"two statements have one name: {sorted(names)}")
    return MappingProxyType(
        {name: _without_comments(body) for name, body in zip(names, bodies, strict=True)}
    )


def _without_comments(body: str) -> str:
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip()

"""What facefind has put into a folder of albums, remembered there.

Nothing else in that folder is ever changed or removed: a file put there by hand, or changed since,
stays. What a run is about to do is written down before it is done, so that after a crash the next
run knows what is its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from facefind import folders, images
from facefind.errors import UsageError
from facefind.placing import Form, Placed, is_intact

RECORD_NAME = images.ALBUMS_RECORD
VERSION = 2
"""Before it, a record was the files alone."""

_FORMS = frozenset(get_args(Form))


@dataclass(frozen=True, slots=True)
class Moving:
    """Folders and archives that are being given other names, all at once.

    First each goes aside, then, when `turned` is there, each to its new place: so names can be
    swapped, and wherever this stops it is known what is where.

    Attributes:
        turned: An empty folder.
        steps: Old place, aside, and new place.
    """

    turned: str
    steps: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a folder of albums. Paths are relative to it, with "/".

    Attributes:
        places: Folder or archive -> the key of the album that it holds.
        files: Path -> what was put there.
        planned: What is being put there, where that differs.
        moving: What is being given another name; its paths above are still the old ones.
    """

    places: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Placed] = field(default_factory=dict)
    planned: Mapping[str, Placed] = field(default_factory=dict)
    moving: Moving | None = None

    def moved(self, moves: Mapping[str, str]) -> Record:
        """As it is when folders and archives have other names, and nothing is moving."""
        return Record(
            {moves.get(place, place): key for place, key in self.places.items()},
            {_moved(path, moves): placed for path, placed in self.files.items()},
            {_moved(path, moves): placed for path, placed in self.planned.items()},
        )


def top_of(path: str) -> str:
    """The folder that a path lies in, or the path itself where it lies in none."""
    return path.split("/", 1)[0]


def _moved(path: str, moves: Mapping[str, str]) -> str:
    top = top_of(path)
    return moves.get(top, top) + path[len(top) :]


def read_record(out: Path) -> Record:
    """The record as it was written; an empty one where there is none.

    Raises:
        UsageError: It is damaged, or of a newer facefind.
        OutputError: It cannot be read.
    """
    text = folders.read_text(out / RECORD_NAME)
    if text is None:
        return Record()
    try:
        return _record(json.loads(text))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UsageError(
            f"{out / RECORD_NAME} is damaged, so facefind cannot tell which files are its own.",
            "Write the albums into a new folder.",
        ) from error


def write_record(out: Path, record: Record, known: Record) -> Record:
    """Writes the record, unless it is what is known to be there, and returns it.

    Raises:
        OutputError: It cannot be written.
    """
    if record != known:
        folders.write_text(out / RECORD_NAME, json.dumps(_as_json(record), indent=1) + "\n")
    return record


def settled(out: Path, record: Record) -> Record:
    """What a run that was stopped has really done, of what it had planned."""
    if record.moving is not None:
        record = record.moved(_whereabouts(out, record.moving))
    files = dict(record.files)
    for path, placed in record.planned.items():
        if is_intact(out / path, placed):
            files[path] = _with_size(out / path, placed)
        else:
            files.setdefault(path, placed)
    return Record(record.places, files)


def _whereabouts(out: Path, moving: Moving) -> dict[str, str]:
    """By old place, where it is now."""
    turned = os.path.lexists(out / moving.turned)
    return {
        old: aside if os.path.lexists(out / aside) else new if turned else old
        for old, aside, new in moving.steps
    }


def _with_size(path: Path, placed: Placed) -> Placed:
    """An archive's size is known once it is written."""
    return replace(placed, size=path.stat().st_size) if placed.mode == "zip" else placed


def _record(value: Any) -> Record:
    if not isinstance(value.get("version"), int):
        return Record(files=_files(value))
    if value["version"] != VERSION:
        raise UsageError(
            "These albums were written by a newer facefind.",
            "Use that one, or write the albums into a new folder.",
        )
    places = {_checked(place, 1): str(key) for place, key in value["places"].items()}
    moving = None if value["moving"] is None else _moving(**value["moving"])
    return Record(places, _files(value["files"]), _files(value["planned"]), moving)


def _moving(turned: Any, steps: Iterable[tuple[Any, Any, Any]]) -> Moving:
    checked = [
        (_checked(old, 1), _checked(aside, 1), _checked(new, 1)) for old, aside, new in steps
    ]
    return Moving(_checked(turned, 1), tuple(checked))


def _files(value: Mapping[str, Mapping[str, Any]]) -> dict[str, Placed]:
    files = {_checked(path, 2): Placed(**placed) for path, placed in value.items()}
    _check_placed(files.values())
    return files


def _checked(path: Any, depth: int) -> str:
    """The path. The folder may come from somebody else: nothing outside of it is ours."""
    parts = str(path).replace(os.sep, "/").split("/")
    if len(parts) > depth or {"", ".", ".."} & set(parts) or "\0" in str(path):
        raise ValueError("a path leads out of the folder")
    return str(path)


def _check_placed(files: Iterable[Placed]) -> None:
    for placed in files:
        numbers = isinstance(placed.size, int) and isinstance(placed.mtime_ns, int)
        if placed.mode not in _FORMS or not isinstance(placed.source, str) or not numbers:
            raise ValueError("a file is described in no way that facefind does")
        if "\0" in placed.source:
            raise ValueError("no file can be called so")


def _as_json(record: Record) -> dict[str, Any]:
    return {
        "version": VERSION,
        "places": dict(record.places),
        "files": {path: asdict(placed) for path, placed in record.files.items()},
        "planned": {path: asdict(placed) for path, placed in record.planned.items()},
        "moving": None if record.moving is None else asdict(record.moving),
    }

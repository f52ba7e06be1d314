"""The main figures of two accuracy.json side by side: before a change, and after it.

``scripts/evaluate compare OLD.json`` holds an older file (``git show COMMIT:docs/accuracy.json``)
against docs/accuracy.json. Nothing is measured. Times are left out: they are the machine's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from facefind.errors import UsageError

STORED = Path(__file__).resolve().parent.parent.parent / "docs" / "accuracy.json"

EVENTS = ("tiny", "small", "middle", "half", "large")
"""Sizes of simulated events, in the order they are written in."""

WORDS = """\
Figures of one line stand in the order of its name; "=" says that both are the same as they are
written here, "-" that there is none. Times are left out: they are the machine's."""

Parts: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Of each part of the page "measured_with" and "figures", as `report.store` keeps them."""


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: What the values are.
        values: Counts are whole numbers; None where nothing could be measured.
        digits: Behind the point, of what is no count.
    """

    name: str
    values: tuple[float | None, ...]
    digits: int = 3

    @property
    def cells(self) -> list[str]:
        """The values as they are written."""
        return ["-" if value is None else self._text(value) for value in self.values]

    def _text(self, value: float) -> str:
        return str(value) if isinstance(value, int) else f"{value:.{self.digits}f}"


Rows: TypeAlias = Iterator[Row]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("old", type=Path, metavar="OLD.json", help="the figures before")
    parser.add_argument(
        "new",
        type=Path,
        metavar="NEW.json",
        nargs="?",
        default=STORED,
        help="the figures after (default: docs/accuracy.json)",
    )


def read(path: Path) -> Parts:
    """The parts of an accuracy.json.

    Raises:
        UsageError: There is none, or it holds something else.
    """
    try:
        parts: Parts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    stored = isinstance(parts, dict) and all(
        isinstance(part, dict) and {"figures", "measured_with"} <= part.keys()
        for part in parts.values()
    )
    if not stored:
        raise UsageError(f"{path} holds no figures of scripts/evaluate.")
    return parts


def render(old: Parts, new: Parts) -> str:
    """A table of what both have, where each part was measured, and what one alone has."""
    table = ["| part | figures | before | after | change |", "|---" * 5 + "|"]
    alone: dict[str, list[str]] = {"before": [], "after": []}
    for part, rows_of in ROWS.items():
        before, after = (_rows(rows_of, parts.get(part)) for parts in (old, new))
        for name, row in before.items():
            if name in after:
                cells = (" / ".join(each.cells) for each in (row, after[name]))
                table.append(_line([part, name, *cells, _change(row, after[name])]))
        alone["before"] += _named(part, [name for name in before if name not in after])
        alone["after"] += _named(part, [name for name in after if name not in before])
    for when, parts, others in (("before", old, new), ("after", new, old)):
        alone[when] += sorted(parts.keys() - others.keys() - ROWS.keys())
    left_out = sorted((old.keys() & new.keys()) - ROWS.keys())
    return "\n\n".join(
        [
            "\n".join(table),
            WORDS,
            *_listed("Not compared here, as they are no main figures", left_out),
            *_listed("Only before", alone["before"]),
            *_listed("Only after", alone["after"]),
            _sources(old, new),
        ]
    )


def _rows(rows_of: Callable[[Any], Rows], part: Mapping[str, Any] | None) -> dict[str, Row]:
    """The rows of a part in which there is anything, by name."""
    rows = rows_of(part["figures"]) if part else iter(())
    return {row.name: row for row in rows if any(value is not None for value in row.values)}


def _change(old: Row, new: Row) -> str:
    """What was added to each figure as it is written; "=" where nothing was."""
    if old.cells == new.cells:
        return "="
    pairs = zip(old.cells, new.cells, strict=True)
    return " / ".join(_difference(was, now, old.digits) for was, now in pairs)


def _difference(was: str, now: str, digits: int) -> str:
    if was == now:
        return "="
    if "-" in (was, now):
        return "-"
    if was.isdigit() and now.isdigit():
        return f"{int(now) - int(was):+d}"
    return f"{float(now) - float(was):+.{digits}f}"


def _sources(old: Parts, new: Parts) -> str:
    """The commit that each part was measured at, before and after."""
    lines = ["| part | measured before at | after at |", "|---" * 3 + "|"]
    for part in [*old, *(part for part in new if part not in old)]:
        was, now = (parts.get(part, {}).get("measured_with") for parts in (old, new))
        again = "the same, not measured again" if was == now else _source(now)
        lines.append(_line([part, _source(was), again]))
    return "\n".join(lines)


def _source(with_: Mapping[str, Any] | None) -> str:
    return f"{with_['commit']}, {with_['date']}" if with_ else "-"


def _named(part: str, names: Iterable[str]) -> list[str]:
    """What rows are of, without the names of their figures."""
    return [f"{part}: {of}" for of in dict.fromkeys(name.partition(": ")[0] for name in names)]


def _listed(heading: str, names: Iterable[str]) -> list[str]:
    listed = "; ".join(names)
    return [f"{heading}: {listed}."] if listed else []


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


# The main figures of each part. A file of another form lacks some of them.


def at(tree: Any, *keys: str) -> Any:
    """What lies under some keys, one in the other; None where there is nothing."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _each(tree: Any, key: str) -> list[Any]:
    return at(tree, key) or []


def _items(tree: Any, *keys: str) -> Iterator[tuple[str, Any]]:
    yield from (at(tree, *keys) or {}).items()


def _shares(row: Any) -> tuple[float | None, ...]:
    """Of faces of each size, how many are found."""
    return tuple(
        found / faces if faces else None
        for found, faces in zip(_each(row, "found"), _each(row, "faces"), strict=True)
    )


def _detection(figures: Any) -> Rows:
    shares = ("recall", "recall_small", "precision", "invented")
    for detector in _each(figures, "detectors"):
        for group in _each(detector, "groups"):
            yield Row(
                f"`{detector['pipeline']}`, {group['group']}: "
                "recall / recall of small faces / precision / false faces",
                tuple(at(group, key) for key in shares),
            )


def _size(figures: Any) -> Rows:
    ends = _each(figures, "buckets")
    sizes = [
        *(f"{low}-{high}" for low, high in pairwise(ends)),
        *(f"{end} and more" for end in ends[-1:]),
    ]
    for strategy in _each(figures, "strategies"):
        if strategy["name"] not in ("default", "thorough"):
            continue
        for row in _each(strategy, "rows"):
            photo = f"{strategy['name']}, {row['megapixels']} MP"
            yield Row(f"{photo}: recall of faces of {' / '.join(sizes)} px", _shares(row))
            false = (at(row, "invented"), at(row, "invented_in_empty"))
            yield Row(f"{photo}: false faces / in photos without a face", false)


def _rotation(figures: Any) -> Rows:
    for way in _each(figures, "ways"):
        for row in _each(way, "rows"):
            yield Row(
                f"{way['name']}, {row['angle']} degrees: faces found / of / median distance / "
                "false in photos without a face",
                tuple(
                    at(row, key)
                    for key in ("found", "faces", "median_distance", "invented_in_empty")
                ),
            )


def _recognition(figures: Any) -> Rows:
    for measured in (figures, *_each(figures, "beside")):
        for key in ("person", "pair"):
            part = at(measured, "lfw", key)
            tars = [tar for tar in _each(part, "tar") if "value" in tar]
            shares = "".join(f" / TAR at {100 * tar['far']:g} %" for tar in tars)
            yield Row(
                f"`{measured['pipeline']}`, LFW, every {key} counts the same: accuracy{shares}",
                (at(part, "accuracy", "value"), *(tar["value"] for tar in tars)),
                digits=4,
            )
        for album in _each(measured, "albums"):
            yield Row(
                f"`{measured['pipeline']}`, {album['name']}: mean average precision / recall / "
                "precision",
                (at(album, "map", "value"), at(album, "recall"), at(album, "precision")),
            )
    for width in _each(figures, "widths"):
        size = f"{width['width']} px" if "width" in width else "as they are"
        yield Row(f"faces {size}: TAR at 0.1 %", (at(width, "tar", "value"),))


def _simulated(figures: Any) -> Rows:
    for method, found in _items(figures, "methods"):
        sizes = sorted(found, key=lambda size: [*EVENTS, size].index(size))
        yield Row(
            f"{method.strip('*')}: R99a of {' / '.join(sizes)} events",
            tuple(at(found, size, "r99a") for size in sizes),
        )


def _calibration(figures: Any) -> Rows:
    for size, found in _items(figures, "sizes"):
        errors = (at(found, "error"), at(found, "error_of_all_photos"))
        yield Row(f"{size} events: error, answered / all photos", errors, digits=4)
        for name, rates in _items(found, "named"):
            pair = (at(rates, "precision"), at(rates, "recall"))
            yield Row(f"{size} events, {name}: precision / recall", pair)


def _who(figures: Any) -> Rows:
    """Answers by face alone were the only ones, under "albums", before people were grouped."""
    alone = "without_people" if at(figures, "without_people") else "albums"
    yield from _answers(_each(figures, alone), "by face alone (`--no-people`)")
    if alone != "albums":
        yield from _answers(_each(figures, "albums"), "with people")


def _answers(albums: Iterable[Any], how: str) -> Rows:
    for album in albums:
        yield Row(
            f"{album['album']}, {how}: right / wrong / missed / absent people answered",
            tuple(at(album, key) for key in ("right", "wrong", "missed", "absent_answered")),
        )


def _grouping(figures: Any) -> Rows:
    for method, found in _items(figures, "methods"):
        yield Row(
            f"{method.strip('*')}: best F1 / recall at precision .99",
            (at(found, "best", "f1"), at(found, "precise", "recall")),
        )
    for name in ("halves", "all", "with_wrong_labels"):
        yield _bcubed(f"as shipped, LFW, {name.replace('_', ' ')}", at(figures, "shipped", name))
    for album, found in _items(figures, "albums"):
        yield _bcubed(f"as shipped, {album}", at(found, "shipped"))


def _bcubed(what: str, score: Any) -> Row:
    values = tuple(at(score, key) for key in ("precision", "recall", "f1"))
    return Row(f"{what}: BCubed precision / recall / F1", values)


ROWS: dict[str, Callable[[Any], Rows]] = {
    "detection": _detection,
    "size": _size,
    "rotation": _rotation,
    "recognition": _recognition,
    "simulated": _simulated,
    "calibration": _calibration,
    "who": _who,
    "grouping": _grouping,
}
"""The parts that are compared, in the page's order."""

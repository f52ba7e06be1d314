"""Memory over time as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from scripts.benchmarks.watching import Sample

WIDTH, HEIGHT = 800.0, 320.0
LEFT, TOP = 70.0, 44.0
"""Where the drawing's field begins; around it stand the axes' words."""

STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
"""Seconds from a mark to the next."""

LEAST_MARKS = 4

_GREY, _RED, _BLUE = "#666", "#c0392b", "#1f5f9e"


def curve(
    samples: Sequence[Sample], limit: float, holes: Sequence[tuple[float, float]] = ()
) -> str:
    """What facefind held, and both it and the database, below a limit in bytes.

    Args:
        holes: (from, to) in seconds where nothing was seen: grey, and without lines.
    """
    end = max(samples[-1].at, 1.0)
    top = max(*(sample.all for sample in samples), limit) * 1.05

    def place(at: float, bytes_: float) -> tuple[float, float]:
        return LEFT + WIDTH * at / end, TOP + HEIGHT * (1 - bytes_ / top)

    def line(stretch: Sequence[Sample], name: str, colour: str) -> str:
        places = (place(sample.at, getattr(sample, name)) for sample in stretch)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30:g} '
        f'{TOP + HEIGHT + 60:g}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        _word(LEFT, 24, "Resident memory of an ingest", 15),
    ]
    for since, until in holes:
        (x, y), (right, bottom) = place(since, top), place(min(until, end), 0)
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{right - x:.1f}" height="{bottom - y:.1f}" '
            'fill="#eee"/>'
        )
        parts.append(_word((x + right) / 2, y + 16, "not seen", colour=_GREY, anchor="middle"))
    for bytes_ in range(0, int(top) + 1, 200_000_000):
        (x, y), (right, _) = place(0, bytes_), place(end, bytes_)
        parts += [_rule(x, y, right, y), _word(x - 8, y + 4, f"{bytes_ / 1e6:g}", anchor="end")]
    step, unit = _step(end)
    for number in range(int(end / step) + 1):
        x, y = place(number * step, 0)
        parts += [
            _rule(x, y, x, y + 5),
            _word(x, y + 20, f"{number * step / unit:g}", anchor="middle"),
        ]
    x, y = place(end / 2, 0)
    parts.append(_word(x, y + 42, "minutes" if unit == 60 else "seconds", anchor="middle"))
    parts.append(
        f'<text x="20" y="{TOP + HEIGHT / 2:g}" text-anchor="middle" '
        f'transform="rotate(-90 20 {TOP + HEIGHT / 2:g})">MB</text>'
    )
    (x, y), (right, _) = place(0, limit), place(end, limit)
    parts.append(_rule(x, y, right, y, _GREY, ' stroke-dasharray="6 4"'))
    parts.append(_word(right - 4, y - 6, "limit", colour=_GREY, anchor="end"))
    for name, colour in (("own", _BLUE), ("all", _RED)):
        parts += [line(stretch, name, colour) for stretch in _stretches(samples, holes)]
    parts += _legend((("facefind and its database", _RED), ("facefind alone", _BLUE)))
    return "\n".join((*parts, "</svg>", ""))


def _stretches(
    samples: Sequence[Sample], holes: Sequence[tuple[float, float]]
) -> list[list[Sample]]:
    """The samples between holes; none of these stretches is empty."""
    starts = (0.0, *(until for _, until in holes), float("inf"))
    found = [[each for each in samples if a <= each.at < b] for a, b in pairwise(starts)]
    return [stretch for stretch in found if stretch]


def _step(end: float) -> tuple[float, float]:
    """Seconds between marks, and seconds of the unit that they are told in."""
    step = next((step for step in reversed(STEPS) if end / step >= LEAST_MARKS), STEPS[0])
    return step, 60.0 if step >= 60 else 1.0


def _legend(entries: Sequence[tuple[str, str]]) -> list[str]:
    parts = []
    for nth, (what, colour) in enumerate(entries):
        y = TOP + HEIGHT - 20 - 22 * nth
        parts.append(_rule(LEFT + 20, y - 4, LEFT + 50, y - 4, colour, ' stroke-width="3"'))
        parts.append(_word(LEFT + 58, y, what))
    return parts


def _rule(
    x: float, y: float, to_x: float, to_y: float, colour: str = "#ddd", more: str = ""
) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}"{more}/>'
    )


def _word(
    x: float, y: float, text: str, size: int = 13, colour: str = "#222", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}">{text}</text>'
    )

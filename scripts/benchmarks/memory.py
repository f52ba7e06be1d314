"""Peak memory of an ingest, of all processes, the database's included.

The sum of proportional set sizes, sampled ten times a second (see watching.py), for each number of
photos in a run of its own, with a fresh home. The photos are those of ``ingest`` with five faces,
each made a content of its own by a number after its end; they take little disk, as files are filled
shortly before ingest reads them and emptied behind it. With --large a photo of 200 megapixels is
among them. With --hours a run goes on for so long, and memory.csv and memory.svg in ``docs/`` show
its curve. Linux only.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks import photos, watching
from scripts.benchmarks.figures import table
from scripts.benchmarks.watching import bytes_read

TITLE = "Memory"

COUNTS = (200, 5000)
CONTENTS = 24
LARGE = 199.0
"""Megapixels: just below the most that is read."""

AHEAD, BEHIND = 96, 64
"""Files filled ahead of what ingest has read, and left behind it. How far it is, is told by the
bytes that its process has read, its own program's among them: it may be less far than it seems."""

GOAL = 1e9
"""Bytes: the most that all processes may hold."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    several = ",".join(map(str, COUNTS))
    parser.add_argument("--photos", default=several, help=f"one run each; default: {several}")
    parser.add_argument("--large", action="store_true", help="with a photo of 200 megapixels")
    parser.add_argument("--hours", type=float, help="one run for so long instead; with its curve")
    parser.add_argument("--into", type=Path, default=Path("docs"), help="the curve's folder")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Peaks in bytes; ratios of the last to the first, and of the largest to a gigabyte."""
    if arguments.hours:
        return _long(arguments.hours, arguments.into)
    counts = [16] if arguments.quick else [int(count) for count in arguments.photos.split(",")]
    rows = [_row(count, _ingest(count, large=arguments.large)) for count in counts]
    ratios = {"peak_of_a_gigabyte": max(row["peak"] for row in rows) / GOAL}
    if len(rows) > 1:
        ratios["last_over_first"] = rows[-1]["peak"] / rows[0]["peak"]
    return {"rows": rows, "large": arguments.large, "ratios": ratios}


def _row(count: int, watch: watching.Watch) -> dict[str, Any]:
    highest = max(watch.samples, key=lambda sample: sample.all)
    return {
        "photos": count,
        "stored": watch.answer["photos"],
        "seconds": watch.seconds,
        "peak": highest.all,
        "own": highest.own,
        "database": highest.database,
    }


def _ingest(count: int, *, large: bool = False, every: float = watching.EVERY) -> watching.Watch:
    contents = photos.photos(5, min(CONTENTS, count))
    with tempfile.TemporaryDirectory(prefix="facefind-") as name:
        folder = Path(name, "photos")
        feed = Feed(contents, folder, count)
        if large:
            (big,) = photos.photos(5, 1, megapixels=LARGE)
            # In the middle by its name.
            (folder / f"{photos.copy_name(count // 2)}.large.jpg").symlink_to(big)
        home = Path(name, "home")
        watch = watching.run(
            home, "ingest", folder, every=every, look=lambda pid: feed.read(bytes_read(pid))
        )
    if watch.answer["photos"] != count + large or watch.answer["failed"]:
        raise RuntimeError(f"not all photos were stored: {watch.answer}")
    return watch


class Feed:
    """A folder of many photos of which only those have bytes that are to be read next.

    Args:
        contents: Photos, of which the folder's are copies by turns.
        folder: Made; photos are read in the order of their names, each once.
    """

    def __init__(self, contents: Sequence[Path], folder: Path, count: int) -> None:
        self._contents, self._folder, self._count = contents, folder, count
        self._size = sum(path.stat().st_size for path in contents) / len(contents)
        self._filled = self._emptied = 0
        folder.mkdir(parents=True)
        for number in range(count):
            self._path(number).touch()
        self.read(0)

    def read(self, bytes_: int) -> None:
        """Fills and empties files after so many bytes were read of them, or fewer."""
        done = int(bytes_ / self._size)
        for number in range(self._filled, min(done + AHEAD, self._count)):
            content = self._contents[number % len(self._contents)]
            self._path(number).write_bytes(photos.copy_bytes(content, number))
            self._filled = number + 1
        for number in range(self._emptied, min(done - BEHIND, self._count)):
            self._path(number).write_bytes(b"")
            self._emptied = number + 1

    def _path(self, number: int) -> Path:
        return self._folder / photos.copy_name(number)


def _long(hours: float, into: Path) -> dict[str, Any]:
    """A run of about so many hours, at the pace of a short one."""
    pace = _ingest(96)
    count = round(hours * 3600 * 96 / pace.seconds)
    watch = _ingest(count, every=1.0)
    into.mkdir(exist_ok=True)
    with (into / "memory.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("seconds", "facefind_mb", "database_mb"))
        for sample in watch.samples[::5]:
            writer.writerow(
                (round(sample.at), round(sample.own / 1e6), round(sample.database / 1e6))
            )
    (into / "memory.svg").write_text(curve(watch.samples), "utf-8")
    ratios = {"peak_of_a_gigabyte": watch.peak / GOAL, "growth": growth(watch.samples)}
    return {"rows": [_row(count, watch)], "large": False, "ratios": ratios}


def growth(samples: Sequence[watching.Sample]) -> float:
    """The median of the last quarter of the time over that of the second quarter."""
    end = samples[-1].at
    second = [sample.all for sample in samples if end / 4 <= sample.at < end / 2]
    last = [sample.all for sample in samples if sample.at >= 3 * end / 4]
    return statistics.median(last) / statistics.median(second)


def curve(samples: Sequence[watching.Sample]) -> str:
    """The samples as a picture: facefind's memory, and the database's on top."""
    width, height, end = 800.0, 300.0, max(samples[-1].at, 1.0)
    top = max(max(sample.all for sample in samples), GOAL)
    step = max(1, len(samples) // 1000)

    def line(name: str, colour: str) -> str:
        places = (
            (60 + width * sample.at / end, 10 + height * (1 - getattr(sample, name) / top))
            for sample in samples[::step]
        )
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        return f'<polyline points="{points}" fill="none" stroke="{colour}"/>'

    def mark(bytes_: float) -> str:
        y = 10 + height * (1 - bytes_ / top)
        return (
            f'<line x1="60" x2="{60 + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"/>'
            f'<text x="52" y="{y + 4:.1f}" text-anchor="end">{bytes_ / 1e6:.0f}</text>'
        )

    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 80} {height + 50}" '
            'font-family="sans-serif" font-size="12">',
            *(mark(GOAL * part / 4) for part in range(5)),
            line("own", "#1f77b4"),
            line("all", "#d62728"),
            f'<text x="60" y="{height + 35}">0 to {end / 60:.0f} minutes; MB of facefind '
            "(blue) and with its database (red)</text>",
            "</svg>",
            "",
        )
    )


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits."""
    return arithmetic.over_limits("memory", figures)


def render(figures: dict[str, Any]) -> str:
    """A row for each run."""
    head = ["photos", "peak, MB", "of it facefind", "of it the database", "seconds"]
    rows = [
        [
            f"{row['photos']}{f' and one of {LARGE:g} megapixels' if figures['large'] else ''}",
            *(f"{row[name] / 1e6:.0f}" for name in ("peak", "own", "database")),
            f"{row['seconds']:.0f}",
        ]
        for row in figures["rows"]
    ]
    lines = [f"{name}: {value:.3f}" for name, value in figures["ratios"].items()]
    return "\n\n".join((table(head, rows), *lines))

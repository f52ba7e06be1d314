"""Peak memory of an ingest, of all processes, the database's included.

Resident memory, sampled (see watching.py): that of facefind's processes ten times a second, that of
the database's once a second but in the first two, and new processes are looked for as often. Each
number of photos has a run of its own, with a fresh home. The photos are those of ``ingest`` with
five faces, each a content of its own by a number after its end; they take little disk, as files are
filled shortly before ingest reads them and emptied behind it. With --large there is one more run,
of the fewest photos and one of 200 megapixels among them. With --hours there is but one run, of
about so long. The run with the most photos has its curve written to ``docs/``: memory.csv and
memory.svg. Of a run in which nothing was seen for more than ten seconds, as when the machine stood
still, no growth is told. Linux only.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks import photos, watching
from scripts.benchmarks.curve import curve
from scripts.benchmarks.figures import table
from scripts.benchmarks.watching import bytes_read

TITLE = "Memory"

COUNTS = (200, 5000)
CONTENTS = 24
PACE = 96
"""Photos by which the pace is told."""

LARGE = 199.0
"""Megapixels: just below the most that is read."""

AHEAD, BEHIND = 96, 64
"""Files filled ahead of what ingest has read, and left behind it. How far it is, is told by the
bytes that its process has read, its own program's among them: it may be less far than it seems."""

GOAL = 1e9
"""Bytes: the most that all processes may hold."""

LONG = 600.0
"""Seconds from which on a run is long enough to tell whether memory grows."""

HOLE = 10.0
"""Seconds without a sample from which on a run does not tell how memory grows."""

PARTS = {"all": "growth", "own": "of facefind", "database": "of the database"}
"""Of a sample, and what the page calls their growth."""

POINTS = 360
"""Of the curve; each is the most within its share of the time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    several = ",".join(map(str, COUNTS))
    parser.add_argument("--photos", default=several, help=f"one run each; default: {several}")
    parser.add_argument("--large", action="store_true", help="one run more, with 200 megapixels")
    parser.add_argument("--hours", type=float, help="one run for so long instead; with its curve")
    parser.add_argument("--into", type=Path, default=Path("docs"), help="the curve's folder")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """A row for each run, and the ratios of `compared`."""
    counts = [16] if arguments.quick else [int(count) for count in arguments.photos.split(",")]
    if arguments.hours:
        # At the pace of a short run.
        counts = [round(arguments.hours * 3600 * PACE / _ingest(PACE).seconds)]
    rows = []
    for count in counts:
        watch = _ingest(count)
        rows.append(_told(_row(count, watch)))
        if count == max(counts) and not arguments.quick:
            write_curve(watch.samples, arguments.into, holes(watch))
    if arguments.large:
        count = min(counts)
        rows.append(_told(_row(count, _ingest(count, large=True), large=True)))
    return {"rows": rows, "curve": not arguments.quick, "ratios": compared(rows)}


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """The row, which it also says on stderr: the next run may take an hour."""
    print(f"scripts/bench: memory: {row}", file=sys.stderr, flush=True)
    return row


def compared(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The largest peak over a gigabyte; of the run with the most photos, its peak over that of the
    run with the fewest, and its growth if it was long and seen without holes."""
    plain = sorted((row for row in rows if not row["large"]), key=lambda row: row["photos"])
    fewest, most = plain[0], plain[-1]
    ratios = {"peak_of_a_gigabyte": max(row["peak"] for row in rows) / GOAL}
    if most["photos"] > fewest["photos"]:
        ratios["most_over_fewest"] = most["peak"] / fewest["peak"]
    if most["seconds"] >= LONG and most["growth"] is not None:
        ratios["growth"] = most["growth"]
    return ratios


def _row(count: int, watch: watching.Watch, *, large: bool = False) -> dict[str, Any]:
    most = max(watch.samples, key=lambda sample: sample.all)
    unseen = holes(watch)
    medians = quarters(watch.samples) if watch.seconds >= LONG and not unseen else None
    return {
        "photos": count,
        "large": large,
        "stored": watch.answer["photos"],
        "seconds": watch.seconds,
        "cpu_seconds": watch.cpu_seconds,
        "peak": most.all,
        "own": most.own,
        "database": most.database,
        "growth": grown(medians["all"]) if medians else None,
        "quarters": medians,
        "holes": unseen,
    }


def _ingest(count: int, *, large: bool = False) -> watching.Watch:
    contents = photos.photos(5, min(CONTENTS, count))
    with tempfile.TemporaryDirectory(prefix="facefind-") as name:
        folder = Path(name, "photos")
        feed = Feed(contents, folder, count)
        if large:
            (big,) = photos.photos(5, 1, megapixels=LARGE)
            # In the middle by its name.
            (folder / f"{photos.copy_name(count // 2)}.large.jpg").symlink_to(big)
        home = Path(name, "home")
        watch = watching.run(home, "ingest", folder, look=lambda pid: feed.read(bytes_read(pid)))
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


def holes(watch: watching.Watch) -> list[tuple[float, float]]:
    """(from, to) in seconds since the start: where nothing was seen for longer than `HOLE`."""
    seen = [0.0, *(sample.at for sample in watch.samples), watch.seconds]
    return [(a, b) for a, b in pairwise(seen) if b - a > HOLE]


def quarters(samples: Sequence[watching.Sample]) -> dict[str, tuple[float, float]]:
    """By `PARTS`, bytes: the medians of the second and of the last quarter of the time."""
    end = samples[-1].at
    second = [sample for sample in samples if end / 4 <= sample.at < end / 2]
    last = [sample for sample in samples if sample.at >= 3 * end / 4]
    return {part: (_median(second, part), _median(last, part)) for part in PARTS}


def grown(medians: Sequence[float]) -> float:
    """The last quarter over the second."""
    second, last = medians
    return last / second


def _median(samples: Sequence[watching.Sample], part: str) -> float:
    held: list[int] = [getattr(sample, part) for sample in samples]
    return statistics.median(held)


def highest(samples: Sequence[watching.Sample], points: int = POINTS) -> list[watching.Sample]:
    """The most that was held in each of so many parts of the time; fewer where none was seen."""
    end = samples[-1].at
    parts: dict[int, watching.Sample] = {}
    for sample in samples:
        part = min(int(points * sample.at / end), points - 1) if end else 0
        if part not in parts or parts[part].all < sample.all:
            parts[part] = sample
    return list(parts.values())


def write_curve(
    samples: Sequence[watching.Sample], into: Path, unseen: Sequence[tuple[float, float]] = ()
) -> None:
    """Writes memory.csv and memory.svg, where the curve is broken at holes."""
    into.mkdir(exist_ok=True)
    shown = highest(samples)
    with (into / "memory.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("seconds", "facefind_mb", "database_mb"))
        for sample in shown:
            writer.writerow(
                (round(sample.at, 1), round(sample.own / 1e6), round(sample.database / 1e6))
            )
    (into / "memory.svg").write_text(curve(shown, GOAL, unseen), "utf-8")


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits, and runs that were not seen all the time."""
    return arithmetic.over_limits("memory", figures) + _unseen(figures["rows"])


def _unseen(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each run with holes."""
    return [
        f"of the run with {_photos(row)} photos nothing was seen for "
        f"{' and '.join(f'{b - a:.0f} s from {a / 60:.1f} minutes on' for a, b in row['holes'])}, "
        "so its growth is not told and its peak may be higher"
        for row in rows
        if row.get("holes")
    ]


def _photos(row: dict[str, Any]) -> str:
    return f"{row['photos']:,}{f' and one of {LARGE:g} megapixels' if row['large'] else ''}"


def render(figures: dict[str, Any]) -> str:
    """A row for each run."""
    head = ["photos", "peak, MB", "of it facefind", "of it the database", "minutes"]
    rows = [
        [
            _photos(row),
            *(f"{row[name] / 1e6:.0f}" for name in ("peak", "own", "database")),
            f"{row['seconds'] / 60:.1f}",
            *(_growth(row, part) for part in PARTS),
        ]
        for row in figures["rows"]
    ]
    note = """\
Growth, of runs of ten minutes and more: the median of the last quarter of the time over that of the
second quarter; of facefind and of the database also these two medians, in MB."""
    parts = [table([*head, *PARTS.values()], rows), note]
    parts += [f"{line[0].upper()}{line[1:]}." for line in _unseen(figures["rows"])]
    if figures.get("curve"):
        parts.append("![Resident memory over time](memory.svg)")
        parts.append("The run with the most photos, as figures: [memory.csv](memory.csv).")
    return "\n\n".join(parts)


def _growth(row: dict[str, Any], part: str) -> str:
    """Of one of `PARTS`; nothing of a short run, or of a part that was not measured by itself."""
    if row["seconds"] < LONG:
        return ""
    if row.get("holes"):
        return "not told"
    if part == "all":
        return f"{row['growth']:.3f}"
    medians = (row.get("quarters") or {}).get(part)
    if not medians:
        return ""
    second, last = (f"{bytes_ / 1e6:.0f}" for bytes_ in medians)
    return f"{grown(medians):.3f}, {second} to {last}"

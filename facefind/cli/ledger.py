"""What --profile shows of ingest and reindex: where the time of a run went."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import click

from facefind.cli.output import plural
from facefind.stages import Spent, Stages, StageTimer, untimed

FOR_FACES = ("align", "embed")
"""Stages whose work is one for each face."""

STAGES = ("start", "walk", "read", "decode", "detect", *FOR_FACES, "store", "group")
"""In the order of a run. The first two and the last have the processor to themselves."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the time of a run went.

    Attributes:
        spent: By stage of `STAGES`, over all threads.
        wall: Seconds that the run took.
        threads: Photos looked at at once.
        photos, faces: How many were looked at and found.
    """

    spent: Mapping[str, Spent]
    wall: float
    threads: int
    photos: int
    faces: int

    @property
    def is_of_nothing(self) -> bool:
        """Whether no file was even read."""
        return "read" not in self.spent

    @property
    def shown(self) -> Collection[str]:
        """The stages that there were in this run."""
        return {*self.spent, "waiting"}

    @property
    def waiting(self) -> float:
        """Seconds of all threads in which nothing was done."""
        busy = sum(spent.seconds for spent in self.spent.values())
        return max(self.wall * self.threads - busy, 0.0)

    def as_json(self) -> dict[str, Any]:
        """Seconds, shares of all threads' time, and milliseconds for each photo and face."""
        rows = {stage: self.spent.get(stage, Spent()) for stage in STAGES}
        rows["waiting"] = Spent(self.waiting, 0.0)
        return {
            "wall_seconds": round(self.wall, 3),
            "threads": self.threads,
            "photos": self.photos,
            "faces": self.faces,
            "stages": {stage: self._row(*spent) for stage, spent in rows.items()},
        }

    def _row(self, seconds: float, cpu: float) -> dict[str, float | None]:
        return {
            "seconds": round(seconds, 3),
            "cpu_seconds": round(cpu, 3),
            "share": round(seconds / (self.wall * self.threads), 4) if self.wall else None,
            "ms_per_photo": round(1000 * seconds / self.photos, 2) if self.photos else None,
            "ms_per_face": round(1000 * seconds / self.faces, 2) if self.faces else None,
        }


class Clock:
    """The time that a run takes and, where it is asked for, its stages do."""

    def __init__(self, profile: bool) -> None:
        self._timer = StageTimer() if profile else None
        self._started = time.perf_counter()

    @property
    def stages(self) -> Stages:
        """What measures them."""
        return self._timer or untimed

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.perf_counter() - self._started

    def ledger(self, seconds: float, threads: int, photos: int, faces: int) -> Ledger | None:
        """Where the time went so far, if that was asked for; see `Ledger`."""
        if self._timer is None:
            return None
        return Ledger(self._timer.spent, seconds, threads, photos, faces)


def print_ledger(ledger: Ledger) -> None:
    """Prints it on stderr: as a table, unless no photo was read."""
    click.echo(_of_nothing(ledger) if ledger.is_of_nothing else _table(ledger), err=True)


def _of_nothing(ledger: Ledger) -> str:
    """A line instead of zeros."""
    took = {stage: f"{ledger.spent.get(stage, Spent()).seconds:.1f}" for stage in STAGES}
    parts = [f"{stage} {seconds}" for stage, seconds in took.items() if float(seconds)]
    shares = f" ({', '.join(parts)})" if parts else ""
    return f"{ledger.wall:.1f} s in all: no photo was read{shares}"


def _table(ledger: Ledger) -> str:
    values = ledger.as_json()
    lines = [
        f"{ledger.wall:.1f} s in all with {ledger.threads} at once: "
        f"{plural(ledger.photos, 'photo')}, {plural(ledger.faces, 'face')}; "
        "seconds and shares are of all threads together",
        f"{'stage':<8} {'seconds':>9} {'CPU s':>8} {'share':>7} {'ms/photo':>9} {'ms/face':>8}",
    ]
    happened = {stage: row for stage, row in values["stages"].items() if stage in ledger.shown}
    for stage, row in happened.items():
        share = "" if row["share"] is None else f"{100 * row['share']:.1f} %"
        photo = "" if row["ms_per_photo"] is None else f"{row['ms_per_photo']:.1f}"
        face = row["ms_per_face"] if stage in FOR_FACES else None
        each = "" if face is None else f"{face:.1f}"
        times = f"{row['seconds']:>9.2f} {row['cpu_seconds']:>8.2f}"
        lines.append(f"{stage:<8} {times} {share:>7} {photo:>9} {each:>8}".rstrip())
    return "\n".join(lines)

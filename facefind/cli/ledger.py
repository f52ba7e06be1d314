"""What `facefind ingest --profile` shows: where the time of a run went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

FOR_FACES = ("align", "embed")
"""Stages whose work is one for each face."""

STAGES = ("start", "walk", "read", "decode", "detect", *FOR_FACES, "store", "group")
"""In the order of a run. The first two and the last have the processor to themselves."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the time of a run went.

    Attributes:
        seconds: Busy, by stage of `STAGES`, over all threads.
        wall: Seconds that the run took.
        threads: Photos looked at at once.
        photos, faces: How many were looked at and found.
    """

    seconds: Mapping[str, float]
    wall: float
    threads: int
    photos: int
    faces: int

    @property
    def waiting(self) -> float:
        """Seconds of all threads in which nothing was done."""
        return max(self.wall * self.threads - sum(self.seconds.values()), 0.0)

    def as_json(self) -> dict[str, Any]:
        """Seconds, shares of all threads' time, and milliseconds for each photo and face."""
        rows = {
            **{stage: self.seconds.get(stage, 0.0) for stage in STAGES},
            "waiting": self.waiting,
        }
        return {
            "wall_seconds": round(self.wall, 3),
            "threads": self.threads,
            "photos": self.photos,
            "faces": self.faces,
            "stages": {stage: self._row(seconds) for stage, seconds in rows.items()},
        }

    def _row(self, seconds: float) -> dict[str, float | None]:
        return {
            "seconds": round(seconds, 3),
            "share": round(seconds / (self.wall * self.threads), 4) if self.wall else None,
            "ms_per_photo": round(1000 * seconds / self.photos, 2) if self.photos else None,
            "ms_per_face": round(1000 * seconds / self.faces, 2) if self.faces else None,
        }


def print_ledger(ledger: Ledger) -> None:
    """Prints it as a table, on stderr."""
    values = ledger.as_json()
    lines = [
        f"{ledger.wall:.1f} s with {ledger.threads} at once: {ledger.photos} photos, "
        f"{ledger.faces} faces",
        f"{'stage':<8} {'seconds':>9} {'share':>7} {'ms/photo':>9} {'ms/face':>8}",
    ]
    for stage, row in values["stages"].items():
        share = "" if row["share"] is None else f"{100 * row['share']:.1f} %"
        photo = "" if row["ms_per_photo"] is None else f"{row['ms_per_photo']:.1f}"
        face = row["ms_per_face"] if stage in FOR_FACES else None
        each = "" if face is None else f"{face:.1f}"
        lines.append(f"{stage:<8} {row['seconds']:>9.2f} {share:>7} {photo:>9} {each:>8}".rstrip())
    click.echo("\n".join(lines), err=True)

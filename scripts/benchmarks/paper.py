"""Larger libraries on paper: products of what was measured, none of it tried."""

from __future__ import annotations

import math
from typing import Any

from scripts.benchmarks.figures import table

SCALES = (10**4, 10**6, 10**8)
CORES = (2, 16)
FACES = 5

PHOTO_MEGABYTES = 3.4
"""Of one of 12 megapixels."""

COLUMNS = """\
The hours are those of cores that do nothing else and never wait, without grouping. The search index
is quick while all of it is in memory, so its column is also the memory that it wants."""

WHO = """\
The time of one `who` is that of its start with the database running and of one search by the index,
whose steps grow with the logarithm of the faces."""

LIMITS = """\
What holds no more at 10^8 photos: the index is larger than the memory of most machines, and each
search and each face stored then waits for pages from the disk; grouping holds the vectors of all
faces of its events, and ingest the names of all files of its event; sixteen cores give the one
database more to store than was tried; the photos' own files fill some fifteen of the largest disks.
And of strangers' faces eight in ten thousand are nearer than the threshold: 400 thousand in such a
library, 4 thousand among 10^6 photos. Whoever has so many photos has to ask by event."""


def scale(photos: int, figures: dict[str, Any]) -> dict[str, Any]:
    """Figures of a library.

    Args:
        figures: `cpu`: CPU milliseconds a photo; `photo`, `face`, `index`: bytes of a photo, of a
            face, of this its entry in the search index; `who`: seconds of a start with next to
            nothing to search, or None; `search`: milliseconds of a search by index among `searched`
            faces, or None.
    """
    faces = photos * FACES
    hours = {str(cores): photos * figures["cpu"] / (1000 * cores) / 3600 for cores in CORES}
    return {
        "photos": photos,
        "hours": hours,
        "files": photos * PHOTO_MEGABYTES * 1e6,
        "database": photos * figures["photo"] + faces * figures["face"],
        "index": faces * figures["index"],
        "who": _who(faces, figures),
    }


def _who(faces: int, figures: dict[str, Any]) -> float | None:
    """Seconds of one search from its start, with the index in memory: a graph's steps grow with the
    logarithm of what is in it."""
    if figures["who"] is None or figures["search"] is None:
        return None
    steps = math.log(faces) / math.log(figures["searched"])
    return float(figures["who"] + figures["search"] * max(steps, 1.0) / 1000)


def render(rows: list[dict[str, Any]]) -> str:
    """A row for each library, what the columns mean, and what holds no more."""
    head = ["photos", *(f"hours to ingest, {cores} cores" for cores in CORES)]
    head += ["photos' files, GB", "database, GB", "of it the search index"]
    lines = [
        [
            f"{row['photos']:,}",
            *(_rounded(row["hours"][str(cores)]) for cores in CORES),
            *(_rounded(row[what] / 1e9) for what in ("files", "database", "index")),
            *([] if row["who"] is None else [f"{row['who']:.2f}"]),
        ]
        for row in rows
    ]
    columns = [COLUMNS]
    if all(row["who"] is not None for row in rows):
        head.append("one `who`, s")
        columns.append(WHO)
    return "\n\n".join((table(head, lines), "\n".join(columns), LIMITS))


def _rounded(value: float) -> str:
    """To two figures that tell: more would say more than is known."""
    digits = 1 - math.floor(math.log10(value)) if value else 0
    return f"{round(value, digits):,.{max(digits, 0)}f}"

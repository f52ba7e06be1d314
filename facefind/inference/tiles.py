"""Parts of a photo that a detector looks at one by one, so that no face is cut or seen twice.

Every part has a core, and the cores do not overlap; around its core it has a margin. A face belongs
to the part in whose core its middle lies. One that is no larger than two margins lies whole inside
that part, and a larger one is left to a look at the whole photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefind.types import Detection, Image

_SLACK = 0.1
"""Share of the margin by which a face's middle may lie outside the core: two parts may each see it
on the other's side of their border."""


class Span(NamedTuple):
    """A rectangle of whole pixels, right and bottom excluded."""

    left: int
    top: int
    right: int
    bottom: int


class Tile(NamedTuple):
    """A part of a photo, in the photo's pixels.

    Attributes:
        core: What it answers for.
        margin: How far it reaches beyond the core; the photo's edge ends it.
    """

    core: Span
    margin: int

    def cut(self, image: Image) -> tuple[Image, int, int]:
        """The part's pixels, and where in the photo their first column and row lie."""
        core, margin = self.core, self.margin
        left, top = max(core.left - margin, 0), max(core.top - margin, 0)
        return image[top : core.bottom + margin, left : core.right + margin], left, top

    def owns(self, face: Detection) -> bool:
        """Whether a face seen in this part, in the photo's pixels, is this part's to report."""
        box, core, slack = face.box, self.core, self.margin * _SLACK
        x, y = box.x + box.w / 2, box.y + box.h / 2
        return (
            max(box.w, box.h) <= 2 * self.margin
            and core.left - slack <= x < core.right + slack
            and core.top - slack <= y < core.bottom + slack
        )


def cover(width: int, height: int, core: int, margin: int) -> list[Tile]:
    """Tiles for a whole photo, with cores of about ``core`` pixels a side and of even sizes."""
    columns, rows = _edges(width, core), _edges(height, core)
    return [
        Tile(Span(left, top, right, bottom), margin)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]


def around(points: ArrayLike, width: int, height: int, core: int, margin: int) -> list[Tile]:
    """The tiles of `cover` that hold one of the points (N, 2); neighbours are joined.

    The tiles of a row that touch become one, then the like ones of rows that touch, since margins
    cost more than cores.
    """
    columns, rows = _edges(width, core), _edges(height, core)
    x, y = np.asarray(points, np.float64).reshape(-1, 2).T
    wanted = np.zeros((len(rows) - 1, len(columns) - 1), bool)
    wanted[_cell(y, rows), _cell(x, columns)] = True
    return [
        Tile(Span(columns[left], rows[top], columns[right], rows[bottom]), margin)
        for left, top, right, bottom in _blocks(wanted)
    ]


def _edges(length: int, step: int) -> list[int]:
    count = max(1, -(-length // step))
    return [length * i // count for i in range(count + 1)]


def _cell(position: NDArray[np.float64], edges: list[int]) -> NDArray[np.intp]:
    """Which cell each position lies in; outside the photo, the nearest."""
    return np.clip(np.searchsorted(edges, position, "right") - 1, 0, len(edges) - 2)


def _blocks(wanted: NDArray[np.bool_]) -> list[Span]:
    """Rectangles of cells that hold each wanted cell once and no other."""
    done: list[Span] = []
    growing: dict[tuple[int, int], int] = {}
    for row in range(len(wanted) + 1):
        runs = set(_runs(wanted[row])) if row < len(wanted) else set()
        for run in [run for run in growing if run not in runs]:
            done.append(Span(run[0], growing.pop(run), run[1], row))
        for run in runs:
            growing.setdefault(run, row)
    return sorted(done, key=lambda block: (block.top, block.left))


def _runs(row: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    steps = np.flatnonzero(np.diff(np.concatenate(([False], row, [False])).astype(np.int8)))
    yield from zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True)

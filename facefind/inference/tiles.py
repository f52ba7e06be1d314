"""Parts of a photo that a detector looks at one by one, so that no face is cut or seen twice.

A tile, of which a photo is made up, has a core, and the cores do not overlap; around its core it
has a margin. A face belongs to the tile in whose core its middle lies. One that is no larger than
two margins lies whole inside that tile, and a larger one is left to a look at the whole photo.

What is seen around single places may be seen twice, but whole each time.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefind.types import Detection

_SLACK = 0.1
"""Share of the margin by which a face's middle may lie outside the core: two parts may each see it
on the other's side of their border."""

_SIDES = 0.6
"""How far a part reaches from the middle of what it is around, in sides of that, and no less."""

_ROOM = 0.5
"""Sides of a face that must lie between it and a part's edge."""


class Span(NamedTuple):
    """A rectangle of whole pixels, right and bottom excluded."""

    left: int
    top: int
    right: int
    bottom: int


class Tile(NamedTuple):
    """A part of a photo as a whole, in the photo's pixels.

    Attributes:
        core: What it answers for.
        margin: How far it reaches beyond the core; the photo's edge ends it.
    """

    core: Span
    margin: int

    @property
    def span(self) -> Span:
        """All that it shows; right and bottom may lie beyond the photo's edge."""
        core, margin = self.core, self.margin
        left, top = max(core.left - margin, 0), max(core.top - margin, 0)
        return Span(left, top, core.right + margin, core.bottom + margin)

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


class Part(NamedTuple):
    """A part of a photo around something, in the photo's pixels.

    Attributes:
        span: All that it shows.
        width, height: The photo's.
    """

    span: Span
    width: int
    height: int

    def owns(self, face: Detection) -> bool:
        """Whether a face seen in this part lies whole in it, with room at edges."""
        box, span = face.box, self.span
        room = _ROOM * max(box.w, box.h)
        return (
            (span.left <= 0 or box.x - room >= span.left)
            and (span.top <= 0 or box.y - room >= span.top)
            and (span.right >= self.width or box.x + box.w + room <= span.right)
            and (span.bottom >= self.height or box.y + box.h + room <= span.bottom)
        )


def near(
    boxes: ArrayLike,
    width: int,
    height: int,
    factor: float,
    *,
    reach: float,
    multiple: int,
    most: float,
) -> list[Part]:
    """Parts with what lies around each box, as few pixels as may be.

    Two parts become one where that costs no more, and each grows to what the network takes.

    Args:
        boxes: (N, 4), in the photo's pixels.
        width, height: The photo's.
        factor: Pixels of the network's input per pixel of the photo.
        reach: Pixels of the input around a box, besides a little more than the box.
        multiple: What the sides of the network's input are multiples of.
        most: Pixels of the input that parts are joined up to; one around a large box has more.
    """
    x, y, w, h = np.asarray(boxes, np.float64).reshape(-1, 4).T * factor
    half = reach + _SIDES * np.maximum(w, h)
    limit = np.array((width, height)) * factor
    middle = np.clip(np.stack((x + w / 2, y + h / 2), axis=1), 0, limit)
    low = np.clip(middle - half[:, None], 0, limit)
    high = np.clip(middle + half[:, None], 0, limit)
    joined = _joined(np.concatenate((-low, high), axis=1), multiple, most)
    return [
        Part(Span(*edges), width, height)
        for edges in _grown(-joined[:, :2], joined[:, 2:], limit, multiple, factor).tolist()
    ]


def _joined(rectangles: NDArray[np.float64], multiple: int, most: float) -> NDArray[np.float64]:
    """Rectangles of which two are joined where one costs no more.

    Args:
        rectangles: (N, 4) of left, top, right and bottom; the first two negative, so that the
            larger numbers of two are those of what holds both.
    """
    done, costs = np.zeros((0, 4)), np.zeros(0)
    for rectangle in rectangles:
        cost = _cost(rectangle, multiple)
        while len(done):
            unions = np.maximum(done, rectangle)
            united = _cost(unions, multiple)
            gain = np.where(united > most, -1, costs + cost - united)
            best = int(gain.argmax())
            if gain[best] < 0:
                break
            rectangle, cost = unions[best], united[best]
            done, costs = np.delete(done, best, axis=0), np.delete(costs, best)
        done, costs = np.concatenate((done, rectangle[None])), np.append(costs, cost)
    return done


def _cost(rectangles: NDArray[np.float64], multiple: int) -> NDArray[np.float64]:
    """Pixels of the network's input that each (..., 4), as `_joined` has them, takes."""
    sides = np.ceil((rectangles[..., :2] + rectangles[..., 2:]) / multiple) * multiple
    pixels: NDArray[np.float64] = sides[..., 0] * sides[..., 1]
    return pixels


def _grown(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    limit: NDArray[np.float64],
    multiple: int,
    factor: float,
) -> NDArray[np.int_]:
    """Rectangles (N, 4) of the network's input, grown to multiples, in pixels of the photo.

    Args:
        low, high: (N, 2), left and top, right and bottom.
    """
    sides = np.ceil((high - low) / multiple - 1e-9) * multiple
    start = (low + high - sides) / 2
    start = np.rint(np.maximum(np.minimum(start, limit - sides), 0) / factor)
    end = np.minimum(start + np.rint(sides / factor), np.rint(limit / factor))
    return np.concatenate((start, end), axis=1).astype(int)


def _edges(length: int, step: int) -> list[int]:
    count = max(1, -(-length // step))
    return [length * i // count for i in range(count + 1)]

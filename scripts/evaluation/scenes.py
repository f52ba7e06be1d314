"""Large photos composed from the development photos, with every face's box known.

Whole photos with faces are shrunk, never enlarged, and pasted with soft edges on a ground of photos
that show no face. The same seed gives the same scene.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefind.geometry import scaled
from facefind.types import Image

_ASPECT = 1.5
_FEATHER = 12
"""Pixels over which a pasted photo fades into the ground."""

_GAP = 24
_SHARP = 0.9
"""Photos are shrunk at least to this factor: a face at its file's own size is seldom sharp."""

Regions = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A composed photo.

    Attributes:
        pixels: RGB uint8 (H, W, 3).
        boxes: (N, 4), the faces that are there.
        ignored: (M, 4), regions that count neither for nor against.
    """

    pixels: Image
    boxes: Regions
    ignored: Regions


@dataclass(frozen=True, slots=True, eq=False)
class Cutting:
    """A photo with its regions, as it is pasted."""

    pixels: Image
    boxes: Regions
    ignored: Regions

    def shrunk(self, factor: float) -> Cutting:
        """The photo at ``factor`` times its size."""
        pixels = scaled(self.pixels, factor)
        y, x = np.divide(pixels.shape[:2], self.pixels.shape[:2])
        by = np.array((x, y, x, y), np.float32)
        return Cutting(pixels, self.boxes * by, self.ignored * by)


def cutting(pixels: Image, row: Mapping[str, Any]) -> Cutting:
    """A photo with the boxes of its record."""
    return Cutting(pixels, _regions(row["boxes"]), _regions(row.get("ignore", ())))


def compose(
    cuttings: Sequence[Cutting],
    grounds: Sequence[Image],
    *,
    megapixels: float,
    sides: tuple[float, float],
    seed: int,
) -> Scene:
    """A scene of as many of the photos as find room, in an order drawn by the seed.

    Args:
        cuttings: Photos with faces; one whose largest face is too small to be shrunk into the
            range is left out. None make a scene without a face.
        grounds: Photos without a face, which fill what is left.
        megapixels: Of the scene; its sides are as 3 to 2.
        sides: Range, in pixels, of the longer side of each photo's largest face.
    """
    random = np.random.default_rng(seed)
    width = round((megapixels * 1e6 * _ASPECT) ** 0.5)
    height = round(width / _ASPECT)
    canvas = _ground(grounds, height, width, random)
    boxes, ignored = [_regions(())], [_regions(())]
    order = [cuttings[i] for i in random.permutation(len(cuttings))]
    shrunk = (_shrink_to(photo, sides, random) for photo in order)
    for photo, x, y in _shelves([p for p in shrunk if p is not None], height, width):
        _paste(canvas, photo.pixels, x, y)
        shift = np.array((x, y, 0, 0), np.float32)
        boxes.append(photo.boxes + shift)
        ignored.append(photo.ignored + shift)
    return Scene(canvas, np.concatenate(boxes), np.concatenate(ignored))


def _shrink_to(
    photo: Cutting, sides: tuple[float, float], random: np.random.Generator
) -> Cutting | None:
    """The photo with its largest face's side drawn from the range, or None if it is too small."""
    largest = float(photo.boxes[:, 2:].max())
    low, high = sides[0], min(sides[1], largest * _SHARP)
    draw = random.random()
    if high < low:
        return None
    return photo.shrunk(low * (high / low) ** draw / largest)


def _shelves(
    photos: Sequence[Cutting], height: int, width: int
) -> Iterator[tuple[Cutting, int, int]]:
    """Photos with a place for their top left corner, row by row; those without room are dropped."""
    x = y = _GAP
    shelf = 0
    for photo in photos:
        tall, wide = photo.pixels.shape[:2]
        if x + wide + _GAP > width:
            x, y, shelf = _GAP, y + shelf + _GAP, 0
        if x + wide + _GAP > width or y + tall + _GAP > height:
            continue
        yield photo, x, y
        x, shelf = x + wide + _GAP, max(shelf, tall)


def _ground(photos: Sequence[Image], height: int, width: int, random: np.random.Generator) -> Image:
    """Photos at their own size or up to twice it, mirrored at random, side by side."""
    canvas = np.zeros((height, width, 3), np.uint8)
    y = 0
    while y < height:
        x, shelf = 0, height
        while x < width:
            photo = photos[int(random.integers(len(photos)))]
            tile = scaled(photo, random.uniform(1, 2))[:, :: random.choice((-1, 1))]
            tile = tile[: height - y, : width - x]
            canvas[y : y + len(tile), x : x + tile.shape[1]] = tile
            x, shelf = x + tile.shape[1], min(shelf, len(tile))
        y += shelf
    return canvas


def _paste(canvas: Image, photo: Image, x: int, y: int) -> None:
    """Puts a photo on the canvas; it fades in over its outermost pixels."""
    height, width = photo.shape[:2]
    rise = (
        np.minimum(1, (np.minimum(np.arange(n), np.arange(n)[::-1]) + 1) / _FEATHER)
        for n in (height, width)
    )
    alpha = np.multiply.outer(*rise)[..., None].astype(np.float32)
    place = canvas[y : y + height, x : x + width]
    place[:] = np.rint(alpha * photo + (1 - alpha) * place)


def _regions(rows: Sequence[Sequence[float]]) -> Regions:
    return np.array(rows, np.float32).reshape(-1, 4)


def load(data: Path, rows: Sequence[Mapping[str, Any]]) -> list[Cutting]:
    """The photos of records of ``detection.jsonl``."""
    from facefind.images import read_photo

    return [cutting(read_photo(data / "events" / row["file"]).pixels, row) for row in rows]

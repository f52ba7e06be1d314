"""Draws faces in rows or side by side in pairs, so that a user sees which ones are mistaken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image as PillowImage

from facefind.types import Image

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

_SIDE = 180
"""Of a face on the sheet, in pixels."""

_GAP = 16
_LINE = 22
_TEXT = 14
_HEADING = 20
_INK, _PAPER = (20, 20, 20), (255, 255, 255)


class DrawnPair(NamedTuple):
    """Two pictures, a line above them, and two lines below each."""

    left: Image
    right: Image
    caption: str
    left_names: tuple[str, str]
    right_names: tuple[str, str]


def draw_pairs(columns: Sequence[tuple[str, Sequence[DrawnPair]]]) -> Image:
    """A sheet with one column of pairs under each heading, every picture of the same size.

    Names that are too long lose their beginning. Signs that the built-in font lacks appear as
    boxes.
    """
    from PIL import ImageDraw, ImageFont

    rows = max((len(pairs) for _, pairs in columns), default=0)
    width, height = 2 * _SIDE + _GAP, _SIDE + 3 * _LINE + _GAP
    top = _GAP + _HEADING + _GAP
    sheet = PillowImage.new(
        "RGB", (_GAP + len(columns) * (width + 2 * _GAP), top + rows * height), _PAPER
    )
    draw = ImageDraw.Draw(sheet)
    for number, (heading, pairs) in enumerate(columns):
        x = _GAP + number * (width + 2 * _GAP)
        draw.text((x, _GAP), heading, _INK, ImageFont.load_default(_HEADING))
        for row, pair in enumerate(pairs):
            _draw_pair(sheet, draw, pair, (x, top + row * height))
    return np.asarray(sheet)


def _draw_pair(
    sheet: PillowImage.Image, draw: ImageDraw.ImageDraw, pair: DrawnPair, at: tuple[int, int]
) -> None:
    from PIL import ImageFont

    x, y = at
    font = ImageFont.load_default(_TEXT)
    draw.text((x, y), pair.caption, _INK, font)
    for left, picture, names in (
        (x, pair.left, pair.left_names),
        (x + _SIDE + _GAP, pair.right, pair.right_names),
    ):
        face = PillowImage.fromarray(picture).resize((_SIDE, _SIDE))
        sheet.paste(face, (left, y + _LINE))
        for line, name in enumerate(names, start=1):
            below = y + _SIDE + line * _LINE + 2
            draw.text((left, below), _fitting(name, font, _SIDE), _INK, font)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The end of a text, as much as fits, on one line and in signs that can be drawn."""
    plain = text.encode("utf-8", "replace").decode("utf-8")
    line = "".join(sign if sign.isprintable() else "?" for sign in plain)
    if font.getlength(line) <= width:
        return line
    while line and font.getlength("\N{HORIZONTAL ELLIPSIS}" + line) > width:
        line = line[1:]
    return "\N{HORIZONTAL ELLIPSIS}" + line


class Tile(NamedTuple):
    """A square picture with two lines below it, the first one larger."""

    picture: Image
    name: str
    note: str = ""


def draw_grid(heading: str, tiles: Sequence[Tile], columns: int = 8) -> Image:
    """A sheet of pictures in rows under a heading, every one of the same size.

    Signs that the built-in font lacks appear as boxes.
    """
    from PIL import ImageDraw, ImageFont

    columns = max(1, min(columns, len(tiles)))
    rows = -(-len(tiles) // columns)
    width, height = _SIDE + _GAP, _SIDE + 2 * _LINE + _GAP
    top = _GAP + _HEADING + _GAP
    large, small = ImageFont.load_default(_HEADING), ImageFont.load_default(_TEXT)
    breadth = max(_GAP + columns * width, 3 * width)
    sheet = PillowImage.new("RGB", (breadth, top + rows * height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), _fitting(heading, large, breadth - 2 * _GAP), _INK, large)
    for number, tile in enumerate(tiles):
        x, y = _GAP + number % columns * width, top + number // columns * height
        sheet.paste(PillowImage.fromarray(tile.picture).resize((_SIDE, _SIDE)), (x, y))
        draw.text((x, y + _SIDE), _fitting(tile.name, large, _SIDE), _INK, large)
        draw.text((x, y + _SIDE + _LINE + 4), _fitting(tile.note, small, _SIDE), _INK, small)
    return np.asarray(sheet)

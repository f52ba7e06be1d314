"""The sheet of pairs: what is drawn where, whatever the names."""

from __future__ import annotations

import numpy as np
import pytest

from facefind.images import DrawnPair, draw_pairs
from facefind.types import Image


def plain(colour: tuple[int, int, int], side: int = 30) -> Image:
    return np.full((side, side, 3), colour, np.uint8)


def pair(name: str = "ann") -> DrawnPair:
    return DrawnPair(plain((255, 0, 0)), plain((0, 0, 255), 500), "0.123", (name, "a"), ("b", name))


def first(sheet: Image, colour: tuple[int, int, int]) -> tuple[int, int]:
    """Row and column of the first pixel of a colour."""
    rows, columns = np.nonzero((sheet == colour).all(axis=2))
    return int(rows.min()), int(columns.min())


def test_pictures_stand_side_by_side_at_one_size() -> None:
    sheet = draw_pairs([("Strangers", [pair()])])
    red, blue = ((sheet == colour).all(axis=2).sum() for colour in ((255, 0, 0), (0, 0, 255)))
    assert red == blue > 100 * 100
    (red_row, red_column), (blue_row, blue_column) = (
        first(sheet, (255, 0, 0)),
        first(sheet, (0, 0, 255)),
    )
    assert red_row == blue_row
    assert red_column < blue_column


def test_each_heading_has_a_column_and_each_pair_a_row() -> None:
    small = draw_pairs([("Strangers", [pair()])])
    wide = draw_pairs([("Strangers", [pair()]), ("Mates", [])])
    high = draw_pairs([("Strangers", [pair(), pair()])])
    assert wide.shape[0] == small.shape[0]
    assert wide.shape[1] > 1.9 * small.shape[1]
    assert high.shape[0] > 1.7 * small.shape[0]
    assert high.shape[1] == small.shape[1]


@pytest.mark.parametrize("name", ["x" * 300, "a\nb\x00c", "caf\udce9", "\u6f22\u5b57", ""])
def test_any_name_can_be_written(name: str) -> None:
    usual, sheet = draw_pairs([("Strangers", [pair()])]), draw_pairs([("Strangers", [pair(name)])])
    assert sheet.shape == usual.shape
    # Nothing is written into the pictures, or past the sheet's edge.
    assert (sheet == (255, 0, 0)).all(axis=2).sum() == (usual == (255, 0, 0)).all(axis=2).sum()
    assert (sheet[:, -8:] == 255).all()

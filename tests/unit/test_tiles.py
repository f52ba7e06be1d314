"""Parts of a photo: nothing is left out, nothing is looked at twice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.inference.tiles import Span, Tile, around, cover
from facefind.types import Box, Detection


def painted(tiles: list[Tile], width: int, height: int) -> NDArray[np.int_]:
    """How many cores each pixel lies in."""
    count = np.zeros((height, width), int)
    for tile in tiles:
        left, top, right, bottom = tile.core
        count[top:bottom, left:right] += 1
    return count


def face(x: float, y: float, side: float) -> Detection:
    """A face by its middle."""
    return Detection(Box(x - side / 2, y - side / 2, side, side), 0.9)


@pytest.mark.parametrize(("width", "height"), [(1000, 700), (99, 100), (101, 1), (1, 1)])
def test_cores_cover_every_pixel_once(width: int, height: int) -> None:
    assert (painted(cover(width, height, 100, 20), width, height) == 1).all()


def test_tiles_around_points_cover_their_cells_once_and_nothing_else() -> None:
    random = np.random.default_rng(0)
    points = random.uniform((0, 0), (1000, 700), (25, 2))
    count = painted(around(points, 1000, 700, 100, 20), 1000, 700)
    expected = np.zeros((7, 10), int)
    expected[points[:, 1].astype(int) // 100, points[:, 0].astype(int) // 100] = 1
    assert 10 < expected.sum() < 25
    assert (count == np.kron(expected, np.ones((100, 100), int))).all()


def test_touching_cells_are_joined_into_rectangles() -> None:
    square = [(150, 150), (250, 150), (150, 250), (250, 250)]
    tiles = around([*square, (650, 150)], 1000, 700, 100, 20)
    assert [tile.core for tile in tiles] == [Span(100, 100, 300, 300), Span(600, 100, 700, 200)]


def test_points_outside_the_photo_belong_to_its_nearest_part() -> None:
    tiles = around([(-5, 3), (1007, 702)], 1000, 700, 100, 20)
    assert [tile.core for tile in tiles] == [Span(0, 0, 100, 100), Span(900, 600, 1000, 700)]


def test_no_points_no_tiles() -> None:
    assert around([], 1000, 700, 100, 20) == []


def test_a_part_reaches_into_its_margin_but_not_beyond_the_photo() -> None:
    image = np.arange(60 * 100 * 3).reshape(60, 100, 3).astype(np.uint8)
    part, left, top = Tile(Span(30, 0, 60, 30), 20).cut(image)
    assert (left, top) == (10, 0)
    assert (part == image[0:50, 10:80]).all()


def test_a_face_on_the_border_belongs_to_one_part_or_to_both_never_to_none() -> None:
    left, right = cover(200, 100, 100, 20)
    owners = [(left.owns(face(x, 50, 30)), right.owns(face(x, 50, 30))) for x in range(80, 121)]
    assert all(any(pair) for pair in owners)
    assert owners[0] == (True, False)
    assert owners[-1] == (False, True)


def test_a_face_that_may_be_cut_is_left_to_the_whole_photo() -> None:
    (tile,) = cover(100, 100, 100, 20)
    assert tile.owns(face(50, 50, 40))
    assert not tile.owns(face(50, 50, 41))

"""Parts of a photo: nothing is left out, nothing is looked at twice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.inference.tiles import Part, Span, Tile, cover, near
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


def spans(*boxes: tuple[float, float, float, float], factor: float = 0.5) -> list[Span]:
    parts = near(boxes, 4000, 3000, factor, reach=32, multiple=32, most=900 * 900)
    return [part.span for part in parts]


def test_a_part_surrounds_its_box() -> None:
    # 20 pixels of the input and 32 + .6 * 20 to each side of its middle: 88, grown to 96.
    assert spans((1000, 2000, 40, 30)) == [Span(924, 1919, 1116, 2111)]


def test_a_part_ends_at_the_photos_edge() -> None:
    assert spans((-5, 3, 40, 30), (3990, 2990, 40, 30)) == [
        Span(0, 0, 128, 128),
        Span(3872, 2872, 4000, 3000),
    ]


def test_no_part_is_larger_than_the_photo() -> None:
    (part,) = near([(10, 10, 40, 40)], 100, 80, 0.5, reach=32, multiple=32, most=1e6)
    assert part.span == Span(0, 0, 100, 80)


def test_neighbours_share_a_part_where_that_costs_no_more() -> None:
    assert len(spans((1000, 2000, 40, 40), (1100, 2000, 40, 40))) == 1
    assert len(spans((1000, 2000, 40, 40), (2000, 2000, 40, 40))) == 2


def test_parts_are_joined_up_to_a_size() -> None:
    row = [(100 + 100 * i, 500.0, 40.0, 40.0) for i in range(30)]
    for most, count in ((1e6, 1), (96 * 512, 3)):
        parts = near(row, 4000, 3000, 0.5, reach=32, multiple=32, most=most)
        assert len(parts) >= count
        sides = [(part.span.right - part.span.left) * 0.5 * 96 for part in parts]
        assert max(sides) <= most


def test_no_boxes_no_parts() -> None:
    assert near([], 1000, 700, 1.0, reach=32, multiple=32, most=1e6) == []


@pytest.mark.parametrize(
    ("x", "whole"), [(120, False), (129, False), (131, True), (480, False), (169, True)]
)
def test_a_part_answers_for_faces_with_room_around_them(x: float, whole: bool) -> None:
    part = Part(Span(100, 0, 500, 400), 1000, 400)
    assert part.owns(face(x, 200, 30)) == whole


def test_the_photos_edge_hides_nothing() -> None:
    part = Part(Span(100, 0, 500, 400), 1000, 400)
    assert part.owns(face(300, 10, 30))
    assert part.owns(face(300, 395, 30))
    assert not Part(Span(100, 0, 500, 400), 1000, 500).owns(face(300, 395, 30))


def test_a_tile_reaches_into_its_margin_but_not_before_the_photo() -> None:
    assert Tile(Span(30, 0, 60, 30), 20).span == Span(10, 0, 80, 50)


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

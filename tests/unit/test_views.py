"""A picture at the sizes that it is looked at in."""

from __future__ import annotations

import numpy as np
import pytest

from facefind.inference.tiles import Span
from facefind.inference.views import Cut, Plan, View
from facefind.types import Box, Detection, Image


def view(picture: Image, far: bool = True) -> View:
    return View(picture, Plan(max(picture.shape[:2]), 0.2, 0.5, far))


def gradient(height: int, width: int) -> Image:
    """Red rises to the right, green downwards, a step every sixteen pixels."""
    rows, columns = np.mgrid[:height, :width] // 16
    return np.stack((columns, rows, columns * 0), axis=2).astype(np.uint8)


def test_all_sizes_are_averages() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    for factor in (0.5, 0.25, 0.125):
        step = int(1 / factor)
        means = picture.reshape(240 // step, step, 320 // step, step, 3).mean(axis=(1, 3))
        found = view(picture).whole(factor).pixels
        assert found.shape == means.shape
        assert np.abs(found - means).max() <= 1.5  # each half is rounded


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("factor", [0.9, 0.4, 1 / 3, 1 / 6, 0.05])
def test_a_place_in_the_whole_is_the_same_place_in_the_picture(far: bool, factor: float) -> None:
    picture = gradient(1203, 1605)
    cut = view(picture, far).whole(factor)
    height, width = cut.pixels.shape[:2]
    assert (width, height) == pytest.approx((1605 * factor, 1203 * factor), abs=1)
    seen = Detection(Box(width / 2, height / 4, 1, 1), 0.9)
    place = cut.back([seen])[0].box
    assert (place.x, place.y) == pytest.approx((802, 301), abs=2 / factor)
    red, green, _ = cut.pixels[height // 4, width // 2]
    assert (int(red), int(green)) == pytest.approx((place.x // 16, place.y // 16), abs=1)


@pytest.mark.parametrize("factor", [2.0, 1.0, 0.9, 0.47, 0.2])
def test_a_part_knows_where_it_lies(factor: float) -> None:
    cut = view(gradient(1203, 1605)).part(Span(480, 320, 801, 641), factor)
    assert (cut.left, cut.top) == pytest.approx((480, 320), abs=4)
    assert cut.pixels.shape[0] == pytest.approx(321 * factor, abs=2)
    assert cut.x == pytest.approx(1 / factor, rel=0.02)
    (there,) = cut.back([Detection(Box(50.5 * factor, 100.5 * factor, 1, 1), 0.9)])
    place = there.box
    red, green, _ = cut.pixels[int(100.5 * factor), int(50.5 * factor)]
    assert (int(red), int(green)) == pytest.approx((place.x // 16, place.y // 16), abs=1)


def test_a_part_ends_with_the_picture() -> None:
    picture = gradient(100, 100)
    cut = view(picture).part(Span(90, 80, 130, 140), 1.0)
    assert (cut.pixels == picture[80:, 90:]).all()


def test_a_picture_of_one_row_can_be_shown_smaller() -> None:
    assert view(gradient(1, 1000)).whole(0.1).pixels.shape == (1, 100, 3)


def test_a_picture_of_its_own_size_is_not_sampled() -> None:
    picture = gradient(64, 64)
    assert (view(picture).whole(1.0).pixels == picture).all()


def test_turned_views_are_of_the_turned_picture() -> None:
    picture = gradient(60, 100)
    seen = view(picture)
    assert seen.turned(0) is seen
    assert seen.turned(1).size == (60, 100)
    assert (seen.turned(1).whole(1.0).pixels == np.rot90(picture)).all()


def test_landmarks_go_back_with_their_box() -> None:
    points = np.array([(1, 2)] * 5, np.float32)
    cut = Cut(gradient(4, 4), left=100, top=50, x=2.0, y=3.0)
    face, other = cut.back([Detection(Box(1, 2, 3, 4), 0.9, points), Detection(Box(0, 0, 1, 1), 1)])
    assert face.box == Box(102, 56, 6, 12)
    assert face.landmarks == pytest.approx(np.array([(102, 56)] * 5))
    assert other.landmarks is None

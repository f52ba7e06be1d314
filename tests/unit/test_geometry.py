"""Plane geometry against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from facefind.geometry import (
    crop,
    grey,
    iou_matrix,
    nms,
    scale_detection,
    scaled,
    similarity_transform,
    turn,
    unturn_box,
    unturn_detection,
    warp,
)
from facefind.types import Box, Detection, Image

SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)


def noise(height: int, width: int) -> Image:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3)).astype(np.uint8)


def ramp(height: int, width: int, step: int) -> Image:
    """Brightness rises by ``step`` a column."""
    return np.repeat(
        np.broadcast_to(np.arange(width) * step, (height, width))[..., None], 3, 2
    ).astype(np.uint8)


def test_iou_of_known_overlaps() -> None:
    boxes = [(0, 0, 2, 2), (1, 1, 2, 2), (5, 5, 1, 1)]
    expected = [[1, 1 / 7, 0], [1 / 7, 1, 0], [0, 0, 1]]
    assert iou_matrix(boxes, boxes) == pytest.approx(np.array(expected))


def test_iou_of_nothing_and_of_empty_boxes() -> None:
    assert iou_matrix(np.zeros((0, 4)), [(0, 0, 1, 1)]).shape == (0, 1)
    assert iou_matrix([(0, 0, 0, 0)], [(0, 0, 0, 0)]) == pytest.approx(0)


def test_nms_keeps_the_best_of_each_group() -> None:
    # 0 and 1 overlap by 1/3, 1 and 2 by 1/3, 0 and 2 not at all.
    boxes = np.array([(0, 0, 2, 1), (1, 0, 2, 1), (2, 0, 2, 1)], np.float32)
    scores = np.array([0.8, 0.7, 0.9], np.float32)
    assert nms(boxes, scores, 0.3).tolist() == [2, 0]
    assert nms(boxes, scores, 0.4).tolist() == [2, 0, 1]


def test_nms_lets_a_box_live_whose_only_better_neighbour_was_dropped() -> None:
    boxes = np.array([(0, 0, 2, 1), (1, 0, 2, 1), (2, 0, 2, 1)], np.float32)
    assert nms(boxes, np.array([0.9, 0.8, 0.7], np.float32), 0.3).tolist() == [0, 2]


def test_nms_keeps_what_overlaps_no_better_box_that_is_kept() -> None:
    random = np.random.default_rng(3)
    boxes = np.concatenate((random.uniform(0, 60, (150, 2)), random.uniform(5, 40, (150, 2))), 1)
    scores = random.random(150).astype(np.float32)
    overlap = iou_matrix(boxes, boxes)
    expected: list[int] = []
    for i in np.argsort(-scores):
        if not any(overlap[i, better] > 0.3 for better in expected):
            expected.append(int(i))
    assert nms(boxes.astype(np.float32), scores, 0.3).tolist() == expected
    assert 10 < len(expected) < 150


def test_nms_of_nothing() -> None:
    assert nms(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.3).tolist() == []


def test_scale_detection_scales_box_and_landmarks() -> None:
    points = np.array([(1, 2)] * 5, np.float32)
    found = scale_detection(Detection(Box(1, 2, 3, 4), 0.5, points), 2, 10)
    assert found.box == Box(2, 20, 6, 40)
    assert found.landmarks is not None
    assert found.landmarks.tolist() == [[2, 20]] * 5


def test_similarity_recovers_a_known_turn_scale_and_shift() -> None:
    angle, factor, shift = 0.7, 3.0, np.array((5, -2))
    linear = factor * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    found = similarity_transform(SQUARE, SQUARE @ linear.T + shift)
    assert found == pytest.approx(np.column_stack((linear, shift)))


def test_similarity_is_the_least_squares_solution() -> None:
    random = np.random.default_rng(1)
    src, dst = random.normal(size=(5, 2)), random.normal(size=(5, 2))
    # Unknowns a, b, x, y of the map (a u - b v + x, b u + a v + y), solved as linear equations.
    rows = [row for u, v in src for row in ((u, -v, 1, 0), (v, u, 0, 1))]
    a, b, x, y = np.linalg.lstsq(np.array(rows), dst.ravel(), rcond=None)[0]
    assert similarity_transform(src, dst) == pytest.approx(np.array([(a, -b, x), (b, a, y)]))


def test_similarity_never_mirrors() -> None:
    slightly_more = np.array([(0, 0), (1.1, 0), (1, 1), (0, 1)])
    mirrored = slightly_more * (-1, 1)
    assert np.linalg.det(similarity_transform(SQUARE, mirrored)[:, :2]) > 0


@pytest.mark.parametrize("points", [np.ones((4, 2)), np.full((4, 2), np.nan)])
def test_similarity_of_points_without_extent_is_refused(points: Image) -> None:
    with pytest.raises(ValueError, match="no similarity"):
        similarity_transform(points, SQUARE)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, -1])
def test_unturn_box_finds_the_marked_pixels_again(turns: int) -> None:
    image = np.zeros((7, 11, 3), np.uint8)
    image[1:3, 4:9] = 255
    turned = turn(image, turns)
    rows, columns = np.nonzero(turned[..., 0])
    found = Box(
        float(columns.min()), float(rows.min()), float(np.ptp(columns)) + 1, float(np.ptp(rows)) + 1
    )
    assert unturn_box(found, turns, width=11, height=7) == Box(4, 1, 5, 2)


def test_turn_is_anticlockwise() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 2] = 255
    assert turn(image, 1).shape == (3, 2, 3)
    assert turn(image, 1)[0, 0, 0] == 255


def test_unturn_detection_moves_landmarks_and_keeps_their_order() -> None:
    points = np.array([(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)], np.float32)
    back = unturn_detection(Detection(Box(0, 0, 4, 2), 0.5, points), 1, width=20, height=10)
    assert back.landmarks is not None
    assert back.landmarks.tolist() == [[20, 0], [20, 1], [20, 2], [20, 3], [20, 4]]
    assert back.box == Box(18, 0, 2, 4)
    assert back.score == 0.5


def test_unturn_detection_without_landmarks() -> None:
    assert unturn_detection(Detection(Box(0, 0, 1, 1), 1.0), 2, 4, 4).landmarks is None


def test_grey_weighs_the_three_colours() -> None:
    colours = np.array([[(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)]], np.uint8)
    assert grey(colours).tolist() == [[76, 150, 29, 9]]


@pytest.mark.parametrize(
    ("factor", "shape"),
    [(2, (6, 10, 3)), (1, (3, 5, 3)), (0.5, (2, 2, 3)), (0.3, (1, 2, 3)), (0.01, (1, 1, 3))],
)
def test_scaled_scales_both_sides(factor: float, shape: tuple[int, ...]) -> None:
    result = scaled(noise(3, 5), factor)
    assert result.shape == shape
    assert result.dtype == np.uint8


def test_scaled_by_one_is_the_picture() -> None:
    assert np.array_equal(scaled(noise(3, 5), 1), noise(3, 5))


def test_scaled_down_averages_what_it_leaves_out() -> None:
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::4] = 200
    assert (scaled(stripes, 0.25) == 50).all()


def test_scaled_up_is_cubic() -> None:
    edge = np.zeros((8, 8, 3), np.uint8)
    edge[:, :4], edge[:, 4:] = 100, 200
    row = scaled(edge, 2)[8, :, 0]
    # Cubic interpolation overshoots beside an edge; linear and nearest never do.
    assert row.min() < 100
    assert row.max() > 200
    assert (row[[0, -1]] == (100, 200)).all()


def test_warp_with_the_identity_is_the_picture() -> None:
    image = noise(20, 20)
    assert np.array_equal(warp(image, np.eye(3)[:2], 20), image)


def test_warp_shifts_and_is_black_outside() -> None:
    image = noise(20, 20)
    chip = warp(image, np.array([(1.0, 0, 5), (0, 1, 0)]), 20)
    assert np.array_equal(chip[:, 5:], image[:, :-5])
    assert not chip[:, :5].any()


def test_warp_far_outside_is_black() -> None:
    chip = warp(noise(20, 20), np.array([(1.0, 0, 900), (0, 1, 0)]), 10)
    assert chip.shape == (10, 10, 3)
    assert not chip.any()


@pytest.mark.parametrize("shift", [5.5, 900])
def test_warp_fills_the_array_that_it_is_given(shift: float) -> None:
    image, matrix = noise(20, 20), np.array([(1.0, 0, shift), (0, 1, 0)])
    pictures = noise(40, 20).reshape(2, 20, 20, 3)
    untouched = pictures[0].copy()
    warp(image, matrix, 20, out=pictures[1])
    assert np.array_equal(pictures[1], warp(image, matrix, 20))
    assert np.array_equal(pictures[0], untouched)


def test_warp_enlarges_about_the_corner_not_the_first_pixels_centre() -> None:
    # Twice as large, result column 8 covers 4..4.5 of the source, whose middle is 3.75 columns on.
    chip = warp(ramp(20, 20, step=8), np.array([(2.0, 0, 0), (0, 2, 0)]), 40)
    assert chip[20, 8, 0] == 30
    assert chip[20, 9, 0] == 34


@pytest.mark.parametrize("factor", [0.5, 0.2, 0.13])
def test_warp_shrinks_in_place(factor: float) -> None:
    chip = warp(ramp(200, 200, step=1), np.array([(factor, 0, 0), (0, factor, 0)]), 20)
    columns = (np.arange(1, 19) + 0.5) / factor - 0.5
    assert chip[10, 1:19, 0] == pytest.approx(columns, abs=1)


def test_warp_averages_what_it_shrinks() -> None:
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    chip = warp(stripes, np.array([(0.25, 0, 0), (0, 0.25, 0)]), 100)
    assert chip.min() >= 126
    assert chip.max() <= 129


def test_warp_of_a_part_equals_warp_of_the_whole() -> None:
    image = noise(300, 300)
    matrix = similarity_transform(SQUARE, SQUARE * 0.37 + (-40, -30))
    padded = np.pad(image, ((60, 0), (60, 0), (0, 0)))
    moved = matrix.copy()
    moved[:, 2] -= matrix[:, :2] @ (60, 60)
    assert np.array_equal(warp(image, matrix, 40), warp(padded, moved, 40))


def test_warp_works_in_pictures_wider_than_opencv_can_warp() -> None:
    image = np.zeros((8, 40_000, 3), np.uint8)
    image[:, 39_000:] = 200
    chip = warp(image, np.array([(1.0, 0, -39_990), (0, 1, 0)]), 8)
    assert (chip == 200).all()


def test_crop_inside_and_across_the_edge() -> None:
    image = noise(10, 10)
    assert np.array_equal(crop(image, Box(2, 3, 4, 5)), image[3:8, 2:6])
    across = crop(image, Box(-2, 8, 4, 4))
    assert across.shape == (4, 4, 3)
    assert np.array_equal(across[:2, 2:], image[8:, :2])
    assert not across[2:].any()
    assert not across[:, :2].any()


@pytest.mark.parametrize("box", [Box(50, 2, 3, 3), Box(-9, 2, 3, 3), Box(2, 50, 3, 3)])
def test_crop_outside_is_black(box: Box) -> None:
    cut = crop(noise(10, 10), box)
    assert cut.shape == (3, 3, 3)
    assert not cut.any()

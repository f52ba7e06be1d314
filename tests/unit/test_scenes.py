"""Composed scenes and turned photos of the evaluation: their boxes are where the faces are."""

from __future__ import annotations

import numpy as np
import pytest

from facefind.types import Box, Detection
from scripts.evaluation import detection, rotation, scenes

RED = np.array((255, 0, 0))


def photos() -> list[scenes.Cutting]:
    """Grey photos with a red square for a face, each of another size."""
    made = []
    for side in (150, 200, 300, 400):
        pixels = np.full((side * 2, side * 3, 3), 128, np.uint8)
        pixels[side // 2 : side // 2 + side, side : side * 2] = RED
        row = {"boxes": [[side, side // 2, side, side]], "ignore": [[0, 0, 5, 5]]}
        made.append(scenes.cutting(pixels, row))
    return made


def compose(seed: int, sides: tuple[float, float] = (60, 100)) -> scenes.Scene:
    ground = [np.zeros((90, 120, 3), np.uint8)]
    return scenes.compose(photos(), ground, megapixels=1, sides=sides, seed=seed)


def test_boxes_of_a_scene_are_where_its_faces_are() -> None:
    scene = compose(1)
    assert scene.pixels.shape[0] * scene.pixels.shape[1] == pytest.approx(1e6, rel=0.01)
    assert len(scene.boxes) == len(scene.ignored) == 4
    assert (scene.boxes[:, 2:] >= 59).all()
    assert (scene.boxes[:, 2:] <= 101).all()
    red = (scene.pixels == RED).all(axis=2)
    inside = np.zeros_like(red)
    for x, y, w, h in scene.boxes:
        inside[round(y) + 2 : round(y + h) - 2, round(x) + 2 : round(x + w) - 2] = True
    assert red[inside].all()
    assert red.sum() <= (scene.boxes[:, 2] * scene.boxes[:, 3]).sum()


def test_a_scene_repeats_by_its_seed() -> None:
    assert (compose(1).pixels == compose(1).pixels).all()
    assert (compose(1).pixels != compose(2).pixels).any()


def test_photos_are_never_enlarged() -> None:
    scene = compose(1, sides=(320, 500))
    assert scene.boxes.shape == (1, 4)  # the only one of 320 pixels and more
    assert 319 <= scene.boxes[0, 2] <= 361  # of 400


def test_a_scene_without_photos_is_its_ground() -> None:
    ground = [np.full((90, 120, 3), 7, np.uint8)]
    scene = scenes.compose([], ground, megapixels=0.5, sides=(1, 1), seed=0)
    assert scene.boxes.shape == (0, 4)
    assert (scene.pixels == 7).all()


@pytest.mark.parametrize("angle", [0, 30, 90, 180, 270])
def test_a_turned_photos_points_go_where_its_pixels_go(angle: int) -> None:
    image = np.zeros((120, 200, 3), np.uint8)
    image[20:40, 150:170] = 255
    turned = rotation.rotate(image, angle)
    x, y = turned.to[:, :2] @ (160, 30) + turned.to[:, 2]
    rows, columns = np.nonzero(turned.pixels[..., 0] > 127)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=0.5)


def test_a_face_is_matched_by_place_and_size() -> None:
    boxes = np.array([(10, 10, 30, 30), (100, 10, 30, 30)], np.float32)
    found = [
        Detection(Box(95, 5, 40, 40), 0.9),
        Detection(Box(20, 20, 10, 10), 0.9),
        Detection(Box(22, 22, 30, 30), 0.9),
    ]
    assert rotation.match(found, boxes, np.eye(2, 3)) == [None, 0]
    assert rotation.match([], boxes, np.eye(2, 3)) == [None, None]


def test_compare_gives_faces_found_and_detections_invented() -> None:
    faces = [[0, 0, 10, 10], [50, 0, 10, 10]]
    found = [
        Detection(Box(51, 0, 10, 10), 0.9),
        Detection(Box(50, 0, 10, 10), 0.8),  # the same face again
        Detection(Box(100, 100, 10, 10), 0.7),
        Detection(Box(202, 200, 10, 10), 0.6),  # in the region that does not count
    ]
    hit, invented = detection.compare(found, faces, [[200, 200, 20, 20]])
    assert hit == [1]
    assert [face.score for face in invented] == [0.8, 0.7]

"""Drawn boxes: where they are, that they show on any background, that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.images import draw_faces
from facefind.types import Box, Detection, FloatArray, Image


def plain(level: int, width: int = 400, height: int = 300) -> Image:
    return np.full((height, width, 3), level, np.uint8)


def face(x: float, y: float, size: float, landmarks: FloatArray | None = None) -> Detection:
    return Detection(Box(x, y, size, size), 0.9, landmarks)


def changed(before: Image, after: Image) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = (before != after).any(axis=2)
    return mask


def test_the_original_is_untouched() -> None:
    image = plain(128)
    drawn = draw_faces(image, [face(100, 100, 80)])
    assert (image == 128).all()
    assert drawn is not image
    assert drawn.shape == image.shape


def test_nothing_is_drawn_for_nobody() -> None:
    assert np.array_equal(draw_faces(plain(77), []), plain(77))


@pytest.mark.parametrize("level", [0, 90, 128, 255])
def test_edges_show_on_any_background(level: int) -> None:
    image = plain(level)
    drawn = draw_faces(image, [face(100, 100, 80)])
    for edge in (drawn[140, 96:105], drawn[140, 176:185], drawn[176:185, 140]):
        assert abs(edge.astype(int) - level).max() > 100
    assert not changed(image, drawn)[115:165, 115:165].any()


def test_landmarks_are_at_their_places() -> None:
    points = np.array([[120, 125], [160, 125], [140, 145], [125, 165], [155, 165]], np.float32)
    image = plain(255)
    drawn = draw_faces(image, [face(100, 100, 80, points)])
    marked = changed(image, drawn)
    assert all(marked[round(y), round(x)] for x, y in points.tolist())
    assert not marked[133:137, 133:137].any()


def test_each_face_has_its_number() -> None:
    image = plain(255, 800, 300)
    faces = [face(100, 150, 80), face(400, 150, 80)]
    drawn = draw_faces(image, faces)
    labels = [drawn[100:150, x : x + 40] for x in (100, 400)]
    assert not np.array_equal(labels[0], labels[1])
    swapped = draw_faces(image, faces[::-1])
    assert np.array_equal(swapped[100:148, 400:440], labels[0][:48])


def test_lines_grow_with_the_photo() -> None:
    small, large = plain(0, 1200, 900), plain(0, 6000, 4500)
    few = changed(small, draw_faces(small, [face(300, 450, 300)])).sum()
    many = changed(large, draw_faces(large, [face(1500, 2250, 1500)])).sum()
    assert many / few == pytest.approx(25, rel=0.2)


@pytest.mark.parametrize("x", [-1e30, -50.0, 380.0, 1e30])
@pytest.mark.parametrize("y", [-1e30, -50.0, 290.0, 1e30])
def test_boxes_beyond_the_edge_are_survived_and_numbered(x: float, y: float) -> None:
    drawn = draw_faces(plain(128), [face(x, y, 100)])
    assert changed(plain(128), drawn).any()


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 5000)])
def test_tiny_photos_are_survived(size: tuple[int, int]) -> None:
    image = plain(128, *size)
    assert draw_faces(image, [face(0, 0, 1)]).shape == image.shape

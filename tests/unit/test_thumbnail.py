"""Small pictures for pages: their size, shape and weight."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facefind.images import face_cover, thumbnail
from facefind.types import Box
from tests.pictures import difference, quarters


def opened(data: bytes) -> PillowImage.Image:
    picture = PillowImage.open(BytesIO(data))
    assert (picture.format, picture.mode) == ("JPEG", "RGB")
    return picture


def slopes(width: int, height: int) -> NDArray[np.uint8]:
    """Red is the column and green the row, both in pixels, so that any crop tells where it was."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width)
    pixels[..., 1] = np.arange(height)[:, None]
    return pixels


def noise(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (1200, 800, (400, 267)),
        (800, 1200, (267, 400)),
        (400, 400, (400, 400)),
        (64, 48, (64, 48)),
        (5000, 2, (400, 1)),
        (1, 1, (1, 1)),
    ],
)
def test_thumbnail_fits_and_never_grows(width: int, height: int, size: tuple[int, int]) -> None:
    assert opened(thumbnail(np.zeros((height, width, 3), np.uint8))).size == size


def test_thumbnail_shows_the_photo() -> None:
    small = np.asarray(opened(thumbnail(quarters(1600, 1200))))
    assert difference(small, quarters(400, 300)) < 2


def test_thumbnail_carries_pixels_alone() -> None:
    picture = opened(thumbnail(quarters()))
    assert not picture.getexif()
    assert {"exif", "icc_profile", "comment"} & set(picture.info) == set()


def test_fine_detail_is_coded_more_coarsely() -> None:
    # Nothing has more detail than noise: it is what the lowest quality makes of it.
    rough, small = thumbnail(noise(400, 267)), BytesIO()
    PillowImage.fromarray(noise(400, 267)).save(small, "JPEG", quality=80)
    assert len(rough) < 0.7 * len(small.getvalue())
    assert len(thumbnail(quarters(400, 267))) < 10_000


def test_face_is_in_the_middle_with_some_margin() -> None:
    face = opened(face_cover(slopes(250, 250), Box(100, 60, 40, 50), side=90))
    assert face.size == (90, 90)
    # 1.8 times the longer side, so a pixel is a pixel: columns 75 to 165, rows 40 to 130.
    assert difference(np.asarray(face), slopes(250, 250)[40:130, 75:165]) < 3


def test_near_an_edge_the_square_moves_inwards_a_little() -> None:
    # The square begins 6 pixels outside, and may move by .15 * 50.
    face = opened(face_cover(slopes(250, 250), Box(14, 100, 50, 50), side=90))
    assert difference(np.asarray(face), slopes(250, 250)[80:170, 0:90]) < 3


def test_a_face_that_the_edge_cuts_stays_in_the_middle() -> None:
    # Columns -40 to 50, moved by 7 or 8 pixels; a neighbour at 60 would not be seen.
    face = np.asarray(opened(face_cover(slopes(250, 250), Box(-20, 100, 50, 50), side=90)))
    assert difference(face[:, 34:], slopes(250, 250)[80:170, 0:56]) < 5
    outside = face[:, :30].astype(float)
    assert outside.std(axis=(0, 1)).max() < 3
    assert np.abs(outside.mean(axis=(0, 1)) - face[:, 34:].mean(axis=(0, 1))).max() < 5


def test_a_flat_photo_is_not_stretched() -> None:
    face = opened(face_cover(slopes(250, 80), Box(100, 10, 60, 60), side=108))
    middle = np.asarray(face)[14:94]
    assert difference(middle, slopes(250, 80)[:, 76:184]) < 5


@pytest.mark.parametrize("box", [Box(0, 0, 1, 1), Box(3, 3, 0, 0), Box(-5, -5, 40, 90)])
def test_tiny_photos_and_boxes_give_a_whole_square(box: Box) -> None:
    assert opened(face_cover(quarters(1, 1), box)).size == (200, 200)
    assert opened(face_cover(quarters(8, 6), box)).size == (200, 200)

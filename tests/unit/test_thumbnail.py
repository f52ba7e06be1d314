"""Small pictures for pages: their size, shape and weight."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facefind.errors import UnreadablePhoto
from facefind.images import face_cover, read_for_pictures, read_photo, thumbnail
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


def camera_photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    PillowImage.fromarray(quarters(3000, 2000)).save(path, quality=95)
    return path


@pytest.mark.parametrize(
    ("boxes", "step"),
    [
        ([None], 4),
        ([Box(0, 0, 1200, 900)], 8),
        ([None, Box(0, 0, 500, 300)], 2),
        ([Box(0, 0, 1200, 900), Box(0, 0, 60, 80)], 1),
    ],
)
def test_photos_are_decoded_no_larger_than_their_pictures_need(
    tmp_path: Path, boxes: list[Box | None], step: int
) -> None:
    photo = read_for_pictures(camera_photo(tmp_path), boxes)
    assert photo.size == (3000, 2000)
    assert photo.pixels.shape == (2000 // step, 3000 // step, 3)


def test_pictures_from_a_scaled_photo_show_the_same(tmp_path: Path) -> None:
    path, box = camera_photo(tmp_path), Box(1300, 800, 400, 390)
    whole, scaled = read_photo(path).pixels, read_for_pictures(path, [None, box])
    assert len(scaled.pixels) == 1000
    cover = opened(face_cover(scaled.pixels, scaled.box(box)))
    expected = np.asarray(opened(face_cover(whole, box)))
    assert difference(np.asarray(cover), expected) < 2
    assert difference(np.asarray(cover)[::-1], expected) > 20
    small = np.asarray(opened(thumbnail(scaled.pixels)))
    assert difference(small, np.asarray(opened(thumbnail(whole)))) < 2


def test_a_photo_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = camera_photo(tmp_path)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(UnreadablePhoto, match=r"photo\.jpg: the JPEG picture is truncated"):
        read_for_pictures(path, [None])

"""Quality of a real face: high where it is sharp, lower the more it is spoilt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from facefind.images import read_photo
from facefind.inference.pipeline import Pipeline, load_pipeline
from facefind.inference.quality import LOW_QUALITY
from facefind.types import Image, Quality


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return load_pipeline("dlib", models_dir=tmp_path_factory.mktemp("no-models"))


def sized(pipeline: Pipeline, photo: Path, side: float) -> Image:
    """A portrait shrunk so that its face is as wide as given, on grey of its old size."""
    picture = read_photo(photo).pixels
    (face,) = pipeline.find_faces(picture)
    return shrunk(picture, side / (face.detection.box.w * face.detection.box.h) ** 0.5)


def quality(pipeline: Pipeline, picture: Image) -> Quality:
    (face,) = pipeline.find_faces(picture)
    assert face.quality is not None
    return face.quality


def shrunk(picture: Image, factor: float) -> Image:
    """The picture smaller, on grey of its old size: alone it would be enlarged again."""
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    canvas = np.full_like(picture, 128)
    canvas[: len(small), : small.shape[1]] = small
    return canvas


def blurred(picture: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def moved(picture: Image, length: float) -> Image:
    return np.asarray(cv2.blur(picture, (round(length), 1)), np.uint8)


@pytest.mark.parametrize("portrait", [0, 1], ids=["astronaut", "grace_hopper"])
@pytest.mark.parametrize(
    ("spoil", "amounts"),
    [(shrunk, (0.5, 0.3, 0.2, 0.14)), (blurred, (2, 4, 6, 8)), (moved, (7, 15, 25))],
)
def test_quality_falls_as_a_face_is_spoilt(
    pipeline: Pipeline,
    pip_photos: tuple[Path, Path],
    portrait: int,
    spoil: Callable[[Image, float], Image],
    amounts: tuple[float, ...],
) -> None:
    picture = sized(pipeline, pip_photos[portrait], 100)
    values = [quality(pipeline, picture).value]
    values += [quality(pipeline, spoil(picture, amount)).value for amount in amounts]
    assert values[0] > 0.9
    assert np.round(values, 2).tolist() == sorted(np.round(values, 2).tolist(), reverse=True)
    assert values[-1] < 0.8


def test_an_ordinary_face_of_sixty_pixels_is_good(
    pipeline: Pipeline, pip_photos: tuple[Path, Path]
) -> None:
    for photo in pip_photos:
        assert quality(pipeline, sized(pipeline, photo, 60)).value > 0.8


def test_the_pose_turns_with_the_picture(pipeline: Pipeline, pip_photos: tuple[Path, Path]) -> None:
    picture = read_photo(pip_photos[0]).pixels
    plain, mirrored = (quality(pipeline, view) for view in (picture, picture[:, ::-1].copy()))
    assert plain.yaw == pytest.approx(-mirrored.yaw, abs=8)
    assert plain.roll == pytest.approx(-mirrored.roll, abs=5)
    centre = (picture.shape[1] / 2, picture.shape[0] / 2)
    # OpenCV counts angles anticlockwise.
    matrix = cv2.getRotationMatrix2D(centre, -20, 1)
    tilted = np.asarray(cv2.warpAffine(picture, matrix, picture.shape[1::-1]), np.uint8)
    assert quality(pipeline, tilted).roll - plain.roll == pytest.approx(20, abs=5)
    assert plain.value > LOW_QUALITY

"""Chips of 112 pixels: OpenCV's to the pixel, insightface's to a fraction of one."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from facefind.errors import InferenceError
from facefind.geometry import similarity_transform
from facefind.inference import chips
from facefind.inference.protocols import Pictured
from facefind.types import Box, Detection, FloatArray, Image
from scripts.standins import write_sface

FACES = 60


def random_landmarks(random: np.random.Generator) -> FloatArray:
    """A face at any place, size and turn, seen a little from the side."""
    angle, scale = random.uniform(0, 2 * np.pi), random.uniform(0.2, 5)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    points = (chips.TEMPLATE - 56) @ turn.T * scale + random.uniform(50, 400, 2)
    return np.asarray(points + random.normal(0, 2, (5, 2)), np.float32)


def picture(random: np.random.Generator, height: int = 400, width: int = 500) -> Image:
    return random.integers(0, 256, (height, width, 3), np.uint8)


def face(landmarks: FloatArray | None) -> Detection:
    return Detection(Box(0, 0, 1, 1), 0.9, landmarks)


@pytest.fixture(scope="module")
def opencv(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """OpenCV's recogniser; its network plays no part in cutting chips."""
    path = write_sface(tmp_path_factory.mktemp("standin") / "sface.onnx")
    return cv2.FaceRecognizerSF.create(str(path), "")


def test_chips_are_opencvs_to_the_pixel(opencv: Any) -> None:
    random = np.random.default_rng(0)
    differing = []
    for _ in range(FACES):
        image, landmarks = picture(random), random_landmarks(random)
        row = np.concatenate(([0, 0, 1, 1], landmarks.ravel(), [0.9])).astype(np.float32)
        theirs = opencv.alignCrop(np.ascontiguousarray(image[..., ::-1]), row[np.newaxis])
        (ours,) = chips.align([Pictured(image, face(landmarks))])
        differing.append(int((theirs[..., ::-1] != ours).sum()))
    assert differing == [0] * FACES


def test_the_transform_is_umeyamas_as_insightface_uses_it() -> None:
    random = np.random.default_rng(1)
    corners = np.array([(0, 0), (111, 0), (111, 111), (0, 111)])
    worst = 0.0
    for _ in range(FACES):
        landmarks = random_landmarks(random)
        plain = similarity_transform(landmarks, chips.TEMPLATE)
        ours = chips.similarity(landmarks)
        back = np.linalg.solve(plain[:, :2], (corners - plain[:, 2]).T)
        worst = max(worst, float(np.abs(ours[:, :2] @ back + ours[:, 2:] - corners.T).max()))
    assert 0 < worst < 2e-4


def test_a_face_at_the_templates_place_is_cut_as_it_is() -> None:
    image = picture(np.random.default_rng(2), 150, 160)
    (chip,) = chips.align([Pictured(image, face(chips.TEMPLATE))])
    assert np.abs(chip.astype(int) - image[:112, :112]).max() <= 1


def test_outside_the_photo_is_black() -> None:
    image = np.full((40, 40, 3), 255, np.uint8)
    (chip,) = chips.align([Pictured(image, face(chips.TEMPLATE + 200))])
    assert not chip.any()


def test_a_photo_longer_than_opencv_samples_is_cut_the_same() -> None:
    random = np.random.default_rng(3)
    image = np.asarray(cv2.GaussianBlur(picture(random, 150, 33_000), (0, 0), 2), np.uint8)
    shift = np.array((32_700, 10), np.float32)
    (chip,) = chips.align([Pictured(image, face(chips.TEMPLATE + shift))])
    short = np.ascontiguousarray(image[:, 32_600:])
    (same,) = chips.align([Pictured(short, face(chips.TEMPLATE + np.array((100, 10))))])
    assert np.abs(chip.astype(int) - same).max() <= 2


def test_faces_without_landmarks_or_with_one_for_all_are_refused() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    for landmarks in (None, np.ones((5, 2), np.float32), np.full((5, 2), np.nan, np.float32)):
        with pytest.raises(InferenceError, match="cannot be aligned"):
            chips.align([Pictured(image, face(landmarks))])


def test_no_faces_no_chips() -> None:
    assert chips.align([]) == []

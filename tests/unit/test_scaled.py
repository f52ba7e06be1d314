"""Photos seen smaller than they are: what is decoded, where faces lie, what chips are cut from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from unittest.mock import patch

import cv2
import numpy as np
import pytest

from facefind.errors import InferenceError
from facefind.inference.pipeline import PIPELINES, CheckedDetector, Pipeline
from facefind.inference.protocols import Parts, Pictured
from facefind.inference.scaled import WIDE_ENOUGH, from_fewer, pictured
from facefind.types import Box, Detection, Embeddings, Image

SIZE = (1200, 801)
WIDE = Box(10, 20, 100, 150)
SMALL = Box(200, 20, 1.2 * WIDE_ENOUGH, 2 * WIDE_ENOUGH)
NARROW = Box(300, 40, 0.8 * WIDE_ENOUGH, 2 * WIDE_ENOUGH)
SIDEWAYS = Box(300, 200, 2 * WIDE_ENOUGH, 0.8 * WIDE_ENOUGH)


class FakePhoto:
    """Gives every so many pixels, of that number as their colour; remembers what it was asked."""

    def __init__(self, size: tuple[int, int] = SIZE, finest: int = 1) -> None:
        self.size = size
        self.finest = finest
        self.asked: list[float] = []

    def at(self, scale: float) -> Image:
        self.asked.append(scale)
        step = max(self.finest, int(1 / scale))
        width, height = (-(-side // step) for side in self.size)
        return np.full((height, width, 3), step, np.uint8)


class FakeScalingDetector:
    """Sees the same boxes in whatever it is shown."""

    def __init__(self, scale: float, *boxes: Box) -> None:
        self.scale, self.boxes = scale, boxes
        self.shown: list[tuple[int, float]] = []

    def scale_for(self, width: int, height: int) -> float:
        assert (width, height) == SIZE
        return self.scale

    def detect(self, image: Image, scale: float = 1.0) -> list[Detection]:
        self.shown.append((image.shape[1], scale))
        landmarks = np.full((5, 2), 100, np.float32)
        return [Detection(box, 0.9, landmarks) for box in self.boxes]


class FakeEmbedder:
    def embed(self, chips: Sequence[Image]) -> Embeddings:
        raise AssertionError("nothing is to be embedded")


def chips_that_tell(faces: Iterable[Pictured]) -> list[Image]:
    """Chips of the picture's colour and as high as the face."""
    return [np.full((round(face.box.h), 1, 3), image[0, 0, 0], np.uint8) for image, face in faces]


def seen(photo: FakePhoto, detector: FakeScalingDetector) -> tuple[list[Detection], list[Image]]:
    parts = Parts(detector, chips_that_tell, FakeEmbedder())
    detections, chips = Pipeline(PIPELINES["dlib"], parts, {}, "fingerprint").see(photo)
    return detections, chips


def test_a_photo_is_shown_at_the_detectors_scale_and_the_true_one_is_told() -> None:
    photo, detector = FakePhoto(), FakeScalingDetector(0.4, WIDE)
    seen(photo, detector)
    assert photo.asked == [0.4]
    assert detector.shown == [(600, 0.5)]


def test_faces_lie_in_the_photos_own_pixels_by_its_true_ratios() -> None:
    (face,), _ = seen(FakePhoto(), FakeScalingDetector(0.5, WIDE))
    # 801 rows are 401 rows of the half picture.
    assert face.box == pytest.approx((20, 20 * 801 / 401, 200, 150 * 801 / 401))
    assert face.landmarks is not None
    assert face.landmarks[0].tolist() == pytest.approx([200, 100 * 801 / 401])


@pytest.mark.parametrize("narrow", [NARROW, SIDEWAYS])
def test_only_narrow_faces_are_cut_from_more_pixels(narrow: Box) -> None:
    photo = FakePhoto()
    faces, chips = seen(photo, FakeScalingDetector(0.25, narrow, WIDE))
    assert photo.asked == [0.25, pytest.approx(0.25 / 0.8)]
    expected = {narrow: 3, WIDE: 4}
    order = [min(expected, key=lambda box: abs(box.x - face.box.x / 4)) for face in faces]
    assert sorted(order) == sorted(expected)
    assert [chip[0, 0, 0] for chip in chips] == [expected[box] for box in order]


def test_a_small_face_is_doubled_where_the_photo_has_more_pixels() -> None:
    _, chips = seen(FakePhoto(), FakeScalingDetector(0.5, SMALL, WIDE))
    assert [chip[0, 0, 0] for chip in chips] == [2, 2]
    assert [chip.shape[0] for chip in chips] == [WIDE.h, 2 * SMALL.h]
    _, (whole,) = seen(FakePhoto(), FakeScalingDetector(1.0, SMALL))
    assert whole.shape[0] == SMALL.h


def test_a_doubled_face_keeps_its_surroundings_and_its_place() -> None:
    picture = np.zeros((400, 600, 3), np.uint8)
    picture[100:160, 200:240] = 255
    image, face = from_fewer(picture, Detection(Box(200, 100, 40, 60), 0.9))
    x, y, w, h = (round(value) for value in face.box)
    assert (w, h) == (80, 120)
    assert image[y + 4 : y + h - 4, x + 4 : x + w - 4].min() > 230  # the kernel rings
    assert image.shape == (2 * (60 + 120), 2 * (40 + 120), 3)
    assert int(image.sum()) == pytest.approx(3 * 255 * w * h, rel=0.02)


def test_surroundings_are_doubled_when_a_face_is_asked_for_not_before() -> None:
    photo = FakePhoto()
    half = photo.at(0.5)
    faces = [Detection(Box(60 + 9 * i, 80, SMALL.w, SMALL.h + i), 0.9) for i in range(30)]
    one_by_one = pictured(photo, half, faces)
    with patch.object(cv2, "resize", wraps=cv2.resize) as resize:
        first = [next(one_by_one) for _ in range(4)]
    assert resize.call_count == 4
    heights = [one.face.box.h for one in (*first, *one_by_one)]
    assert heights == [2 * face.box.h for face in faces]


def test_a_narrow_face_keeps_its_place_in_the_larger_picture() -> None:
    _, (chip,) = seen(FakePhoto(), FakeScalingDetector(0.5, NARROW))
    assert chip.shape[0] == round(NARROW.h * 801 / 401)
    assert chip[0, 0, 0] == 1


@pytest.mark.parametrize("boxes", [(), (WIDE,), (WIDE, WIDE)])
def test_nothing_more_is_decoded_where_no_face_is_narrow(boxes: tuple[Box, ...]) -> None:
    photo = FakePhoto()
    _, chips = seen(photo, FakeScalingDetector(0.5, *boxes))
    assert photo.asked == [0.5]
    assert [chip[0, 0, 0] for chip in chips] == [2] * len(boxes)


def test_nothing_more_is_asked_of_a_photo_shown_whole() -> None:
    photo = FakePhoto()
    (face,), _ = seen(photo, FakeScalingDetector(0.9, NARROW))
    assert photo.asked == [0.9]
    assert face.box == NARROW


def test_a_photo_that_gives_no_more_pixels_is_cut_as_it_is() -> None:
    _, (chip,) = seen(FakePhoto(finest=2), FakeScalingDetector(0.3, NARROW))
    assert chip[0, 0, 0] == 2
    # Half as many pixels as the photo's own, and so doubled.
    assert chip.shape[0] == 2 * 3 / 2 * NARROW.h


def test_a_detector_that_knows_no_scales_is_shown_the_whole_photo() -> None:
    class Plain:
        def detect(self, image: Image) -> list[Detection]:
            return [Detection(NARROW, 0.9)]

    detector = CheckedDetector(Plain())
    assert detector.scale_for(*SIZE) == 1
    assert len(detector.detect(np.zeros((9, 9, 3), np.uint8), 1.0)) == 1


def test_a_scaling_detectors_answers_are_checked_too() -> None:
    detector = CheckedDetector(FakeScalingDetector(0.5, Box(0, 0, 0, 1)))
    with pytest.raises(InferenceError, match="impossible box"):
        detector.detect(np.zeros((9, 9, 3), np.uint8), 0.5)

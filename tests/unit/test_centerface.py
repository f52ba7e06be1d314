"""CenterFace's decode and scaling, against cases worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.inference.detectors.centerface import (
    CenterFaceDetector,
    CenterFaceSettings,
    decode,
)
from facefind.types import Box, FloatArray


class Planes:
    """The network's outputs, (h, w), to be filled in cell by cell."""

    def __init__(self, height: int, width: int) -> None:
        self.heat: FloatArray = np.zeros((1, height, width), np.float32)
        self.log_size: FloatArray = np.zeros((2, height, width), np.float32)
        self.offset: FloatArray = np.zeros((2, height, width), np.float32)
        self.points: FloatArray = np.zeros((10, height, width), np.float32)

    def put(self, row: int, column: int, heat: float, height: float, width: float) -> None:
        self.heat[0, row, column] = heat
        self.log_size[:, row, column] = np.log((height / 4, width / 4))

    @property
    def outputs(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        return self.heat, self.log_size, self.offset, self.points


class FakeNetwork:
    """Answers with given planes, or with none of a face, and remembers its inputs.

    Attributes:
        planes: By the input's width.
    """

    def __init__(self, planes: dict[int, Planes] | None = None) -> None:
        self.planes = planes or {}
        self.blobs: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        blob = feeds["input.1"]
        self.blobs.append(blob)
        planes = self.planes.get(blob.shape[3], Planes(blob.shape[2] // 4, blob.shape[3] // 4))
        return [output[np.newaxis] for output in planes.outputs]


def test_decode_one_cell() -> None:
    planes = Planes(8, 8)
    planes.put(row=5, column=2, heat=0.75, height=16, width=8)
    planes.offset[:, 5, 2] = (0.25, -0.5)
    planes.points[:, 5, 2] = (0.25, 0.25, 0.25, 0.75, 0.5, 0.5, 0.75, 0.25, 0.75, 1.0)
    (face,) = decode(*planes.outputs, threshold=0.5, iou=0.3)
    # Centre: y = (5 + .25 + .5) * 4 = 23, x = (2 - .5 + .5) * 4 = 8.
    assert face.box == pytest.approx(Box(4, 15, 8, 16))
    assert face.score == 0.75
    assert face.landmarks is not None
    assert face.landmarks.dtype == np.float32
    expected = np.array([(6, 19), (10, 19), (8, 23), (6, 27), (12, 27)])
    assert face.landmarks == pytest.approx(expected)


def test_decode_of_an_empty_heat_map() -> None:
    assert decode(*Planes(8, 8).outputs, threshold=0.5, iou=0.3) == []


def test_decode_takes_scores_above_the_threshold_only() -> None:
    planes = Planes(8, 8)
    planes.put(row=1, column=1, heat=0.5, height=4, width=4)
    planes.put(row=6, column=6, heat=0.5625, height=4, width=4)
    assert [face.score for face in decode(*planes.outputs, threshold=0.5, iou=0.3)] == [0.5625]


def test_decode_keeps_the_better_of_two_overlapping_faces_and_sorts_by_score() -> None:
    planes = Planes(16, 16)
    planes.put(row=2, column=2, heat=0.6875, height=16, width=16)
    planes.put(row=2, column=3, heat=0.8125, height=16, width=16)  # IoU 12 / 20
    planes.put(row=12, column=12, heat=0.9375, height=16, width=16)
    found = decode(*planes.outputs, threshold=0.5, iou=0.3)
    assert [face.score for face in found] == [0.9375, 0.8125]
    assert len(decode(*planes.outputs, threshold=0.5, iou=0.61)) == 3


def test_detect_maps_boxes_and_landmarks_back_to_the_photo() -> None:
    planes = Planes(16, 32)
    planes.put(row=7, column=11, heat=0.9, height=8, width=16)
    planes.points[:, 7, 11] = 0.5
    settings = CenterFaceSettings(working_size=128)
    detector = CenterFaceDetector(FakeNetwork({128: planes}), settings)
    # 512 wide becomes 128, so a quarter; the face's middle at (46, 30) lay at (184, 120).
    (face,) = detector.detect(np.zeros((256, 512, 3), np.uint8))
    assert face.box == pytest.approx(Box(152, 104, 64, 32))
    assert face.landmarks == pytest.approx(np.array([(184, 120)] * 5))


def test_detect_feeds_rgb_unscaled_and_pads_right_and_below_with_black() -> None:
    network = FakeNetwork()
    image = np.full((100, 200, 3), (10, 20, 30), np.uint8)
    CenterFaceDetector(network, CenterFaceSettings(working_size=200)).detect(image)
    (blob,) = network.blobs
    assert blob.shape == (1, 3, 128, 224)
    assert blob.dtype == np.float32
    assert (blob[0, :, :100, :200] == np.array((10, 20, 30))[:, None, None]).all()
    assert not blob[0, :, 100:].any()
    assert not blob[0, :, :, 200:].any()


@pytest.mark.parametrize(
    ("height", "width", "inputs"),
    [
        (8, 20_000, [(32, 1024), (32, 256)]),
        (20_000, 8, [(1024, 32), (256, 32)]),
        (1, 1, [(32, 32)]),
        (3, 2, [(32, 32)]),
        (4000, 6000, [(704, 1024), (192, 256)]),
        (512, 512, [(1024, 1024), (256, 256)]),
        (128, 128, [(256, 256)]),
    ],
)
def test_detect_bounds_the_inputs_whatever_the_photos_shape(
    height: int, width: int, inputs: list[tuple[int, int]]
) -> None:
    network = FakeNetwork()
    detector = CenterFaceDetector(network, CenterFaceSettings())
    assert detector.detect(np.zeros((height, width, 3), np.uint8)) == []
    assert [blob.shape for blob in network.blobs] == [(1, 3, *shape) for shape in inputs]


def test_a_small_photo_is_enlarged_up_to_the_limit() -> None:
    network = FakeNetwork()
    settings = CenterFaceSettings(working_size=1024, close_up_size=0, max_enlargement=2)
    CenterFaceDetector(network, settings).detect(np.full((64, 100, 3), 9, np.uint8))
    (blob,) = network.blobs
    assert (blob[0, 0, :128, :200] == 9).all()
    assert blob.sum() == 3 * 9 * 128 * 200


def test_the_second_look_adds_large_faces_only_and_the_better_of_two_stays() -> None:
    first, second = Planes(256, 256), Planes(64, 64)
    first.put(row=60, column=60, heat=0.6, height=400, width=400)
    second.put(row=15, column=15, heat=0.9, height=100, width=100)  # the same face
    second.put(row=50, column=50, heat=0.8, height=26, width=26)  # 104 of 1024 pixels
    second.put(row=50, column=20, heat=0.7, height=25, width=25)  # 100 of 1024: too small
    detector = CenterFaceDetector(
        FakeNetwork({1024: first, 256: second}), CenterFaceSettings(close_up_size=256)
    )
    found = detector.detect(np.zeros((1024, 1024, 3), np.uint8))
    assert [face.score for face in found] == pytest.approx([0.9, 0.8])
    assert [face.box.w for face in found] == pytest.approx([400, 104])

"""YuNet's decode and its two looks, against cases worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.inference.detectors.yunet import YuNetDetector, YuNetSettings, decode
from facefind.types import Box, FloatArray

STRIDES = (8, 16, 32)


class Answer:
    """The network's outputs for an input of a given size, to be filled in cell by cell."""

    def __init__(self, height: int, width: int) -> None:
        self.width = width
        self.kinds: list[list[FloatArray]] = [
            [np.zeros((1, height // s * (width // s), n), np.float32) for s in STRIDES]
            for n in (1, 1, 4, 10)
        ]

    def put(
        self,
        row: int,
        column: int,
        score: tuple[float, float] = (0.81, 1.0),
        centre: tuple[float, float] = (0.0, 0.0),
        size: tuple[float, float] = (16.0, 16.0),
        points: tuple[float, ...] = (0.0,) * 10,
        stride: int = 8,
    ) -> None:
        """``centre`` and ``points`` in cells, ``size`` (width, height) in pixels."""
        level = STRIDES.index(stride)
        cell = row * (self.width // stride) + column
        cls, obj, bbox, kps = (kind[level][0, cell] for kind in self.kinds)
        cls[0], obj[0] = score
        bbox[:] = (*centre, *np.log(np.divide(size, stride)))
        kps[:] = points

    @property
    def outputs(self) -> list[FloatArray]:
        return [array for kind in self.kinds for array in kind]


class FakeNetwork:
    """Answers by the input's width, and remembers its inputs."""

    def __init__(self, answers: dict[int, Answer] | None = None) -> None:
        self.answers = answers or {}
        self.blobs: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        (name,) = feeds
        assert name == "input"
        blob = feeds[name]
        self.blobs.append(blob)
        given = self.answers.get(blob.shape[3], Answer(*blob.shape[2:]))
        return list(given.outputs)


def test_decode_one_cell() -> None:
    answer = Answer(64, 96)
    points = (0.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.0, 1.0, 1.0, 1.5)
    answer.put(3, 5, score=(0.64, 0.25), centre=(0.5, -0.25), size=(24, 40), points=points)
    (face,) = decode(answer.outputs, 96, threshold=0.3, iou=0.3)
    assert face.score == pytest.approx(0.4)  # the root of .64 * .25
    # Centre: x = (5 + .5) * 8 = 44, y = (3 - .25) * 8 = 22.
    assert face.box == pytest.approx(Box(32, 2, 24, 40), abs=1e-4)
    assert face.landmarks == pytest.approx(
        np.array([(40, 24), (48, 24), (44, 28), (40, 32), (48, 36)])
    )
    assert face.landmarks is not None
    assert face.landmarks.dtype == np.float32


@pytest.mark.parametrize(("stride", "row", "column"), [(8, 7, 3), (16, 3, 1), (32, 1, 2)])
def test_decode_knows_each_strides_cells(stride: int, row: int, column: int) -> None:
    answer = Answer(64, 96)
    answer.put(row, column, stride=stride)
    (face,) = decode(answer.outputs, 96, threshold=0.5, iou=0.3)
    assert face.box == pytest.approx(Box(column * stride - 8, row * stride - 8, 16, 16), abs=1e-4)


def test_decode_cuts_chances_to_0_and_1() -> None:
    answer = Answer(64, 64)
    answer.put(1, 1, score=(1.5, 1.2))
    answer.put(6, 6, score=(-1.0, -1.0))
    assert [face.score for face in decode(answer.outputs, 64, threshold=0.1, iou=0.3)] == [1.0]


def test_decode_takes_scores_from_the_threshold_on() -> None:
    answer = Answer(64, 64)
    answer.put(1, 1, score=(0.25, 1.0))
    answer.put(6, 6, score=(0.2401, 1.0))
    found = decode(answer.outputs, 64, threshold=0.5, iou=0.3)
    assert [face.score for face in found] == pytest.approx([0.5])


def test_decode_of_nothing() -> None:
    assert decode(Answer(64, 64).outputs, 64, threshold=0.5, iou=0.3) == []


def test_decode_keeps_the_better_of_two_strides_and_sorts_by_score() -> None:
    answer = Answer(64, 64)
    answer.put(2, 2, score=(0.49, 1.0), size=(32, 32))
    answer.put(1, 1, score=(0.64, 1.0), size=(32, 32), stride=16)  # the same box
    answer.put(7, 7, score=(0.81, 1.0), size=(8, 8))
    found = decode(answer.outputs, 64, threshold=0.5, iou=0.3)
    assert [face.score for face in found] == pytest.approx([0.9, 0.8])


def test_overlaps_are_counted_on_whole_pixels_as_opencv_does() -> None:
    answer = Answer(64, 64)
    # x = 10.04 and 13.94, ten wide: they share 6.1 of 13.9 (.44); cut to whole pixels 7 of 13.
    answer.put(2, 2, score=(0.81, 1.0), centre=(-0.12, 0.0), size=(10.001, 10.001))
    answer.put(2, 3, score=(0.64, 1.0), centre=(-0.633, 0.0), size=(10.001, 10.001))
    first, second = (face.box for face in decode(answer.outputs, 64, threshold=0.5, iou=0.6))
    assert (first.x, second.x) == pytest.approx((10.04, 13.94), abs=0.01)
    assert len(decode(answer.outputs, 64, threshold=0.5, iou=0.5)) == 1


def test_detect_feeds_bgr_unscaled_and_pads_right_and_below_with_black() -> None:
    network = FakeNetwork()
    image = np.full((100, 200, 3), (10, 20, 30), np.uint8)
    settings = YuNetSettings(working_size=200, close_up_size=0)
    assert YuNetDetector(network, settings).detect(image) == []
    (blob,) = network.blobs
    assert blob.shape == (1, 3, 128, 224)
    assert blob.dtype == np.float32
    assert (blob[0, :, :100, :200] == np.array((30, 20, 10))[:, None, None]).all()
    assert not blob[0, :, 100:].any()
    assert not blob[0, :, :, 200:].any()


def test_detect_maps_boxes_and_landmarks_back_to_the_photo() -> None:
    answer = Answer(64, 128)
    answer.put(4, 6, size=(16, 8), points=(0.5,) * 10)
    detector = YuNetDetector(
        FakeNetwork({128: answer}), YuNetSettings(working_size=128, close_up_size=0)
    )
    # 512 wide becomes 128, so a quarter; the face's middle at (48, 32) lay at (192, 128).
    (face,) = detector.detect(np.zeros((256, 512, 3), np.uint8))
    assert face.box == pytest.approx(Box(160, 112, 64, 32), abs=1e-3)
    assert face.landmarks == pytest.approx(np.array([(208, 144)] * 5))


@pytest.mark.parametrize(
    ("height", "width", "inputs"),
    [
        (8, 20_000, [(32, 1024), (32, 320)]),
        (1, 1, [(32, 32)]),
        (4000, 6000, [(704, 1024), (224, 320)]),
        (160, 160, [(320, 320)]),
    ],
)
def test_detect_bounds_the_inputs_whatever_the_photos_shape(
    height: int, width: int, inputs: list[tuple[int, int]]
) -> None:
    network = FakeNetwork()
    detector = YuNetDetector(network, YuNetSettings())
    assert detector.detect(np.zeros((height, width, 3), np.uint8)) == []
    assert [blob.shape for blob in network.blobs] == [(1, 3, *shape) for shape in inputs]


def test_the_second_look_adds_large_faces_only_and_the_better_of_two_stays() -> None:
    first, second = Answer(1024, 1024), Answer(320, 320)
    first.put(20, 20, score=(0.64, 1.0), size=(600, 600), stride=32)
    second.put(25, 25, score=(0.81, 1.0), size=(187.5, 187.5))  # the same face
    second.put(39, 5, score=(0.7225, 1.0), size=(33, 33))  # 106 of 1024 pixels
    second.put(5, 39, score=(0.7225, 1.0), size=(31, 31))  # 99 of 1024: too small
    network = FakeNetwork({1024: first, 320: second})
    found = YuNetDetector(network, YuNetSettings()).detect(np.zeros((1024, 1024, 3), np.uint8))
    assert [face.score for face in found] == pytest.approx([0.9, 0.85])
    assert [face.box.w for face in found] == pytest.approx([600, 105.6], abs=0.01)

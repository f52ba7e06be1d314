"""SCRFD's decode and letterbox, against cases worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.inference.detectors.scrfd import ScrfdDetector, ScrfdSettings, decode
from facefind.inference.session import Session
from facefind.types import Box, FloatArray
from scripts.standins import write_scrfd

STRIDES = (8, 16, 32)


class Answer:
    """The network's outputs for a square input, to be filled in anchor by anchor."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.kinds: list[list[FloatArray]] = [
            [np.zeros((2 * (side // s) ** 2, n), np.float32) for s in STRIDES] for n in (1, 4, 10)
        ]

    def put(
        self,
        row: int,
        column: int,
        anchor: int = 0,
        score: float = 0.9,
        reach: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0),
        points: tuple[float, ...] = (0.0,) * 10,
        stride: int = 8,
    ) -> None:
        level = STRIDES.index(stride)
        at = 2 * (row * (self.side // stride) + column) + anchor
        scores, reaches, landmarks = (kind[level] for kind in self.kinds)
        scores[at], reaches[at], landmarks[at] = score, reach, points

    @property
    def outputs(self) -> list[FloatArray]:
        return [array for kind in self.kinds for array in kind]


class FakeNetwork:
    """Answers by the input's side, and remembers its inputs."""

    def __init__(self, answers: dict[int, Answer] | None = None) -> None:
        self.answers = answers or {}
        self.blobs: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        (name,) = feeds
        assert name == "input.1"
        self.blobs.append(feeds[name])
        side = feeds[name].shape[3]
        return list(self.answers.get(side, Answer(side)).outputs)


def test_decode_one_anchor() -> None:
    answer = Answer(64)
    points = (-1.0, -1.0, 1.0, -1.0, 0.0, 0.5, -0.5, 1.0, 0.5, 1.25)
    answer.put(3, 5, anchor=1, score=0.75, reach=(1.5, 2.0, 0.5, 1.0), points=points)
    (face,) = decode(answer.outputs, 64, threshold=0.5, iou=0.4)
    # The cell's corner is (40, 24): left 40 - 12, top 24 - 16, right 40 + 4, bottom 24 + 8.
    assert face.box == pytest.approx(Box(28, 8, 16, 24))
    assert face.score == 0.75
    assert face.landmarks == pytest.approx(
        np.array([(32, 16), (48, 16), (40, 28), (36, 32), (44, 34)])
    )
    assert face.landmarks is not None
    assert face.landmarks.dtype == np.float32


@pytest.mark.parametrize(("stride", "row", "column"), [(8, 7, 3), (16, 3, 1), (32, 1, 0)])
@pytest.mark.parametrize("anchor", [0, 1])
def test_decode_knows_each_strides_anchors(stride: int, row: int, column: int, anchor: int) -> None:
    answer = Answer(64)
    answer.put(row, column, anchor, stride=stride)
    (face,) = decode(answer.outputs, 64, threshold=0.5, iou=0.4)
    x, y = (column - 1) * stride, (row - 1) * stride
    assert face.box == pytest.approx(Box(x, y, 2 * stride, 2 * stride))


@pytest.mark.parametrize("reach", [(1.0, 1.0, -1.0, 1.0), (1.0, -2.0, 1.0, 1.0)])
def test_decode_drops_boxes_without_a_size(reach: tuple[float, ...]) -> None:
    answer = Answer(64)
    answer.put(1, 1, score=0.9, reach=reach)
    answer.put(6, 6, score=0.75)
    assert [face.score for face in decode(answer.outputs, 64, threshold=0.5, iou=0.4)] == [0.75]


def test_decode_takes_scores_from_the_threshold_on() -> None:
    answer = Answer(64)
    answer.put(1, 1, score=0.5)
    answer.put(6, 6, score=0.4375)
    assert [face.score for face in decode(answer.outputs, 64, threshold=0.5, iou=0.4)] == [0.5]


def test_decode_of_nothing() -> None:
    assert decode(Answer(64).outputs, 64, threshold=0.5, iou=0.4) == []


def test_decode_keeps_the_better_of_two_anchors_and_sorts_by_score() -> None:
    answer = Answer(64)
    answer.put(2, 2, anchor=0, score=0.75)
    answer.put(2, 2, anchor=1, score=0.875)
    answer.put(6, 6, score=0.9375, stride=8)
    found = decode(answer.outputs, 64, threshold=0.5, iou=0.4)
    assert [face.score for face in found] == [0.9375, 0.875]


def test_overlaps_are_counted_with_the_last_pixels_as_insightface_does() -> None:
    answer = Answer(64)
    # 8 and 8 pixels wide, 4 apart: 4 of 12 shared (.333); with the last pixels 5 of 13 (.385).
    answer.put(2, 2, score=0.875, reach=(0.5, 0.5, 0.5, 0.5))
    answer.put(2, 3, score=0.75, reach=(1.0, 0.5, 0.0, 0.5))
    assert len(decode(answer.outputs, 64, threshold=0.5, iou=0.39)) == 2
    assert len(decode(answer.outputs, 64, threshold=0.5, iou=0.37)) == 1


def test_detect_feeds_rgb_about_zero_in_a_black_square() -> None:
    network = FakeNetwork()
    image = np.full((320, 640, 3), (0, 127, 255), np.uint8)
    assert ScrfdDetector(network, ScrfdSettings()).detect(image) == []
    (blob,) = network.blobs
    assert blob.shape == (1, 3, 640, 640)
    assert blob.dtype == np.float32
    colours = (np.array((0, 127, 255)) - 127.5) / 128
    assert blob[0, :, 319, 639] == pytest.approx(colours)
    assert (blob[0, :, 320:] == -127.5 / 128).all()


def test_detect_maps_boxes_and_landmarks_back_to_the_photo() -> None:
    answer = Answer(640)
    answer.put(10, 20, reach=(1.0, 1.0, 1.0, 2.0), points=(0.5,) * 10)
    detector = ScrfdDetector(FakeNetwork({640: answer}), ScrfdSettings())
    # 2560 wide becomes 640, so a quarter: the corner (160, 80) lay at (640, 320).
    (face,) = detector.detect(np.zeros((1280, 2560, 3), np.uint8))
    assert face.box == pytest.approx(Box(608, 288, 64, 96))
    assert face.landmarks == pytest.approx(np.array([(656, 336)] * 5))


def test_a_small_photo_is_enlarged_and_any_working_size_is_rounded_up() -> None:
    network = FakeNetwork()
    detector = ScrfdDetector(network, ScrfdSettings(working_size=650))
    detector.detect(np.full((65, 130, 3), 255, np.uint8))
    (blob,) = network.blobs
    assert blob.shape == (1, 3, 672, 672)
    assert (blob[0, 0, :325, :650] == 127.5 / 128).all()
    assert (blob[0, 0, 325:] < 0).all()
    assert (blob[0, 0, :, 650:] < 0).all()


def test_a_network_with_the_published_files_outputs_is_understood(tmp_path: Path) -> None:
    session = Session(write_scrfd(tmp_path / "det_10g.onnx"))
    picture = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    detector = ScrfdDetector(session, ScrfdSettings(working_size=128, threshold=0.3))
    found = detector.detect(picture)
    assert len(found) > 3
    outputs = session.run({"input.1": np.zeros((1, 3, 96, 96), np.float32)})
    assert [array.shape for array in outputs] == [
        (2 * (96 // stride) ** 2, width) for width in (1, 4, 10) for stride in STRIDES
    ]

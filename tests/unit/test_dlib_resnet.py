"""The dlib embedder around its network: alignment, mirror images, batches, length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.errors import InferenceError
from facefind.inference.embedders.dlib_resnet import (
    CHIP_SIZE,
    DIMENSION,
    TEMPLATE,
    DlibResnetEmbedder,
    align,
)
from facefind.types import Box, Detection, FloatArray, Image

BOX = Box(0, 0, CHIP_SIZE, CHIP_SIZE)


class FakeNetwork:
    """Answers with the first and last pixel of the red plane, so a mirror image swaps them."""

    def __init__(self) -> None:
        self.batches: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        chips = feeds["chips"]
        self.batches.append(chips)
        answer = np.zeros((len(chips), DIMENSION), np.float32)
        answer[:, 0], answer[:, 1] = chips[:, 0, 0, 0], chips[:, 0, 0, -1]
        return [answer]


def chip(left: int, right: int) -> Image:
    picture = np.zeros((CHIP_SIZE, CHIP_SIZE, 3), np.uint8)
    picture[0, 0], picture[0, -1] = (left, 1, 2), (right, 3, 4)
    return picture


def test_embed_averages_chip_and_mirror_image_and_scales_to_unit_length() -> None:
    network = FakeNetwork()
    (row,) = DlibResnetEmbedder(network).embed([chip(60, 20)]).vectors
    assert row[:2] == pytest.approx([np.sqrt(0.5)] * 2)
    assert row.dtype == np.float32
    (batch,) = network.batches
    assert batch.shape == (2, 3, CHIP_SIZE, CHIP_SIZE)
    assert batch.dtype == np.float32
    assert batch[:, :, 0, 0].tolist() == [[60, 1, 2], [20, 3, 4]]


def test_embed_keeps_the_order_over_several_batches_of_bounded_size() -> None:
    network = FakeNetwork()
    chips = [chip(i, 2 * i) for i in range(1, 31)]
    chips[17] = np.zeros((CHIP_SIZE, CHIP_SIZE, 3), np.uint8)
    chips[17][0, 0, 0] = 5
    chips[17][:, :, 1] = 9
    rows = DlibResnetEmbedder(network).embed(chips).vectors
    assert rows.shape == (30, DIMENSION)
    assert max(len(batch) for batch in network.batches) <= 16
    assert sum(len(batch) for batch in network.batches) == 60
    seen = np.concatenate(network.batches)
    assert seen[2 * 17, 1].max() == 9
    assert seen[::2, 0, 0, 0].tolist() == [*range(1, 18), 5, *range(19, 31)]


def test_embed_nothing() -> None:
    network = FakeNetwork()
    assert DlibResnetEmbedder(network).embed([]).vectors.shape == (0, DIMENSION)
    assert network.batches == []


def test_align_carries_landmarks_to_the_template() -> None:
    image = np.zeros((600, 600, 3), np.uint8)
    points: FloatArray = (TEMPLATE * 2 + (100, 150)).astype(np.float32)
    for x, y in points.astype(int):
        image[y - 6 : y + 7, x - 6 : x + 7] = 255
    (made,) = align(image, [Detection(BOX, 1.0, points)])
    assert made.shape == (CHIP_SIZE, CHIP_SIZE, 3)
    columns, rows = TEMPLATE.astype(int).T
    assert (made[rows, columns] == 255).all()
    assert made[20, 20, 0] == 0


def test_align_refuses_faces_without_landmarks_or_with_landmarks_in_one_point() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    with pytest.raises(InferenceError, match="without landmarks"):
        align(image, [Detection(BOX, 1.0)])
    with pytest.raises(InferenceError, match="cannot be aligned"):
        align(image, [Detection(BOX, 1.0, np.ones((5, 2), np.float32))])

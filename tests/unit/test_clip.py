"""The article's embedder: imgbeddings' way of preparing a picture, pinned by hand.

``scripts/imgbeddings-parity`` compares it with imgbeddings itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facefind.errors import InferenceError, WeightsError
from facefind.inference.embedders.clip import (
    DEVIATION,
    DIMENSION,
    MEAN,
    ClipEmbedder,
    grey_crops,
    pixel_values,
)
from facefind.inference.protocols import Pictured
from facefind.types import Box, Detection, Image

WHITE = (1 - MEAN) / DEVIATION
BLACK = -MEAN / DEVIATION


class Network:
    """Answers every picture with its mean and remembers what it was fed."""

    def __init__(self, answer: NDArray[Any] | None = None) -> None:
        self.answer = answer
        self.fed: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        (values,) = (feeds["pixel_values"],)
        self.fed.append(values)
        if self.answer is not None:
            return [self.answer]
        return [np.full((len(values), DIMENSION), values.mean(), np.float32)]


def speckled(height: int, width: int, seed: int = 3) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def restored(values: NDArray[np.float32]) -> Image:
    """The 224-pixel picture that the network's input was made of."""
    levels = values.transpose(1, 2, 0) * DEVIATION + MEAN
    picture: Image = np.rint(levels * 255).astype(np.uint8)
    return picture


def test_a_square_of_224_is_only_normalised() -> None:
    picture = speckled(224, 224)
    values = pixel_values(picture)
    assert values.shape == (3, 224, 224)
    assert values.dtype == np.float32
    expected = (picture[10, 20] / 255 - MEAN) / DEVIATION
    np.testing.assert_allclose(values[:, 10, 20], expected, rtol=1e-6)
    np.testing.assert_array_equal(restored(values), picture)


def test_channels_stay_red_green_blue() -> None:
    red = np.zeros((50, 50, 3), np.uint8)
    red[..., 0] = 255
    np.testing.assert_allclose(
        pixel_values(red)[:, 100, 100], [WHITE[0], BLACK[1], BLACK[2]], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("height", "width", "inside"),
    [
        (112, 224, (slice(56, 168), slice(None))),
        (224, 112, (slice(None), slice(56, 168))),
        (221, 224, (slice(1, 222), slice(None))),
        (224, 221, (slice(None), slice(1, 222))),
    ],
)
def test_padded_with_black_around_the_middle_and_nothing_cut_away(
    height: int, width: int, inside: tuple[slice, slice]
) -> None:
    picture = speckled(height, width)
    expected = np.zeros((224, 224, 3), np.uint8)
    expected[inside] = picture
    np.testing.assert_array_equal(restored(pixel_values(picture)), expected)


@pytest.mark.parametrize("side", [60, 223, 225, 500])
def test_resized_by_pillows_bicubic_on_whole_numbers(side: int) -> None:
    picture = speckled(side, side)
    resized = PillowImage.fromarray(picture).resize((224, 224), PillowImage.Resampling.BICUBIC)
    np.testing.assert_array_equal(restored(pixel_values(picture)), np.asarray(resized))


@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_tiny_square_fills_the_input(side: int) -> None:
    values = pixel_values(np.full((side, side, 3), 255, np.uint8))
    np.testing.assert_allclose(values, np.broadcast_to(WHITE[:, None, None], (3, 224, 224)), 1e-5)


@pytest.mark.parametrize("shape", [(1, 700, 3), (900, 2, 3)])
def test_a_line_keeps_its_bars(shape: tuple[int, int, int]) -> None:
    values = pixel_values(np.full(shape, 255, np.uint8))
    assert values.shape == (3, 224, 224)
    np.testing.assert_allclose(values[:, 0, 0], BLACK, rtol=1e-5)
    assert (values[:, 112, 112] > BLACK).all()


def test_an_empty_chip_is_an_inference_error() -> None:
    with pytest.raises(InferenceError, match="no pixels"):
        pixel_values(np.zeros((0, 5, 3), np.uint8))


def test_grey_crops_are_cut_from_the_grey_picture() -> None:
    picture = speckled(90, 120)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    boxes = [Box(10, 20, 30, 40), Box(0, 0, 120, 90)]
    chips = grey_crops(Pictured(picture, Detection(box, 1.0)) for box in boxes)
    assert [chip.shape for chip in chips] == [(40, 30, 3), (90, 120, 3)]
    for channel in range(3):
        np.testing.assert_array_equal(chips[0][..., channel], grey[20:60, 10:40])
        np.testing.assert_array_equal(chips[1][..., channel], grey)


def test_a_box_over_the_edge_is_black_outside() -> None:
    white = np.full((20, 20, 3), 255, np.uint8)
    (chip,) = grey_crops([Pictured(white, Detection(Box(-5, -5, 10, 10), 1.0))])
    expected = np.zeros((10, 10, 3), np.uint8)
    expected[5:, 5:] = 255
    np.testing.assert_array_equal(chip, expected)


def test_grey_crops_of_no_faces() -> None:
    assert grey_crops([]) == []


def test_one_row_per_chip_in_their_order_fed_one_by_one() -> None:
    network = Network()
    chips = [np.full((30, 30, 3), level, np.uint8) for level in (200, 10, 100)]
    rows = ClipEmbedder(network).embed(chips).vectors
    assert rows.shape == (3, DIMENSION)
    assert rows.dtype == np.float32
    assert [fed.shape for fed in network.fed] == [(1, 3, 224, 224)] * 3
    assert rows[0, 0] > rows[2, 0] > rows[1, 0]


def test_vectors_are_not_scaled_to_unit_length() -> None:
    answer = np.full((1, DIMENSION), 2.5, np.float32)
    np.testing.assert_array_equal(
        ClipEmbedder(Network(answer)).embed([speckled(5, 5)]).vectors, answer
    )


def test_no_chips_give_no_rows() -> None:
    network = Network()
    assert ClipEmbedder(network).embed([]).vectors.shape == (0, DIMENSION)
    assert network.fed == []


@pytest.mark.parametrize("shape", [(1, 512), (DIMENSION,), (1, 50, DIMENSION)])
def test_another_networks_answer_is_a_weights_error(shape: tuple[int, ...]) -> None:
    embedder = ClipEmbedder(Network(np.zeros(shape, np.float32)))
    with pytest.raises(WeightsError, match=r"patch32_v1\.onnx"):
        embedder.embed([speckled(5, 5)])


def test_an_answer_that_is_not_finite_is_an_inference_error() -> None:
    embedder = ClipEmbedder(Network(np.full((1, DIMENSION), np.nan, np.float32)))
    with pytest.raises(InferenceError, match="finite"):
        embedder.embed([speckled(5, 5)])

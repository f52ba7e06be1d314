"""The dlib embedder around its network: alignment, mirror images, batches, length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.errors import InferenceError
from facefind.inference.embedders.dlib_resnet import (
    CHIP_SIZE,
    DIMENSION,
    DLIB_TEMPLATE,
    TEMPLATE,
    VIEW_BOX,
    VIEW_SIZE,
    DlibAligner,
    DlibResnetEmbedder,
)
from facefind.inference.protocols import Pictured
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


def test_embed_keeps_the_order_in_one_run() -> None:
    network = FakeNetwork()
    chips = [chip(i, 2 * i) for i in range(1, 31)]
    chips[17] = np.zeros((CHIP_SIZE, CHIP_SIZE, 3), np.uint8)
    chips[17][0, 0, 0] = 5
    chips[17][:, :, 1] = 9
    rows = DlibResnetEmbedder(network).embed(chips).vectors
    assert rows.shape == (30, DIMENSION)
    (seen,) = network.batches
    assert len(seen) == 60
    assert seen[2 * 17, 1].max() == 9
    assert seen[::2, 0, 0, 0].tolist() == [*range(1, 18), 5, *range(19, 31)]


def test_embed_nothing() -> None:
    network = FakeNetwork()
    assert DlibResnetEmbedder(network).embed([]).vectors.shape == (0, DIMENSION)
    assert network.batches == []


class FakePredictor:
    """Finds dlib's landmarks at fixed places in whatever picture it is shown."""

    def __init__(self, found: FloatArray) -> None:
        self.found = found
        self.feeds: list[Mapping[str, NDArray[Any]]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        self.feeds.append(feeds)
        return [np.repeat(self.found[np.newaxis], len(feeds["chips"]), axis=0)]


def turned(points: NDArray[Any], degrees: float, scale: float = 1.0) -> NDArray[Any]:
    """Points turned about the middle of the chip, and scaled."""
    angle = np.radians(degrees)
    matrix = scale * np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
    result: NDArray[Any] = (points - CHIP_SIZE / 2) @ matrix.T + CHIP_SIZE / 2
    return result


def in_view(points: NDArray[Any]) -> FloatArray:
    """Points of the upright chip in the picture that the predictor sees."""
    shown: FloatArray = (points * 2 + 75).astype(np.float32)
    return shown


def squares(image: Image, points: NDArray[Any], reach: int) -> None:
    for x, y in points.astype(int):
        image[y - reach : y + reach + 1, x - reach : x + reach + 1] = 255


def test_the_predictor_sees_an_upright_face_in_its_box() -> None:
    image = np.zeros((600, 600, 3), np.uint8)
    points = turned(TEMPLATE, 50, 1.5) + 150
    squares(image, points, 4)
    predictor = FakePredictor(in_view(DLIB_TEMPLATE))
    DlibAligner(predictor)([Pictured(image, Detection(BOX, 1.0, points.astype(np.float32)))])
    (feeds,) = predictor.feeds
    assert feeds["chips"].shape == (1, VIEW_SIZE, VIEW_SIZE, 3)
    columns, rows = in_view(TEMPLATE).astype(int).T
    assert (feeds["chips"][0, rows, columns] == 255).all()
    assert feeds["chips"].mean() < 20
    np.testing.assert_array_equal(feeds["boxes"], [VIEW_BOX])
    left, top, width, height = VIEW_BOX
    assert ((columns > left) & (columns < left + width)).all()
    assert ((rows > top) & (rows < top + height)).all()


def test_chips_are_cut_by_the_landmarks_that_the_predictor_finds() -> None:
    image = np.zeros((600, 600, 3), np.uint8)
    # CenterFace's landmarks are 20 degrees off; the features are where the predictor sees them.
    squares(image, DLIB_TEMPLATE * 2 + 150, 6)
    crooked = (turned(TEMPLATE, 20) * 2 + 150).astype(np.float32)
    predictor = FakePredictor(in_view(turned(DLIB_TEMPLATE, -20)))
    (made,) = DlibAligner(predictor)([Pictured(image, Detection(BOX, 1.0, crooked))])
    assert made.shape == (CHIP_SIZE, CHIP_SIZE, 3)
    columns, rows = DLIB_TEMPLATE.astype(int).T
    assert (made[rows, columns] == 255).all()
    assert made.mean() < 10


def test_chips_come_in_order_however_many_faces_there_are() -> None:
    image = np.zeros((300, 4000, 3), np.uint8)
    shifts = range(0, 3700, 100)
    for number, shift in enumerate(shifts):
        image[:, shift + 50 : shift + 110] = 6 * number
    faces = [Detection(BOX, 1.0, np.add(TEMPLATE, (x, 80)).astype(np.float32)) for x in shifts]
    predictor = FakePredictor(in_view(DLIB_TEMPLATE))
    chips = DlibAligner(predictor)(Pictured(image, face) for face in faces)
    assert [chip[75, 75, 0] for chip in chips] == [6 * number for number in range(37)]
    assert [len(feeds["chips"]) for feeds in predictor.feeds] == [16, 16, 5]


def test_faces_in_pictures_of_their_own_get_the_chips_that_they_get_one_by_one() -> None:
    random = np.random.default_rng(3)
    faces = []
    for number in range(20):
        sides = random.integers(90, 400, 2)
        points = turned(TEMPLATE, 9.0 * number, random.uniform(0.2, 2)) + random.uniform(-60, 20)
        faces.append(
            Pictured(
                random.integers(0, 256, (*sides, 3), dtype=np.uint8),
                Detection(BOX, 1.0, points.astype(np.float32)),
            )
        )
    predictor = FakePredictor(in_view(turned(DLIB_TEMPLATE, 7)))
    align = DlibAligner(predictor)
    chips = align(iter(faces))
    assert [len(feeds["chips"]) for feeds in predictor.feeds] == [16, 4]
    alone = [align([one])[0] for one in faces]
    np.testing.assert_array_equal(chips, alone)
    assert len({chip.tobytes() for chip in chips}) == 20


def test_no_more_pictures_are_asked_for_than_are_looked_at_together() -> None:
    asked: list[int] = []

    def faces() -> Iterator[Pictured]:
        for number in range(40):
            asked.append(number)
            yield Pictured(
                np.zeros((9, 9, 3), np.uint8), Detection(BOX, 1.0, TEMPLATE.astype(np.float32))
            )

    class Counting(FakePredictor):
        def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
            counts.append(len(asked))
            return super().run(feeds)

    counts: list[int] = []
    assert len(DlibAligner(Counting(in_view(DLIB_TEMPLATE)))(faces())) == 40
    assert counts == [16, 32, 40]


def test_no_faces_need_no_predictor() -> None:
    predictor = FakePredictor(in_view(DLIB_TEMPLATE))
    assert DlibAligner(predictor)([]) == []
    assert predictor.feeds == []


def test_faces_without_landmarks_or_with_landmarks_in_one_point_are_refused() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    align = DlibAligner(FakePredictor(in_view(DLIB_TEMPLATE)))
    with pytest.raises(InferenceError, match="without landmarks"):
        align([Pictured(image, Detection(BOX, 1.0))])
    with pytest.raises(InferenceError, match="cannot be aligned"):
        align([Pictured(image, Detection(BOX, 1.0, np.ones((5, 2), np.float32)))])
    lost = DlibAligner(FakePredictor(np.ones((5, 2), np.float32)))
    with pytest.raises(InferenceError, match="cannot be aligned"):
        lost([Pictured(image, Detection(BOX, 1.0, TEMPLATE.astype(np.float32)))])

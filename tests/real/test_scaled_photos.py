"""Every unusual or damaged development photo is judged alike, and looks alike, at every scale."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.errors import PhotoError
from facefind.images import OpenedPhoto, read_file
from tests.pictures import difference

REPO = Path(__file__).parent.parent.parent
EVENTS = Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data")) / "events"
INDEXES = [EVENTS / "formats.jsonl", EVENTS / "corrupt.jsonl"]
FILES: list[str] = [
    json.loads(line)["file"]
    for index in INDEXES
    if index.exists()
    for line in index.read_text("utf-8").splitlines()
]

LARGEST = 20
"""Megapixels; larger files would only take longer."""

BOUND = 7.0
"""Mean difference of levels between a scaled picture and the whole one reduced."""

SMALLEST = 64
"""Pixels of the shorter side from which pictures are compared: smaller ones are all edge."""


def outcome(path: Path, scale: float) -> NDArray[np.uint8] | str:
    try:
        return OpenedPhoto(read_file(path).data, max_megapixels=LARGEST).at(scale)
    except PhotoError as error:
        return error.message


def reduced(whole: NDArray[np.uint8], step: int) -> Iterator[NDArray[np.uint8]]:
    """The picture over whole steps, counted from each of its corners."""
    spare = [(0, -side % step) for side in whole.shape[:2]]
    for rows in {spare[0], spare[0][::-1]}:
        for columns in {spare[1], spare[1][::-1]}:
            padded = np.pad(whole, (rows, columns, (0, 0)), mode="edge")
            size = padded.shape[1] // step, padded.shape[0] // step
            yield np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), np.uint8)


def test_the_indexes_are_read_whole(test_data: Path) -> None:
    assert len(FILES) >= 186 + 163


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_judged_alike_at_every_scale(test_data: Path, file: str) -> None:
    whole = outcome(EVENTS / file, 1)
    for scale in (0.5, 0.25, 0.125):
        scaled = outcome(EVENTS / file, scale)
        if isinstance(whole, str) or isinstance(scaled, str):
            assert scaled == whole


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("formats/")])
def test_a_scaled_photo_shows_the_same(test_data: Path, file: str) -> None:
    whole = outcome(EVENTS / file, 1)
    if isinstance(whole, str) or min(whole.shape[:2]) < SMALLEST:
        pytest.skip("not a picture to compare")
    for scale in (0.5, 0.25, 0.125):
        scaled = outcome(EVENTS / file, scale)
        assert not isinstance(scaled, str)
        step = -(-len(whole) // len(scaled))
        assert min(difference(scaled, other) for other in reduced(whole, step)) < BOUND


def test_the_bound_tells_wrong_pictures(test_data: Path) -> None:
    file = EVENTS / "formats" / "dev_exif_orient6.jpg"
    whole, half = outcome(file, 1), outcome(file, 0.5)
    assert not isinstance(whole, str)
    assert not isinstance(half, str)
    for wrong in (half[::-1], half[:, ::-1], half[::-1, ::-1], half[..., ::-1]):
        assert min(difference(wrong, other) for other in reduced(whole, 2)) > 2 * BOUND

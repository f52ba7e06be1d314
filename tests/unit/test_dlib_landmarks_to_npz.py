"""Reading dlib's shape predictors, on a small one written here byte by byte."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.dlib_format import FormatError
from models.dlib_landmarks_to_npz import convert, read_predictor
from tests.dlib_bytes import integer, integers, real

LEVELS, TREES, SPLITS, PIXELS = 2, 3, 3, 4

START = np.array(((0.75, 0.25), (0.25, 0.5)), np.float32)
ANCHORS = np.array(((0, 1, 1, 0), (1, 0, 0, 1)))
DELTAS = np.linspace(-0.5, 0.46875, LEVELS * PIXELS * 2, dtype=np.float32).reshape(2, PIXELS, 2)
PAIRS = np.arange(LEVELS * TREES * SPLITS * 2).reshape(LEVELS, TREES, SPLITS, 2) % PIXELS
THRESHOLDS = np.linspace(-20, 31, LEVELS * TREES * SPLITS, dtype=np.float32).reshape(2, TREES, 3)
LEAVES = np.arange(LEVELS * TREES * 4 * 4, dtype=np.float32).reshape(LEVELS, TREES, 4, 2, 2) / 8


def column(values: NDArray[Any]) -> bytes:
    return integers(-values.size, -1) + b"".join(real(float(value)) for value in values.flat)


def tree(pairs: NDArray[Any], thresholds: NDArray[Any], leaves: NDArray[Any]) -> bytes:
    splits = b"".join(
        integers(*map(int, pair)) + real(float(threshold))
        for pair, threshold in zip(pairs, thresholds, strict=True)
    )
    return integer(len(pairs)) + splits + integer(len(leaves)) + b"".join(map(column, leaves))


def predictor(
    anchors: NDArray[Any] = ANCHORS, pairs: NDArray[Any] = PAIRS, leaves: NDArray[Any] = LEAVES
) -> bytes:
    data = integer(1) + column(START) + integer(LEVELS)
    for level in zip(pairs, THRESHOLDS, leaves, strict=True):
        data += integer(TREES) + b"".join(map(tree, *level))
    data += integer(len(anchors))
    for row in anchors:
        data += integer(len(row)) + integers(*map(int, row))
    data += integer(LEVELS)
    for deltas in DELTAS:
        data += integer(PIXELS) + b"".join(real(float(x)) + real(float(y)) for x, y in deltas)
    return data


SMALL = predictor()


def test_everything_is_read_in_its_place() -> None:
    read = read_predictor(SMALL)
    wanted = {
        "start": (START, np.float32),
        "anchors": (ANCHORS, np.uint8),
        "deltas": (DELTAS, np.float32),
        "pairs": (PAIRS, np.uint16),
        "thresholds": (THRESHOLDS, np.float32),
        "leaves": (LEAVES, np.float32),
    }
    assert list(read) == list(wanted)
    for name, (values, kind) in wanted.items():
        np.testing.assert_array_equal(read[name], values)
        assert read[name].dtype == kind


def test_the_file_holds_the_arrays_and_the_same_bytes_each_time() -> None:
    made = convert(SMALL)
    assert made == convert(SMALL)
    with np.load(io.BytesIO(made), allow_pickle=False) as stored:
        assert sorted(stored) == sorted(read_predictor(SMALL))
        np.testing.assert_array_equal(stored["leaves"], LEAVES)


def test_no_cut_is_taken_for_a_whole_file() -> None:
    cuts = range(0, len(SMALL), 7)
    assert len(cuts) > 50
    for cut in cuts:
        with pytest.raises(FormatError):
            read_predictor(SMALL[:cut])


def with_pair(value: int) -> NDArray[Any]:
    pairs: NDArray[Any] = PAIRS.copy()
    pairs[1, 2, 0, 1] = value
    return pairs


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "1 bytes expected"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "integer"),
        (integer(2) + SMALL[2:], "1 expected, 2 found"),
        (SMALL + b"\x00", "1 bytes left over"),
        (integer(1) + integers(4, 1) + SMALL[6:], "4 x 1 are no sizes"),
        (predictor(leaves=LEAVES[:, :, :3]), "3 leaves do not fit 3 splits"),
        (predictor(leaves=LEAVES[:, :, :, :1]), "4 leaves do not fit 3 splits"),
        (predictor(anchors=ANCHORS[:1]), "out of range"),
        (predictor(anchors=ANCHORS[:, :3]), "out of range"),
        (predictor(anchors=ANCHORS + 1), "out of range"),
        (predictor(anchors=ANCHORS - 1), "out of range"),
        (predictor(anchors=ANCHORS + 256), "out of range"),
        (predictor(pairs=with_pair(PIXELS)), "out of range"),
        (predictor(pairs=with_pair(-1)), "out of range"),
    ],
    ids=[
        *("empty", "png", "version", "longer", "sizes", "few leaves", "small leaves", "few levels"),
        *("few pixels", "anchor", "anchor below", "anchor beyond a byte", "pixel", "pixel below"),
    ],
)
def test_another_file_is_refused_with_the_reason(data: bytes, complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        read_predictor(data)


def test_trees_of_different_sizes_are_refused() -> None:
    small = tree(PAIRS[0, 0, :1], THRESHOLDS[0, 0, :1], LEAVES[0, 0, :2])
    large = tree(PAIRS[0, 0], THRESHOLDS[0, 0], LEAVES[0, 0])
    data = SMALL.replace(large, small, 1)
    assert data != SMALL
    with pytest.raises(FormatError, match="differ in size"):
        read_predictor(data)

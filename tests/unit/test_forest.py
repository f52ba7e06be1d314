"""The landmark predictor against a plain one written here, on a small random forest."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.errors import InferenceError, WeightsError
from facefind.inference.forest import Forest, read_cascade

LEVELS, TREES, SPLITS, PIXELS, POINTS = 3, 40, 7, 60, 5

Arrays = dict[str, NDArray[Any]]


def small_forest() -> Arrays:
    """Landmarks spread over the box; leaves large enough that turns and scales matter."""
    random = np.random.default_rng(5)
    shape = (LEVELS, TREES, SPLITS)
    start = random.uniform(0.2, 0.8, (POINTS, 2))
    return {
        "start": start.astype(np.float32),
        "anchors": random.integers(0, POINTS, (LEVELS, PIXELS)).astype(np.uint8),
        "deltas": random.uniform(-0.4, 0.4, (LEVELS, PIXELS, 2)).astype(np.float32),
        "pairs": random.integers(0, PIXELS, (*shape, 2)).astype(np.uint16),
        "thresholds": random.uniform(-60, 60, shape).astype(np.float32),
        "leaves": random.normal(0, 0.02, (LEVELS, TREES, SPLITS + 1, POINTS, 2)).astype(np.float32),
    }


def faces(count: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Pictures of noise, and boxes of which some reach far beyond the edge."""
    random = np.random.default_rng(6)
    chips = random.integers(0, 256, (count, 50, 64, 3), dtype=np.uint8)
    boxes = np.column_stack(
        (random.uniform(-30, 40, (count, 2)), random.uniform(9, 60, (count, 2)))
    )
    return chips, boxes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "forest.npz"
    np.savez(place, **small_forest())  # type: ignore[arg-type, unused-ignore]
    return place


def one_face(arrays: Arrays, chip: NDArray[np.uint8], box: NDArray[np.float64]) -> Any:
    """The landmarks (P, 2) of one face, tree by tree and pixel by pixel."""
    start = arrays["start"]
    shape = start.copy()
    for level in range(LEVELS):
        linear = fitted(start, shape)
        grey = [
            brightness(chip, box, moved(linear, delta, shape[anchor]))
            for anchor, delta in zip(arrays["anchors"][level], arrays["deltas"][level], strict=True)
        ]
        for tree in range(TREES):
            node = 0
            while node < SPLITS:
                first, second = arrays["pairs"][level, tree, node]
                left = grey[first] - grey[second] > arrays["thresholds"][level, tree, node]
                node = 2 * node + (1 if left else 2)
            shape = shape + arrays["leaves"][level, tree, node - SPLITS]
    return box[:2] + shape * (box[2:] - 1) + 0.5


def fitted(source: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float32]:
    """Turn and scale, (2, 2), between two shapes: least squares over the four unknowns."""
    rows: list[tuple[float, ...]] = []
    for x, y in source.astype(np.float64):
        rows += [(x, -y, 1, 0), (y, x, 0, 1)]
    a, b, *_ = np.linalg.lstsq(np.array(rows), target.astype(np.float64).ravel(), rcond=None)[0]
    return np.array(((a, -b), (b, a)), np.float32)


def moved(linear: NDArray[Any], delta: NDArray[Any], anchor: NDArray[Any]) -> NDArray[Any]:
    x, y = delta
    turned: NDArray[Any] = np.array([row[0] * x + row[1] * y for row in linear])
    turned += anchor
    return turned


def brightness(chip: NDArray[np.uint8], box: NDArray[np.float64], point: NDArray[Any]) -> int:
    x, y = np.floor(box[:2] + point.astype(np.float64) * (box[2:] - 1) + 0.5).astype(int)
    if not (0 <= x < chip.shape[1] and 0 <= y < chip.shape[0]):
        return 0
    return sum(map(int, chip[y, x])) // 3


def test_landmarks_are_those_of_the_plain_predictor(path: Path) -> None:
    chips, boxes = faces(12)
    (found,) = Forest(path).run({"chips": chips, "boxes": boxes})
    expected = np.stack(
        [one_face(small_forest(), *face) for face in zip(chips, boxes, strict=True)]
    )
    assert found.dtype == np.float32
    assert found.shape == (12, POINTS, 2)
    # Bit by bit: were the leaves summed in another order, some would differ in the last digit.
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    untouched = boxes[:, None, :2] + small_forest()["start"] * (boxes[:, None, 2:] - 1) + 0.5
    assert np.abs(found - untouched).max(axis=(1, 2)).min() > 1


def test_faces_do_not_depend_on_those_beside_them(path: Path) -> None:
    chips, boxes = faces(37)
    forest = Forest(path)
    (together,) = forest.run({"chips": chips, "boxes": boxes})
    alone = [
        forest.run({"chips": chips[i : i + 1], "boxes": boxes[i : i + 1]})[0] for i in range(37)
    ]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_whole_numbers_may_come_as_floats(path: Path) -> None:
    chips, boxes = faces(3)
    forest = Forest(path)
    (whole,) = forest.run({"chips": chips, "boxes": boxes})
    (floats,) = forest.run({"chips": chips.astype(np.float32), "boxes": boxes})
    np.testing.assert_array_equal(whole, floats)


def test_a_forest_that_was_loaded_before_needs_its_file_no_more(path: Path) -> None:
    forest = Forest(path)
    forest.load()
    path.unlink()
    chips, boxes = faces(1)
    (found,) = forest.run({"chips": chips, "boxes": boxes})
    assert len(found) == 1


def test_no_faces_have_no_landmarks(path: Path) -> None:
    chips, boxes = faces(0)
    (found,) = Forest(path).run({"chips": chips, "boxes": boxes})
    assert found.shape == (0, POINTS, 2)


@pytest.mark.parametrize(
    ("chips", "boxes"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((1, 4))),
        (np.zeros((2, 8, 8), np.uint8), np.zeros((2, 4))),
        (np.zeros((2, 8, 8, 4), np.uint8), np.zeros((2, 4))),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 2))),
    ],
)
def test_inputs_of_other_shapes_are_refused(
    chips: NDArray[Any], boxes: NDArray[Any], path: Path
) -> None:
    with pytest.raises(InferenceError, match="do not fit"):
        Forest(path).run({"chips": chips, "boxes": boxes})


def stored(arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type, unused-ignore]
    return stream.getvalue()


def with_pickle() -> bytes:
    stream = io.BytesIO(stored(small_forest()))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("start.npy", pickle.dumps("a program"))
    return stream.getvalue()


def flipped() -> bytes:
    data = bytearray(stored(small_forest()))
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


DAMAGED: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"no weights at all",
    "cut": lambda: stored(small_forest())[:-2000],
    "a bit flipped": flipped,
    "one array": lambda: _npy(small_forest()["start"]),
    "without leaves": lambda: stored({k: v for k, v in small_forest().items() if k != "leaves"}),
    "a pickle": with_pickle,
    "objects": lambda: stored({**small_forest(), "start": np.array([None])}),
}


def _npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_refused(damage: str, tmp_path: Path) -> None:
    place = tmp_path / "forest.npz"
    place.write_bytes(DAMAGED[damage]())
    with pytest.raises(WeightsError, match=r"forest\.npz cannot be loaded") as caught:
        read_cascade(place)
    assert caught.value.hint


def test_a_missing_file_is_refused_at_the_first_run(tmp_path: Path) -> None:
    chips, boxes = faces(1)
    forest = Forest(tmp_path / "gone.npz")
    with pytest.raises(WeightsError, match=r"gone\.npz cannot be loaded"):
        forest.run({"chips": chips, "boxes": boxes})


WRONG: dict[str, Callable[[Arrays], Any]] = {
    "kind": lambda a: {"thresholds": a["thresholds"].astype(np.float64)},
    "points": lambda a: {"start": a["start"][:4]},
    "anchor": lambda a: {"anchors": a["anchors"] + POINTS},
    "pixel": lambda a: {"pairs": a["pairs"] + np.uint16(PIXELS)},
    "levels": lambda a: {"anchors": a["anchors"][:2], "deltas": a["deltas"][:2]},
    "leaves": lambda a: {"leaves": a["leaves"][:, :, 1:]},
    "splits": lambda a: {
        "pairs": a["pairs"][:, :, :5],
        "thresholds": a["thresholds"][:, :, :5],
        "leaves": a["leaves"][:, :, :6],
    },
    "not finite": lambda a: {"deltas": a["deltas"] * np.float32(np.nan)},
    "threshold": lambda a: {"thresholds": a["thresholds"] * np.float32(1e6)},
    "none": lambda a: {"anchors": a["anchors"][:0], "deltas": a["deltas"][:0]},
}


@pytest.mark.parametrize("change", WRONG)
def test_arrays_that_do_not_fit_together_are_refused(change: str, tmp_path: Path) -> None:
    arrays = small_forest()
    place = tmp_path / "forest.npz"
    place.write_bytes(stored({**arrays, **WRONG[change](arrays)}))
    with pytest.raises(WeightsError, match="do not fit together"):
        read_cascade(place)

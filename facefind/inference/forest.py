"""Runs dlib's shape predictor: landmarks from a cascade of regression forests.

The file holds plain arrays; ``models/dlib_landmarks_to_npz.py``, which makes it, describes them.
Arithmetic is dlib's own, operation by operation: sums in another order or precision would move
landmarks by whole pixels in some faces. No matrix product is used, so neither threads nor the
number of faces at once change a result.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, TypeAlias
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from facefind.errors import InferenceError, WeightsError
from facefind.types import FloatArray

_BATCH = 16
"""Faces at once: bounds memory, and keeps what is worked on in the processor's cache."""

_LIMIT = 2**15
"""Above any threshold; brightness differs by 255 at most."""

_KINDS = {
    "start": np.float32,
    "anchors": np.uint8,
    "deltas": np.float32,
    "pairs": np.uint16,
    "thresholds": np.float32,
    "leaves": np.float32,
}
"""The arrays of the file."""

_UNREADABLE = (OSError, EOFError, ValueError, KeyError, RuntimeError, BadZipFile, zlib.error)
"""What reading a damaged file may raise; RuntimeError where it seems to be encrypted."""

Array: TypeAlias = NDArray[Any]


class Level(NamedTuple):
    """One level of the cascade, as it is computed with; F pixels, T trees of S splits, P landmarks.

    Attributes:
        deltas: (2, 1, F) float32, where pixels are sampled: x and y from their landmark.
        turned: (2, 1, F) float32, the same after a quarter of a turn, -y and x.
        anchors: (F,) the landmarks that they are fixed to.
        pairs: (2 T S,) the pixels compared at each split: all the first ones, then the second ones.
        limits: (T S,) int16: a difference in brightness above it goes left.
        leaves: (T (S + 1), P, 2) float32.
    """

    deltas: FloatArray
    turned: FloatArray
    anchors: NDArray[np.intp]
    pairs: NDArray[np.intp]
    limits: NDArray[np.int16]
    leaves: FloatArray


class Cascade(NamedTuple):
    """The predictor: the landmarks that a face begins with, (P, 2), and its levels of trees."""

    start: FloatArray
    levels: tuple[Level, ...]
    trees: int
    splits: int


class Forest:
    """The predictor, ready to run from any thread; a `facefind.inference.protocols.Model`.

    Args:
        path: The ``.npz`` file; it is read at the first run.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._cascade: Cascade | None = None

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The landmarks of one face in each picture.

        Args:
            feeds: ``chips`` (N, H, W, 3), RGB of 0..255; ``boxes`` (N, 4), (x, y, w, h) of the
                face in its picture.

        Returns:
            One array, (N, P, 2) float32, (x, y) in the picture's continuous frame.

        Raises:
            WeightsError: The file cannot be read, or is no such predictor.
            InferenceError: The inputs have other shapes.
        """
        chips, boxes = feeds["chips"], np.asarray(feeds["boxes"], np.float64)
        if chips.ndim != 4 or chips.shape[3] != 3 or boxes.shape != (len(chips), 4):
            raise InferenceError(f"Chips {chips.shape} and boxes {boxes.shape} do not fit.")
        cascade = self._ready()
        found = [
            predict(cascade, chips[i : i + _BATCH], boxes[i : i + _BATCH])
            for i in range(0, len(chips), _BATCH)
        ]
        return [np.concatenate([np.zeros((0, *cascade.start.shape), np.float32), *found])]

    def _ready(self) -> Cascade:
        with self._lock:
            if self._cascade is None:
                self._cascade = read_cascade(self._path)
            return self._cascade


def read_cascade(path: Path) -> Cascade:
    """The predictor in a file.

    Raises:
        WeightsError: It is missing, damaged, or holds something else.
    """
    hint = "Install facefind again."
    try:
        with ZipFile(path) as archive:
            arrays = [_array(archive.read(f"{name}.npy")) for name in _KINDS]
    except _UNREADABLE as error:
        raise WeightsError(f"{path} cannot be loaded: {error}", hint) from error
    if not _is_sound(*arrays):
        raise WeightsError(f"{path} cannot be loaded: its arrays do not fit together.", hint)
    start, *rest = arrays
    _, trees, splits = rest[3].shape
    levels = tuple(_level(*parts) for parts in zip(*rest, strict=True))
    return Cascade(start, levels, trees, splits)


def _array(data: bytes) -> Array:
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))


def _is_sound(
    start: Array, anchors: Array, deltas: Array, pairs: Array, thresholds: Array, leaves: Array
) -> bool:
    arrays = (start, anchors, deltas, pairs, thresholds, leaves)
    if any(a.dtype != kind for a, kind in zip(arrays, _KINDS.values(), strict=True)):
        return False
    if not all(a.size for a in arrays) or anchors.ndim != 2 or thresholds.ndim != 3:
        return False
    levels, trees, splits = thresholds.shape
    return bool(
        start.shape[1:] == (2,)
        and len(anchors) == levels
        and deltas.shape == (*anchors.shape, 2)
        and pairs.shape == (*thresholds.shape, 2)
        and leaves.shape == (levels, trees, splits + 1, *start.shape)
        and (splits + 1).bit_count() == 1
        and anchors.max() < len(start)
        and pairs.max() < anchors.shape[1]
        and all(np.isfinite(a).all() for a in (start, deltas, thresholds, leaves))
        and np.abs(thresholds).max() < _LIMIT
    )


def _level(anchors: Array, deltas: Array, pairs: Array, thresholds: Array, leaves: Array) -> Level:
    x, y = deltas.T
    return Level(
        np.stack((x, y))[:, np.newaxis],
        np.stack((-y, x))[:, np.newaxis],
        anchors.astype(np.intp),
        pairs.reshape(-1, 2).T.reshape(-1).astype(np.intp),
        # Brightness is whole, so rounding down decides alike.
        np.floor(thresholds).reshape(-1).astype(np.int16),
        leaves.reshape(-1, *leaves.shape[2:]),
    )


def predict(
    cascade: Cascade, chips: NDArray[Any], boxes: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The landmarks (N, P, 2) of one face in each picture; arguments as `Forest.run` takes them."""
    shapes = np.repeat(cascade.start[np.newaxis], len(chips), axis=0)
    for level in cascade.levels:
        points = _sampled_at(cascade.start, shapes, level)
        brightness = _brightness(chips, _to_pixels(points, boxes))
        shapes = _moved(shapes, brightness, level, cascade)
    inside = boxes[:, np.newaxis, :2] + shapes * (boxes[:, np.newaxis, 2:] - 1)
    # dlib counts from the centre of the first pixel, half a pixel inside the continuous frame.
    landmarks: FloatArray = (inside + 0.5).astype(np.float32)
    return landmarks


def _sampled_at(start: FloatArray, shapes: FloatArray, level: Level) -> FloatArray:
    """Where pixels are sampled, (2, N, F), in units of the box: turned and scaled with the face."""
    z = start.astype(np.float64) @ (1, 1j)
    z -= z.mean()
    w = shapes[..., 0].astype(np.float64) + 1j * shapes[..., 1]
    factor = (w * z.conj()).sum(axis=1, keepdims=True) / (z * z.conj()).sum().real
    points: FloatArray = factor.real.astype(np.float32) * level.deltas
    points += factor.imag.astype(np.float32) * level.turned
    points += shapes.transpose(2, 0, 1).take(level.anchors, axis=2)
    return points


def _to_pixels(points: FloatArray, boxes: NDArray[np.float64]) -> NDArray[np.intp]:
    corners, sides = boxes.T[:2, :, np.newaxis], boxes.T[2:, :, np.newaxis]
    return np.asarray(np.floor(corners + points * (sides - 1) + 0.5), np.intp)


def _brightness(chips: NDArray[Any], at: NDArray[np.intp]) -> NDArray[np.int16]:
    """The mean of the three colours, rounded down, (N, F); 0 outside the picture."""
    count, height, width, _ = chips.shape
    x, y = at
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    start = np.arange(count)[:, np.newaxis] * (height * width)
    colours = chips.reshape(-1, 3).take((start + y * width + x) * inside, axis=0).astype(np.int16)
    grey = (colours[..., 0] + colours[..., 1] + colours[..., 2]) // np.int16(3)
    return np.asarray(grey * inside, np.int16)


def _moved(
    shapes: FloatArray, brightness: NDArray[np.int16], level: Level, cascade: Cascade
) -> FloatArray:
    """The landmarks after one level: each tree adds its leaf, one after the other."""
    count, trees, splits = len(shapes), cascade.trees, cascade.splits
    pixels = brightness.take(level.pairs, axis=1)
    half = trees * splits
    left = pixels[:, :half] - pixels[:, half:] > level.limits
    tree = np.arange(trees)[:, np.newaxis] * splits
    row = np.arange(count) * half
    node = np.zeros((trees, count), np.intp)
    for _ in range((splits + 1).bit_length() - 1):
        node += node + 2 - left.take(row + tree + node)
    leaf = tree + np.arange(trees)[:, np.newaxis] + node - splits
    steps = np.empty((trees + 1, *shapes.shape), np.float32)
    steps[0] = shapes
    level.leaves.take(leaf, axis=0, out=steps[1:], mode="clip")
    # Along the first axis numpy adds row after row, which is the order that dlib adds in.
    moved: FloatArray = np.add.reduce(steps, axis=0)
    return moved

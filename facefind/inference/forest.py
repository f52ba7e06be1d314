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

_BITS: Mapping[int, np.dtype[Any]] = {8: np.dtype("<u1"), 16: np.dtype("<u2")}
"""By a tree's leaves: what holds a bit for each of its decisions, and one more."""

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

    A tree has S + 1 decisions in the arrays: the last is never true and only fills up the bits.

    Attributes:
        deltas: (2, 1, F) float32, where pixels are sampled: x and y from their landmark.
        turned: (2, 1, F) float32, the same after a quarter of a turn, -y and x.
        anchors: (F,) the landmarks that they are fixed to.
        pairs: (2 T (S + 1),) the pixels compared: all the first ones, then the second ones.
        limits: (T (S + 1),) int16: a difference in brightness above it goes left.
        leaves: (T (S + 1), P, 2) float32.
    """

    deltas: FloatArray
    turned: FloatArray
    anchors: NDArray[np.intp]
    pairs: NDArray[np.intp]
    limits: NDArray[np.int16]
    leaves: FloatArray


class Cascade(NamedTuple):
    """The predictor.

    Attributes:
        start: (P, 2), the landmarks that a face begins with.
        facing: (P,) complex128, what a face's landmarks, as complex numbers, are multiplied by for
            how they are turned and scaled from the start, times `spread`.
        spread: The sum of the start's squared distances from its middle.
        levels: Its trees.
        leaf_of: (2 ** S,) uint8: which of its leaves a tree's decisions lead to, from their bits.
        first: (T, 1), each tree's first leaf.
    """

    start: FloatArray
    facing: NDArray[np.complex128]
    spread: float
    levels: tuple[Level, ...]
    leaf_of: NDArray[np.uint8]
    first: NDArray[np.intp]


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

    def load(self) -> None:
        """Reads the file now rather than at the first run.

        Raises:
            WeightsError: As `run`.
        """
        self._ready()

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
    z = start.astype(np.float64) @ (1, 1j)
    z -= z.mean()
    return Cascade(
        start,
        z.conj(),
        (z * z.conj()).sum().real,
        tuple(_level(*parts) for parts in zip(*rest, strict=True)),
        _leaf_of(splits),
        np.arange(trees)[:, np.newaxis] * (splits + 1),
    )


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
        and splits + 1 in _BITS
        and anchors.max() < len(start)
        and pairs.max() < anchors.shape[1]
        and all(np.isfinite(a).all() for a in (start, deltas, thresholds, leaves))
        and np.abs(thresholds).max() < _LIMIT
    )


def _level(anchors: Array, deltas: Array, pairs: Array, thresholds: Array, leaves: Array) -> Level:
    x, y = deltas.T
    # Brightness is whole, so rounding down decides alike.
    limits = np.floor(thresholds).astype(np.int16)
    return Level(
        np.stack((x, y))[:, np.newaxis],
        np.stack((-y, x))[:, np.newaxis],
        anchors.astype(np.intp),
        np.pad(pairs, ((0, 0), (0, 1), (0, 0))).reshape(-1, 2).T.reshape(-1).astype(np.intp),
        np.pad(limits, ((0, 0), (0, 1)), constant_values=_LIMIT - 1).reshape(-1),
        leaves.reshape(-1, *leaves.shape[2:]),
    )


def _leaf_of(splits: int) -> NDArray[np.uint8]:
    """The leaf for each set of decisions; bit s says whether split s goes left."""
    decisions = np.arange(2**splits)
    node = np.zeros_like(decisions)
    for _ in range(splits.bit_length()):
        node = 2 * node + 2 - (decisions >> node & 1)
    return (node - splits).astype(np.uint8)


def predict(
    cascade: Cascade, chips: NDArray[Any], boxes: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The landmarks (N, P, 2) of one face in each picture; arguments as `Forest.run` takes them."""
    picture = _Pictures(chips, boxes)
    # The landmarks, and after them what each tree of a level adds to them.
    steps = np.empty((len(cascade.first) + 1, len(chips), *cascade.start.shape), np.float32)
    steps[0] = cascade.start
    for level in cascade.levels:
        brightness = picture.brightness(_sampled_at(cascade, steps[0], level))
        leaf = _leaves(cascade, level, brightness)
        level.leaves.take(leaf, axis=0, out=steps[1:], mode="clip")
        # Along the first axis numpy adds row after row, which is the order that dlib adds in.
        steps[0] = np.add.reduce(steps, axis=0)
    inside = boxes[:, np.newaxis, :2] + steps[0] * (boxes[:, np.newaxis, 2:] - 1)
    # dlib counts from the centre of the first pixel, half a pixel inside the continuous frame.
    landmarks: FloatArray = (inside + 0.5).astype(np.float32)
    return landmarks


def _sampled_at(cascade: Cascade, shapes: FloatArray, level: Level) -> FloatArray:
    """Where pixels are sampled, (2, N, F), in units of the box: turned and scaled with the face."""
    w = shapes.astype(np.float64).view(np.complex128)[..., 0]
    factor = np.add.reduce(w * cascade.facing, axis=1, keepdims=True) / cascade.spread
    cosine, sine = factor.view(np.float64).astype(np.float32).T[..., np.newaxis]
    points: FloatArray = cosine * level.deltas
    points += sine * level.turned
    points += shapes.transpose(2, 0, 1).take(level.anchors, axis=2)
    return points


class _Pictures:
    """Reads the brightness of faces' pictures, (N, H, W, 3), at points in units of their boxes."""

    def __init__(self, chips: NDArray[Any], boxes: NDArray[np.float64]) -> None:
        count, height, width, _ = chips.shape
        self._corners = boxes.T[:2, :, np.newaxis]
        self._spans = boxes.T[2:, :, np.newaxis] - 1
        self._sides = np.array((width, height), np.uintp)[:, np.newaxis, np.newaxis]
        self._width = width
        self._starts = np.arange(count)[:, np.newaxis] * (width * height)
        self._colours = chips.reshape(-1, 3)

    def brightness(self, points: FloatArray) -> NDArray[np.int16]:
        """The mean of the three colours, rounded down, (N, F), at points (2, N, F); 0 outside."""
        at = self._pixels(points)
        # Among unsigned numbers those below zero come last.
        inside = at.view(np.uintp) < self._sides
        x, y = at
        y *= self._width
        y += x
        y += self._starts
        # What is read in place of a pixel outside does not count.
        colours = self._colours.take(y, axis=0, mode="clip").astype(np.int16)
        grey: NDArray[np.int16] = colours[..., 0] + colours[..., 1]
        grey += colours[..., 2]
        grey //= np.int16(3)
        grey *= inside[0] & inside[1]
        return grey

    def _pixels(self, points: FloatArray) -> NDArray[np.intp]:
        """Columns and rows, (2, N, F)."""
        at = points * self._spans
        at += self._corners
        at += 0.5
        return np.asarray(np.floor(at, out=at), np.intp)


def _leaves(cascade: Cascade, level: Level, brightness: NDArray[np.int16]) -> NDArray[np.intp]:
    """The leaves that the trees of a level lead to, (T, N)."""
    half = len(level.limits)
    pixels = brightness.take(level.pairs, axis=1)
    left = pixels[:, :half] - pixels[:, half:] > level.limits
    bits = np.packbits(left, axis=1, bitorder="little").view(_BITS[half // len(cascade.first)])
    leaves: NDArray[np.intp] = cascade.first + cascade.leaf_of.take(bits.T)
    return leaves

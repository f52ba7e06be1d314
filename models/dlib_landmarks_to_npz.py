"""Turns dlib's five-point shape predictor (a ``.dat`` file) into plain arrays, without dlib.

Runs only while facefind is built; needs numpy. By hand, in the checkout::

    python -m models.dlib_landmarks_to_npz shape_predictor_5_face_landmarks.dat dlib_landmarks.npz

The predictor is a cascade of forests of regression trees (Kazemi and Sullivan 2014). With L levels
in the cascade, T trees a level, S splits and S + 1 leaves a tree, F sampled pixels a level and P
landmarks, the arrays are

- ``start`` (P, 2) float32: the landmarks that a face begins with, (x, y) in units of its box;
- ``anchors`` (L, F) uint8 and ``deltas`` (L, F, 2) float32: the landmark that a sampled pixel is
  fixed to, and how far from it the pixel lies on the face ``start``;
- ``pairs`` (L, T, S, 2) uint16 and ``thresholds`` (L, T, S) float32: at split s two sampled pixels
  are compared; a difference above the threshold goes on at split 2 s + 1, any other at 2 s + 2,
  and where there is no such split the leaf is that number less S;
- ``leaves`` (L, T, S + 1, P, 2) float32: what the tree adds to the landmarks.

The same file gives the same bytes.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.dlib_format import FormatError, Reader, Tensor


def convert(data: bytes) -> bytes:
    """dlib's ``shape_predictor_5_face_landmarks.dat`` as an ``.npz`` file.

    Raises:
        FormatError: ``data`` is something else, or cut short.
    """
    predictor = read_predictor(data)
    stream = io.BytesIO()
    # Not compressed: the bytes would depend on the compressor's version, and the wheel packs them.
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in predictor.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return stream.getvalue()


def read_predictor(data: bytes) -> dict[str, NDArray[Any]]:
    """The predictor's arrays by name, as this module's docstring says.

    Raises:
        FormatError: Another kind of file, one cut short, or one with bytes left over.
    """
    reader = Reader(data)
    reader.expect(1)
    start = _column(reader).reshape(-1, 2)
    levels = [
        [_tree(reader, start.size) for _ in range(reader.integer())]
        for _ in range(reader.integer())
    ]
    anchors = [[reader.integer() for _ in range(reader.integer())] for _ in range(reader.integer())]
    deltas = [[reader.reals(2) for _ in range(reader.integer())] for _ in range(reader.integer())]
    if reader.position != len(data):
        raise reader.error(f"{len(data) - reader.position} bytes left over")
    predictor = {
        "start": start,
        "anchors": _stacked(anchors, np.uint8),
        "deltas": _stacked(deltas, np.float32),
        "pairs": _stacked([[tree[0] for tree in level] for level in levels], np.uint16),
        "thresholds": _stacked([[tree[1] for tree in level] for level in levels], np.float32),
        "leaves": _stacked([[tree[2] for tree in level] for level in levels], np.float32),
    }
    _check(predictor)
    return predictor


def _column(reader: Reader) -> Tensor:
    """A matrix of one column; both its sizes are stored with a minus."""
    rows, columns = reader.integers(2)
    if rows >= 0 or columns != -1:
        raise reader.error(f"{rows} x {columns} are no sizes of a column")
    return np.array(reader.reals(-rows), np.float32)


def _tree(reader: Reader, size: int) -> tuple[list[tuple[int, ...]], list[float], list[Tensor]]:
    """The pixels compared at each split, the splits' thresholds, and the leaves, ``size`` each."""
    pairs, thresholds = [], []
    for _ in range(reader.integer()):
        pairs.append(reader.integers(2))
        thresholds.append(reader.real())
    leaves = [_column(reader) for _ in range(reader.integer())]
    if len(leaves) != len(pairs) + 1 or any(leaf.size != size for leaf in leaves):
        raise reader.error(f"{len(leaves)} leaves do not fit {len(pairs)} splits")
    return pairs, thresholds, [leaf.reshape(-1, 2) for leaf in leaves]


def _stacked(values: Any, kind: type[np.generic]) -> NDArray[Any]:
    try:
        stacked = np.array(values)
    except ValueError as error:
        raise FormatError("not a dlib predictor as expected: its trees differ in size") from error
    narrow: NDArray[Any] = stacked.astype(kind)
    if np.issubdtype(kind, np.integer) and not np.array_equal(narrow, stacked):
        raise FormatError("not a dlib predictor as expected: an index is out of range")
    return narrow


def _check(predictor: dict[str, NDArray[Any]]) -> None:
    """Indices must point at something, and every level have its own pixels."""
    anchors, deltas, pairs = predictor["anchors"], predictor["deltas"], predictor["pairs"]
    sound = (
        anchors.ndim == 2
        and pairs.ndim == 4
        and deltas.shape == (*anchors.shape, 2)
        and len(pairs) == len(anchors)
        and pairs.max() < anchors.shape[1]
        and anchors.max() < len(predictor["start"])
    )
    if not sound:
        raise FormatError("not a dlib predictor as expected: an index is out of range")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: dlib_landmarks_to_npz.py FILE.dat FILE.npz")
    Path(sys.argv[2]).write_bytes(convert(Path(sys.argv[1]).read_bytes()))

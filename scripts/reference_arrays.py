"""Makes the reference arrays of tests/real: CenterFace's raw answer and what it means.

For each of the two public-domain portraits that pip packages carry, the cells of the network's
heat map that are warm, all planes of those cells, and the faces in them: decoded here by plain
arithmetic, cell after cell, apart from facefind's own decode.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facefind.images import decode, read_file
from facefind.inference.detectors.centerface import _blob
from facefind.inference.session import Session
from facefind.inference.views import averaged
from scripts.pip_photos import pip_photos

REPO = Path(__file__).resolve().parent.parent
TARGET = REPO / "tests" / "real" / "reference"
LONG_SIDE = 1024
WARM = 0.3
THRESHOLD, OVERLAP = 0.5, 0.3


class Face(NamedTuple):
    """A face in pixels of the network's input; landmarks are x, y by turns."""

    score: float
    x: float
    y: float
    w: float
    h: float
    landmarks: tuple[float, ...]


def main() -> None:
    """Writes one file per portrait."""
    network = Session(REPO / "facefind" / "weights" / "centerface.onnx")
    portraits = REPO / ".cache" / "portraits"
    portraits.mkdir(parents=True, exist_ok=True)
    TARGET.mkdir(parents=True, exist_ok=True)
    for photo in pip_photos(portraits):
        pixels = decode(read_file(photo).data).pixels
        factor = min(LONG_SIDE / max(pixels.shape[:2]), 2.0)
        blob = _blob(averaged(pixels, factor))
        planes = np.concatenate(network.run({"input.1": blob}), axis=1)[0]
        faces = best_of_each(read_cells(planes))
        target = TARGET / f"centerface_{photo.stem}.npz"
        rows, columns = np.nonzero(planes[0] > WARM)
        np.savez_compressed(
            target,
            shape=np.array(planes.shape[1:]),
            rows=rows,
            columns=columns,
            cells=planes[:, rows, columns],
            scores=np.array([face.score for face in faces]),
            boxes=np.array([(face.x, face.y, face.w, face.h) for face in faces]),
            landmarks=np.array([face.landmarks for face in faces]).reshape(-1, 5, 2),
        )
        print(f"{target}: {len(rows)} cells, {len(faces)} faces, {target.stat().st_size} bytes")


def read_cells(planes: NDArray[np.float32]) -> list[Face]:
    """Every face above the threshold; the planes are heat, 2 sizes, 2 offsets, 10 landmarks."""
    faces = []
    for row in range(planes.shape[1]):
        for column in range(planes.shape[2]):
            values = [float(value) for value in planes[:, row, column]]
            if values[0] > THRESHOLD:
                faces.append(read_cell(row, column, values))
    return faces


def read_cell(row: int, column: int, values: list[float]) -> Face:
    """The face whose centre lies in a cell of 4 by 4 pixels."""
    height, width = 4 * math.exp(values[1]), 4 * math.exp(values[2])
    top = 4 * (row + values[3] + 0.5) - height / 2
    left = 4 * (column + values[4] + 0.5) - width / 2
    landmarks = []
    for point in range(5):
        y, x = values[5 + 2 * point], values[6 + 2 * point]
        landmarks += [left + x * width, top + y * height]
    return Face(values[0], left, top, width, height, tuple(landmarks))


def best_of_each(faces: list[Face]) -> list[Face]:
    """Drops each face that overlaps a better one."""
    kept: list[Face] = []
    for face in sorted(faces, reverse=True):
        if all(overlap(face, better) <= OVERLAP for better in kept):
            kept.append(face)
    return kept


def overlap(a: Face, b: Face) -> float:
    """Intersection over union."""
    width = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    height = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a.w * a.h + b.w * b.h - width * height)


if __name__ == "__main__":
    main()

"""Compares facefind's SCRFD and ArcFace with the ``insightface`` package, on small networks.

The published weights are for non-commercial research and are not fetched; networks with random
weights and the same inputs and outputs take their place (``scripts/standins.py``), loaded by both.
insightface is given pictures of the very size that its network looks at, so that scaling, which
facefind does in its own way, plays no part.

Exit code 0 when nothing differs by more than the limits below, else 1.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facefind.inference import chips
from facefind.inference.detectors.scrfd import ScrfdDetector, ScrfdSettings
from facefind.inference.embedders.arcface import ArcFaceEmbedder
from facefind.inference.protocols import Pictured
from facefind.inference.session import Session
from facefind.types import Box, Detection, FloatArray, Image
from scripts.standins import write_arcface, write_scrfd

SIDE = 640
PICTURES = 20
FACES = 200
THRESHOLD, IOU = 0.5, 0.4
LIMITS = {"boxes": 0.01, "landmarks": 0.01, "scores": 1e-4, "chips": 1.0, "embeddings": 1e-4}


def main() -> int:
    """Prints the largest differences."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        worst = compare_detections(write_scrfd(Path(folder) / "det_10g.onnx"), random)
        worst |= compare_chips(random)
        worst |= compare_embeddings(write_arcface(Path(folder) / "w600k_r50.onnx"), random)
    print(f"insightface {version('insightface')}, OpenCV {cv2.__version__}")
    for name, limit in LIMITS.items():
        print(f"{name}: largest difference {worst[name]:.2g}, limit {limit:g}")
    return int(any(worst[name] > limit for name, limit in LIMITS.items()))


def compare_detections(network: Path, random: np.random.Generator) -> dict[str, float]:
    """Boxes and landmarks in pixels, and scores; infinite where the faces are not the same ones."""
    from insightface.model_zoo.scrfd import SCRFD

    theirs = SCRFD(str(network))
    theirs.prepare(-1, nms_thresh=IOU, det_thresh=THRESHOLD, input_size=(SIDE, SIDE))
    ours = ScrfdDetector(Session(network), ScrfdSettings(threshold=THRESHOLD, nms=IOU))
    worst = {"boxes": 0.0, "landmarks": 0.0, "scores": 0.0}
    faces = 0
    for _ in range(PICTURES):
        picture = _smooth_noise(random, SIDE, SIDE)
        rows, points = theirs.detect(_bgr(picture))
        order = np.argsort(-rows[:, 4], kind="stable")
        rows, points = rows[order], points[order]
        found = ours.detect(picture)
        faces += len(rows)
        differences = _differences(found, rows, points)
        worst = {name: max(worst[name], value) for name, value in differences.items()}
    print(f"{PICTURES} pictures, {faces} faces")
    return worst


def _differences(
    found: list[Detection], rows: NDArray[np.float32], points: NDArray[np.float32]
) -> dict[str, float]:
    if len(found) != len(rows) or not found:
        return dict.fromkeys(("boxes", "landmarks", "scores"), float("inf"))
    x, y, w, h = np.array([face.box for face in found]).T
    corners = np.stack((x, y, x + w, y + h), axis=1)
    landmarks = np.array([face.landmarks for face in found])
    scores = np.array([face.score for face in found])
    return {
        "boxes": float(np.abs(corners - rows[:, :4]).max()),
        "landmarks": float(np.abs(landmarks - points).max()),
        "scores": float(np.abs(scores - rows[:, 4]).max()),
    }


def compare_chips(random: np.random.Generator) -> dict[str, float]:
    """Grey levels; 1/20 000 of a pixel's shift changes one in some thousand by one."""
    from insightface.utils.face_align import norm_crop

    worst, differing = 0, 0
    for _ in range(FACES):
        picture, landmarks = _smooth_noise(random, 400, 500), _landmarks(random)
        (ours,) = chips.align([Pictured(picture, Detection(Box(0, 0, 1, 1), 1.0, landmarks))])
        difference = np.abs(norm_crop(_bgr(picture), landmarks)[..., ::-1].astype(int) - ours)
        worst, differing = (
            max(worst, int(difference.max())),
            differing + int((difference > 0).sum()),
        )
    values = FACES * chips.SIDE**2 * 3
    print(f"{FACES} chips: {differing} of {values} values differ")
    return {"chips": float(worst)}


def compare_embeddings(network: Path, random: np.random.Generator) -> dict[str, float]:
    """Numbers of unit embeddings of the same chips."""
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    theirs: Any = ArcFaceONNX(str(network))
    cut = [random.integers(0, 256, (chips.SIDE, chips.SIDE, 3), np.uint8) for _ in range(50)]
    features = theirs.get_feat([_bgr(chip) for chip in cut])
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    ours = ArcFaceEmbedder(Session(network)).embed(cut).vectors
    return {"embeddings": float(np.abs(ours - features).max())}


def _smooth_noise(random: np.random.Generator, height: int, width: int) -> Image:
    noise = random.integers(0, 256, (height, width, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)


def _landmarks(random: np.random.Generator) -> FloatArray:
    angle, scale = random.uniform(0, 2 * np.pi), random.uniform(0.2, 5)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    points = (chips.TEMPLATE - 56) @ turn.T * scale + random.uniform(50, 400, 2)
    return np.asarray(points + random.normal(0, 2, (5, 2)), np.float32)


def _bgr(picture: Image) -> Image:
    return np.ascontiguousarray(picture[..., ::-1])


if __name__ == "__main__":
    sys.exit(main())

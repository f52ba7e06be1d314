"""Compares facefind's YuNet and SFace with OpenCV's ``FaceDetectorYN`` and ``FaceRecognizerSF``.

YuNet: the published network, found beside the development photos (or named on the command line), on
every one of them at two sizes; only what stands around the network differs. SFace: the chips of
the faces found are compared pixel by pixel, and embedded by one network in both; without its
published weights that is a small one with random weights.

Exit code 0 when nothing differs by more than the limits below, else 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facefind.geometry import scaled
from facefind.images import decode as decode_photo
from facefind.images import read_file
from facefind.inference import chips
from facefind.inference.detectors import yunet
from facefind.inference.embedders.sface import SFaceEmbedder
from facefind.inference.looks import planes
from facefind.inference.protocols import Pictured
from facefind.inference.session import Session
from facefind.types import Detection, Image
from scripts.standins import write_sface

REPO = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data"))
SIZES = (1024, 320)
THRESHOLD, IOU = 0.6, 0.3
LIMITS = {"boxes": 0.01, "landmarks": 0.01, "scores": 1e-4, "chips": 0.0, "embeddings": 1e-4}


class Difference(NamedTuple):
    """The largest differences between ours and OpenCV's detections of one picture."""

    boxes: float
    landmarks: float
    scores: float


def main() -> int:
    """Prints the largest differences."""
    parser = argparse.ArgumentParser(prog="scripts/opencv-parity", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the development photos")
    parser.add_argument("--yunet", type=Path, help="face_detection_yunet_2026may.onnx")
    parser.add_argument("--sface", type=Path, help="face_recognition_sface_2021dec.onnx")
    arguments = parser.parse_args()
    network = arguments.yunet or arguments.data / "models" / "face_detection_yunet_2026may.onnx"
    for path in (arguments.data, network):
        if not path.exists():
            parser.error(f"{path} is not there")
    with tempfile.TemporaryDirectory() as folder:
        recogniser = arguments.sface or write_sface(Path(folder) / "sface.onnx")
        worst = measure(arguments.data, network, recogniser)
    for name, limit in LIMITS.items():
        print(f"{name}: largest difference {worst[name]:.2g}, limit {limit:g}")
    return int(any(worst[name] > limit for name, limit in LIMITS.items()))


def measure(data: Path, network: Path, recogniser: Path) -> dict[str, float]:
    """The largest differences over all photos, and the number of faces, printed."""
    session, theirs = Session(network), opencv_detector(network)
    embedder = SFaceEmbedder(Session(recogniser))
    opencv_embedder = cv2.FaceRecognizerSF.create(str(recogniser), "")
    worst = dict.fromkeys(LIMITS, 0.0)
    faces = 0
    files = photos(data)
    for image in (decode_photo(read_file(path).data).pixels for path in files):
        for size in SIZES:
            picture = scaled(image, min(size / max(image.shape[:2]), 2.0))
            rows = opencv_rows(theirs, picture)
            found = our_detections(session, picture)
            faces += len(rows)
            compared = compare(found, rows)._asdict()
            compared |= _compare_chips(picture, found, rows, embedder, opencv_embedder)
            worst = {name: max(worst[name], value) for name, value in compared.items()}
    print(f"{len(files)} photos at {SIZES} pixels, {faces} faces, OpenCV {cv2.__version__}")
    return worst


def photos(data: Path) -> list[Path]:
    """The photos of the development set that show people or have boxes."""
    return sorted({data / "events" / row["file"] for row in _rows(data)})


def _rows(data: Path) -> Iterator[dict[str, Any]]:
    for name in ("detection.jsonl", "people.jsonl"):
        for line in (data / "events" / name).read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def opencv_detector(network: Path) -> Any:
    """OpenCV's own YuNet, at this script's threshold and overlap."""
    return cv2.FaceDetectorYN.create(str(network), "", (320, 320), THRESHOLD, IOU, 5000)


def opencv_rows(detector: Any, picture: Image) -> NDArray[np.float32]:
    """OpenCV's answer, (N, 15): box, five landmarks, score; best score first."""
    detector.setInputSize((picture.shape[1], picture.shape[0]))
    rows = detector.detect(_bgr(picture))[1]
    rows = np.zeros((0, 15), np.float32) if rows is None else rows
    best_first: NDArray[np.float32] = rows[np.argsort(-rows[:, 14], kind="stable")]
    return best_first


def our_detections(session: Session, picture: Image) -> list[Detection]:
    """What facefind's decode makes of the network's answer to the same picture."""
    height, width = (-(-side // 32) * 32 for side in picture.shape[:2])
    outputs = session.run({"input": planes(_bgr(picture), height, width)})
    return yunet.decode(outputs, width, THRESHOLD, IOU)


def compare(found: list[Detection], rows: NDArray[np.float32]) -> Difference:
    """The differences in pixels and in score; infinite where the faces are not the same ones."""
    if len(found) != len(rows):
        return Difference(*3 * (float("inf"),))
    if not found:
        return Difference(0.0, 0.0, 0.0)
    boxes = np.array([face.box for face in found])
    landmarks = np.array([face.landmarks for face in found]).reshape(-1, 10)
    scores = np.array([face.score for face in found])
    return Difference(
        float(np.abs(boxes - rows[:, :4]).max()),
        float(np.abs(landmarks - rows[:, 4:14]).max()),
        float(np.abs(scores - rows[:, 14]).max()),
    )


def _compare_chips(
    picture: Image,
    found: list[Detection],
    rows: NDArray[np.float32],
    embedder: SFaceEmbedder,
    theirs: Any,
) -> dict[str, float]:
    """Differences of chips, in grey levels, and of unit embeddings, from OpenCV's landmarks."""
    worst = {"chips": 0.0, "embeddings": 0.0}
    bgr = _bgr(picture)
    for face, row in zip(found, rows, strict=False):
        same = Detection(face.box, face.score, row[4:14].reshape(5, 2))
        (chip,) = chips.align([Pictured(picture, same)])
        aligned = theirs.alignCrop(bgr, row[np.newaxis])
        feature = theirs.feature(aligned)[0]
        vector = embedder.embed([chip]).vectors[0]
        grey = np.abs(aligned[..., ::-1].astype(int) - chip).max()
        difference = np.abs(vector - feature / np.linalg.norm(feature)).max()
        worst = {
            "chips": max(worst["chips"], float(grey)),
            "embeddings": max(worst["embeddings"], float(difference)),
        }
    return worst


def _bgr(picture: Image) -> Image:
    return np.ascontiguousarray(picture[..., ::-1])


if __name__ == "__main__":
    sys.exit(main())

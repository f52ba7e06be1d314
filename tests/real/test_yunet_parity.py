"""YuNet with its real weights: OpenCV's own answer on every development photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefind.geometry import scaled
from facefind.images import decode, read_file
from facefind.inference.detectors.yunet import YuNetDetector, YuNetSettings
from facefind.inference.session import Session
from scripts import opencv_parity

SIZE = 640


@pytest.fixture(scope="module")
def network(test_data: Path) -> Path:
    path = test_data / "models" / "face_detection_yunet_2026may.onnx"
    if not path.is_file():
        pytest.skip(f"YuNet's weights are not at {path}")
    return path


def test_photos_faces_are_opencvs(network: Path, test_data: Path) -> None:
    session, theirs = Session(network), opencv_parity.opencv_detector(network)
    # All of them are compared by scripts/opencv-parity.
    files = opencv_parity.photos(test_data)[::4]
    faces, differences = 0, []
    for path in files:
        image = decode(read_file(path).data).pixels
        picture = scaled(image, min(SIZE / max(image.shape[:2]), 1.0))
        rows = opencv_parity.opencv_rows(theirs, picture)
        faces += len(rows)
        found = opencv_parity.our_detections(session, picture)
        differences.append(opencv_parity.compare(found, rows))
    assert len(files) > 80
    assert faces > 200
    boxes, landmarks, scores = np.max(differences, axis=0)
    assert boxes <= 0.01
    assert landmarks <= 0.01
    assert scores <= 1e-4


def test_the_detector_finds_both_portraits_faces(
    network: Path, pip_photos: tuple[Path, Path]
) -> None:
    detector = YuNetDetector(Session(network), YuNetSettings())
    for path in pip_photos:
        (face,) = detector.detect(decode(read_file(path).data).pixels)
        assert face.score > 0.8
        assert face.landmarks is not None
        left_eye, right_eye, nose, *mouth = face.landmarks
        assert left_eye[0] < nose[0] < right_eye[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(y for _, y in mouth)

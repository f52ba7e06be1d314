"""Compares the converted ResNet with dlib's own, on chips of real faces.

Both embed the same chips, one at a time, and what they answer is compared raw: before mirror
images are averaged and lengths are scaled. The faces are those of the two public-domain portraits
that pip packages carry and, where the development photos are there, some of LFW's.

Exit code 0 when the largest difference is at most `TOLERANCE`, else 1.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefind.images import decode, read_file
from facefind.inference.detectors.centerface import CenterFaceDetector, CenterFaceSettings
from facefind.inference.embedders.dlib_resnet import align
from facefind.inference.session import Session
from facefind.types import Image
from models import collect
from scripts.pip_photos import pip_photos

REPO = Path(__file__).resolve().parent.parent
PLACES = collect.Places(REPO)
DATA = Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data"))
TOLERANCE = 1e-5
LFW_PHOTOS = 40


def main() -> int:
    """Prints the largest difference over all chips."""
    collect.collect(REPO)
    chips = _chips(_portraits()) + _chips(_lfw())
    theirs = _dlib_embeddings(chips)
    ours = _our_embeddings(chips)
    if ours.shape != theirs.shape:
        raise SystemExit(f"shapes {ours.shape} and {theirs.shape}")
    worst = float(np.abs(ours - theirs).max())
    size = float(np.abs(theirs).max())
    print(f"{len(chips)} chips, values up to {size:.2f}: largest difference {worst:.2g}")
    return 0 if worst <= TOLERANCE else 1


def _portraits() -> list[Path]:
    folder = PLACES.cache / "portraits"
    folder.mkdir(parents=True, exist_ok=True)
    return list(pip_photos(folder))


def _lfw() -> list[Path]:
    photos = sorted((DATA / "lfw").rglob("*.jpg"))
    if not photos:
        print(f"no LFW photos at {DATA}: comparing on the two portraits alone")
    return photos[:: max(1, len(photos) // LFW_PHOTOS)]


def _chips(photos: list[Path]) -> list[Image]:
    detector = CenterFaceDetector(Session(PLACES.weights / "centerface.onnx"), CenterFaceSettings())
    chips: list[Image] = []
    for photo in photos:
        pixels = decode(read_file(photo).data).pixels
        faces = detector.detect(pixels)
        if not faces:
            raise SystemExit(f"no face found in {photo}")
        chips += align(pixels, faces)
    return chips


def _dlib_embeddings(chips: list[Image]) -> NDArray[np.float64]:
    import dlib

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "resnet.dat"
        path.write_bytes(_published_weights())
        network: Any = dlib.face_recognition_model_v1(str(path))
    return np.array([network.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in chips])


def _published_weights() -> bytes:
    (record,) = (r for r in collect.bundled(PLACES.models) if r.file == "dlib_resnet.onnx")
    return collect.published_bytes(PLACES, record, [record], print)


def _our_embeddings(chips: list[Image]) -> NDArray[np.float32]:
    session = Session(PLACES.weights / "dlib_resnet.onnx")
    blobs = [chip.transpose(2, 0, 1)[np.newaxis].astype(np.float32) for chip in chips]
    return np.concatenate([session.run({"chips": blob})[0] for blob in blobs])


if __name__ == "__main__":
    sys.exit(main())

"""Compares the converted predictor and ResNet with dlib's own, on real faces.

Both predictors look for landmarks in the same pictures and boxes: as the pipeline gives them, and
moved at random, half off the face or the picture too. dlib answers in whole pixels, which must be
the same. Both networks embed the same chips, one at a time, and what they answer is compared raw:
before mirror images are averaged and lengths are scaled. The faces are those of the two
public-domain portraits that pip packages carry and, where the development photos are there, some
of LFW's.

Exit code 0 when all landmarks are the same and the largest difference between embeddings is at most
`TOLERANCE`, else 1.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefind.images import decode, read_file
from facefind.inference.detectors.centerface import CenterFaceDetector, CenterFaceSettings
from facefind.inference.embedders.dlib_resnet import VIEW_BOX, DlibAligner
from facefind.inference.forest import Forest
from facefind.inference.protocols import Pictured
from facefind.inference.session import Session
from facefind.types import Image
from models import collect
from scripts.pip_photos import pip_photos

REPO = Path(__file__).resolve().parent.parent
PLACES = collect.Places(REPO)
DATA = Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data"))
TOLERANCE = 1e-5
LFW_PHOTOS = 40
MOVED = 3
"""Boxes moved at random, for each that is not."""


class Noted:
    """A predictor that keeps the pictures that it is shown."""

    def __init__(self) -> None:
        self.forest = Forest(PLACES.weights / "dlib_landmarks.npz")
        self.pictures: list[Image] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        self.pictures += list(feeds["chips"])
        return self.forest.run(feeds)


def main() -> int:
    """Prints what differs, over all faces."""
    collect.collect(REPO)
    noted = Noted()
    chips = _chips(_portraits(), noted) + _chips(_lfw(), noted)
    same = _compare_landmarks(noted)
    return 0 if _compare_embeddings(chips) and same else 1


def _compare_landmarks(noted: Noted) -> bool:
    random = np.random.default_rng(0)
    boxes = [np.rint(VIEW_BOX).astype(int)] * len(noted.pictures)
    pictures = noted.pictures * (1 + MOVED)
    for _ in range(MOVED * len(noted.pictures)):
        x, y, side = (*random.integers(-100, 300, 2), random.integers(60, 450))
        boxes.append(np.array((x, y, side, side)))
    (ours,) = noted.forest.run({"chips": np.stack(pictures), "boxes": np.stack(boxes)})
    theirs = _dlib_landmarks(pictures, boxes)
    if ours.shape != theirs.shape:
        raise SystemExit(f"shapes {ours.shape} and {theirs.shape}")
    # Whole pixels begin at the pixel's edge, where dlib rounds to the pixel's number.
    off = np.abs(np.floor(ours) - theirs).max(axis=(1, 2))
    print(f"{len(off)} boxes: {(off > 0).sum()} with other landmarks, by {off.max():g} px at most")
    return not off.any()


def _compare_embeddings(chips: list[Image]) -> bool:
    theirs = _dlib_embeddings(chips)
    ours = _our_embeddings(chips)
    if ours.shape != theirs.shape:
        raise SystemExit(f"shapes {ours.shape} and {theirs.shape}")
    worst = float(np.abs(ours - theirs).max())
    size = float(np.abs(theirs).max())
    print(f"{len(chips)} chips, values up to {size:.2f}: largest difference {worst:.2g}")
    return worst <= TOLERANCE


def _portraits() -> list[Path]:
    folder = PLACES.cache / "portraits"
    folder.mkdir(parents=True, exist_ok=True)
    return list(pip_photos(folder))


def _lfw() -> list[Path]:
    photos = sorted((DATA / "lfw").rglob("*.jpg"))
    if not photos:
        print(f"no LFW photos at {DATA}: comparing on the two portraits alone")
    return photos[:: max(1, len(photos) // LFW_PHOTOS)]


def _chips(photos: list[Path], predictor: Noted) -> list[Image]:
    align = DlibAligner(predictor)
    detector = CenterFaceDetector(Session(PLACES.weights / "centerface.onnx"), CenterFaceSettings())
    chips: list[Image] = []
    for photo in photos:
        pixels = decode(read_file(photo).data).pixels
        faces = detector.detect(pixels)
        if not faces:
            raise SystemExit(f"no face found in {photo}")
        chips += align(Pictured(pixels, face) for face in faces)
    return chips


def _dlib_landmarks(pictures: list[Image], boxes: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    import dlib

    with _published("dlib_landmarks.npz") as path:
        predictor: Any = dlib.shape_predictor(path)
    found = []
    for picture, (x, y, w, h) in zip(pictures, np.array(boxes).tolist(), strict=True):
        parts = predictor(picture, dlib.rectangle(x, y, x + w - 1, y + h - 1)).parts()
        found.append([(point.x, point.y) for point in parts])
    return np.array(found)


def _dlib_embeddings(chips: list[Image]) -> NDArray[np.float64]:
    import dlib

    with _published("dlib_resnet.onnx") as path:
        network: Any = dlib.face_recognition_model_v1(path)
    return np.array([network.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in chips])


@contextmanager
def _published(file: str) -> Iterator[str]:
    """A file as it was published, before it became one of the weights."""
    (record,) = (r for r in collect.bundled(PLACES.models) if r.file == file)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / record.published
        path.write_bytes(collect.published_bytes(PLACES, record, [record], print))
        yield str(path)


def _our_embeddings(chips: list[Image]) -> NDArray[np.float32]:
    session = Session(PLACES.weights / "dlib_resnet.onnx")
    blobs = [chip.transpose(2, 0, 1)[np.newaxis].astype(np.float32) for chip in chips]
    return np.concatenate([session.run({"chips": blob})[0] for blob in blobs])


if __name__ == "__main__":
    sys.exit(main())

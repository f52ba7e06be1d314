"""face_recognition's way with the functions of dlib that it calls, in its order and settings.

As its documentation and its command line go through a folder, one photo after the other:
``load_image_file`` (Pillow, RGB), ``face_locations`` with one upsampling and the HOG model, and
``face_encodings`` with the small model and no jitter: five landmarks and 128 numbers a face.

    python -m scripts.peers.face_recognition_way WEIGHTS ingest PHOTO...    see talking.py
    python -m scripts.peers.face_recognition_way WEIGHTS embed COUNT
    python -m scripts.peers.face_recognition_way WEIGHTS who PORTRAIT VECTORS.npy
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from PIL import Image

from scripts.peers.talking import answer


class FaceRecognition:
    """The models that ``import face_recognition`` loads, as far as they are used here.

    Args:
        weights: Folder of face_recognition_models' files.
    """

    def __init__(self, weights: Path) -> None:
        self.detector: Any = dlib.get_frontal_face_detector()
        self.predictor: Any = dlib.shape_predictor(
            str(weights / "shape_predictor_5_face_landmarks.dat")
        )
        self.network: Any = dlib.face_recognition_model_v1(
            str(weights / "dlib_face_recognition_resnet_model_v1.dat")
        )

    def load(self, photo: str) -> Any:
        """``load_image_file``."""
        return np.array(Image.open(photo).convert("RGB"))

    def locate(self, pixels: Any) -> Any:
        """``face_locations(number_of_times_to_upsample=1, model="hog")``."""
        return self.detector(pixels, 1)

    def encode(self, pixels: Any, boxes: Any) -> Any:
        """``face_encodings(num_jitters=1, model="small")``."""
        height, width = pixels.shape[:2]
        encodings = []
        for box in boxes:
            inside = dlib.rectangle(
                max(box.left(), 0),
                max(box.top(), 0),
                min(box.right(), width),
                min(box.bottom(), height),
            )
            landmarks = self.predictor(pixels, inside)
            encodings.append(np.array(self.network.compute_face_descriptor(pixels, landmarks, 1)))
        return encodings

    def ingest(self, photo: str) -> dict[str, float]:
        """A photo from its file to its vectors; CPU seconds, as this process has one thread."""
        start = time.process_time()
        pixels = self.load(photo)
        decoded = time.process_time()
        boxes = self.locate(pixels)
        located = time.process_time()
        self.encode(pixels, boxes)
        return {
            "faces": len(boxes),
            "decode": decoded - start,
            "detect": located - decoded,
            "embed": time.process_time() - located,
        }

    def embed(self, count: int) -> list[float]:
        """Seconds for each chip of 150 pixels."""
        chips = np.random.default_rng(0).integers(0, 256, (count, 150, 150, 3), np.uint8)
        self.network.compute_face_descriptor(chips[0])
        seconds = []
        for chip in chips:
            start = time.process_time()
            self.network.compute_face_descriptor(chip)
            seconds.append(time.process_time() - start)
        return seconds

    def who(self, portrait: str, vectors: str) -> int:
        """``compare_faces`` of a portrait's first face with all vectors: how many match."""
        pixels = self.load(portrait)
        probe = self.encode(pixels, self.locate(pixels))[0]
        return int((np.linalg.norm(np.load(vectors) - probe, axis=1) <= 0.6).sum())


def main() -> None:
    """Does what the command line asks."""
    weights, command, *rest = sys.argv[1:]
    way = FaceRecognition(Path(weights))
    if command == "embed":
        print(json.dumps(way.embed(int(rest[0]))))
    elif command == "who":
        print(json.dumps(way.who(*rest)))
    else:
        answer(way.ingest, rest)


if __name__ == "__main__":
    main()

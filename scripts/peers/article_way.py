"""The article's code as published: Haar cascade at full size, grey crops, imgbeddings.

For each photo: the grey picture by OpenCV, ``haarcascade_frontalface_default`` with a scale factor
of 1.05, two neighbours and at least 100 pixels, each crop saved as a JPEG, opened again and given
to ``imgbeddings().to_embeddings``. imgbeddings prepares and embeds; its network is a stand-in of
the same build with random weights (clip_standin.py), as the published one cannot be fetched
everywhere.

    python -m scripts.peers.article_way FOLDER ingest PHOTO...    see talking.py
    FOLDER: where clip_standin.py has put the network and the processor's settings
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
from PIL import Image

from scripts.peers.talking import answer


class Article:
    """The article's loop over a folder.

    Args:
        folder: Holds the network and the processor's settings.
        crops: Where the crops are saved.
    """

    def __init__(self, folder: Path, crops: Path) -> None:
        # One thread in each process, so that processes can be counted against cores: several
        # multi-threaded ones would hinder each other.
        cv2.setNumThreads(1)
        self.crops = crops
        data = getattr(cv2, "data").haarcascades  # noqa: B009 - which its types do not know
        self.cascade = cv2.CascadeClassifier(data + "haarcascade_frontalface_default.xml")
        os.chdir(folder)
        from onnxruntime import InferenceSession, SessionOptions

        self.network: Any = importlib.import_module("imgbeddings").imgbeddings(
            model_path="patch32_v1.onnx"
        )
        options = SessionOptions()
        options.intra_op_num_threads = 1
        self.network.session = InferenceSession("patch32_v1.onnx", options)

    def ingest(self, photo: str) -> dict[str, float]:
        """A photo from its file to its vectors; CPU seconds, as this process has one thread."""
        start = time.process_time()
        grey = cv2.imread(photo, 0)
        assert grey is not None
        decoded = time.process_time()
        faces = self.cascade.detectMultiScale(
            grey, scaleFactor=1.05, minNeighbors=2, minSize=(100, 100)
        )
        located = time.process_time()
        for x, y, w, h in faces:
            crop = str(self.crops / "crop.jpg")
            cv2.imwrite(crop, grey[y : y + h, x : x + w])
            self.network.to_embeddings(Image.open(crop))
        return {
            "faces": len(faces),
            "decode": decoded - start,
            "detect": located - decoded,
            "embed": time.process_time() - located,
        }


def main() -> None:
    """Does what the command line asks."""
    folder, _, *photos = sys.argv[1:]
    with tempfile.TemporaryDirectory() as crops:
        answer(Article(Path(folder), Path(crops)).ingest, photos)


if __name__ == "__main__":
    main()

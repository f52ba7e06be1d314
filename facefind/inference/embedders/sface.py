"""SFace: 128 numbers from an aligned chip of 112 pixels.

Network: ``face_recognition_sface_2021dec`` of OpenCV's model zoo (Apache-2.0; Zhong et al.,
"SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", 2021). Input ``data``
(1, 3, 112, 112) float32, RGB 0..255: ``cv2.FaceRecognizerSF`` is given BGR chips and swaps their
channels. Output ``fc1`` (1, 128). What is stored is scaled to unit length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facefind.errors import WeightsError
from facefind.inference.protocols import Model
from facefind.types import Embeddings, FloatArray, Image

DIMENSION = 128


class SFaceEmbedder:
    """Embeds chips one by one, whatever the batch: the published network takes no more at once, its
    input's first dimension being fixed at 1."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def embed(self, chips: Sequence[Image]) -> Embeddings:
        """Vectors (N, 128) of unit length, one row per chip (112, 112, 3).

        Raises:
            WeightsError: The network's answer has another shape, so it is another network.
        """
        rows = [self._embed_one(chip) for chip in chips]
        return Embeddings(np.stack(rows) if rows else np.zeros((0, DIMENSION), np.float32))

    def _embed_one(self, chip: Image) -> FloatArray:
        blob = chip.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
        answer = self._model.run({"data": blob})[0]
        if answer.shape != (1, DIMENSION):
            raise WeightsError(
                f"The SFace network answered with shape {answer.shape}, not (1, {DIMENSION}).",
                "Its file is not face_recognition_sface_2021dec.onnx: delete it and pull it again.",
            )
        # A network that answers zeros gives NaN here, which the pipeline refuses.
        with np.errstate(invalid="ignore"):
            row: FloatArray = answer[0] / np.linalg.norm(answer[0])
        return row.astype(np.float32, copy=False)

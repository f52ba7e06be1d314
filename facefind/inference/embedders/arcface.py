"""ArcFace: 512 numbers from an aligned chip of 112 pixels.

Network: ``w600k_r50`` of insightface's ``buffalo_l`` (non-commercial research only; Deng et al.,
"ArcFace: Additive Angular Margin Loss for Deep Face Recognition", 2019; a ResNet-50 trained on
WebFace600K). Input ``input.1`` (N, 3, 112, 112) float32, RGB, (x - 127.5) / 127.5; output (N, 512).
What is stored is scaled to unit length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facefind.errors import WeightsError
from facefind.inference.protocols import Model
from facefind.types import Embeddings, FloatArray, Image

DIMENSION = 512


class ArcFaceEmbedder:
    """Embeds chips."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def embed(self, chips: Sequence[Image]) -> Embeddings:
        """Vectors (N, 512) of unit length, one row per chip (112, 112, 3), from one run.

        Raises:
            WeightsError: The network's answer has another shape, so it is another network.
        """
        if not chips:
            return Embeddings(np.zeros((0, DIMENSION), np.float32))
        raw = self._embed_raw(chips)
        # A network that answers zeros gives NaN here, which the pipeline refuses.
        with np.errstate(invalid="ignore"):
            return Embeddings(raw / np.linalg.norm(raw, axis=1, keepdims=True))

    def _embed_raw(self, chips: Sequence[Image]) -> FloatArray:
        blob = (np.stack(chips).transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 127.5
        answer = self._model.run({"input.1": blob})[0]
        if answer.shape != (len(chips), DIMENSION):
            raise WeightsError(
                f"The ArcFace network answered with shape {answer.shape}, "
                f"not ({len(chips)}, {DIMENSION}).",
                "Its file is not buffalo_l's w600k_r50.onnx: delete it and pull it again.",
            )
        return np.asarray(answer, np.float32)

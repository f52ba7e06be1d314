"""dlib's ResNet-29 (public domain): 128 numbers from an aligned chip of 150 pixels.

Network: ``dlib_face_recognition_resnet_model_v1`` of dlib, converted to ONNX. Input ``chips``
(N, 3, 150, 150) float32, RGB 0..255; output ``embeddings`` (N, 128). What is stored is the mean
over a chip and its mirror image, scaled to unit length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facefind.errors import InferenceError
from facefind.geometry import similarity_transform, warp
from facefind.inference.protocols import Model
from facefind.types import Detection, Embeddings, FloatArray, Image

CHIP_SIZE = 150
DIMENSION = 128

# Where CenterFace's five landmarks fall, (x, y), in chips that dlib itself cuts: the median over
# 3 712 faces of Labeled Faces in the Wild.
TEMPLATE = np.array(
    ((46.61, 46.58), (103.88, 45.39), (75.09, 80.18), (50.1, 106.55), (98.43, 105.39))
)

# Chips per run, mirror images included: bounds the memory that a photo with hundreds of faces
# takes; more is no faster.
_BATCH = 16


def align(image: Image, detections: Sequence[Detection]) -> list[Image]:
    """Chips, (150, 150, 3) each, with the landmarks carried as near as may be to the template.

    Raises:
        InferenceError: A detection has no landmarks, or they coincide.
    """
    return [_chip(image, detection) for detection in detections]


def _chip(image: Image, detection: Detection) -> Image:
    if detection.landmarks is None:
        raise InferenceError("A face without landmarks cannot be aligned.")
    try:
        matrix = similarity_transform(detection.landmarks, TEMPLATE)
    except ValueError as error:
        raise InferenceError("A face's landmarks cannot be aligned.") from error
    return warp(image, matrix, CHIP_SIZE)


class DlibResnetEmbedder:
    """Embeds chips; a face and its mirror image get the same vector."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def embed(self, chips: Sequence[Image]) -> Embeddings:
        """Vectors (N, 128) of unit length, one row per chip (150, 150, 3), and their asymmetry."""
        if not chips:
            return Embeddings(np.zeros((0, DIMENSION), np.float32), np.zeros(0, np.float32))
        pairs = [view for chip in chips for view in (chip, chip[:, ::-1])]
        raw = np.concatenate(
            [self._embed_raw(pairs[i : i + _BATCH]) for i in range(0, len(pairs), _BATCH)]
        )
        both = raw.reshape(len(chips), 2, -1)
        # A network that answers zeros or NaN gives NaN here, which the pipeline refuses.
        with np.errstate(invalid="ignore"):
            chip, mirrored = _unit(both).transpose(1, 0, 2)
            return Embeddings(_unit(both.mean(axis=1)), np.linalg.norm(chip - mirrored, axis=1))

    def _embed_raw(self, chips: Sequence[Image]) -> FloatArray:
        blob = np.stack(chips).transpose(0, 3, 1, 2).astype(np.float32)
        (embeddings,) = self._model.run({"chips": blob})
        return np.asarray(embeddings, np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    scaled: FloatArray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled

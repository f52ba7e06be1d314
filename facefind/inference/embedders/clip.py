"""The article's embedder: imgbeddings 0.1.0, CLIP ViT-B/32 as one ONNX file.

Reproduces what imgbeddings does with transformers 4.45.2's CLIPProcessor before the network:
black bars to a square, 224 pixels by Pillow's bicubic on uint8, 1/255, CLIP's mean and deviation.
On a square, the processor's "shortest edge 224" is the whole picture and imgbeddings turns its
centre crop off, so nothing is cut away. ``scripts/imgbeddings-parity`` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image as PillowImage

from facefind.errors import InferenceError, WeightsError
from facefind.geometry import crop, grey
from facefind.inference.protocols import Model, Pictured
from facefind.types import Embeddings, FloatArray, Image

SIDE = 224
DIMENSION = 768
MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
DEVIATION = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)


def grey_crops(faces: Iterable[Pictured]) -> list[Image]:
    """The article's chips: each box cut out of the grey picture, as RGB with equal channels."""
    return [
        np.repeat(grey(crop(image, face.box))[..., np.newaxis], 3, axis=2) for image, face in faces
    ]


class ClipEmbedder:
    """Vectors of 768 numbers, as the network gives them: not scaled to unit length.

    Args:
        model: imgbeddings' network; input ``pixel_values`` (N, 3, 224, 224) float32, first
            output (N, 768).
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def embed(self, chips: Sequence[Image]) -> Embeddings:
        """Vectors (N, 768), one row per RGB chip of any size.

        Raises:
            InferenceError: A chip is empty, or the network's answer is not finite.
            WeightsError: The network's answer has another shape, so it is another network.
        """
        rows = [self._embed_one(chip) for chip in chips]
        return Embeddings(np.stack(rows) if rows else np.zeros((0, DIMENSION), np.float32))

    def _embed_one(self, chip: Image) -> FloatArray:
        # One by one, as the article does: the published network quantises over its whole input,
        # so in a batch each vector would depend on its neighbours.
        answer = self._model.run({"pixel_values": pixel_values(chip)[np.newaxis]})[0]
        if answer.shape != (1, DIMENSION):
            raise WeightsError(
                f"The clip network answered with shape {answer.shape}, not (1, {DIMENSION}).",
                "Its file is not imgbeddings' patch32_v1.onnx: delete it and pull it again.",
            )
        row: FloatArray = answer[0].astype(np.float32)
        if not np.isfinite(row).all():
            raise InferenceError("The clip network answered with values that are not finite.")
        return row


def pixel_values(chip: Image) -> FloatArray:
    """The network's input for one RGB chip (H, W, 3): (3, 224, 224) float32.

    Raises:
        InferenceError: The chip has no pixels.
    """
    if not chip.size:
        raise InferenceError(f"A face crop of shape {chip.shape} has no pixels.")
    square = PillowImage.fromarray(_pad_to_square(chip))
    # Bicubic on uint8 rounds each pass to whole numbers: on floats the result would differ.
    resized = np.asarray(square.resize((SIDE, SIDE), PillowImage.Resampling.BICUBIC))
    scaled = (resized * (1 / 255)).astype(np.float32)
    planes: FloatArray = ((scaled - MEAN) / DEVIATION).transpose(2, 0, 1)
    return np.ascontiguousarray(planes)


def _pad_to_square(chip: Image) -> Image:
    height, width = chip.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(
        chip, ((top, side - height - top), (left, side - width - left), (0, 0)), "constant"
    )

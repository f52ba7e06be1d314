"""dlib's ResNet-29 (public domain): 128 numbers from an aligned chip of 150 pixels.

Network: ``dlib_face_recognition_resnet_model_v1`` of dlib, converted to ONNX. Input ``chips``
(N, 3, 150, 150) float32, RGB 0..255; output ``embeddings`` (N, 128). What is stored is the mean
over a chip and its mirror image, scaled to unit length.

Chips are cut as dlib cuts them, by the landmarks of its own predictor. That wants an upright face
in the middle, which CenterFace's landmarks provide however the head is tilted. So an embedding all
but does not depend on a face's roll; ``scripts/evaluate alignment`` compares other ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import cv2
import numpy as np

from facefind.errors import InferenceError
from facefind.geometry import Matrix, similarity_transform, warp
from facefind.inference.protocols import Model, Pictured
from facefind.types import Detection, Embeddings, FloatArray, Image

CHIP_SIZE = 150
DIMENSION = 128
VIEWS = 2
"""Pictures of a face in a run: its chip and the mirror image."""

# Where CenterFace's five landmarks fall, (x, y), in chips that dlib itself cuts: the median over
# 3 712 faces of Labeled Faces in the Wild.
TEMPLATE = np.array(
    ((46.61, 46.58), (103.88, 45.39), (75.09, 80.18), (50.1, 106.55), (98.43, 105.39))
)

# Where dlib's own five landmarks belong: outer and inner corner of the image-right eye, the same of
# the left eye, base of the nose. From `get_face_chip_details` in dlib's
# image_transforms/interpolation.h, with a quarter of the face's size around it.
LANDMARKS = np.array(
    (
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    )
)
DLIB_TEMPLATE = (LANDMARKS + 0.25) / 1.5 * CHIP_SIZE

# The picture that the predictor sees: the chip by CenterFace's landmarks, enlarged, with a margin
# of as many pixels of its own on each side.
_ENLARGED = 2
_MARGIN = 75
VIEW_SIZE = _ENLARGED * CHIP_SIZE + 2 * _MARGIN

# The face in that picture, (x, y, w, h): centre (77.76, 76.74) and side 126.36 in the chip. Chosen
# by trial and not critical: 9 pixels higher and a tenth larger, landmarks are as steady.
VIEW_BOX = np.array((104.16, 102.12, 252.72, 252.72))

# Faces per run of the predictor, whatever is embedded together: it runs on the processor, where
# more is no faster, and each view takes 0.6 MB.
_AT_ONCE = 16


class DlibAligner:
    """Cuts chips out as dlib does.

    Args:
        landmarks: dlib's predictor; see `facefind.inference.forest.Forest`.
    """

    def __init__(self, landmarks: Model) -> None:
        self._landmarks = landmarks

    def __call__(self, faces: Iterable[Pictured]) -> list[Image]:
        """Chips, (150, 150, 3) each, upright and with the face's features in their places.

        Raises:
            InferenceError: A face has no landmarks, or they coincide.
        """
        chips: list[Image] = []
        rest = iter(faces)
        while batch := list(islice(rest, _AT_ONCE)):
            chips += [
                warp(one.image, matrix, CHIP_SIZE)
                for one, matrix in zip(batch, self._matrices(batch), strict=True)
            ]
        return chips

    def _matrices(self, faces: Sequence[Pictured]) -> list[Matrix]:
        """What carries each face's picture to its chip."""
        views = [_view(one.face) for one in faces]
        pictures = np.empty((len(views), VIEW_SIZE, VIEW_SIZE, 3), np.uint8)
        for one, view, picture in zip(faces, views, pictures, strict=True):
            warp(one.image, view, VIEW_SIZE, out=picture)
        boxes = np.tile(VIEW_BOX, (len(views), 1))
        (found,) = self._landmarks.run({"chips": pictures, "boxes": boxes})
        return [
            _chained(_similarity(points, DLIB_TEMPLATE), view)
            for points, view in zip(found, views, strict=True)
        ]


def _view(face: Detection) -> Matrix:
    """What carries a face's picture to the one that the predictor sees."""
    if face.landmarks is None:
        raise InferenceError("A face without landmarks cannot be aligned.")
    return _similarity(face.landmarks, TEMPLATE * _ENLARGED + _MARGIN)


def _similarity(points: FloatArray, template: Matrix) -> Matrix:
    try:
        return similarity_transform(points, template)
    except ValueError as error:
        raise InferenceError("A face's landmarks cannot be aligned.") from error


def _chained(second: Matrix, first: Matrix) -> Matrix:
    """The one transform that does the same as ``first`` and then ``second``."""
    chained: Matrix = second[:, :2] @ first
    chained[:, 2] += second[:, 2]
    return chained


class DlibResnetEmbedder:
    """Embeds chips; a face and its mirror image get the same vector."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def embed(self, chips: Sequence[Image]) -> Embeddings:
        """Vectors (N, 128) of unit length, one row per chip (150, 150, 3), and their asymmetry.

        The network gets all chips in one run, each followed by its mirror image.
        """
        if not chips:
            return Embeddings(np.zeros((0, DIMENSION), np.float32), np.zeros(0, np.float32))
        pairs = [view for chip in chips for view in (chip, _mirrored(chip))]
        both = self._embed_raw(pairs).reshape(len(chips), VIEWS, -1)
        # A network that answers zeros or NaN gives NaN here, which the pipeline refuses.
        with np.errstate(invalid="ignore"):
            chip, mirrored = _unit(both).transpose(1, 0, 2)
            return Embeddings(_unit(both.mean(axis=1)), np.linalg.norm(chip - mirrored, axis=1))

    def _embed_raw(self, chips: Sequence[Image]) -> FloatArray:
        # One colour after the other takes a quarter of the time of all at once.
        blob = np.array([cv2.split(chip) for chip in chips], np.float32)
        (embeddings,) = self._model.run({"chips": blob})
        return np.asarray(embeddings, np.float32)


def _mirrored(chip: Image) -> Image:
    # numpy turns rows around pixel by pixel.
    return np.asarray(cv2.flip(chip, 1), np.uint8)


def _unit(vectors: FloatArray) -> FloatArray:
    scaled: FloatArray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled

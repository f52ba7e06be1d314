"""Chips of 112 pixels as SFace and ArcFace were trained on: five landmarks carried to a template.

Gives the very pixels of ``cv2.FaceRecognizerSF.alignCrop``, and those of insightface's
``norm_crop`` but for 1/20 000 of a pixel: the similarity of least squares (Umeyama 1991),
landmarks counted from the centre of the first pixel, bilinear sampling of the photo as it is, black
outside.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from facefind.errors import InferenceError
from facefind.geometry import Matrix, warp
from facefind.inference.protocols import Pictured
from facefind.types import Detection, FloatArray, Image

SIDE = 112

# Eyes, nose, corners of the mouth, image-left first, (x, y); published with insightface and OpenCV.
TEMPLATE = np.array(
    (
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ),
    np.float32,
)

# The template's mean as OpenCV rounds it.
_MEAN = np.array((56.0262, 71.9008), np.float32)

# OpenCV samples no picture with a side of 2 ** 15 pixels.
_LONGEST = 32_000


def align(faces: Iterable[Pictured]) -> list[Image]:
    """Chips, (112, 112, 3) each, with the landmarks carried as near as may be to the template.

    Raises:
        InferenceError: A face has no landmarks, or they coincide.
    """
    return [_chip(image, face) for image, face in faces]


def _chip(image: Image, face: Detection) -> Image:
    if face.landmarks is None:
        raise InferenceError("A face without landmarks cannot be aligned.")
    matrix = similarity(face.landmarks)
    if max(image.shape[:2]) > _LONGEST:
        # The same from the part of the picture that is needed; there a frame begins at the corner.
        matrix[:, 2] += 0.5 - matrix[:, :2] @ (0.5, 0.5)
        return warp(image, matrix, SIDE)
    return np.asarray(cv2.warpAffine(image, matrix, (SIDE, SIDE)), np.uint8)


def similarity(landmarks: FloatArray) -> Matrix:
    """The turn, scale and shift, (2, 3), that carries landmarks (5, 2) nearest to the template.

    `facefind.geometry.similarity_transform`, rounded to single precision where OpenCV rounds:
    without that, one pixel in a thousand would differ.

    Raises:
        InferenceError: The landmarks coincide.
    """
    points = np.asarray(landmarks, np.float32)
    mean = (points[0] + points[1] + points[2] + points[3] + points[4]) / np.float32(5)
    source, target = points - mean, TEMPLATE - _MEAN
    spread = (source * source).astype(np.float64).sum()
    products = target[:, :, np.newaxis] * source[:, np.newaxis]
    covariance = products.astype(np.float64).sum(axis=0)
    cosine, sine = covariance[0, 0] + covariance[1, 1], covariance[1, 0] - covariance[0, 1]
    if not 0 < np.hypot(cosine, sine) * spread < np.inf:
        raise InferenceError("A face's landmarks cannot be aligned.")
    linear = np.array(((cosine, -sine), (sine, cosine))) / spread
    return np.column_stack((linear, _MEAN - linear @ mean.astype(np.float64)))

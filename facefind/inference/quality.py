"""How far a detection can be trusted: is it a face, and can it be told from others?

Two logistic regressions answer the two questions from features of the detection, its landmarks and
its chip. The first was fitted on detections of which photos' true boxes tell right from wrong, a
wrong one counting two and a half times; the second on shrunk and blurred copies of portraits, by
whether they were still taken for the same person. The quality is the weaker link:
``min(face, (1 + known) / 2)``. So half is the border between face and no face however small and
blurred it is, and what lies above it says how well it can be recognised.

The coefficients are in ``calibration/quality-NAME.json``, which ``scripts/evaluate quality --fit``
makes and which says what it was made from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefind.errors import SetupError
from facefind.geometry import grey
from facefind.resources import resource_dir
from facefind.types import Detection, FloatArray, Image, Quality

HARDLY_KNOWN = 0.6
"""Faces below may be faces, but no answer is sure of them.

Spoilt copies of this quality are near enough to their own person's photos in one case of five, and
blurred faces resemble each other more than themselves.
"""

LOW_QUALITY = 0.5
"""Faces below are stored but not searched by default.

As wrong detections count two and a half times in the fit, this is where five in seven are faces.
That weight was chosen together with the detector's threshold, as what leaves the most true faces
where 96 in 100 must be right even in photos of blurred crowds (``scripts/evaluate quality``).
"""

Floats = NDArray[np.float64]

# The middle of a chip, which the face fills, and the size that detail is measured at. Embedders
# lose nothing while a face is wider than about 45 pixels, so finer detail is not looked at.
_MARGIN = 0.1
_DETAIL = 40

# Noise of 8-bit pixels: a flat patch is not sharp.
_NOISE = 4.0

# A frontal face, (x, y, z) in distances between the eyes, z towards the viewer: eyes, nose, corners
# of the mouth. x and y are CenterFace's over 3 713 photos of Labeled Faces in the Wild. How far the
# tip of the nose stands out is what heads measure; a factorisation of the same landmarks (Tomasi
# and Kanade 1992) gives 0.33, so yaw and pitch may be a third too small.
_HEAD = np.array(
    ((-0.5, 0, 0), (0.5, 0, 0), (0, 0.55, 0.5), (-0.42, 1, 0), (0.42, 1, 0)), np.float64
)


class Features(NamedTuple):
    """What quality is judged by, one row of each array for each of N detections.

    Attributes:
        score: Log odds of the detector's score.
        score_for_size: The same beyond an ordinary 0.73, times the logarithm of the size over 30
            pixels: a large face with a poor score is suspicious, a small one is not.
        tiny: Logarithm of the size over 20 pixels, 0 from there on. Size is the geometric mean of
            the box's sides.
        small: The same with 60 pixels.
        contrast: Logarithm of the variance of brightness.
        sharpness: Logarithm of the variance of brightness' second difference, relative to that of
            brightness: across or down, whichever is less, so that motion counts as blur.
        asymmetry: See `facefind.types.Embeddings`.
        residual: How far the landmarks are from the template after the best similarity, root mean
            square, in distances between the eyes.
        turned: 1 less the cosine of the angle from the front.
        pose: (N, 3), yaw, pitch and roll in degrees; not judged by.
    """

    score: Floats
    score_for_size: Floats
    tiny: Floats
    small: Floats
    contrast: Floats
    sharpness: Floats
    asymmetry: Floats
    residual: Floats
    turned: Floats
    pose: Floats


class Logistic(NamedTuple):
    """A logistic regression: weights by the name of a feature."""

    intercept: float
    weights: Mapping[str, float]

    def __call__(self, features: Features) -> Floats:
        """Probabilities, (N,)."""
        odds = np.full(len(features.score), float(self.intercept))
        for name, weight in self.weights.items():
            odds += weight * getattr(features, name)
        probabilities: Floats = 1 / (1 + np.exp(-odds))
        return probabilities


class QualityModel:
    """Judges detections by their features."""

    def __init__(self, face: Logistic, known: Logistic, template: ArrayLike) -> None:
        """Takes the two regressions and where the embedder's chips have the five landmarks."""
        self._face, self._known = face, known
        self._template = np.asarray(template, np.float64)

    def __call__(
        self,
        detections: Sequence[Detection],
        chips: Sequence[Image],
        asymmetry: FloatArray | None,
    ) -> list[Quality | None]:
        """The quality of each detection; None where there are no landmarks or no asymmetry.

        Args:
            detections: N faces of one photo.
            chips: As the embedder gets them.
            asymmetry: As the embedder measured it.
        """
        judged = [i for i, face in enumerate(detections) if face.landmarks is not None]
        result: list[Quality | None] = [None] * len(detections)
        if asymmetry is None or not judged:
            return result
        features = measure(
            [detections[i] for i in judged],
            [chips[i] for i in judged],
            asymmetry[judged],
            self._template,
        )
        rows = (self.value(features), np.exp(features.sharpness), *features.pose.T)
        for i, row in zip(judged, np.transpose(rows).tolist(), strict=True):
            result[i] = Quality(*row)
        return result

    def value(self, features: Features) -> Floats:
        """Qualities, (N,), by the weaker of the two links."""
        weaker: Floats = np.minimum(self._face(features), (1 + self.known(features)) / 2)
        return weaker

    def known(self, features: Features) -> Floats:
        """How likely faces can be told from others, (N,), if they are faces."""
        return self._known(features)


def load(name: str, template: ArrayLike) -> QualityModel:
    """The model fitted for a pipeline.

    Args:
        name: The pipeline's.
        template: (5, 2), where its chips have the landmarks.

    Raises:
        SetupError: Its file is missing or damaged.
    """
    path = resource_dir("calibration") / f"quality-{name}.json"
    try:
        fitted: dict[str, Any] = json.loads(path.read_text("utf-8"))
        face, known = (Logistic(**fitted[part]) for part in ("face", "known"))
        if not {*face.weights, *known.weights} <= set(Features._fields):
            raise ValueError("a feature that there is not")
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise SetupError(f"{path} is missing or damaged.", "Install facefind again.") from error
    return QualityModel(face, known, template)


def measure(
    detections: Sequence[Detection],
    chips: Sequence[Image],
    asymmetry: ArrayLike,
    template: ArrayLike,
) -> Features:
    """The features of N detections, all with landmarks; arguments as for `QualityModel`."""
    landmarks = np.array([face.landmarks for face in detections], np.float64).reshape(-1, 5, 2)
    sides = np.array([face.box[2:] for face in detections], np.float64).reshape(-1, 2)
    size = np.log(np.maximum(sides, 1e-3)).mean(axis=1)
    score = np.clip([face.score for face in detections], 1e-3, 1 - 1e-3)
    odds = np.log(score / (1 - score))
    contrast, sharpness = np.array([_texture(chip) for chip in chips]).reshape(-1, 2).T
    angles = pose(landmarks)
    yaw, pitch = np.radians(angles[:, :2]).T
    return Features(
        score=odds,
        score_for_size=(odds - 1) * np.clip(size - np.log(30), -1, 1.5),
        tiny=np.minimum(size - np.log(20), 0),
        small=np.minimum(size - np.log(60), 0),
        contrast=contrast,
        sharpness=sharpness,
        asymmetry=np.asarray(asymmetry, np.float64),
        residual=residual(landmarks, template),
        turned=1 - np.cos(yaw) * np.cos(pitch),
        pose=angles,
    )


def pose(landmarks: ArrayLike) -> Floats:
    """Yaw, pitch and roll, (N, 3), in degrees, from landmarks (N, 5, 2).

    The scaled orthographic view of a stiff head that is nearest to the landmarks in the sense of
    DeMenthon and Davis (1995), its axes made orthogonal. Signs as in `facefind.types.Quality`.
    """
    points = np.asarray(landmarks, np.float64)
    axes = (_seen_head() @ (points - points.mean(axis=1, keepdims=True))).transpose(0, 2, 1)
    left, _, right = np.linalg.svd(axes, full_matrices=False)
    view = left @ right
    roll = np.arctan2(view[:, 1, 0], view[:, 0, 0])
    # Where the nose points, with the roll undone.
    nose = view[:, 0, 2] + 1j * view[:, 1, 2]
    nose *= np.exp(-1j * roll)
    yaw, pitch = (np.arcsin(np.clip(part, -1, 1)) for part in (nose.real, -nose.imag))
    angles: Floats = np.degrees(np.stack((yaw, pitch, roll), axis=1))
    return angles


@cache
def _seen_head() -> Floats:
    """What landmarks are multiplied by for the axes of the view, (3, 5)."""
    inverse: Floats = np.linalg.pinv(_HEAD - _HEAD.mean(axis=0))
    return inverse


def residual(landmarks: ArrayLike, template: ArrayLike) -> Floats:
    """What is left between landmarks (N, 5, 2) and a template (5, 2) after the best similarity.

    (N,), root mean square, in distances between the template's eyes.
    """
    source = np.asarray(landmarks, np.float64) @ (1, 1j)
    target = np.asarray(template, np.float64) @ (1, 1j)
    source = source - source.mean(axis=1, keepdims=True)
    eyes = abs(target[1] - target[0])
    target = target - target.mean()
    spread = np.maximum((abs(source) ** 2).sum(axis=1), np.finfo(np.float64).tiny)
    factor = (source.conj() @ target) / spread
    left = abs(source * factor[:, None] - target) ** 2
    distance: Floats = np.sqrt(left.mean(axis=1)) / eyes
    return distance


def _texture(chip: Image) -> tuple[float, float]:
    """Contrast and sharpness; see `Features`."""
    height, width = chip.shape[:2]
    top, left = round(height * _MARGIN), round(width * _MARGIN)
    middle = grey(chip[top : height - top, left : width - left])
    small = cv2.resize(middle, (_DETAIL, _DETAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    across = small[:, 2:] + small[:, :-2] - 2 * small[:, 1:-1]
    down = small[2:] + small[:-2] - 2 * small[1:-1]
    variance = float(small.var())
    detail = min(float(across.var()), float(down.var())) / (variance + _NOISE)
    return float(np.log(1 + variance)), float(np.log(1e-4 + detail))

"""Photos that lie on their side or stand on their head, told by the landmarks of their faces.

A detector made for upright faces still sees many turned ones, with a lower score, and places most
of their landmarks where they belong. So the photo itself tells how it must be turned, and no look
is spent on the many photos that are upright.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facefind.geometry import unturn_detection
from facefind.types import Detection, FloatArray

_HINT = 0.2
"""Score from which a face has a vote. Of 29 photos without a face, 9 show one such hint."""

CLEAR = 0.7
"""Score from which an upright face is seen beyond doubt."""

_UNSURE = 0.2
"""From this best score to a clear one, faces that look upright may as well stand on their heads.
Judged by the sum of squared scores instead, a fifth of the faces in photos upside down stayed
unseen."""

_ASKED = 4


def roll(landmarks: FloatArray) -> float:
    """Degrees in (-180, 180] by which a face is turned clockwise; 0 when its chin is below."""
    across = landmarks[3] + landmarks[4] - landmarks[0] - landmarks[1]
    return float(np.degrees(np.arctan2(-across[0], across[1])))


def quarter_turns(face: Detection) -> int:
    """How often a picture must be turned anticlockwise by 90 degrees to see this face upright."""
    return 0 if face.landmarks is None else round(roll(face.landmarks) / 90) % 4


def votes(faces: Sequence[Detection]) -> NDArray[np.float64]:
    """The weight, (4,), of the faces that ask for each number of quarter turns.

    Squares of scores are added up, so that a clear face outweighs a few hints.
    """
    weights = np.zeros(4)
    for face in faces:
        if face.score > _HINT:
            weights[quarter_turns(face)] += face.score**2
    return weights


def wanted_turns(seen: Sequence[Detection]) -> int:
    """By how many quarter turns the faces seen ask the picture to be turned.

    A face that stands on its head is often taken for an upright one, with little certainty.
    """
    wanted = int(votes(seen).argmax())
    best = max((face.score for face in seen), default=0.0)
    return 2 if wanted == 0 and _UNSURE < best < CLEAR else wanted


def asked(
    seen: Sequence[Detection], quarter_turns: int, width: int, height: int
) -> list[Detection]:
    """The best few faces, to be looked at before a whole picture is, in the turned picture.

    Args:
        quarter_turns: By how many it was turned anticlockwise.
        width, height: Of the turned picture.
    """
    best = sorted(seen, key=lambda face: -face.score)[:_ASKED]
    return [unturn_detection(face, -quarter_turns % 4, width, height) for face in best]


def shows_upright(seen: Sequence[Detection], score: float) -> bool:
    """Whether an upright face of this score is seen. Textures seen turned give faint ones."""
    return any(face.score >= score for face in seen if quarter_turns(face) == 0)

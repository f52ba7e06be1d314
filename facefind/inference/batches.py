"""How many faces are embedded together: said here alone, for gathering them and for embedding them.

What comes out does not depend on it but for the last bits of a vector, which are the network's own
arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from facefind.types import Embeddings, Image

FACES = 16
"""Faces that are gathered on a processor; more is no faster."""

PHOTOS = 8
"""Photos at most that wait there: with a face in each, dlib's network has a run's worth."""

VIEWS = 16
"""Pictures in one run of a network on a processor; more is no faster and takes more memory."""

FACES_ON_GPU = 64
"""Faces that are gathered on a GPU, photos that wait, and faces in one run.

A GPU works on a run's pictures side by side, and each run costs a start and a wait, whatever it
holds. Chosen by that alone: no GPU was at hand to measure on. Inputs are copied to it plainly, for
the 128 pictures that dlib's network is shown of 64 faces 35 MB.
"""


class Batch(NamedTuple):
    """How much is embedded together.

    Attributes:
        faces: From so many on, those that are gathered are embedded.
        photos: So many photos wait for that at most, whatever is in them.
        run: Faces in one run of the network.
    """

    faces: int
    photos: int
    run: int


def batch_of(given: int, views: int | None, *, on_gpu: bool) -> Batch:
    """The batch for a network.

    Args:
        given: Faces, as the user's settings say; 0 for what suits the device.
        views: Pictures that it is shown of a face; None where it takes one at a time. Then nothing
            is gained on a GPU, nor by letting more photos wait.
        on_gpu: Where it runs.
    """
    if views is None:
        faces = given or FACES
        return Batch(faces, min(PHOTOS, faces), faces)
    if given or on_gpu:
        faces = given or FACES_ON_GPU
        return Batch(faces, faces, faces)
    return Batch(FACES, PHOTOS, VIEWS // views)


def in_runs(
    embed: Callable[[Sequence[Image]], Embeddings], chips: Sequence[Image], run: int
) -> Embeddings:
    """The embeddings of chips, of which so many at most are given to the network at once."""
    parts = [embed(chips[start : start + run]) for start in range(0, max(len(chips), 1), run)]
    if len(parts) == 1:
        return parts[0]
    asymmetries = [part.asymmetry for part in parts if part.asymmetry is not None]
    return Embeddings(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate(asymmetries) if asymmetries else None,
    )

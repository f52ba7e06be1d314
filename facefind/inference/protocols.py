"""The shapes of a pipeline's parts. Back ends implement these and import no other part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from facefind.types import Detection, Embeddings, Face, FloatArray, Image, Quality


class Model(Protocol):
    """A network that can be run; in production an onnxruntime session, in tests a fake."""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The network's outputs, in its own order, for inputs by name.

        Raises:
            SetupError: The weights cannot be loaded, or no runtime is installed.
            InferenceError: The runtime refused these inputs.
        """


class Detector(Protocol):
    """Finds faces."""

    def detect(self, image: Image) -> list[Detection]:
        """The faces of an upright RGB picture, boxes and landmarks in its pixels, in any order."""


class Aligner(Protocol):
    """Cuts out what the embedder looks at."""

    def __call__(self, image: Image, detections: Sequence[Detection]) -> list[Image]:
        """One chip, RGB uint8, per detection, in their order."""


class Embedder(Protocol):
    """Turns chips into vectors."""

    def embed(self, chips: Sequence[Image]) -> Embeddings:
        """One row per chip, in their order; there may be none."""


class Assessor(Protocol):
    """Judges how far detections can be trusted."""

    def __call__(
        self,
        detections: Sequence[Detection],
        chips: Sequence[Image],
        asymmetry: FloatArray | None,
    ) -> list[Quality | None]:
        """The quality of each detection of a photo, None where nothing tells; see `Embeddings`."""


class FaceFinder(Protocol):
    """Finds faces and embeds them; in production a whole pipeline."""

    def find_faces(self, image: Image) -> list[Face]:
        """The faces of an upright RGB picture (H, W, 3) uint8, each with its embedding.

        Raises:
            InferenceError: The picture cannot be processed.
        """


class Parts(NamedTuple):
    """What a pipeline is assembled from."""

    detector: Detector
    align: Aligner
    embedder: Embedder
    assess: Assessor | None = None

"""The shapes of a pipeline's parts. Back ends implement these and import no other part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from numpy.typing import NDArray

from facefind.inference.batches import Batch
from facefind.stages import Stages, untimed
from facefind.types import Detection, Embeddings, Face, FloatArray, Image, Quality


class Model(Protocol):
    """A network that can be run; in production an onnxruntime session, in tests a fake."""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The network's outputs, in its own order, for inputs by name.

        Raises:
            SetupError: The weights cannot be loaded, or no runtime is installed.
            InferenceError: The runtime refused these inputs.
        """


class PhotoPixels(Protocol):
    """A photo that gives its pixels at several scales; a scale is pixels given per photo pixel."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright photo, in its own pixels."""

    def at(self, scale: float) -> Image:
        """The upright RGB picture at this scale or a larger one, at most the photo's own.

        One that is too large to be decoded in full comes smaller.

        Raises:
            PhotoError: It is damaged.
        """


class Detector(Protocol):
    """Finds faces."""

    def detect(self, image: Image) -> list[Detection]:
        """The faces of an upright RGB picture, boxes and landmarks in its pixels, in any order."""


@runtime_checkable
class ScalingDetector(Protocol):
    """A `Detector` to which a large photo may be shown smaller than it is."""

    def scale_for(self, width: int, height: int) -> float:
        """The smallest scale that shows it all that it looks at in a photo of this size; 0..1."""

    def detect(self, image: Image, scale: float = 1.0) -> list[Detection]:
        """As `Detector.detect`.

        Args:
            scale: Pixels of the picture per pixel of the photo that it was made from.
        """


class Pictured(NamedTuple):
    """A face and what it is cut from.

    Attributes:
        image: An upright RGB picture, which other faces may share.
        face: In its pixels.
    """

    image: Image
    face: Detection


class Aligner(Protocol):
    """Cuts out what the embedder looks at."""

    def __call__(self, faces: Iterable[Pictured]) -> list[Image]:
        """One chip, RGB uint8, per face, in their order; none depends on those beside it.

        Args:
            faces: Their pictures may be made while they are asked for. So an aligner that looks at
                many together takes a bounded number at a time.
        """


class Embedder(Protocol):
    """Turns chips into vectors."""

    def embed(self, chips: Sequence[Image]) -> Embeddings:
        """One row per chip, in their order; there may be none.

        Args:
            chips: All go into one run where the network takes several; whoever asks bounds them.
        """


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


class Seen(NamedTuple):
    """The faces of one photo before they are embedded.

    Attributes:
        detections: In the photo's own pixels.
        chips: What the embedder looks at, one for each.
    """

    detections: list[Detection]
    chips: list[Image]


class BatchFinder(Protocol):
    """Finds faces in two steps, so that the second can take many photos at once."""

    @property
    def batch(self) -> Batch:
        """How much the second step takes best."""

    def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
        """The faces of a photo, best first; any thread may ask.

        Args:
            stages: Measures "detect" and "align".

        Raises:
            PhotoError: The photo is damaged.
            InferenceError: It cannot be processed.
        """

    def recognise(self, seen: Sequence[Seen]) -> list[list[Face]]:
        """The faces of each photo, embedded; the same whatever photos come together."""


class Parts(NamedTuple):
    """What a pipeline is assembled from.

    Attributes:
        on_gpu: Whether the embedder's network is on a GPU; asked anew whenever faces are embedded.
    """

    detector: Detector
    align: Aligner
    embedder: Embedder
    assess: Assessor | None = None
    on_gpu: Callable[[], bool] = lambda: False

"""Pipelines: which detector, alignment, embedder, weights and threshold belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from facefind.errors import InferenceError, UsageError
from facefind.inference import chips, options, quality, scaled, weights
from facefind.inference.ahead import open_model
from facefind.inference.batches import Batch, batch_of, in_runs
from facefind.inference.checks import is_sound, opencv_errors
from facefind.inference.detectors.centerface import (
    THOROUGH,
    CenterFaceDetector,
    CenterFaceSettings,
)
from facefind.inference.detectors.haar import HaarDetector, HaarSettings
from facefind.inference.detectors.scrfd import ScrfdDetector, ScrfdSettings
from facefind.inference.detectors.yunet import YuNetDetector, YuNetSettings
from facefind.inference.embedders import arcface, clip, dlib_resnet, sface
from facefind.inference.protocols import (
    Aligner,
    Assessor,
    Detector,
    Embedder,
    Model,
    Parts,
    PhotoPixels,
    Pictured,
    ScalingDetector,
    Seen,
)
from facefind.inference.session import Session, check_runtime
from facefind.settings import Device
from facefind.stages import Stages, untimed
from facefind.types import Detection, Embeddings, Face, Image, SettingValue

DEFAULT_PIPELINE = "dlib"

_PREFIX = "detector."

OpenModel = Callable[[str], Model]
"""Gives the network of a weight record by its name."""


@dataclass(frozen=True)
class PipelineSpec:
    """What a pipeline is, before anything is loaded.

    Attributes:
        name: As users type it.
        title: What it is made of, in one line.
        dimension: Numbers in an embedding.
        threshold: L2 distance up to which two faces count as one person; None when not measured.
        weights: Names of the weight records that it needs.
        settings: The dataclass of its detector's settings.
        detector: Makes the detector from an instance of ``settings``.
        align: Makes what cuts the chips out.
        embedder: Makes the embedder.
        assess: Makes what judges the faces; None where nothing was fitted.
        views: Pictures of a face in a run of the embedder; None where a run takes one picture.
        thorough: Settings by key that find more for more time; empty where there are none.
    """

    name: str
    title: str
    dimension: int
    threshold: float | None
    weights: tuple[str, ...]
    settings: type[Any]
    detector: Callable[[Any, OpenModel], Detector]
    align: Callable[[OpenModel], Aligner]
    embedder: Callable[[OpenModel], Embedder]
    assess: Callable[[], Assessor] | None = None
    views: int | None = 1
    thorough: Mapping[str, str] = field(default_factory=dict)


_DLIB = PipelineSpec(
    name="dlib",
    title="CenterFace, dlib's five landmarks, its ResNet-29 on the chip and its mirror image",
    dimension=dlib_resnet.DIMENSION,
    # One in a thousand: of the 6.8 million pairs of different people in 3 713 photos of Labeled
    # Faces in the Wild, 0.08 % are nearer; of two photos of one person, 95 % are.
    threshold=0.38,
    weights=("centerface", "dlib_landmarks", "dlib_resnet"),
    settings=CenterFaceSettings,
    detector=lambda settings, model: CenterFaceDetector(model("centerface"), settings),
    align=lambda model: dlib_resnet.DlibAligner(model("dlib_landmarks")),
    embedder=lambda model: dlib_resnet.DlibResnetEmbedder(model("dlib_resnet")),
    assess=lambda: quality.load("dlib", dlib_resnet.TEMPLATE),
    views=dlib_resnet.VIEWS,
    thorough=THOROUGH,
)

PIPELINES: dict[str, PipelineSpec] = {
    "dlib": _DLIB,
    # The threshold holds for it too: vectors move a tenth of what two photos of a person differ.
    "dlib-fast": replace(
        _DLIB,
        name="dlib-fast",
        title="dlib with its ResNet-29 in whole numbers of eight bits: faster on processors",
        weights=("centerface", "dlib_landmarks", "dlib_resnet_int8"),
        embedder=lambda model: dlib_resnet.DlibResnetEmbedder(model("dlib_resnet_int8")),
    ),
    "clip": PipelineSpec(
        name="clip",
        title="Haar cascade and imgbeddings' CLIP ViT-B/32, as in the article",
        dimension=clip.DIMENSION,
        threshold=None,
        weights=("clip",),
        settings=HaarSettings,
        detector=lambda settings, _: HaarDetector(settings),
        align=lambda _: clip.grey_crops,
        embedder=lambda model: clip.ClipEmbedder(model("clip")),
        views=None,
    ),
    "sface": PipelineSpec(
        name="sface",
        title="YuNet and SFace, both of OpenCV's model zoo",
        dimension=sface.DIMENSION,
        # The publishers', for unit vectors: `_threshold_norml2` in
        # github.com/opencv/opencv_zoo/blob/main/models/face_recognition_sface/sface.py.
        threshold=1.128,
        weights=("yunet", "sface_2021dec"),
        settings=YuNetSettings,
        detector=lambda settings, model: YuNetDetector(model("yunet"), settings),
        align=lambda _: chips.align,
        embedder=lambda model: sface.SFaceEmbedder(model("sface_2021dec")),
        views=None,
    ),
    "arcface": PipelineSpec(
        name="arcface",
        title="SCRFD-10G and ArcFace ResNet-50 of insightface's buffalo_l; non-commercial research",
        dimension=arcface.DIMENSION,
        # A cosine of 0.4, from which insightface's own program says "Same Person", whatever the
        # model: `DEFAULT_THRESHOLD` in python-package/insightface/gui/core/constants.py of
        # github.com/deepinsight/insightface, version 2.1. For unit vectors that is sqrt(1.2).
        threshold=1.095,
        weights=("scrfd_10g", "arcface_r50"),
        settings=ScrfdSettings,
        detector=lambda settings, model: ScrfdDetector(model("scrfd_10g"), settings),
        align=lambda _: chips.align,
        embedder=lambda model: arcface.ArcFaceEmbedder(model("arcface_r50")),
    ),
}


class CheckedDetector:
    """A detector of which the picture, the answer and OpenCV's errors are checked."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def scale_for(self, width: int, height: int) -> float:
        """The smallest scale at which it may be shown a photo; see `ScalingDetector`."""
        if isinstance(self._detector, ScalingDetector):
            return self._detector.scale_for(width, height)
        return 1.0

    def detect(self, image: Image, scale: float = 1.0) -> list[Detection]:
        """The faces of an upright picture, RGB uint8 (H, W, 3).

        Best score first, equal ones from the top, then from the left.

        Args:
            scale: Pixels of the picture per pixel of the photo, from `scale_for` up.

        Raises:
            InferenceError: The picture cannot be processed.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise InferenceError(f"No RGB picture: {image.dtype} of shape {image.shape}.")
        with opencv_errors():
            if isinstance(self._detector, ScalingDetector):
                found = self._detector.detect(image, scale)
            else:
                found = self._detector.detect(image)
        if not all(is_sound(detection) for detection in found):
            raise InferenceError("The detector answered with an impossible box.")
        return sorted(found, key=lambda face: (-face.score, face.box.y, face.box.x))


class Pipeline:
    """Finds faces in pictures and embeds them.

    Attributes:
        spec: What the pipeline is.
        settings: All its settings by key, as `resolve_settings` gives them.
        fingerprint: Tells its weights from others; faces of two fingerprints do not compare.

    Args:
        batch: Faces that are embedded together; 0 for as many as suit the device.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        parts: Parts,
        settings: Mapping[str, SettingValue],
        fingerprint: str,
        batch: int = 0,
    ) -> None:
        self.spec = spec
        self.settings = dict(settings)
        self.fingerprint = fingerprint
        self._parts, self._given = parts, batch
        self._detector = CheckedDetector(parts.detector)

    @property
    def batch(self) -> Batch:
        """How many faces `recognise` takes best, and how many are embedded in one run."""
        return batch_of(self._given, self.spec.views, on_gpu=self._parts.on_gpu())

    def find_faces(self, image: Image) -> list[Face]:
        """The faces of an upright picture, RGB uint8 (H, W, 3), in the order of `detect`.

        Raises:
            InferenceError: The picture cannot be processed.
        """
        (faces,) = self.recognise([self.see(scaled.WholePicture(image))])
        return faces

    def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
        """The faces of a photo before they are embedded, in the order of `detect`.

        It is looked at no larger than the detector needs it. `facefind.inference.scaled` says from
        how many of its pixels the chips are cut.

        Args:
            stages: Measures "detect" and "align".

        Raises:
            PhotoError: The photo is damaged.
            InferenceError: It cannot be processed.
        """
        image = photo.at(self._detector.scale_for(*photo.size))
        with stages("detect"):
            found = self._detector.detect(image, scaled.image_scale(photo, image))
        with stages("align"):
            chips = self._cut(scaled.pictured(photo, image, found))
        return Seen(scaled.rescaled(found, image, *photo.size), chips)

    def recognise(self, seen: Sequence[Seen]) -> list[list[Face]]:
        """The faces of each photo; the same whatever photos come together.

        Raises:
            InferenceError: A face cannot be embedded.
        """
        vectors, asymmetry = self._embed([chip for one in seen for chip in one.chips])
        faces, start = [], 0
        for one in seen:
            these = slice(start, start + len(one.chips))
            mirrored = None if asymmetry is None else asymmetry[these]
            faces.append(self._faces(one, Embeddings(vectors[these], mirrored)))
            start = these.stop
        return faces

    def _faces(self, seen: Seen, embeddings: Embeddings) -> list[Face]:
        detections, (vectors, asymmetry) = seen.detections, embeddings
        unknown = [None] * len(detections)
        measured = unknown if asymmetry is None else asymmetry.tolist()
        assess = self._parts.assess
        qualities = unknown if assess is None else assess(detections, seen.chips, asymmetry)
        return [
            Face(*parts) for parts in zip(detections, vectors, measured, qualities, strict=True)
        ]

    def detect(self, image: Image) -> list[Detection]:
        """The faces without embeddings, as `CheckedDetector.detect` gives them.

        Raises:
            InferenceError: The picture cannot be processed.
        """
        return self._detector.detect(image)

    def embed(self, image: Image, detections: Sequence[Detection]) -> Embeddings:
        """The embeddings of faces in a picture, in the order given.

        Raises:
            InferenceError: A face cannot be embedded.
        """
        return self._embed(self.cut(image, detections))

    def cut(self, image: Image, detections: Sequence[Detection]) -> list[Image]:
        """What the embedder looks at, one picture for each face.

        Raises:
            InferenceError: A face cannot be cut out.
        """
        return self._cut(Pictured(image, face) for face in detections)

    def _cut(self, faces: Iterable[Pictured]) -> list[Image]:
        with opencv_errors():
            return self._parts.align(faces)

    def _embed(self, cut: Sequence[Image]) -> Embeddings:
        vectors, asymmetry = in_runs(self._parts.embedder.embed, cut, self.batch.run)
        if vectors.shape != (len(cut), self.spec.dimension):
            raise InferenceError(f"The embedder answered with shape {vectors.shape}.")
        if not np.isfinite(vectors).all():
            raise InferenceError("The embedder answered with values that are not finite.")
        return Embeddings(vectors.astype(np.float32, copy=False), asymmetry)


def resolve_settings(name: str, overrides: Mapping[str, object]) -> dict[str, SettingValue]:
    """All settings of a pipeline by key ("detector.threshold"), the given ones over the defaults.

    Raises:
        UsageError: No such pipeline or key, or a value that is wrong; it lists the right ones.
    """
    return options.described(_settings(_spec(name), overrides), _PREFIX)


def load_pipeline(
    name: str,
    *,
    models_dir: Path,
    settings: Mapping[str, SettingValue] | None = None,
    threads: int = 0,
    device: Device = "auto",
    batch: int = 0,
    opened: OpenModel | None = None,
) -> Pipeline:
    """A pipeline whose weights and runtime are there; the networks load at first use.

    Args:
        name: A key of `PIPELINES`.
        models_dir: Where downloaded weights lie.
        settings: As `resolve_settings` gives them; what is missing takes its default.
        threads: Threads per network; 0 for one per core.
        device: What the networks run on; see `facefind.inference.session.Session`.
        batch: Faces that are embedded together; 0 for as many as suit the device.
        opened: Gives networks that are opened already; see `facefind.inference.ahead.Ahead`.

    Raises:
        UsageError: No such pipeline, or a wrong setting.
        RuntimeMissing, SetupError: No onnxruntime that works, or no GPU where one is insisted on.
        WeightsError: A weight file is missing or damaged.
    """
    spec = _spec(name)
    chosen = _settings(spec, settings or {})
    check_runtime(device)
    open_ = opened or (lambda record: open_model(record, models_dir, threads, device))
    sessions = {record: open_(record) for record in spec.weights}
    model, embedding = sessions.__getitem__, list[Model]()

    def for_embedding(record: str) -> Model:
        embedding.append(model(record))
        return embedding[-1]

    return Pipeline(
        spec,
        Parts(
            spec.detector(chosen, model),
            spec.align(model),
            spec.embedder(for_embedding),
            spec.assess and spec.assess(),
            lambda: any(isinstance(each, Session) and each.on_gpu for each in embedding),
        ),
        options.described(chosen, _PREFIX),
        weights.fingerprint(spec.weights, models_dir),
        batch,
    )


def load_detector(
    name: str,
    *,
    models_dir: Path,
    settings: Mapping[str, SettingValue] | None = None,
    threads: int = 0,
    device: Device = "auto",
) -> CheckedDetector:
    """A pipeline's detector alone, for which the embedder's weights need not be there.

    Its pictures and answers are checked as the pipeline checks them.

    Args and Raises: As `load_pipeline`.
    """
    spec = _spec(name)
    chosen = _settings(spec, settings or {})
    detector = spec.detector(chosen, lambda record: open_model(record, models_dir, threads, device))
    return CheckedDetector(detector)


def _spec(name: str) -> PipelineSpec:
    if name not in PIPELINES:
        raise UsageError(f"There is no pipeline {name!r}.", f"There are: {', '.join(PIPELINES)}.")
    return PIPELINES[name]


def _settings(spec: PipelineSpec, overrides: Mapping[str, object]) -> Any:
    return options.resolve(spec.settings, overrides, _PREFIX)

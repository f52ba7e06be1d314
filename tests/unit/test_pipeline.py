"""The registry, settings, and what a pipeline refuses; parts are fakes."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facefind.errors import InferenceError, RuntimeMissing, UsageError, WeightsError
from facefind.inference import detectors, embedders
from facefind.inference.pipeline import (
    DEFAULT_PIPELINE,
    PIPELINES,
    CheckedDetector,
    Pipeline,
    load_detector,
    load_pipeline,
    resolve_settings,
)
from facefind.inference.protocols import Parts, Pictured
from facefind.types import Box, Detection, Embeddings, Image

IMAGE = np.zeros((40, 60, 3), np.uint8)
DIMENSION = PIPELINES["dlib"].dimension


class FakeDetector:
    def __init__(self, found: Sequence[Detection] = ()) -> None:
        self.found = list(found)

    def detect(self, image: Image) -> list[Detection]:
        return self.found


class FakeEmbedder:
    """A vector per chip that starts with the chip's height."""

    def __init__(
        self, dimension: int = DIMENSION, value: float | None = None, extra: int = 0
    ) -> None:
        self.dimension, self.value, self.extra = dimension, value, extra

    def embed(self, chips: Sequence[Image]) -> Embeddings:
        rows = np.zeros((len(chips) + self.extra, self.dimension), np.float32)
        for row, chip in zip(rows, chips, strict=False):
            row[0] = len(chip) if self.value is None else self.value
        return Embeddings(rows)


def chips_of_box_height(faces: Iterable[Pictured]) -> list[Image]:
    return [np.zeros((int(one.face.box.h), 1, 3), np.uint8) for one in faces]


def pipeline(found: Sequence[Detection] = (), embedder: FakeEmbedder | None = None) -> Pipeline:
    parts = Parts(FakeDetector(found), chips_of_box_height, embedder or FakeEmbedder())
    return Pipeline(PIPELINES["dlib"], parts, resolve_settings("dlib", {}), "fingerprint")


def test_the_registry_names_its_rows_and_the_default_has_a_threshold() -> None:
    assert [spec.name for spec in PIPELINES.values()] == list(PIPELINES)
    assert PIPELINES[DEFAULT_PIPELINE].threshold is not None
    assert PIPELINES["clip"].threshold is None


def test_resolved_settings_are_complete_typed_and_in_order() -> None:
    settings = resolve_settings("dlib", {"detector.threshold": "0.7"})
    assert list(settings) == [
        "detector.working_size",
        "detector.close_up_size",
        "detector.max_enlargement",
        "detector.threshold",
        "detector.doubt",
        "detector.nms",
        "detector.smallest_face",
        "detector.far_size",
        "detector.first_look",
        "detector.closer_look",
        "detector.hint",
        "detector.turns",
    ]
    assert settings["detector.threshold"] == 0.7
    assert type(settings["detector.working_size"]) is int


def test_resolving_resolved_settings_changes_nothing() -> None:
    settings = resolve_settings("dlib", {"detector.working_size": "640"})
    assert resolve_settings("dlib", settings) == settings


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("detector.size", "1", "There is no setting 'detector.size'"),
        ("threshold", "0.5", "There is no setting 'threshold'"),
        ("detector.threshold", "high", "wants a number, not 'high'"),
        ("detector.threshold", "nan", "out of range"),
        ("detector.threshold", "1.5", "out of range"),
        ("detector.working_size", "640.5", "wants a whole number, not '640.5'"),
        ("detector.working_size", "0", "out of range"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_list_of_right_ones(
    key: str, value: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        resolve_settings("dlib", {key: value})
    assert "detector.threshold=0.5" in caught.value.hint
    assert "detector.working_size=1024" in caught.value.hint


def test_the_articles_pipeline_defaults_to_the_articles_settings() -> None:
    settings = resolve_settings("clip", {})
    assert settings["detector.scale_factor"] == 1.05
    assert settings["detector.min_neighbors"] == 2
    assert settings["detector.min_size"] == 100


def test_an_unknown_pipeline_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UsageError, match=r"no pipeline 'vgg'. There are: dlib, dlib-fast, clip"):
        resolve_settings("vgg", {})


def test_missing_weights_are_reported_when_loading(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        load_pipeline("clip", models_dir=tmp_path)


def test_a_missing_runtime_is_reported_when_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeMissing, match=r"facefind\[cpu\].*facefind\[gpu\]"):
        load_pipeline("dlib", models_dir=tmp_path)


def test_a_detector_alone_needs_no_embedders_weights(tmp_path: Path) -> None:
    assert load_detector("clip", models_dir=tmp_path).detect(IMAGE) == []


def bare_detector(detector: FakeDetector, monkeypatch: pytest.MonkeyPatch) -> CheckedDetector:
    """What `load_detector` makes of a back end."""
    spec = replace(PIPELINES["dlib"], detector=lambda *_: detector)
    monkeypatch.setitem(PIPELINES, "dlib", spec)
    return load_detector("dlib", models_dir=Path("unused"))


def test_a_detector_alone_answers_in_the_pipelines_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Detection(Box(9, 5, 1, 1), 0.5), Detection(Box(1, 5, 1, 1), 0.5)]
    found += [Detection(Box(5, 2, 1, 1), 0.5), Detection(Box(5, 9, 1, 1), 0.9)]
    detector = bare_detector(FakeDetector(found), monkeypatch)
    assert detector.detect(IMAGE) == [found[3], found[2], found[1], found[0]]


def test_a_detector_alone_refuses_what_the_pipeline_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector = bare_detector(FakeDetector([Detection(Box(0, 0, 0, 1), 0.9)]), monkeypatch)
    with pytest.raises(InferenceError, match="No RGB picture"):
        detector.detect(np.zeros((4, 4), np.uint8))
    with pytest.raises(InferenceError, match="impossible box"):
        detector.detect(IMAGE)


def test_back_ends_import_no_other_back_end() -> None:
    folders = [Path(package.__path__[0]) for package in (detectors, embedders)]
    files = [path for folder in folders for path in folder.glob("*.py")]
    imported = {
        (path.name, node.module)
        for path in files
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module is not None
    }
    assert ("haar.py", "facefind.geometry") in imported
    others = ("facefind.inference.detectors", "facefind.inference.embedders")
    assert [pair for pair in imported if pair[1].startswith(others)] == []


def test_faces_come_by_score_then_from_the_top_then_from_the_left() -> None:
    boxes = [Box(9, 5, 1, 10), Box(1, 5, 1, 11), Box(5, 2, 1, 12), Box(5, 9, 1, 13)]
    scores = [0.5, 0.5, 0.5, 0.9]
    found = [Detection(box, score) for box, score in zip(boxes, scores, strict=True)]
    faces = pipeline(found).find_faces(IMAGE)
    assert [face.detection.box.h for face in faces] == [13, 12, 11, 10]
    assert [face.embedding[0] for face in faces] == [13, 12, 11, 10]


def test_a_photo_without_faces() -> None:
    assert pipeline().find_faces(IMAGE) == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_picture_is_refused(image: Image) -> None:
    with pytest.raises(InferenceError, match="No RGB picture"):
        pipeline().detect(image)


@pytest.mark.parametrize(
    "detection",
    [
        Detection(Box(0, 0, float("nan"), 1), 0.9),
        Detection(Box(0, 0, 1, float("inf")), 0.9),
        Detection(Box(0, 0, 0, 1), 0.9),
        Detection(Box(0, 0, 1, 1), float("nan")),
        Detection(Box(0, 0, 1, 1), 0.9, np.full((5, 2), np.nan, np.float32)),
    ],
)
def test_an_impossible_detection_is_refused(detection: Detection) -> None:
    with pytest.raises(InferenceError, match="impossible box"):
        pipeline([detection]).detect(IMAGE)


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        (FakeEmbedder(dimension=64), r"shape \(1, 64\)"),
        (FakeEmbedder(extra=1), r"shape \(2, 128\)"),
        (FakeEmbedder(value=float("nan")), "not finite"),
        (FakeEmbedder(value=float("inf")), "not finite"),
    ],
)
def test_an_impossible_embedding_is_refused(embedder: FakeEmbedder, message: str) -> None:
    with pytest.raises(InferenceError, match=message):
        pipeline([Detection(Box(0, 0, 1, 1), 0.9)], embedder).find_faces(IMAGE)


def test_opencvs_errors_become_inference_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: FakeDetector, image: Image) -> list[Detection]:
        raise cv2.error("too large")

    monkeypatch.setattr(FakeDetector, "detect", refuse)
    for detector in (pipeline(), bare_detector(FakeDetector(), monkeypatch)):
        with pytest.raises(InferenceError, match="too large") as caught:
            detector.detect(IMAGE)
        assert isinstance(caught.value.__cause__, cv2.error)

"""Quality: what it is judged by, how it is put together, and how it is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.errors import SetupError
from facefind.inference import quality
from facefind.inference.embedders.dlib_resnet import TEMPLATE
from facefind.inference.pipeline import PIPELINES, Pipeline, resolve_settings
from facefind.inference.protocols import Assessor, Parts
from facefind.inference.quality import LOW_QUALITY, Features, Logistic, QualityModel, measure
from facefind.types import Box, Detection, Embeddings, Image, Quality
from scripts.evaluation import quality_fit
from scripts.evaluation.quality import area

HEAD = np.array([(-0.5, 0, 0), (0.5, 0, 0), (0, 0.55, 0.5), (-0.42, 1, 0), (0.42, 1, 0)])
ALWAYS, NEVER = Logistic(50, {}), Logistic(-50, {})
SPECKLED = np.random.default_rng(0).integers(0, 256, (150, 150, 3), np.uint8)


def seen(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """The landmarks of a head turned to the image's right, then up, then clockwise, in degrees.

    The z axis points to the viewer, so that a head turned by 90 degrees has its nose on the right.
    """
    y, p, r = np.radians((yaw, pitch, roll))
    right = np.array([(np.cos(y), 0, np.sin(y)), (0, 1, 0), (-np.sin(y), 0, np.cos(y))])
    up = np.array([(1, 0, 0), (0, np.cos(p), -np.sin(p)), (0, np.sin(p), np.cos(p))])
    clockwise = np.array([(np.cos(r), -np.sin(r), 0), (np.sin(r), np.cos(r), 0), (0, 0, 1)])
    turned: NDArray[np.float64] = HEAD @ (clockwise @ up @ right).T
    return turned[:, :2] * 70 + (300, 200)


def face(side: float = 100, score: float = 0.95) -> Detection:
    landmarks = (TEMPLATE * side / 130).astype(np.float32)
    return Detection(Box(0, 0, side, side), score, landmarks)


def features(detection: Detection, chip: Image = SPECKLED, asymmetry: float = 0.13) -> Features:
    return measure([detection], [chip], [asymmetry], TEMPLATE)


def textured(sigma: float) -> Image:
    """A chip with detail of all sizes, blurred; about as rough as a face."""
    random = np.random.default_rng(1)
    layers = [
        cv2.resize(random.normal(0, 1, (n, n)), (150, 150), interpolation=cv2.INTER_CUBIC) * 100 / n
        for n in (4, 8, 16, 32, 64)
    ]
    picture = np.clip(128 + sum(layers) * 1.5, 0, 255).astype(np.uint8)
    chip = np.repeat(picture[..., None], 3, axis=2)
    return chip if sigma == 0 else np.asarray(cv2.GaussianBlur(chip, (0, 0), sigma), np.uint8)


# --- landmarks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "angles",
    [(0, 0, 0), (25, 0, 0), (-40, 0, 0), (0, 20, 0), (0, -20, 0), (0, 0, 30), (0, 0, -150)],
)
def test_pose_is_recovered_with_its_signs(angles: tuple[float, float, float]) -> None:
    assert quality.pose([seen(*angles)])[0] == pytest.approx(angles, abs=1e-6)


def test_roll_does_not_change_yaw_and_pitch() -> None:
    upright, rolled = quality.pose([seen(20, 10, 0), seen(20, 10, 70)])
    assert upright[:2] == pytest.approx(rolled[:2], abs=1e-6)
    assert rolled[2] - upright[2] == pytest.approx(70, abs=1e-6)
    assert upright[0] == pytest.approx(20, abs=1)


def test_coinciding_landmarks_have_a_pose_and_a_residual_all_the_same() -> None:
    points = np.ones((1, 5, 2))
    assert np.isfinite(quality.pose(points)).all()
    assert np.isfinite(quality.residual(points, TEMPLATE)).all()


def test_residual_is_blind_to_similarities_and_sees_a_moved_nose() -> None:
    turned = TEMPLATE @ [[0.3, 0.4], [-0.4, 0.3]] + (1000, -20)
    moved = TEMPLATE + np.eye(5, 2, -2) * 30
    none, some = quality.residual([turned, moved], TEMPLATE)
    assert none == pytest.approx(0, abs=1e-9)
    assert 0.1 < some < 30 / 57


# --- pixels and size -----------------------------------------------------------------------------


def test_sharpness_falls_with_blur_whatever_its_direction() -> None:
    sharpness = [features(face(), textured(sigma)).sharpness[0] for sigma in (0, 1, 2, 3, 4, 6)]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] - sharpness[-1] > 2
    for kernel in ((25, 1), (1, 25)):
        moved = np.asarray(cv2.blur(textured(0), kernel), np.uint8)
        assert features(face(), moved).sharpness[0] < sharpness[0] - 1


def test_sharpness_falls_where_a_small_face_was_enlarged() -> None:
    def enlarged(side: int) -> Image:
        small = cv2.resize(textured(0), (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (150, 150), interpolation=cv2.INTER_LINEAR), np.uint8)

    sharpness = [features(face(), enlarged(side)).sharpness[0] for side in (150, 40, 28, 20, 14)]
    assert sharpness == sorted(sharpness, reverse=True)


def test_sharpness_is_blind_to_brightness_and_hardly_sees_contrast() -> None:
    chip = textured(0)
    darker, flatter = (chip // 2 + 60).astype(np.uint8), np.full_like(chip, 90)
    assert features(face(), darker).sharpness == pytest.approx(
        features(face(), chip).sharpness, abs=0.1
    )
    flat = features(face(), flatter)
    assert flat.sharpness == pytest.approx(np.log(1e-4))
    assert flat.contrast == pytest.approx(0)


def test_size_counts_up_to_a_bound_only() -> None:
    tiny, small, large, larger = (features(face(side)) for side in (10, 40, 60, 600))
    assert tiny.tiny == pytest.approx(np.log(10 / 20))
    assert small.tiny == 0
    assert small.small == pytest.approx(np.log(40 / 60))
    assert [large.small[0], larger.small[0]] == pytest.approx([0, 0])


def test_features_of_no_detection() -> None:
    assert [len(column) for column in measure([], [], [], TEMPLATE)] == [0] * len(Features._fields)


# --- putting it together -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("face_link", "known_link", "expected"),
    [
        (ALWAYS, ALWAYS, 1),
        (ALWAYS, NEVER, 0.5),
        (NEVER, ALWAYS, 0),
        (ALWAYS, Logistic(0, {}), 0.75),
    ],
)
def test_the_weaker_link_decides(
    face_link: Logistic, known_link: Logistic, expected: float
) -> None:
    model = QualityModel(face_link, known_link, TEMPLATE)
    (judged,) = model([face()], [SPECKLED], np.array([0.1], np.float32))
    assert judged is not None
    assert judged.value == pytest.approx(expected)


def test_a_quality_carries_sharpness_and_pose() -> None:
    turned = Detection(Box(0, 0, 90, 90), 0.9, seen(20, 0, 10).astype(np.float32))
    (judged,) = QualityModel(ALWAYS, ALWAYS, TEMPLATE)(
        [turned], [SPECKLED], np.zeros(1, np.float32)
    )
    assert isinstance(judged, Quality)
    assert judged.sharpness == pytest.approx(np.exp(features(turned).sharpness[0]))
    assert (judged.yaw, judged.pitch, judged.roll) == pytest.approx((20, 0, 10), abs=1e-3)


def test_what_has_no_landmarks_or_no_asymmetry_has_no_quality() -> None:
    model = QualityModel(Logistic(0, {"score": 1}), ALWAYS, TEMPLATE)
    bare = Detection(Box(0, 0, 1, 1), 0.5)
    found, chips = [face(score=0.9), bare, face(score=0.6)], [SPECKLED] * 3
    first, second, third = model(found, chips, np.full(3, 0.1, np.float32))
    assert second is None
    assert first is not None
    assert third is not None
    assert (first.value, third.value) == pytest.approx((0.9, 0.6))
    assert model(found, chips, None) == [None] * 3
    assert model([], [], np.zeros(0, np.float32)) == []


def test_the_shipped_model_thinks_well_of_ordinary_faces_and_poorly_of_doubtful_ones() -> None:
    model = quality.load("dlib", TEMPLATE)

    def value(side: float, score: float, chip: Image, asymmetry: float = 0.13) -> float:
        return float(model.value(features(face(side, score), chip, asymmetry))[0])

    assert value(60, 0.9, textured(0)) > 0.8
    assert value(60, 0.3, textured(0)) < LOW_QUALITY
    assert value(8, 0.5, textured(4)) < LOW_QUALITY
    ladder = [value(100, 0.9, textured(sigma)) for sigma in (0, 1, 2, 3, 4, 6)]
    assert ladder == sorted(ladder, reverse=True)
    assert len(set(ladder)) == len(ladder)
    assert value(100, 0.9, textured(2), 0.3) < value(100, 0.9, textured(2), 0.1)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{",
        "[]",
        "{}",
        '{"face": {"intercept": 1}, "known": {"intercept": 1, "weights": {}}}',
        '{"face": {"intercept": 1, "weights": {}}, "known": {"intercept": 1, "weights": {"a": 1}}}',
    ],
)
def test_a_model_that_cannot_be_read_is_a_setup_error(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "resource_dir", lambda _: tmp_path)
    if text is not None:
        (tmp_path / "quality-dlib.json").write_text(text)
    with pytest.raises(SetupError, match=r"quality-dlib\.json is missing or damaged"):
        quality.load("dlib", TEMPLATE)


def test_the_shipped_model_uses_only_features_there_are_with_the_signs_allowed() -> None:
    model = quality.load("dlib", TEMPLATE)
    for link, signs in (
        (model._face, quality_fit.FACE_SIGNS),
        (model._known, quality_fit.KNOWN_SIGNS),
    ):
        assert {"score", "sharpness"} <= link.weights.keys() <= signs.keys()
        assert [name for name, weight in link.weights.items() if weight * signs[name] < 0] == []


# --- in the pipeline -----------------------------------------------------------------------------


class OneFace:
    def detect(self, image: Image) -> list[Detection]:
        return [face()]


class Mirrored:
    def embed(self, chips: Sequence[Image]) -> Embeddings:
        return Embeddings(
            np.ones((len(chips), PIPELINES["dlib"].dimension), np.float32),
            np.full(len(chips), 0.12, np.float32),
        )


@pytest.mark.parametrize("assess", [None, QualityModel(ALWAYS, NEVER, TEMPLATE)])
def test_a_pipeline_gives_its_faces_the_quality_of_its_model(assess: Assessor | None) -> None:
    parts = Parts(OneFace(), lambda faces: [SPECKLED for _ in faces], Mirrored(), assess)
    pipeline = Pipeline(PIPELINES["dlib"], parts, resolve_settings("dlib", {}), "fingerprint")
    (found,) = pipeline.find_faces(SPECKLED)
    assert (None if found.quality is None else found.quality.value) == (assess and 0.5)


def test_only_pipelines_with_a_fit_assess() -> None:
    assert {name for name, spec in PIPELINES.items() if spec.assess} == {"dlib", "dlib-fast"}


# --- the fit -------------------------------------------------------------------------------------


def rows(**columns: NDArray[np.float64]) -> Features:
    """Features with some columns given and the rest zero."""
    count = len(next(iter(columns.values())))
    empty = {name: np.zeros(count) for name in Features._fields}
    return Features(**{**empty, **columns})


def test_the_fit_finds_the_weights_that_made_the_answers() -> None:
    random = np.random.default_rng(0)
    some = rows(score=random.normal(1, 2, 4000), contrast=random.normal(5, 1, 4000))
    true = Logistic(-3, {"score": 1.5, "contrast": 0.5})
    found = quality_fit.fit(some, true(some), np.ones(4000), {"score": 1, "contrast": 1}, ridge=0)
    assert found.intercept == pytest.approx(-3, abs=2e-3)
    assert found.weights == pytest.approx(true.weights, abs=2e-3)


def test_the_fit_leaves_out_what_would_count_the_wrong_way() -> None:
    random = np.random.default_rng(0)
    some = rows(score=random.normal(0, 1, 500), asymmetry=random.normal(0, 1, 500))
    target = Logistic(0, {"score": 1, "asymmetry": 1})(some)
    found = quality_fit.fit(some, target, np.ones(500), {"score": 1, "asymmetry": -1})
    assert list(found.weights) == ["score"]


def test_a_wrong_detection_weighs_more() -> None:
    random = np.random.default_rng(0)
    column = random.normal(0, 1, (500, 1))
    target = (random.random(500) < 0.5).astype(np.float64)
    equal, costly = (
        quality_fit.newton(column, target, np.where(target == 1, 1, cost), 1) for cost in (1.0, 2.0)
    )
    assert costly[0] == pytest.approx(equal[0] - np.log(2), abs=0.05)


def test_detections_are_right_wrong_or_ignored() -> None:
    found = [
        Detection(Box(0, 0, 10, 10), 0.9),
        Detection(Box(1, 0, 10, 10), 0.8),
        Detection(Box(50, 50, 10, 10), 0.7),
        Detection(Box(80, 0, 10, 10), 0.6),
    ]
    verdicts = quality_fit.verdict(found, [[0, 0, 10, 10]], [[45, 45, 30, 30]])
    assert verdicts == [True, False, None, False]
    assert quality_fit.verdict(found[:1], [], []) == [False]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3, 4, 1, 2], 1), ([1, 2, 3, 4], 0), ([1, 1, 1, 1], 0.5), ([2, 4, 1, 3], 0.75)],
)
def test_the_area_under_the_curve(values: list[float], expected: float) -> None:
    true = np.array([True, True, False, False])
    assert area(np.array(values, np.float64), true) == pytest.approx(expected)

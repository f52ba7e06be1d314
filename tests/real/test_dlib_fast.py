"""The pipeline in whole numbers, with its real weights, beside the default one on real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefind.grouping import load_grouping
from facefind.images import read_photo
from facefind.inference.pipeline import PIPELINES, Pipeline, load_pipeline
from facefind.matching import load_calibration
from facefind.types import Face

FAST = "dlib-fast"
THRESHOLD = PIPELINES[FAST].threshold or 0.0


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Pipeline]:
    """The exact one, and the fast one."""
    models_dir = tmp_path_factory.mktemp("models")
    exact, fast = (load_pipeline(name, models_dir=models_dir) for name in ("dlib", FAST))
    return exact, fast


def distance(one: Face, other: Face) -> float:
    return float(np.linalg.norm(one.embedding - other.embedding))


def test_vectors_are_near_those_of_the_exact_network(
    pipelines: tuple[Pipeline, Pipeline], pip_photos: tuple[Path, Path]
) -> None:
    for photo in pip_photos:
        pixels = read_photo(photo).pixels
        (exact,), (fast,) = (pipeline.find_faces(pixels) for pipeline in pipelines)
        assert exact.detection.box == fast.detection.box
        assert 0 < distance(exact, fast) < 0.06
        assert fast.asymmetry == pytest.approx(exact.asymmetry, abs=0.06)
        assert exact.quality is not None
        assert fast.quality is not None
        assert fast.quality.value == pytest.approx(exact.quality.value, abs=0.02)


def test_a_face_is_nearer_to_its_own_portrait_than_to_another_persons(
    pipelines: tuple[Pipeline, Pipeline], sample_event: Path
) -> None:
    _, fast = pipelines
    portraits = {}
    for path in sorted((sample_event / "portraits").glob("*.jpg")):
        (portraits[path.stem],) = fast.find_faces(read_photo(path).pixels)
    assert len(portraits) == 2
    faces = [
        face
        for path in sorted((sample_event / "photos").glob("*.jpg"))
        for face in fast.find_faces(read_photo(path).pixels)
    ]
    near = [
        [name for name, portrait in portraits.items() if distance(portrait, face) < THRESHOLD]
        for face in faces
    ]
    assert [names for names in near if len(names) > 1] == []
    found = {name: [name] in near for name in portraits}
    assert found == dict.fromkeys(portraits, True)


def test_it_is_judged_as_the_exact_one_and_does_not_compare_with_it(
    pipelines: tuple[Pipeline, Pipeline],
) -> None:
    exact, fast = pipelines
    assert fast.fingerprint != exact.fingerprint
    assert load_grouping(FAST) == load_grouping("dlib")
    own, other = load_calibration(FAST), load_calibration("dlib")
    assert own is not None
    assert other is not None
    assert (own.pipeline, other.pipeline) == (FAST, "dlib")
    np.testing.assert_array_equal(own.strangers, other.strangers)
    assert own.default == other.default

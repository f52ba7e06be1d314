"""The article's detector: its settings, its boxes, and what it does with odd pictures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from facefind.errors import InferenceError, SetupError, UsageError
from facefind.inference.detectors import haar
from facefind.inference.detectors.haar import HaarDetector, HaarSettings
from facefind.inference.options import resolve
from facefind.types import Box, Image


@pytest.fixture(scope="module")
def picture(sample_event: Path) -> Image:
    """One woman, her face about 200 pixels wide."""
    with PillowImage.open(sample_event / "portraits" / "Grace Hopper.jpg") as opened:
        return np.asarray(opened.convert("RGB"))


def boxes(image: Image, **settings: float) -> list[Box]:
    chosen = resolve(HaarSettings, settings, "")
    return [found.box for found in HaarDetector(chosen).detect(image)]


def test_defaults_are_the_articles() -> None:
    assert HaarSettings() == HaarSettings(1.05, 2, 100, 0)


def test_boxes_are_those_of_the_articles_own_call(sample_event: Path) -> None:
    with PillowImage.open(sample_event / "photos" / "IMG_0103.jpg") as opened:
        photo = np.asarray(opened.convert("RGB"))
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + haar.CASCADE)  # type: ignore[attr-defined]
    expected = cascade.detectMultiScale(
        cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY),
        scaleFactor=1.05,
        minNeighbors=2,
        minSize=(100, 100),
    )
    found = boxes(photo)
    assert len(found) > 1
    assert sorted(map(tuple, np.asarray(expected).tolist())) == sorted(map(tuple, found))


def test_finds_the_face_without_score_or_landmarks(picture: Image) -> None:
    found = HaarDetector(HaarSettings()).detect(picture)
    assert len(found) == 1
    assert (found[0].score, found[0].landmarks) == (1.0, None)
    x, y, w, h = found[0].box
    assert 60 < x < 90
    assert 90 < y < 120
    assert w == h
    assert 230 < w < 270


def test_boxes_come_from_the_top_down(picture: Image) -> None:
    found = boxes(np.vstack([picture, picture, picture]))
    assert len(found) == 3
    assert [box.y for box in found] == sorted(box.y for box in found)


def test_min_size_leaves_smaller_faces_out(picture: Image) -> None:
    assert boxes(picture, min_size=350) == []


def test_max_side_shrinks_first_and_gives_boxes_of_the_whole_picture(picture: Image) -> None:
    (full,) = boxes(picture)
    (shrunk,) = boxes(picture, max_side=200, min_size=50)
    assert np.abs(np.subtract(full, shrunk)).max() < 0.1 * full.w
    assert boxes(picture, max_side=200, min_size=180) == []


def test_max_side_enlarges_nothing(picture: Image) -> None:
    assert boxes(picture, max_side=4000) == boxes(picture)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 500), (500, 1), (23, 24), (24, 24), (30, 25), (99, 500)]
)
def test_tiny_pictures_have_no_face(size: tuple[int, int]) -> None:
    speckled = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    assert boxes(speckled) == []
    assert boxes(speckled, min_size=1) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("scale_factor", 1.0), ("min_neighbors", -1), ("min_size", 0), ("max_side", -1)],
)
def test_impossible_settings_are_refused(key: str, value: float) -> None:
    with pytest.raises(UsageError, match=key):
        resolve(HaarSettings, {key: value}, "")


def test_threads_may_share_a_detector(picture: Image) -> None:
    detector = HaarDetector(HaarSettings())
    pictures = [picture, picture[:, ::-1].copy()] * 8
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(detector.detect, pictures))
    alone = [boxes(one) for one in pictures[:2]]
    assert alone[0] != alone[1]
    assert [[d.box for d in found] for found in together] == alone * 8


@pytest.mark.parametrize(
    "opencv",
    [
        SimpleNamespace(__version__="5.0.0"),
        SimpleNamespace(__version__="5.0.0", CascadeClassifier=cv2.CascadeClassifier),
    ],
    ids=["no classifier", "no files"],
)
def test_opencv_5_is_told_apart(opencv: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haar, "cv2", opencv)
    with pytest.raises(SetupError, match=r"OpenCV 5\.0\.0.*opencv-python-headless<5"):
        haar.load_cascade()


@pytest.mark.parametrize("content", [None, b"", b"<?xml version='1.0'?><nothing/>"])
def test_missing_or_damaged_cascade_is_a_setup_error(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / haar.CASCADE).write_bytes(content)
    monkeypatch.setattr(cv2.data, "haarcascades", f"{tmp_path}/")  # type: ignore[attr-defined]
    with pytest.raises(SetupError, match="opencv-python-headless<5"):
        haar.load_cascade()


def test_opencvs_refusal_is_an_inference_error(
    picture: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise cv2.error("no")

    monkeypatch.setattr(haar, "load_cascade", lambda: SimpleNamespace(detectMultiScale=refuse))
    with pytest.raises(InferenceError, match="Haar"):
        HaarDetector(HaarSettings()).detect(picture)

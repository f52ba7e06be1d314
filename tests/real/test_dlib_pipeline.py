"""The default pipeline with its real weights, on real faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.geometry import iou_matrix, scaled, turn, unturn_box
from facefind.images import decode as decode_photo
from facefind.images import read_file
from facefind.inference.centerface_heat import decode
from facefind.inference.detectors.centerface import (
    CenterFaceDetector,
    CenterFaceSettings,
    _blob,
)
from facefind.inference.embedders.dlib_resnet import DlibAligner, DlibResnetEmbedder
from facefind.inference.forest import Forest
from facefind.inference.pipeline import PIPELINES, Pipeline, load_pipeline
from facefind.inference.protocols import Pictured
from facefind.inference.session import Session
from facefind.inference.views import averaged
from facefind.inference.weights import locate
from facefind.types import Image

REFERENCE = Path(__file__).parent / "reference"
NAMES = ("astronaut", "grace_hopper")
THRESHOLD = PIPELINES["dlib"].threshold or 0.0
PLANES = 15
LONG_SIDE = 1024


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return load_pipeline("dlib", models_dir=tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def portraits(pip_photos: tuple[Path, Path]) -> tuple[Image, Image]:
    first, second = (pixels_of(photo) for photo in pip_photos)
    return first, second


def pixels_of(photo: Path) -> Image:
    return decode_photo(read_file(photo).data).pixels


def to_working_size(image: Image) -> Image:
    return averaged(image, min(LONG_SIDE / max(image.shape[:2]), 2))


def reference(name: str) -> dict[str, NDArray[np.float64]]:
    with np.load(REFERENCE / f"centerface_{name}.npz") as stored:
        return dict(stored)


@pytest.mark.parametrize("name", NAMES)
def test_decode_of_the_stored_heat_map(name: str) -> None:
    stored = reference(name)
    planes = np.zeros((PLANES, *stored["shape"]), np.float32)
    planes[:, stored["rows"], stored["columns"]] = stored["cells"]
    found = decode(planes[:1], planes[1:3], planes[3:5], planes[5:], threshold=0.5, iou=0.3)
    assert len(found) == len(stored["scores"]) == 1
    assert [face.score for face in found] == pytest.approx(stored["scores"])
    assert np.array([face.box for face in found]) == pytest.approx(stored["boxes"], abs=1e-3)
    landmarks = np.array([face.landmarks for face in found])
    assert landmarks == pytest.approx(stored["landmarks"], abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_network_answers_as_stored(
    name: str, portraits: tuple[Image, Image], tmp_path: Path
) -> None:
    stored = reference(name)
    blob = _blob(to_working_size(portraits[NAMES.index(name)]))
    outputs = Session(locate("centerface", tmp_path)).run({"input.1": blob})
    planes = np.concatenate(outputs, axis=1)[0]
    assert planes.shape == (PLANES, *stored["shape"])
    # Processors and OpenCV's resizing differ in the last digits.
    assert planes[:, stored["rows"], stored["columns"]] == pytest.approx(stored["cells"], abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_detections_lie_where_the_reference_says_in_pixels_of_the_photo(
    name: str, portraits: tuple[Image, Image], tmp_path: Path
) -> None:
    image, stored = portraits[NAMES.index(name)], reference(name)
    scaled = to_working_size(image)
    factor = np.array((image.shape[1] / scaled.shape[1], image.shape[0] / scaled.shape[0]))
    network = Session(locate("centerface", tmp_path))
    one_look = CenterFaceSettings(working_size=LONG_SIDE, close_up_size=0, doubt=1, turns=0)
    (face,) = CenterFaceDetector(network, one_look).detect(image)
    assert np.array(face.box) == pytest.approx(stored["boxes"][0] * np.tile(factor, 2), abs=0.5)
    assert face.landmarks == pytest.approx(stored["landmarks"][0] * factor, abs=0.5)


def test_embeddings_are_of_unit_length_and_tell_two_people_apart(
    pipeline: Pipeline, portraits: tuple[Image, Image]
) -> None:
    (first,), (second,) = (pipeline.find_faces(image) for image in portraits)
    assert first.embedding.shape == (128,)
    assert np.linalg.norm(first.embedding) == pytest.approx(1)
    assert np.linalg.norm(first.embedding - second.embedding) > THRESHOLD + 0.05


VIEWS: dict[str, Callable[[Image], Image]] = {
    "half size": lambda image: np.ascontiguousarray(image[::2, ::2]),
    "darker": lambda image: (image * 0.35).astype(np.uint8),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "turned left": lambda image: turn(image, 1),
    "turned right": lambda image: turn(image, 3),
    "small in a large photo": lambda image: np.pad(image, ((900, 300), (200, 1400), (0, 0))),
}


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("view", VIEWS)
def test_one_person_stays_one_however_the_photo_is_taken(
    view: str, who: int, pipeline: Pipeline, portraits: tuple[Image, Image]
) -> None:
    (original,) = pipeline.find_faces(portraits[who])
    (changed,) = pipeline.find_faces(VIEWS[view](portraits[who]))
    assert np.linalg.norm(original.embedding - changed.embedding) < THRESHOLD


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_box_found_in_a_turned_photo_maps_back(
    turns: int, who: int, pipeline: Pipeline, portraits: tuple[Image, Image]
) -> None:
    image = portraits[who]
    (upright,), (turned,) = pipeline.detect(image), pipeline.detect(turn(image, turns))
    back = unturn_box(turned.box, turns, image.shape[1], image.shape[0])
    assert iou_matrix([back], [upright.box])[0, 0] > 0.5


def test_embeddings_depend_on_neither_batch_nor_threads(
    pipeline: Pipeline, portraits: tuple[Image, Image], tmp_path: Path
) -> None:
    weights = locate("dlib_resnet", tmp_path)
    align = DlibAligner(Forest(locate("dlib_landmarks", tmp_path)))
    chips = align(Pictured(image, pipeline.detect(image)[0]) for image in portraits)
    many = [*chips, *(np.roll(chip, shift, axis=1) for shift in range(1, 11) for chip in chips)]
    alone = DlibResnetEmbedder(Session(weights, threads=1))
    expected = np.concatenate([alone.embed([chip]).vectors for chip in many])
    for threads in (1, 2, 3):
        together = DlibResnetEmbedder(Session(weights, threads)).embed(many).vectors
        assert np.abs(together - expected).max() <= 1e-5


def crowd(portraits: tuple[Image, Image]) -> Image:
    """Both portraits at three sizes, three times: more faces than one batch holds."""
    tiles = [scaled(image, factor) for factor in (0.5, 0.4, 0.3) for image in portraits]
    height = max(len(tile) for tile in tiles)
    row = [np.pad(tile, ((0, height - len(tile)), (0, 40), (0, 0))) for tile in tiles]
    return np.tile(np.hstack(row), (3, 1, 1))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_faces_depend_on_neither_threads_nor_each_other_nor_the_run(
    threads: int, pipeline: Pipeline, portraits: tuple[Image, Image], tmp_path: Path
) -> None:
    image = crowd(portraits)
    faces = pipeline.find_faces(image)
    assert len(faces) == 18
    other = load_pipeline("dlib", models_dir=tmp_path, threads=threads)
    first, again = other.find_faces(image), other.find_faces(image)
    assert len(first) == len(again) == len(faces)
    expected = np.stack([face.embedding for face in faces])
    for found in (first, again):
        assert np.abs(np.stack([face.embedding for face in found]) - expected).max() <= 1e-5
        boxes = np.array([face.detection.box for face in found])
        assert boxes == pytest.approx(np.array([face.detection.box for face in faces]), abs=1e-2)
    # The same detections one at a time: batches of one, in the predictor and in the network.
    alone = np.concatenate([other.embed(image, [face.detection]).vectors for face in faces])
    assert np.abs(alone - expected).max() <= 1e-5


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("degrees", [15, 30, 45, 90, -20, -60])
def test_a_tilted_head_has_nearly_the_same_embedding(
    degrees: int, who: int, pipeline: Pipeline, portraits: tuple[Image, Image]
) -> None:
    image = portraits[who]
    (upright,) = pipeline.find_faces(image)
    (found,) = pipeline.find_faces(tilted(image, degrees))
    assert np.linalg.norm(found.embedding - upright.embedding) < 0.06


def tilted(image: Image, degrees: int) -> Image:
    """The picture turned on a larger ground, nothing cut off."""
    if degrees % 90 == 0:
        return turn(image, degrees // 90)
    height, width = image.shape[:2]
    side = int(np.hypot(height, width))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    return np.asarray(cv2.warpAffine(image, matrix, (side, side)), np.uint8)


@pytest.mark.parametrize("shape", [(8, 20_000), (20_000, 8), (1, 1), (3, 2), (1, 5000)])
def test_odd_shapes_have_no_faces(shape: tuple[int, int], pipeline: Pipeline) -> None:
    assert pipeline.find_faces(np.full((*shape, 3), 128, np.uint8)) == []


def test_lfw_pairs_at_the_pipelines_threshold(pipeline: Pipeline, test_data: Path) -> None:
    """Twenty people, two photos each: all same pairs against all pairs of different people."""
    photos = sorted((test_data / "lfw").rglob("*_0002.jpg"))[::20][:20]
    assert len(photos) == 20
    first, second = (
        np.stack(
            [
                prominent(pipeline, photo.with_name(photo.name.replace("_0002", number)))
                for photo in photos
            ]
        )
        for number in ("_0001", "_0002")
    )
    distances = np.linalg.norm(first[:, None] - second[None], axis=2)
    same = np.eye(20, dtype=bool)
    assert (distances[same] <= THRESHOLD).mean() >= 0.9
    assert (distances[~same] <= THRESHOLD).mean() <= 0.01


def prominent(pipeline: Pipeline, photo: Path) -> NDArray[np.float32]:
    """The embedding of the largest face."""
    faces = pipeline.find_faces(pixels_of(photo))
    return max(faces, key=lambda face: face.detection.box.w * face.detection.box.h).embedding

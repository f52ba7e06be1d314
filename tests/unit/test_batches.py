"""How many faces are gathered and go into one run of a network, by setting and device."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind import flow
from facefind.cli.context import App
from facefind.inference import session, weights
from facefind.inference.batches import FACES_ON_GPU, Batch, batch_of
from facefind.inference.pipeline import PIPELINES, Pipeline, load_pipeline
from facefind.inference.protocols import Parts, Seen
from facefind.ingest import find_photos, ingest
from facefind.looking import Pace
from facefind.types import Box, Detection, Event, Image
from tests.fakes import RED, ColourFinder, MemoryStore, write_photo

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
SIDES = {"dlib": 150, "dlib-fast": 150, "arcface": 112, "sface": 112, "clip": 30}


class Network:
    """Answers with the middle of each picture, and notes how many it is shown at once."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.runs: list[int] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        (pictures,) = feeds.values()
        self.runs.append(len(pictures))
        answer = np.ones((len(pictures), self.dimension), np.float32)
        middle = pictures.shape[-1] // 2
        answer[:, 0] = pictures[:, 0, middle, middle]
        return [answer]


class FakeRuntime(types.ModuleType):
    """An onnxruntime whose networks answer as `Network`; a GPU of which may fail.

    Attributes:
        gpu: Whether runs on it succeed.
        network: All its sessions.
    """

    def __init__(self, providers: tuple[str, ...], *, gpu: bool = True) -> None:
        super().__init__("onnxruntime")
        self.providers, self.gpu, self.network = providers, gpu, Network(128)
        self.made = 0
        self.InferenceSession = self._session

    def get_available_providers(self) -> list[str]:
        return list(self.providers)

    def SessionOptions(self) -> Any:  # noqa: N802
        return types.SimpleNamespace(add_session_config_entry=lambda *_: None)

    def _session(self, _path: str, *, providers: list[Any], **_: Any) -> Any:
        self.made += 1
        names = [name if isinstance(name, str) else name[0] for name in providers]

        def run(_: None, feeds: dict[str, Any]) -> list[Any]:
            answer = self.network.run(feeds)
            if CUDA in names and not self.gpu:
                raise RuntimeError("CUDA failure 2: out of memory")
            return answer

        return types.SimpleNamespace(get_providers=lambda: names, run=run)


def installed(monkeypatch: pytest.MonkeyPatch, runtime: FakeRuntime) -> FakeRuntime:
    """Takes onnxruntime's place; there is a driver, every weight file, and nothing is judged."""
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    monkeypatch.setattr(session, "driver_finds_gpu", lambda: True)
    monkeypatch.setattr(weights, "locate", lambda name, folder: folder / f"{name}.onnx")
    monkeypatch.setitem(PIPELINES, "dlib", replace(PIPELINES["dlib"], assess=None))
    return runtime


def seen(count: int, side: int = 150) -> list[Seen]:
    """A photo with so many faces, whose chips differ."""
    chips: list[Image] = [
        np.full((side, side, 3), number % 251, np.uint8) for number in range(count)
    ]
    return [Seen([Detection(Box(0, 0, 9, 9), 1.0)] * count, chips)]


def embedded(name: str, faces: int, batch: int, *, on_gpu: bool) -> tuple[list[int], NDArray[Any]]:
    """Pictures in each run, and the vectors."""
    spec = replace(PIPELINES[name], assess=None)
    network, nothing = Network(spec.dimension), cast("Any", None)
    parts = Parts(nothing, nothing, spec.embedder(lambda _: network), on_gpu=lambda: on_gpu)
    (found,) = Pipeline(spec, parts, {}, "f00d", batch).recognise(seen(faces, SIDES[name]))
    return network.runs, np.array([face.embedding for face in found])


@pytest.mark.parametrize(
    ("name", "batch", "on_gpu", "runs"),
    [
        ("dlib", 0, False, [16] * 9 + [2 * 1]),
        ("dlib", 0, True, [128, 2 * 9]),
        ("dlib", 5, False, [10] * 14 + [2 * 3]),
        ("dlib", 5, True, [10] * 14 + [2 * 3]),
        ("dlib", 1024, False, [2 * 73]),
        ("dlib-fast", 0, True, [128, 2 * 9]),
        ("arcface", 0, False, [16] * 4 + [9]),
        ("arcface", 0, True, [64, 9]),
        ("arcface", 40, False, [40, 33]),
        ("sface", 40, True, [1] * 73),
        ("clip", 40, True, [1] * 73),
    ],
)
def test_a_run_holds_what_the_setting_says_or_suits_the_device(
    name: str, batch: int, on_gpu: bool, runs: list[int]
) -> None:
    made, vectors = embedded(name, 73, batch, on_gpu=on_gpu)
    assert made == runs
    _, expected = embedded(name, 73, 1, on_gpu=False)
    np.testing.assert_array_equal(vectors, expected)
    assert len(np.unique(vectors, axis=0)) == 73


@pytest.mark.parametrize("name", PIPELINES)
def test_no_faces_are_no_vectors(name: str) -> None:
    assert embedded(name, 0, 0, on_gpu=True)[0] == []


@pytest.mark.parametrize(
    ("given", "views", "on_gpu", "batch"),
    [
        (0, 2, False, Batch(16, 8, 8)),
        (0, 1, False, Batch(16, 8, 16)),
        (0, 2, True, Batch(FACES_ON_GPU, FACES_ON_GPU, FACES_ON_GPU)),
        (100, 2, False, Batch(100, 100, 100)),
        (3, 2, True, Batch(3, 3, 3)),
        # Of a network that takes one at a time, no more wait.
        (0, None, True, Batch(16, 8, 16)),
        (100, None, True, Batch(100, 8, 100)),
        (3, None, False, Batch(3, 3, 3)),
    ],
)
def test_the_setting_goes_before_the_device(
    given: int, views: int | None, on_gpu: bool, batch: Batch
) -> None:
    assert batch_of(given, views, on_gpu=on_gpu) == batch


def test_a_face_in_each_photo_still_fills_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "PATIENCE", 60.0)
    for number in range(40):
        write_photo(tmp_path / f"{number:02}.png", RED, size=(60 + number, 60))
    for batch, stored in ((batch_of(12, 2, on_gpu=False), 12), (batch_of(0, 2, on_gpu=False), 8)):
        finder, store, event = ColourFinder(), MemoryStore(), Event(1, "party", "dlib", "f00d", {})
        finder.batch = batch
        ingest(find_photos([tmp_path]), event=event, store=store, finder=finder, pace=Pace(2))
        assert store.batches[0] == max(store.batches) == stored


# What the pipeline is told, and what it asks


def test_the_users_setting_reaches_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = installed(monkeypatch, FakeRuntime((CPU,)))
    monkeypatch.setenv("FACEFIND_HOME", str(tmp_path))
    monkeypatch.setenv("FACEFIND_BATCH", "12")
    pipeline = App().pipeline("dlib", {})
    assert pipeline.batch == Batch(12, 12, 12)
    pipeline.recognise(seen(30))
    assert runtime.network.runs == [24, 24, 12]


@pytest.mark.parametrize(
    ("providers", "device", "faces"),
    [((CPU,), "auto", 16), ((CUDA, CPU), "auto", FACES_ON_GPU), ((CUDA, CPU), "cpu", 16)],
)
def test_the_batch_suits_the_device_before_and_after_the_network_is_loaded(
    providers: tuple[str, ...], device: Any, faces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = installed(monkeypatch, FakeRuntime(providers))
    pipeline = load_pipeline("dlib", models_dir=Path("models"), device=device)
    assert pipeline.batch.faces == faces
    assert runtime.made == 0
    pipeline.recognise(seen(70))
    assert pipeline.batch.faces == faces
    assert runtime.network.runs[0] == (128 if faces == FACES_ON_GPU else 16)


def test_a_gpu_that_is_left_takes_its_batch_along(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = installed(monkeypatch, FakeRuntime((CUDA, CPU), gpu=False))
    pipeline = load_pipeline("dlib", models_dir=Path("models"))
    pipeline.recognise(seen(9))
    runtime.network.runs.clear()
    pipeline.recognise(seen(9))
    assert runtime.network.runs == [16, 2]
    assert pipeline.batch == batch_of(0, 2, on_gpu=False)

"""Models that a thread opens before they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Event, current_thread, main_thread
from types import SimpleNamespace
from typing import Any

import pytest

from facefind.errors import WeightsError
from facefind.inference import ahead, weights
from facefind.inference.ahead import Ahead
from facefind.inference.pipeline import load_pipeline

SECONDS = 30.0


class FakeSession:
    """Remembers that it was loaded."""

    def __init__(self, path: Path, threads: int, device: str) -> None:
        self.path, self.made_with = path, (threads, device)
        self.loaded = Event()

    def load(self) -> None:
        if self.path.name == "resnet.onnx":
            raise WeightsError("no network")
        assert current_thread() is not main_thread()
        self.loaded.set()

    def run(self, feeds: Mapping[str, Any]) -> list[Any]:
        return [feeds, self.path]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A pipeline of two networks, of which the second cannot be loaded; what was located."""
    located: list[str] = []

    def locate(name: str, models_dir: Path) -> Path:
        located.append(name)
        return models_dir / f"{name}.onnx"

    records = [SimpleNamespace(name=name) for name in ("finder", "resnet")]
    monkeypatch.setattr(ahead, "Session", FakeSession)
    monkeypatch.setattr(ahead, "loads_quietly", lambda device: device != "cuda")
    monkeypatch.setattr(weights, "chosen", lambda _pipeline: records)
    monkeypatch.setattr(weights, "locate", locate)
    return located


def test_every_model_is_opened_once_and_loads_in_a_thread(quiet: list[str], tmp_path: Path) -> None:
    opening = Ahead("dlib", tmp_path, 3, "cpu")
    finder = opening.open("finder")
    assert isinstance(finder, FakeSession)
    assert finder.made_with == (3, "cpu")
    assert finder.loaded.wait(SECONDS)
    assert opening.open("finder") is finder
    assert quiet == ["finder", "resnet"]


def test_a_network_that_does_not_load_is_left_for_its_first_run(
    quiet: list[str], tmp_path: Path
) -> None:
    model = Ahead("dlib", tmp_path, 1, "cpu").open("resnet")
    assert model.run({})[1] == tmp_path / "resnet.onnx"


def test_what_the_pipeline_did_not_seem_to_need_is_opened_when_asked_for(
    quiet: list[str], tmp_path: Path
) -> None:
    model = Ahead("dlib", tmp_path, 1, "cpu").open("another")
    assert isinstance(model, FakeSession)
    assert quiet[-1] == "another"


def test_nothing_is_loaded_ahead_where_that_would_take_over_stdout(
    quiet: list[str], tmp_path: Path
) -> None:
    finder = Ahead("dlib", tmp_path, 1, "cuda").open("finder")
    assert isinstance(finder, FakeSession)
    assert not finder.loaded.wait(0.2)


def test_weights_that_are_missing_are_told_of_when_they_are_asked_for(tmp_path: Path) -> None:
    opening = Ahead("clip", tmp_path, 1, "cpu")
    with pytest.raises(WeightsError, match=r"The weights clip .* are missing"):
        load_pipeline("clip", models_dir=tmp_path, opened=opening.open)


def test_an_unknown_pipeline_has_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'vgg'"):
        Ahead("vgg", tmp_path, 1, "cpu").open("finder")

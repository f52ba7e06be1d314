"""ArcFace: what the network is fed and what is made of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.errors import WeightsError
from facefind.inference.embedders.arcface import DIMENSION, ArcFaceEmbedder
from facefind.inference.session import Session
from scripts.standins import write_arcface

CHIPS = [np.random.default_rng(i).integers(0, 256, (112, 112, 3), np.uint8) for i in range(37)]


class FakeNetwork:
    """Answers with each chip's mean in the first number and 3 in the second."""

    def __init__(self, dimension: int = DIMENSION) -> None:
        self.dimension = dimension
        self.blobs: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        blob = feeds["input.1"]
        self.blobs.append(blob)
        answer = np.zeros((len(blob), self.dimension), np.float32)
        answer[:, 0], answer[:, 1] = blob.mean(axis=(1, 2, 3)), 3
        return [answer]


def test_chips_go_as_rgb_between_minus_one_and_one() -> None:
    network = FakeNetwork()
    chip = np.zeros((112, 112, 3), np.uint8)
    chip[5, 7] = (0, 127, 255)
    ArcFaceEmbedder(network).embed([chip])
    (blob,) = network.blobs
    assert blob.shape == (1, 3, 112, 112)
    assert blob.dtype == np.float32
    assert blob[0, :, 5, 7] == pytest.approx((-1, (127 - 127.5) / 127.5, 1))
    assert blob[0, :, 0, 0] == pytest.approx((-1, -1, -1))


def test_embeddings_come_in_order_at_unit_length_from_one_run() -> None:
    network = FakeNetwork()
    vectors, asymmetry = ArcFaceEmbedder(network).embed(CHIPS)
    assert asymmetry is None
    assert [len(blob) for blob in network.blobs] == [37]
    means = np.array([(chip.mean() - 127.5) / 127.5 for chip in CHIPS])
    assert vectors[:, 0] == pytest.approx(means / np.hypot(means, 3), abs=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert vectors.dtype == np.float32


def test_a_network_with_the_published_files_names_is_run(tmp_path: Path) -> None:
    embedder = ArcFaceEmbedder(Session(write_arcface(tmp_path / "w600k_r50.onnx")))
    together = embedder.embed(CHIPS[:3]).vectors
    alone = np.concatenate([embedder.embed([chip]).vectors for chip in CHIPS[:3]])
    assert together.shape == (3, DIMENSION)
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together[0] - together[1]).max() > 0.001


def test_no_chips() -> None:
    assert ArcFaceEmbedder(FakeNetwork()).embed([]).vectors.shape == (0, DIMENSION)


def test_another_networks_answer_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"shape \(1, 128\), not \(1, 512\)"):
        ArcFaceEmbedder(FakeNetwork(128)).embed(CHIPS[:1])

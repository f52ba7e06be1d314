"""SFace: what the network is fed and what is made of its answer, against OpenCV's own code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.errors import WeightsError
from facefind.inference.embedders.sface import DIMENSION, SFaceEmbedder
from facefind.inference.session import Session
from scripts.standins import write_sface

CHIPS = [np.random.default_rng(i).integers(0, 256, (112, 112, 3), np.uint8) for i in range(5)]


class FakeNetwork:
    def __init__(self, answer: NDArray[Any]) -> None:
        self.answer = answer
        self.blobs: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        self.blobs.append(feeds["data"])
        return [self.answer]


def test_embeddings_are_opencvs_features_at_unit_length(tmp_path: Path) -> None:
    network = write_sface(tmp_path / "sface.onnx")
    opencv = cv2.FaceRecognizerSF.create(str(network), "")
    # FaceRecognizerSF is given BGR chips and feeds its network RGB.
    theirs = np.stack([opencv.feature(np.ascontiguousarray(c[..., ::-1]))[0].copy() for c in CHIPS])
    ours, asymmetry = SFaceEmbedder(Session(network)).embed(CHIPS)
    assert asymmetry is None
    assert ours.dtype == np.float32
    assert np.linalg.norm(ours, axis=1) == pytest.approx(1)
    assert np.abs(ours - theirs / np.linalg.norm(theirs, axis=1, keepdims=True)).max() < 1e-4
    swapped = SFaceEmbedder(Session(network)).embed([c[..., ::-1] for c in CHIPS]).vectors
    assert np.abs(ours - swapped).max() > 0.01


def test_distances_are_those_of_opencvs_match(tmp_path: Path) -> None:
    network = write_sface(tmp_path / "sface.onnx")
    opencv = cv2.FaceRecognizerSF.create(str(network), "")
    one, other = (opencv.feature(np.ascontiguousarray(c[..., ::-1])).copy() for c in CHIPS[:2])
    theirs = opencv.match(one, other, cv2.FaceRecognizerSF_FR_NORM_L2)
    first, second = SFaceEmbedder(Session(network)).embed(CHIPS[:2]).vectors
    assert np.linalg.norm(first - second) == pytest.approx(theirs, abs=1e-4)


def test_chips_go_one_by_one_as_rgb() -> None:
    network = FakeNetwork(np.full((1, DIMENSION), 2.0, np.float32))
    vectors = SFaceEmbedder(network).embed(CHIPS[:2]).vectors
    assert vectors == pytest.approx(np.full((2, DIMENSION), DIMENSION**-0.5))
    assert [blob.shape for blob in network.blobs] == [(1, 3, 112, 112)] * 2
    assert network.blobs[0].dtype == np.float32
    assert (network.blobs[0][0] == CHIPS[0].transpose(2, 0, 1)).all()


def test_no_chips() -> None:
    assert SFaceEmbedder(FakeNetwork(np.zeros(0))).embed([]).vectors.shape == (0, DIMENSION)


def test_another_networks_answer_is_refused() -> None:
    network = FakeNetwork(np.ones((1, 512), np.float32))
    with pytest.raises(WeightsError, match=r"shape \(1, 512\), not \(1, 128\)"):
        SFaceEmbedder(network).embed(CHIPS[:1])


def test_an_answer_of_zeros_is_not_finite_at_unit_length() -> None:
    network = FakeNetwork(np.zeros((1, DIMENSION), np.float32))
    assert np.isnan(SFaceEmbedder(network).embed(CHIPS[:1]).vectors).all()

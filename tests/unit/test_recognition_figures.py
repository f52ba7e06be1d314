"""The figures of `scripts/evaluate recognition`, on made-up distances; and the cache of vectors."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from facefind.evaluation import LabelledPhoto
from facefind.inference.pipeline import Pipeline
from facefind.metrics import all_pairs
from scripts.evaluation import detection, embeddings, recognition
from scripts.evaluation.album_ranking import HARD, Probe, groups, score
from tests.fakes import RED, ColourFinder, write_photo


def probe(
    distances: list[float], shown: list[bool], *, album: str = "one", person: str = "ann"
) -> Probe:
    return Probe(album, person, True, np.array(distances), np.array(shown, bool))


def finder(fingerprint: str = "weights-1") -> tuple[ColourFinder, Pipeline]:
    """Looks for colours, and counts how often."""
    colours = ColourFinder()
    spec = SimpleNamespace(name="colours", dimension=3)
    fake = SimpleNamespace(
        spec=spec, fingerprint=fingerprint, settings={}, find_faces=colours.find_faces
    )
    return colours, cast("Pipeline", fake)


# Albums


def test_score_of_an_album_by_hand() -> None:
    probes = [
        probe([0.1, 0.2, 0.3], [True, False, True]),
        probe([0.1, math.inf], [True, True], person="bob"),  # no face found in one of two photos
        probe([0.35, 0.5], [False, False], person="absent"),
    ]
    found = score("one", probes, 0.3)
    assert (found["portraits"], found["people"]) == (3, 3)
    assert (found["mates"], found["strangers"]) == (4, 3)
    assert found["map"]["value"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2)
    assert found["recall"] == pytest.approx(3 / 4)
    assert found["precision"] == pytest.approx(3 / 4)
    assert (found["absent"], found["absent_answered"]) == (1, 0)
    assert score("one", probes, 0.4)["absent_answered"] == 1
    # At .3 one of four mates is refused and one of three strangers is accepted.
    assert found["equal_error"] == pytest.approx((1 / 4 + 1 / 3) / 2)


def test_an_album_in_which_nothing_can_be_measured() -> None:
    found = score("none", [probe([], [])], None)
    assert (found["map"], found["equal_error"], found["absent"]) == (None, None, 1)
    assert "recall" not in found


def test_the_hard_album_and_the_children_are_never_averaged_away() -> None:
    probes = [probe([0.1], [True], album=album) for album in ("one", HARD)]
    probes.append(probe([0.1], [True], album="one", person="azure_family1_son"))
    rows = {name: len(group) for name, group in groups(probes)}
    assert rows == {"one": 2, HARD: 1, f"all but {HARD}": 2, "children": 1}


# Pairs


def test_everyone_is_compared_with_everyone() -> None:
    random = np.random.default_rng(0)
    people = np.array([f"p{number}" for number in range(40)])
    portraits = random.normal(size=(40, 8)).astype(np.float32)
    others = portraits + np.float32(0.01)
    others[0] = np.nan  # no face found
    found = recognition.compare(portraits, others, people, 0.1)
    assert found["tar"]["value"] == pytest.approx(39 / 40)
    assert found["at_limit"] == [pytest.approx(39 / 40), 0.0]
    assert recognition.compare(portraits, others, people, None)["at_limit"] is None


def test_the_rounded_network_stands_beside_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of every pipeline the same people and albums; "dlib-fast" is right less often here."""
    away = {"dlib": 0.1, "dlib-fast": 0.5}

    def known(_: object, finder: Pipeline, __: object) -> embeddings.Embedded:
        people = np.repeat(np.array([f"p{number}" for number in range(12)]), 2)
        vectors = np.repeat(10 * np.eye(12, dtype=np.float32), 2, axis=0)
        vectors[1::2, 0] += np.float32(away[finder.spec.name])
        return embeddings.Embedded(people, people, vectors, vectors, vectors, ())

    def albums(_: object, finder: Pipeline) -> list[Probe]:
        names = ("one", HARD)
        return [probe([away[finder.spec.name], 9.0], [True, False], album=name) for name in names]

    def named(name: str) -> SimpleNamespace:
        return SimpleNamespace(spec=SimpleNamespace(name=name, threshold=0.38))

    monkeypatch.setattr(recognition, "ready", named)
    monkeypatch.setattr(recognition, "lfw_photos", lambda _: [])
    monkeypatch.setattr(recognition, "embeddings", known)
    monkeypatch.setattr(recognition, "ask_albums", albums)
    widths = [{"median_width": 90, "missed": 0, "people": 3, "tar": None, "at_limit": None}]
    monkeypatch.setattr(recognition, "measure_widths", lambda *_: widths)
    figures = recognition.measure(argparse.Namespace(data=tmp_path, pipeline="dlib"))
    assert figures["pipeline"] == "dlib"
    (fast,) = figures["beside"]
    assert fast["pipeline"] == "dlib-fast"
    assert (figures["lfw"]["own"], fast["lfw"]["own"]) == ([1.0, 0.0], [0.0, 0.0])
    page = recognition.render(figures)
    assert page.count("| `dlib-fast` | every ") == 2
    assert "`dlib` accepts 100.00 % of mates and 0.000 % of strangers; `dlib-fast` accepts" in page
    assert "`dlib-fast` has the network of `dlib` in whole numbers of eight bits" in page
    albums_of = [line for line in page.splitlines() if line.startswith("| `dlib-fast` | one |")]
    assert len(albums_of) == 1
    assert "| 0.00 % | - | 0 of 0 |" in albums_of[0]
    del figures["beside"]  # as it was stored before
    assert "`dlib-fast`" not in recognition.render(figures)


def test_a_pipeline_with_another_s_detector_is_no_row_of_its_own() -> None:
    assert detection.with_own_detector() == ["dlib", "clip", "sface", "arcface"]


def test_what_cannot_be_measured_is_a_dash() -> None:
    few = all_pairs([[0.0], [1.0], [5.0]], ["a", "a", "b"])
    lfw: dict[str, Any] = dict.fromkeys(("photos", "people", "missed", "mates", "strangers"), 3)
    lfw |= {"person": recognition.measure_pairs(few), "pair": recognition.measure_pairs(few)}
    widths = [
        {"median_width": 90, "missed": 0, "people": 3, "tar": None, "at_limit": None},
        {"width": 40, "missed": 1, "people": 3, "tar": None, "at_limit": [0.5, 0.001]},
    ]
    figures = {
        "pipeline": "colours",
        "threshold": None,
        "lfw": {**lfw, "own": None},
        "widths": widths,
        "albums": [score(name, [probe([0.1], [True])], None) for name in "abcd"],
    }
    page = recognition.render(figures)
    assert "| `colours` | every person counts the same | - |" in page
    assert "| 40 px | 1 of 3 | - | 50.00 % | 0.100 % |" in page
    assert "None |" not in page
    assert "()" not in page
    assert "nan" not in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert len(tables) == 4 + 4 + 6


# The cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(embeddings, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_vectors_are_computed_once(cache: Path, tmp_path: Path) -> None:
    photos = [
        LabelledPhoto(write_photo(tmp_path / "a.png", RED), "ann"),
        LabelledPhoto(write_photo(tmp_path / "b.png"), "bob"),  # grey: no face
    ]
    colours, pipeline = finder()
    first = embeddings.embeddings(photos, pipeline, "test")
    again = embeddings.embeddings(photos, pipeline, "test")
    assert colours.seen == 2
    assert len(list(cache.iterdir())) == 1
    for found in (first, again):
        assert found.names.tolist() == ["ann"]
        assert found.vectors.tolist() == [[1.0, 0.0, 0.0]]
        assert found.units.tolist() == [[1.0, 0.0, 0.0]]
        assert np.isnan(found.qualities).all()
        assert [photo.person for photo in found.missed] == ["bob"]
        vectors, people = found.with_missed()
        assert people == ["ann", "bob"]
        assert np.isnan(vectors).tolist() == [[False] * 3, [True] * 3]


@pytest.mark.usefixtures("cache")
def test_other_weights_photos_or_sizes_are_computed_anew(tmp_path: Path) -> None:
    photos = [LabelledPhoto(write_photo(tmp_path / "a.png", RED), "ann")]
    colours, pipeline = finder()
    embeddings.embeddings(photos, pipeline, "test")
    embeddings.embeddings(photos, pipeline, "test", [0.5])
    assert colours.seen == 2
    others, pipeline = finder("weights-2")
    embeddings.embeddings(photos, pipeline, "test")
    assert others.seen == 1
    more = [*photos, LabelledPhoto(write_photo(tmp_path / "b.png", RED), "ann")]
    embeddings.embeddings(more, pipeline, "test")
    assert others.seen == 3

"""Search: combining portraits, judging what the store finds, choosing what is an answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from facefind.errors import UsageError
from facefind.matching import Calibration, load_calibration
from facefind.portraits import Portrait
from facefind.search import (
    UNCALIBRATED_LIMIT,
    Gallery,
    Probe,
    Reach,
    Scope,
    best_of_each_photo,
    combine,
    events_to_search,
    reach_of,
)
from facefind.store.records import FaceNearby
from facefind.types import Box, Event, FloatArray, Match
from tests.fakes import ListedStore

D = 128


def portrait(*values: float) -> Portrait:
    vector = np.array(values, dtype=np.float32)
    return Portrait(Path("p.jpg"), Box(0, 0, 1, 1), 1, 1, "", vector)


def event(name: str, pipeline: str = "dlib", fingerprint: str = "f00d") -> Event:
    return Event(hash(name), name, pipeline, fingerprint)


def axis(number: int) -> FloatArray:
    """A unit embedding at a right angle to every other."""
    vector = np.zeros(D, np.float32)
    vector[number] = 1
    return vector


def toward(near: FloatArray, other: FloatArray, distance: float) -> FloatArray:
    """The unit embedding at this L2 distance from ``near``, on the way to ``other``."""
    cosine = 1 - distance**2 / 2
    return np.asarray(cosine * near + np.sqrt(1 - cosine**2) * other, np.float32)


PERSON = axis(0)


def nearby(photo: str, distance: float, number: int = 1, x: float = 0) -> FaceNearby:
    embedding = toward(PERSON, axis(number), distance)
    match = Match(Path(photo), "party", distance, Box(x, 0, 9, 9), None, hash(photo))
    return FaceNearby(match, embedding)


@pytest.fixture
def calibration() -> Calibration:
    found = load_calibration("dlib")
    assert found is not None
    return found


@pytest.fixture
def store() -> ListedStore:
    return ListedStore([], [nearby("a", 0.1), nearby("b", 0.2, 2), nearby("c", 1.3, 3)])


def asked(store: ListedStore, calibration: Calibration | None = None) -> Gallery:
    return Gallery(store, Scope([event("party")]), calibration)


def test_several_portraits_are_one_probe_of_unit_length() -> None:
    probe = combine([portrait(1, 0), portrait(0, 1)])
    assert probe.embedding == pytest.approx([2**-0.5, 2**-0.5])
    assert probe.embedding.dtype == np.float32
    assert probe.portraits == 2


def test_raw_embeddings_keep_their_length() -> None:
    probe = combine([portrait(4, 0), portrait(0, 2)])
    assert probe.embedding == pytest.approx([2, 1])


def test_without_a_threshold_the_nearest_few_are_shown() -> None:
    store = ListedStore([])
    probe = Probe(PERSON)
    asked(store).photos(probe, Reach(None))
    assert store.asked["limit"] == UNCALIBRATED_LIMIT
    asked(store).photos(probe, Reach(None), 0)
    assert store.asked["limit"] == 0
    asked(store).photos(probe, Reach(0.5))
    assert store.asked["limit"] == 0
    with pytest.raises(UsageError, match="no measured threshold"):
        asked(store).faces(probe, Reach(None))


def test_a_calibrated_pipeline_answers_with_probabilities(
    store: ListedStore, calibration: Calibration
) -> None:
    reach = reach_of(calibration, None)
    assert reach == Reach(calibration.radius, calibration.default)
    found = asked(store, calibration).photos(Probe(PERSON), reach)
    assert [str(match.photo) for match in found] == ["a", "b"]
    near, far = (match.probability for match in found)
    assert near is not None
    assert far is not None
    assert 1 >= near >= far >= calibration.default
    assert len(asked(store, calibration).photos(Probe(PERSON), reach, 1)) == 1


def test_the_users_distance_decides_alone(store: ListedStore, calibration: Calibration) -> None:
    reach = reach_of(calibration, None, max_distance=1.4)
    assert reach == Reach(1.4)
    with pytest.raises(UsageError, match="decides alone"):
        reach_of(calibration, None, max_distance=1.4, certainty="strict")
    found = asked(store, calibration).photos(Probe(PERSON), reach)
    assert [str(match.photo) for match in found] == ["a", "b", "c"]
    assert found[2].probability is not None
    assert found[2].probability < 0.5


def test_the_scope_reaches_the_store(store: ListedStore, calibration: Calibration) -> None:
    after, before = (datetime(2026, 5, day, tzinfo=timezone.utc) for day in (1, 2))
    scope = Scope([event("party")], after, before, 0.25)
    gallery = Gallery(store, scope, calibration)
    for reach in (reach_of(calibration, None), Reach(0.5)):
        store.asked.clear()
        gallery.photos(Probe(PERSON), reach)
        asked_for = (store.asked["after"], store.asked["before"], store.asked["min_quality"])
        assert asked_for == (after, before, 0.25)


def test_a_face_that_can_hardly_be_told_is_surely_nobodys(calibration: Calibration) -> None:
    def found(
        probe_quality: float | None, face_quality: float | None, certainty: str = "default"
    ) -> list[Match]:
        face = nearby("a", 0.1)
        face = replace(face, match=replace(face.match, quality=face_quality))
        gallery = asked(ListedStore([], [face]), calibration)
        probe = Probe(PERSON, quality=probe_quality)
        return gallery.photos(probe, reach_of(calibration, None, certainty=certainty))

    assert len(found(0.9, 0.9)) == len(found(None, None)) == 1
    assert found(0.55, 0.9) == found(0.9, 0.55) == []
    (maybe,) = found(0.55, 0.9, "loose")
    assert maybe.probability == calibration.loose


def test_certainty_is_the_calibrations(calibration: Calibration) -> None:
    strict, loose = (reach_of(calibration, None, certainty=c) for c in ("strict", "loose"))
    assert strict.min_probability == calibration.strict
    assert loose.min_probability == calibration.loose
    assert calibration.loose < calibration.default < calibration.strict


def test_without_a_calibration_the_threshold_decides(store: ListedStore) -> None:
    assert reach_of(None, 1.128) == Reach(1.128)
    found = asked(store).faces(Probe(PERSON), Reach(1.128))
    assert [match.probability for match in found] == [None] * 2
    with pytest.raises(UsageError, match="not calibrated"):
        reach_of(None, 1.128, certainty="strict")


def test_nobody_near_is_no_answer(calibration: Calibration) -> None:
    reach = reach_of(calibration, None)
    assert asked(ListedStore([]), calibration).photos(Probe(PERSON), reach) == []


def test_a_photo_is_shown_by_its_likeliest_face() -> None:
    def face(photo: str, distance: float, probability: float | None, x: float) -> Match:
        box = Box(x, 0, 9, 9)
        return Match(Path(photo), "e", distance, box, None, hash(photo), probability)

    faces = [face("a", 0.2, 0.7, 1), face("a", 0.3, 0.9, 2), face("b", 0.25, 0.8, 3)]
    assert [match.box.x for match in best_of_each_photo(faces)] == [3, 2]
    unknown = [face("a", 0.2, None, 1), face("a", 0.1, None, 2)]
    assert [match.box.x for match in best_of_each_photo(unknown)] == [2]


def test_events_to_search() -> None:
    a, b, c = event("a"), event("b"), event("c", pipeline="clip")
    assert events_to_search([a, b], None) == [a, b]
    assert events_to_search([a, b, c], "c") == [c]
    with pytest.raises(UsageError, match="Nothing has been ingested"):
        events_to_search([], "a")
    with pytest.raises(UsageError, match='no event "d"'):
        events_to_search([a], "d")
    with pytest.raises(UsageError, match="different pipelines"):
        events_to_search([a, c], None)
    with pytest.raises(UsageError, match="other weights"):
        events_to_search([a, event("d", fingerprint="other")], None)

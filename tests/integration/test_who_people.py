"""Who with people on a real database: what is asked of the store, and whole answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest

from facefind.answers import Answer, photos_of_person, photos_together
from facefind.matching import load_calibration
from facefind.people.naming import find_person
from facefind.recognising import recognise
from facefind.search import Gallery, Probe, Scope, reach_of
from facefind.store.repository import Repository
from facefind.types import Box, Detection, Event, Face, FloatArray, Match, Quality
from tests.deciding import faces, group
from tests.stored import DIMENSION, JPEG, STAMP, digest, new_event, record_photo, vector

DAYS = [datetime(2026, 5, day, tzinfo=timezone.utc) for day in range(1, 9)]
ANN, BEA = 0, 1


def like(person: int, distance: float, turn: int = 0) -> FloatArray:
    """A unit embedding at this distance from a portrait, each turn in its own direction."""
    cosine = 1 - distance**2 / 2
    found = np.zeros(DIMENSION, np.float32)
    found[person] = cosine
    found[10 + turn] = np.sqrt(1 - cosine**2)
    return found


def put(
    store: Repository,
    event: Event,
    path: str,
    *embeddings: FloatArray,
    day: int = 0,
    quality: float = 0.9,
) -> list[int]:
    """A photo with faces side by side; answers with their numbers."""
    known = set(faces(store, event))
    found = [
        Face(
            Detection(Box(10 + 50.0 * place, 20, 30, 40), 0.9, None),
            embedding,
            quality=Quality(quality, 1, 0, 0, 0),
        )
        for place, embedding in enumerate(embeddings)
    ]
    info = replace(JPEG, taken_at=DAYS[day])
    record_photo(store, event, path.encode(), STAMP, digest(path), info, found)
    return sorted(set(faces(store, event)) - known)


@pytest.fixture
def crowd(store: Repository, event: Event) -> dict[str, list[int]]:
    """Ann in four photos, in one of which she is turned away, and Bea beside her in two of them."""
    ann = [like(ANN, 0.2 + 0.01 * n, n) for n in range(3)]
    bea = [like(BEA, 0.2 + 0.01 * n, 5 + n) for n in range(2)]
    numbers = [put(store, event, f"/{n}.jpg", ann[n], *bea[n : n + 1], day=n) for n in range(3)]
    turned = put(store, event, "/turned.jpg", like(ANN, 0.9, 9), day=3, quality=0.4)
    return {
        "ann": [numbers[0][0], numbers[1][0], numbers[2][0], *turned],
        "bea": [numbers[0][1], numbers[1][1]],
    }


def ask(
    store: Repository,
    events: Sequence[Event],
    person: int = ANN,
    *,
    certainty: str = "default",
    after: datetime | None = None,
) -> Answer:
    calibration = load_calibration("dlib")
    reach = reach_of(calibration, None, certainty=certainty)
    gallery = Gallery(store, Scope(events, after, None, 0.5), calibration)
    return recognise(store, gallery, Probe(like(person, 0)), reach, certainty)


def told(answer: Answer) -> list[tuple[str, str]]:
    return [(str(match.photo), match.by) for match in answer.photos]


BY_FACE = [(f"/{n}.jpg", "face") for n in range(3)]


def test_before_grouping_faces_alone_answer(
    store: Repository, event: Event, crowd: dict[str, list[int]]
) -> None:
    answer = ask(store, [event])
    assert told(answer) == BY_FACE
    assert [match.sighting for match in answer.photos] == crowd["ann"][:3]
    assert [match.person for match in answer.photos] == [None] * 3
    assert answer.people == []


@pytest.mark.parametrize("certainty", ["strict", "default", "loose"])
def test_a_person_brings_the_photo_where_they_are_turned_away(
    store: Repository, event: Event, crowd: dict[str, list[int]], certainty: str
) -> None:
    ann, _ = group(store, event, crowd["ann"], crowd["bea"])
    answer = ask(store, [event], certainty=certainty)
    assert told(answer) == [*BY_FACE, ("/turned.jpg", "person")]
    assert [person.id for person in answer.people] == [ann]
    turned = answer.photos[3]
    assert (turned.sighting, turned.person) == (crowd["ann"][3], ann)
    assert turned.distance == pytest.approx(0.9, abs=1e-3)
    assert turned.probability is None


def test_a_stranger_whose_group_holds_one_lookalike_is_not_brought(
    store: Repository, event: Event, crowd: dict[str, list[int]]
) -> None:
    strangers = [put(store, event, f"/s{n}.jpg", like(3, 0.1, 20 + n))[0] for n in range(4)]
    group(store, event, [crowd["ann"][0], *strangers])
    answer = ask(store, [event])
    assert told(answer) == BY_FACE
    assert answer.people == []


def test_rejected_and_confirmed_faces_are_left_out(
    store: Repository, event: Event, crowd: dict[str, list[int]]
) -> None:
    ann, bea = group(store, event, crowd["ann"], crowd["bea"])
    with store.deciding("name") as draft:
        draft.keep(ann)
        draft.rename(ann, "Ann", "ann")
    with store.deciding("reject") as draft:
        draft.reject(ann, [crowd["ann"][3]])
    assert told(ask(store, [event])) == BY_FACE
    with store.deciding("confirm") as draft:
        draft.keep(bea)
        draft.assign(bea, [crowd["ann"][2]], confirmed=True)
    answer = ask(store, [event])
    assert told(answer) == BY_FACE[:2]
    assert [match.sighting for match in answer.left_out] == [crowd["ann"][2]]
    with store.deciding("reject") as draft:
        draft.reject(ann, [crowd["ann"][1]])
    answer = ask(store, [event])
    assert told(answer) == BY_FACE[:1]
    assert {match.sighting for match in answer.left_out} == set(crowd["ann"][1:3])


def test_a_confirmed_face_stays_where_it_is_not_known_who_was_asked_about(
    store: Repository, event: Event, crowd: dict[str, list[int]]
) -> None:
    _, bea = group(store, event, crowd["ann"][:2], crowd["bea"])
    with store.deciding("confirm") as draft:
        draft.assign(bea, [crowd["ann"][2]], confirmed=True)
    answer = ask(store, [event])
    assert told(answer) == BY_FACE
    assert answer.left_out == []


def test_time_and_events_limit_what_a_person_brings(
    store: Repository, event: Event, crowd: dict[str, list[int]]
) -> None:
    other = new_event(store, "later")
    later = put(store, other, "/later.jpg", like(ANN, 0.9, 30), quality=0.4)
    ann, _ = group(store, event, [*crowd["ann"], *later], crowd["bea"])
    assert told(ask(store, [event, other]))[3:] == [
        ("/later.jpg", "person"),
        ("/turned.jpg", "person"),
    ]
    assert told(ask(store, [event], after=DAYS[2])) == [
        ("/2.jpg", "face"),
        ("/turned.jpg", "person"),
    ]
    store.mark_missing(event.id, [b"/turned.jpg"])
    assert told(ask(store, [event])) == BY_FACE
    assert told(photos_of_person(store, find_person(store, str(ann)), [other])) == [
        ("/later.jpg", "person")
    ]


def test_a_content_in_two_events_is_brought_once(
    store: Repository, event: Event, crowd: dict[str, list[int]]
) -> None:
    other = new_event(store, "copy")
    put(store, other, "/turned.jpg", like(ANN, 0.9, 9), quality=0.4)
    group(store, event, crowd["ann"], crowd["bea"])
    turned = [match for match in ask(store, [event, other]).photos if match.by == "person"]
    assert [(str(match.photo), match.event) for match in turned] == [("/turned.jpg", "party")]


def test_a_known_person_and_two_together(
    store: Repository, event: Event, crowd: dict[str, list[int]]
) -> None:
    ann, bea = group(store, event, crowd["ann"], crowd["bea"])
    with store.deciding("hide") as draft:
        draft.keep(bea)
        draft.hide(bea, True)
    known = photos_of_person(store, find_person(store, f"Person {ann:03}"))
    assert [str(match.photo) for match in known.photos] == [
        "/0.jpg", "/1.jpg", "/2.jpg", "/turned.jpg",
    ]  # fmt: skip
    hidden = photos_of_person(store, find_person(store, str(bea)))
    both = photos_together([ask(store, [event]), hidden])
    assert [[face.sighting for face in photo.faces] for photo in both] == [
        [crowd["ann"][0], crowd["bea"][0]],
        [crowd["ann"][1], crowd["bea"][1]],
    ]


@pytest.mark.every_server
def test_every_way_of_searching_tells_whose_a_face_is(
    database_url: str, store: Repository, event: Event, crowd: dict[str, list[int]]
) -> None:
    ann, _ = group(store, event, crowd["ann"][:1], crowd["bea"])
    probe = like(ANN, 0)

    def whose(matches: Sequence[Match]) -> list[tuple[int | None, int | None]]:
        return [(match.sighting, match.person) for match in matches[:2]]

    expected = [(crowd["ann"][0], ann), (crowd["ann"][1], None)]
    assert whose(store.search(probe, [event])) == expected
    near = store.faces_within(probe, [event], max_distance=0.5)
    assert whose([face.match for face in near]) == expected
    indexed = Repository(store._connection, exact_up_to=0)
    assert whose(indexed.search(probe, [event], max_distance=0.5)) == expected
    near = indexed.faces_within(probe, [event], max_distance=0.5)
    assert whose([face.match for face in near]) == expected


def test_ruled_out(store: Repository, event: Event, crowd: dict[str, list[int]]) -> None:
    ann, bea = group(store, event, crowd["ann"], crowd["bea"])
    everybody = [*crowd["ann"], *crowd["bea"]]
    assert store.ruled_out(everybody, [ann]) == set()
    with store.deciding("confirm") as draft:
        draft.assign(bea, crowd["bea"][:1], confirmed=True)
        draft.reject(ann, crowd["ann"][:1])
    assert store.ruled_out(everybody, [ann]) == {crowd["bea"][0], crowd["ann"][0]}
    assert store.ruled_out(everybody, [bea]) == set()
    assert store.ruled_out(everybody, [ann, bea]) == {crowd["ann"][0]}
    assert store.ruled_out([], [ann]) == set()


def test_people_of_other_kinds_are_not_compared(store: Repository, event: Event) -> None:
    other = store.ensure_event("wide", "clip", "weights-2", 768, {})
    wide = [Face(Detection(Box(1, 2, 3, 4), 1, None), vector(0.5, 768))]
    record_photo(store, other, b"/wide.jpg", STAMP, digest("wide"), JPEG, wide)
    (mine,) = put(store, event, "/a.jpg", like(ANN, 0.2))
    numbers = [face.sighting for face in store.seen_faces()]
    (ann,) = group(store, event, numbers)
    found = store.faces_of_people(like(ANN, 0), [event], [ann])
    assert [(face.sighting, face.event) for face in found] == [(mine, "party")]

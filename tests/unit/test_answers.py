"""Answers: to whom a portrait belongs, a known person's photos, photos of several people."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from facefind.answers import (
    Answer,
    Together,
    assign,
    event_named,
    photos_of_person,
    photos_together,
)
from facefind.errors import UsageError
from facefind.recognising import BELONGS, BELONGS_TO_DECIDED, Claim, belonging, recognise
from facefind.search import Probe, Reach, Scope
from facefind.store.records import Person, SeenFace
from facefind.types import Box, Event, FloatArray, Match
from tests.stored import vector

PARTY = Event(1, "party", "dlib", "f00d")
PROBE = Probe(vector(1))
REACH = Reach(0.47, 0.91)


def somebody(number: int, faces: int = 4, decided: int = 0, name: str | None = None) -> Person:
    return Person(number, name, False, None, faces, faces, decided)


def found(
    photo: str,
    probability: float | None = 0.99,
    *,
    face: int | None = None,
    person: int | None = None,
    distance: float = 0.3,
    quality: float | None = 0.9,
) -> Match:
    number = hash(photo)
    box = Box(float(face or 0), 0, 9, 9)
    return Match(
        Path(photo), "party", distance, box, None, number, probability, quality, face, person
    )


@dataclass
class FakeGallery:
    """Answers with the same faces to everybody."""

    seen: list[Match]
    scope: Scope = field(default_factory=lambda: Scope([PARTY]))

    def faces(self, probe: Probe, reach: Reach) -> list[Match]:
        assert reach.min_probability is None
        return self.seen


@dataclass
class FakePeople:
    """People with their faces, and the faces that a user said are not theirs."""

    persons: list[Person]
    members: list[Match]
    wrong: set[int] = field(default_factory=set)
    asked: list[Any] = field(default_factory=list)

    def people(
        self, events: Collection[int] | None = None, people: Collection[int] | None = None
    ) -> list[Person]:
        return [person for person in self.persons if people is None or person.id in people]

    def faces_of_people(
        self,
        probe: FloatArray,
        events: Sequence[Event],
        people: Collection[int],
        *,
        after: datetime | None,
        before: datetime | None,
    ) -> list[Match]:
        self.asked.append((events, after, before))
        return [face for face in self.members if face.person in people]

    def ruled_out(self, sightings: Collection[int], people: Collection[int]) -> set[int]:
        return self.wrong & set(sightings)


def asked(
    seen: list[Match],
    persons: list[Person],
    members: list[Match],
    *,
    wrong: set[int] = frozenset(),  # type: ignore[assignment]
    reach: Reach = REACH,
    certainty: str = "default",
) -> Answer:
    store = FakePeople(persons, members, wrong)
    gallery: Any = FakeGallery(seen)
    return recognise(store, gallery, PROBE, reach, certainty)


def names(matches: Sequence[Match]) -> list[tuple[str, str]]:
    return [(str(match.photo), match.by) for match in matches]


def test_a_persons_other_photos_are_answered_after_those_by_face() -> None:
    seen = [found(p, face=n, person=7) for n, p in enumerate("abc", 1)]
    turned = found("d", None, face=4, person=7, distance=0.6, quality=0.4)
    answer = asked(seen, [somebody(7)], [*seen, turned])
    assert names(answer.photos) == [("a", "face"), ("b", "face"), ("c", "face"), ("d", "person")]
    assert [person.id for person in answer.people] == [7]
    assert answer.photos[3].probability is None
    assert len(answer.faces) == 4


def test_one_near_face_does_not_bring_a_stranger() -> None:
    near = found("a", 0.92, face=1, person=7)
    others = [found(f"s{n}", None, face=n, person=7, distance=0.7) for n in range(2, 300)]
    answer = asked([near], [somebody(7, 299)], [near, *others])
    assert names(answer.photos) == [("a", "face")]
    assert answer.people == []
    of_decided = asked([near], [somebody(7, 299, 299, "Bob")], [near, *others])
    assert names(of_decided.photos) == [("a", "face")]


def test_faces_below_the_limit_count_with_their_probability() -> None:
    seen = [found("a", 0.99, face=1, person=7), found("b", 0.8, face=2, person=7)]
    answer = asked(seen, [somebody(7)], seen)
    assert names(answer.photos) == [("a", "face"), ("b", "person")]
    assert asked(seen, [somebody(7)], seen, certainty="strict").people == []
    answer = asked([seen[0], replace(seen[1], probability=0.6)], [somebody(7)], seen)
    assert names(answer.photos) == [("a", "face")]


def test_without_a_face_that_is_alike_nobody_is_asked() -> None:
    unlike = [found("a", 0.9, face=1, person=7)]
    assert asked(unlike, [somebody(7)], unlike) == Answer([], [], [], [])


def test_a_photo_is_answered_once_and_by_face() -> None:
    seen = [found("a", face=1, person=7), found("b", face=2, person=7)]
    mirror = found("a", None, face=3, person=7, quality=0.3)
    answer = asked(seen, [somebody(7)], [*seen, mirror])
    assert names(answer.photos) == [("a", "face"), ("b", "face")]
    assert len(answer.faces) == 3


def test_faces_said_to_be_somebody_elses_are_left_out() -> None:
    seen = [found(p, face=n, person=7) for n, p in enumerate("abc", 1)]
    sister = found("d", 0.95, face=9, person=8)
    known = [somebody(7, 3, 3, "Ann"), somebody(8, 40, 40, "Bea")]
    members = [*seen, *(found(f"s{n}", None, face=n, person=8) for n in range(10, 49)), sister]
    answer = asked([*seen, sister], known, members, wrong={9})
    assert names(answer.photos) == [("a", "face"), ("b", "face"), ("c", "face")]
    assert [face.sighting for face in answer.left_out] == [9]
    # Of a person whom the machine has made, it is not known who they are.
    answer = asked([*seen, sister], [somebody(7, 3), known[1]], members, wrong={9})
    assert len(answer.photos) == 4
    assert answer.left_out == []


def test_without_a_calibration_the_share_within_reach_decides() -> None:
    reach = Reach(0.5)
    seen = [found(p, None, face=n, person=7) for n, p in enumerate("abcdefg", 1)]
    far = found("z", None, face=9, person=7, distance=0.8)
    answer = asked(seen, [somebody(7)], [*seen, far], reach=reach)
    assert names(answer.photos)[-1] == ("z", "person")
    assert asked(seen[:2], [somebody(7)], [*seen[:2], far], reach=reach).people == []


def test_belonging() -> None:
    def claim(number: int, mean: float, decided: int = 0) -> Claim:
        return Claim(somebody(number, 4, decided), mean, ())

    def held(certainty: str, *claims: Claim) -> list[int]:
        return [claim.person.id for claim in belonging(claims, certainty)]

    least = BELONGS["default"]
    assert held("default", claim(1, least), claim(2, 0.99), claim(3, least - 0.01)) == [2, 1]
    assert BELONGS["loose"] < BELONGS["default"] < BELONGS["strict"]
    assert held("strict", claim(1, least)) == []
    assert held("default", claim(1, BELONGS_TO_DECIDED, 2)) == [1]
    assert held("default", claim(1, BELONGS_TO_DECIDED, 1)) == []
    # Two people whom users know are two; one whom the machine has made may be either.
    two = claim(1, 0.6, 4), claim(2, 0.7, 4)
    assert held("default", *two, claim(3, 0.9)) == [3, 2]


def test_the_scope_reaches_the_store() -> None:
    after, before = (datetime(2026, 5, day, tzinfo=timezone.utc) for day in (1, 2))
    store = FakePeople([somebody(7)], [])
    gallery: Any = FakeGallery([found("a", face=1, person=7)], Scope([PARTY], after, before))
    recognise(store, gallery, PROBE, REACH)
    assert store.asked == [([PARTY], after, before)]


def seen_face(number: int, photo: str, day: int | None, quality: float) -> SeenFace:
    taken = None if day is None else datetime(2026, 5, day, tzinfo=timezone.utc)
    box = Box(number, 0, 9, 9)
    path = Path(photo)
    return SeenFace(number, 7, path, "party", box, taken, hash(photo), quality, "machine", False)


def test_a_known_persons_photos_are_in_the_order_of_time() -> None:
    faces = [
        seen_face(1, "late", 3, 0.9),
        seen_face(2, "b-undated", None, 0.9),
        seen_face(3, "a-undated", None, 0.9),
        seen_face(4, "early", 1, 0.4),
        seen_face(5, "early", 1, 0.8),
    ]
    asked_for: dict[str, Any] = {}

    class Store:
        def seen_faces(self, **values: Any) -> list[SeenFace]:
            asked_for.update(values)
            return faces

    answer = photos_of_person(Store(), somebody(7), [PARTY])
    assert asked_for == {"people": [7], "events": [1], "after": None, "before": None}
    order = ["early", "late", "a-undated", "b-undated"]
    assert [str(match.photo) for match in answer.photos] == order
    first = answer.photos[0]
    assert (first.sighting, first.by, first.probability) == (5, "person", None)
    assert math.isnan(first.distance)
    assert len(answer.faces) == 5


def test_two_people_need_two_faces() -> None:
    one, other = found("a", 0.9, face=1), found("a", 0.8, face=2)
    assert assign([[one], [one]]) == ()
    assert assign([[one], [one, other]]) == (one, other)
    # Whoever has a choice makes room.
    assert assign([[one, other], [one]]) == (other, one)
    assert assign([[one, other], [one, other], [one, other]]) == ()


def test_a_face_is_the_same_whoever_finds_it() -> None:
    asked_about = found("a", 0.9, face=1)
    known = replace(asked_about, distance=math.nan, probability=None, by="person")
    assert assign([[asked_about], [known]]) == ()


def test_photos_together_are_nearest_first() -> None:
    ann = [found(p, face=n, distance=d) for p, n, d in (("a", 1, 0.1), ("b", 2, 0.1), ("c", 3, 1))]
    bob = [found(p, face=n, distance=d) for p, n, d in (("b", 4, 0.2), ("a", 5, 0.3), ("d", 6, 0))]
    both = photos_together([Answer(ann, ann), Answer(bob, bob)])
    assert both == [Together((ann[1], bob[0])), Together((ann[0], bob[1]))]
    assert photos_together([Answer(ann, ann), Answer()]) == []


def test_event_named() -> None:
    assert event_named([PARTY], "party") == PARTY
    with pytest.raises(UsageError, match='no event "x"'):
        event_named([PARTY], "x")
    with pytest.raises(UsageError, match="Nothing has been ingested"):
        event_named([], "x")

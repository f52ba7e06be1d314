"""People, random decisions about them, and groupings in between, for the tests of the log."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from facefind.errors import UsageError
from facefind.store.deciding import Draft
from facefind.store.records import Grouping, Kind
from facefind.store.repository import Repository
from facefind.types import Box, Detection, Event, Face
from tests.stored import DIMENSION, JPEG, STAMP, digest, record_photo, rows, vector

TABLES = ("people", "sighting_person", "rejections", "portraits")
NAMES = ("Ann", "Ben", "Čeněk", "Dora")

Dump = dict[str, list[Any]]
State = dict[tuple[str, str], Any]


def crowd(store: Repository, event: Event, photos: int = 10) -> list[int]:
    """Puts photos of three people each into the event; answers with the faces' numbers."""
    before = set(faces(store, event))
    for number in range(photos):
        for_each = [0.01 * number + person for person in range(3)]
        put_apart(store, event, f"/crowd/{number}.jpg", for_each)
    return sorted(set(faces(store, event)) - before)


def put_apart(store: Repository, event: Event, path: str, distances: list[float]) -> None:
    """A photo with faces side by side."""
    found = [
        Face(Detection(Box(10 + 50.0 * place, 20, 30, 40), 0.5, None), vector(distance))
        for place, distance in enumerate(distances)
    ]
    record_photo(store, event, path.encode(), STAMP, digest(path), JPEG, found)


def kind_of(event: Event) -> Kind:
    return Kind(event.pipeline, event.fingerprint)


def faces(store: Repository, event: Event) -> list[int]:
    return [int(n) for n in store.faces_to_group(kind_of(event), DIMENSION).sightings]


def group(store: Repository, event: Event, *groups: list[int]) -> list[int]:
    """The machine takes each of these lists of faces for a new person; answers with their ids."""
    revision = store.faces_to_group(kind_of(event), DIMENSION).revision
    assigned = {face: -1 - index for index, found in enumerate(groups) for face in found}
    made = store.put_groups(kind_of(event), revision, assigned, [], Grouping(1, 1))
    assert made is not None
    return [made[-1 - index] for index in range(len(groups))]


def regroup(
    store: Repository, event: Event, assigned: dict[int, int], released: Sequence[int] = ()
) -> None:
    """The machine changes its mind about these faces."""
    revision = store.faces_to_group(kind_of(event), DIMENSION).revision
    made = store.put_groups(kind_of(event), revision, assigned, released, Grouping(1, 1))
    assert made == {}


def dump(sql: Any) -> Dump:
    """Every row about who is who."""
    return {
        table: [row for (row,) in rows(sql, f"SELECT to_jsonb(t) FROM {table} t ORDER BY t")]
        for table in TABLES
    }


def decided(sql: Any) -> State:
    """What users decided, as it is."""
    return _by_users({
        (table, json.dumps({name: row[name] for name in _KEYS[table]})): row
        for table, found in dump(sql).items()
        for row in found
    })  # fmt: skip


def told(sql: Any) -> State:
    """What users decided, as the log tells it: what stands, the oldest first."""
    found = rows(
        sql,
        """SELECT relation, key, (array_agg(before ORDER BY c.id))[1],
                  (array_agg(after ORDER BY c.id DESC))[1]
           FROM decision_changes c
           JOIN decisions d ON d.id = c.decision_id AND d.undone_at IS NULL
           GROUP BY d.id, relation, key ORDER BY d.id""",
    )
    state: State = {}
    for table, key, before, after in found:
        place = table, json.dumps({name: key[name] for name in _KEYS[table]})
        now = state.get(place)
        if table == "people" and before is not None and now is None:
            now = {**before, "name": None, "name_key": None, "hidden": False}
            now["cover_sighting_id"] = None
        if before is None or after is None or now is None or table != "people":
            state[place] = after if before != after else now
        else:
            state[place] = {**now, **{k: v for k, v in after.items() if before[k] != v}}
    return _by_users(state)


_KEYS = {
    "people": ("id",), "sighting_person": ("sighting_id",),
    "rejections": ("sighting_id", "person_id"), "portraits": ("id",),
}  # fmt: skip


def _by_users(state: State) -> State:
    return {
        place: _lasting(place[0], row)
        for place, row in state.items()
        if row is not None
        and row.get("decided_by") != "machine"
        and (place[0] != "people" or row["name"] or row["hidden"] or row["cover_sighting_id"])
    }


def _lasting(table: str, row: Any) -> Any:
    """A person whom the machine has dropped, and who came back, is younger."""
    return {k: v for k, v in row.items() if table != "people" or k != "created_at"}


def name(store: Repository, person: int, text: str | None) -> int:
    with store.deciding("name", person=person) as draft:
        draft.keep(person)
        draft.rename(person, text, text and text.casefold())
    return made(draft)


def merge(store: Repository, source: int, target: int) -> int:
    with store.deciding("merge", people=[source, target]) as draft:
        draft.keep(source, target)
        draft.move(source, target)
        draft.remove(source)
    return made(draft)


def confirm(store: Repository, person: int, *sightings: int) -> int:
    with store.deciding("confirm") as draft:
        draft.keep(person)
        draft.assign(person, sightings, confirmed=True)
    return made(draft)


def reject(store: Repository, person: int, *sightings: int) -> int:
    with store.deciding("reject") as draft:
        draft.reject(person, sightings)
    return made(draft)


def remove(store: Repository, person: int) -> int:
    with store.deciding("delete") as draft:
        draft.remove(person)
    return made(draft)


def made(draft: Draft) -> int:
    assert draft.id is not None
    return draft.id


def members(sql: Any, person: int) -> list[int]:
    found = "SELECT sighting_id FROM sighting_person WHERE person_id = %s ORDER BY 1"
    return [number for (number,) in rows(sql, found, person)]


def nobodys(sql: Any) -> list[int]:
    found = "SELECT id FROM sightings WHERE id NOT IN (SELECT sighting_id FROM sighting_person)"
    return [number for (number,) in rows(sql, found + " ORDER BY 1")]


def pinned(sql: Any, person: int) -> int:
    found = """SELECT count(*) FROM sighting_person WHERE person_id = %s AND decided_by = 'user'"""
    number: int = rows(sql, found, person)[0][0]
    return number


def refused(sql: Any, turn: Any, number: int, reason: str, first: str = "") -> None:
    """The decision cannot be turned, which changes nothing."""
    before = dump(sql), rows(sql, "SELECT * FROM decisions ORDER BY id")
    with pytest.raises(UsageError, match=reason) as refusal:
        turn(number)
    assert (dump(sql), rows(sql, "SELECT * FROM decisions ORDER BY id")) == before
    assert refusal.value.hint == (f"First: facefind people {first}" if first else "")


def add_portrait(draft: Draft, person: int, picture: str) -> None:
    """A portrait, the same wherever it is of that name."""
    embedding = np.full(3, 0.25, np.float32)
    draft.add_portrait(
        person, b"/" + picture.encode(), digest(picture), "dlib", "weights-1", None, embedding
    )


class Chance:
    """Decides at random, always the same for one seed."""

    def __init__(self, store: Repository, event: Event, sql: Any, seed: int) -> None:
        self.store, self.event, self.sql = store, event, sql
        self.random = random.Random(seed)
        self.sightings = faces(store, event)

    def some(self, most: int = 4) -> list[int]:
        return self.random.sample(self.sightings, self.random.randint(1, most))

    def people(self) -> list[int]:
        return [number for (number,) in rows(self.sql, "SELECT id FROM people ORDER BY id")]

    def decide(self) -> int | None:
        """One decision of a few changes; its number."""
        changes = self.random.choices(
            (self.name, self.create, self.hide, self.cover, self.keep, self.assign, self.release,
             self.reject, self.merge, self.remove, self.portrait, self.swap),
            k=self.random.randint(1, 3),
        )  # fmt: skip
        people = self.people()
        with self.store.deciding(" ".join(change.__name__ for change in changes)) as draft:
            for change in changes:
                there = [person for person in people if draft.person(person)]
                (change if there else self.create)(draft, there)
        return draft.id

    def group(self) -> None:
        """The machine makes up its mind about all that nobody has decided."""
        found = self.store.faces_to_group(kind_of(self.event), DIMENSION)
        people = [*self.people(), -1, -2]
        assigned, released = {}, []
        for face in found.sightings[~found.pinned].tolist():
            person = self.random.choice(people)
            if (face, person) in found.rejections or self.random.random() < 0.2:
                released.append(face)
            else:
                assigned[face] = person
        made = self.store.put_groups(
            kind_of(self.event), found.revision, assigned, released, Grouping(1, 1)
        )
        assert made is not None

    def name(self, draft: Draft, people: list[int]) -> None:
        name = self.random.choice([*NAMES, None])
        if name is None or draft.person_named(name.casefold()) is None:
            person = self.random.choice(people)
            draft.keep(person)
            draft.rename(person, name, name and name.casefold())

    def create(self, draft: Draft, people: list[int]) -> None:
        person = draft.create(None, None)
        if self.random.random() < 0.7:
            draft.assign(person, self.some(), confirmed=True)
        self.name(draft, [person])

    def hide(self, draft: Draft, people: list[int]) -> None:
        person = self.random.choice(people)
        draft.keep(person)
        draft.hide(person, self.random.random() < 0.6)

    def cover(self, draft: Draft, people: list[int]) -> None:
        person = self.random.choice(people)
        draft.keep(person)
        draft.cover(person, self.random.choice([*self.sightings[:3], None]))

    def keep(self, draft: Draft, people: list[int]) -> None:
        draft.keep(self.random.choice(people))

    def assign(self, draft: Draft, people: list[int]) -> None:
        person = self.random.choice(people)
        draft.keep(person)
        draft.assign(person, self.some(), confirmed=self.random.random() < 0.5)

    def release(self, draft: Draft, people: list[int]) -> None:
        draft.release(self.some(), self.random.choice([*people, None]))

    def reject(self, draft: Draft, people: list[int]) -> None:
        draft.reject(self.random.choice(people), self.some())

    def merge(self, draft: Draft, people: list[int]) -> None:
        if len(people) > 1:
            source, target = self.random.sample(people, 2)
            draft.keep(source, target)
            draft.move(source, target)
            if self.random.random() < 0.8:
                draft.remove(source)

    def remove(self, draft: Draft, people: list[int]) -> None:
        if self.random.random() < 0.4:
            draft.remove(self.random.choice(people))

    def portrait(self, draft: Draft, people: list[int]) -> None:
        person, picture = self.random.choice(people), self.random.choice("abc")
        draft.add_portrait(
            person, picture.encode(), digest(picture), self.event.pipeline,
            self.event.fingerprint, 1 / 3, np.array([0.1, 1 / 3, 1e-9], np.float32),
        )  # fmt: skip

    def swap(self, draft: Draft, people: list[int]) -> None:
        if len(people) > 1:
            one, two = (draft.person(person) for person in self.random.sample(people, 2))
            assert one is not None
            assert two is not None
            draft.rename(one.id, None, None)
            draft.rename(two.id, one.name, one.name and one.name.casefold())
            draft.rename(one.id, two.name, two.name and two.name.casefold())

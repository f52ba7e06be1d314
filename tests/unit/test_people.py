"""Names, decisions and what grouping changes, on a store in memory."""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from facefind import people
from facefind.errors import StoreError, UsageError
from facefind.grouping import Faces
from facefind.people import groups as grouped
from facefind.people.groups import planned, settings_for
from facefind.people.naming import checked_name, find_person, name_key
from facefind.people.parting import two_parts
from facefind.store.records import Grouping, Kind, LearntPortrait, Membership, Person, ToGroup
from facefind.types import Event

KIND = Kind("dlib", "weights-1")
PARTY = Event(1, "party", "dlib", "weights-1")
SETTINGS = settings_for(KIND)


@dataclass
class MemoryDraft:
    """The promises of `facefind.store.deciding.Draft`, without a log of rows."""

    store: MemoryPeople
    id: int | None

    def person(self, person: int) -> Person | None:
        return self.store.known.get(person)

    def person_named(self, name_key: str) -> Person | None:
        there = (p for p in self.store.known.values() if p.name)
        return next((p for p in there if people.name_key(p.name or "") == name_key), None)

    def members(self, person: int) -> list[Membership]:
        return [m for m in self.store.faces.values() if m.person == person]

    def memberships(self, sightings: Collection[int]) -> list[Membership]:
        return [self.store.faces[s] for s in sorted(set(sightings)) if s in self.store.faces]

    def rejected(self, person: int) -> list[int]:
        return sorted(s for s, p in self.store.rejections if p == person)

    def describe(self, **subject: Any) -> None:
        self.store.subject.update(subject)

    def create(self, name: str | None, name_key: str | None) -> int:
        number = max(self.store.known, default=0) + 1
        self.store.known[number] = Person(number, name, False, None)
        return number

    def rename(self, person: int, name: str | None, name_key: str | None) -> None:
        self._change(person, name=name)

    def hide(self, person: int, hidden: bool) -> None:
        self._change(person, hidden=hidden)

    def cover(self, person: int, sighting: int | None) -> None:
        self._change(person, cover=sighting)

    def keep(self, *people: int) -> None:
        for member in [m for m in self.store.faces.values() if m.person in people]:
            self._put(replace(member, decided_by="user"))

    def assign(self, person: int, sightings: Collection[int], *, confirmed: bool) -> None:
        for sighting in sightings:
            self.store.rejections.discard((sighting, person))
            self._put(Membership(sighting, person, "user", confirmed))

    def release(self, sightings: Collection[int], person: int | None = None) -> None:
        for sighting in sightings:
            if person is None or self.store.faces[sighting].person == person:
                self._put(Membership(sighting, None, None, False))

    def reject(self, person: int, sightings: Collection[int]) -> None:
        self.release(sightings, person)
        self.store.rejections |= {(sighting, person) for sighting in sightings}

    def move(self, source: int, target: int) -> None:
        for member in self.members(source):
            self._put(replace(member, person=target, decided_by="user"))

    def remove(self, person: int) -> None:
        del self.store.known[person]
        self.release([member.sighting for member in self.members(person)])

    def _put(self, member: Membership) -> None:
        self.store.faces[member.sighting] = member

    def _change(self, person: int, **values: Any) -> None:
        self.store.known[person] = replace(self.store.known[person], **values)


@dataclass
class MemoryPeople:
    """People and whom faces are taken for; decisions that fail change nothing."""

    known: dict[int, Person] = field(default_factory=dict)
    faces: dict[int, Membership] = field(default_factory=dict)
    rejections: set[tuple[int, int]] = field(default_factory=set)
    log: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    subject: dict[str, Any] = field(default_factory=dict)
    meanwhile: Callable[[], None] = lambda: None

    def people(
        self, events: Collection[int] | None = None, people: Collection[int] | None = None
    ) -> list[Person]:
        return [p for p in self.known.values() if people is None or p.id in people]

    @contextmanager
    def deciding(self, kind: str, **subject: Any) -> Iterator[MemoryDraft]:
        self.meanwhile()
        before = copy.deepcopy((self.known, self.faces, self.rejections))
        self.subject = dict(subject)
        draft = MemoryDraft(self, len(self.log) + 1)
        try:
            yield draft
        except BaseException:
            self.known, self.faces, self.rejections = before
            raise
        if (self.known, self.faces, self.rejections) == before:
            draft.id = None
        else:
            self.log.append((kind, self.subject))


@pytest.fixture
def store() -> MemoryPeople:
    """Persons 1 (Anna), 2, 3 and 4, with the faces 10..13, 20..23 and so on."""
    known = {n: Person(n, "Anna" if n == 1 else None, False, None) for n in range(1, 5)}
    faces = {
        10 * n + k: Membership(10 * n + k, n, "machine", False) for n in known for k in range(4)
    }
    return MemoryPeople(known, {**faces, 99: Membership(99, None, None, False)})


def of(store: MemoryPeople, person: int) -> list[int]:
    return sorted(m.sighting for m in store.faces.values() if m.person == person)


def unpinned(store: MemoryPeople, person: int) -> list[int]:
    theirs = [m for m in store.faces.values() if m.person == person]
    return [m.sighting for m in theirs if m.decided_by == "machine"]


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna", "ANNA"),
        ("Anna  Berg", "anna berg"),
        ("Straße", "STRASSE"),
        ("é", "e\u0301"),
        ("\uff21nna", "Anna"),
        ("\u200eAnna\u200b", "Anna"),
        ("ﬁnn", "Finn"),
        ("山田\u3000太郎", "山田 太郎"),
    ],
)
def test_names_are_compared_without_case_width_and_spaces(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


def test_names_that_differ_stay_apart() -> None:
    names = ["Anna", "Änna", "Ana", "Anna B", "שרה", "安娜", "👩", "A/B"]
    assert len({name_key(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "name",
    ["A/B", "👩‍👩‍👧", "שרה כהן", "Анна", "x" * 200, "12th Man", "Person", "Person Twelve", "C:"],
)
def test_names_of_all_kinds_are_kept_as_given(name: str) -> None:
    assert checked_name(f"  {name} ") == name


def test_names_are_kept_composed() -> None:
    assert checked_name(unicodedata.normalize("NFD", "Čeněk")) == "Čeněk"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        ("\u200b", "empty"),
        ("x" * 201, "201 characters"),
        ("x" * 300, "300 characters"),
        ("\ufdfa" * 199, "199 characters"),
        ("a\nb", "control"),
        ("a\0b", "control"),
        ("a\u2028b", "control"),
        ("caf\udce9", "control"),
        ("a\u202egpj", "direction"),
        ("12", "number"),
        ("#12", "number"),
        ("Person 012", "number"),
        ("person  12", "number"),
        ("\uff11\uff12", "number"),
        ("\u0663", "number"),
    ],
)
def test_what_cannot_be_a_name_is_refused(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        checked_name(name)


@pytest.mark.parametrize("reference", ["1", "#1", "Person 001", "person 1", "anna", " ANNA "])
def test_people_are_found_by_name_and_by_number(store: MemoryPeople, reference: str) -> None:
    assert find_person(store, reference).id == 1


@pytest.mark.parametrize("reference", ["5", "0", "#77", "9" * 19, "9" * 5000, "Person 12"])
def test_numbers_of_nobody_are_refused(store: MemoryPeople, reference: str) -> None:
    with pytest.raises(UsageError, match="There is no person") as refused:
        find_person(store, reference)
    assert "people list" in refused.value.hint


def test_a_name_of_nobody_is_answered_with_names_that_are_near(store: MemoryPeople) -> None:
    with pytest.raises(UsageError) as refused:
        find_person(store, "Ana")
    assert refused.value.hint == 'Did you mean "Anna" (1)?'
    with pytest.raises(UsageError) as refused:
        find_person(store, "Zoë")
    assert "Did you mean" not in refused.value.hint


# --- decisions -----------------------------------------------------------------------------------


def test_naming_keeps_the_faces(store: MemoryPeople) -> None:
    done = people.name_person(store, "2", " Bea ")
    assert (done.decision, done.person, done.title) == (1, 2, "Bea")
    assert store.known[2].name == "Bea"
    assert of(store, 2) == [20, 21, 22, 23]
    assert unpinned(store, 2) == []
    assert unpinned(store, 3) == [30, 31, 32, 33]


def test_a_name_that_is_taken_is_refused_with_what_to_do(store: MemoryPeople) -> None:
    with pytest.raises(UsageError, match='Person 1 is called "Anna"') as refused:
        people.name_person(store, "2", "ANNA")
    assert "merge 1 2" in refused.value.hint
    assert "--another" in refused.value.hint
    assert (store.known[2].name, store.log, unpinned(store, 2)) == (None, [], [20, 21, 22, 23])


def test_two_people_can_share_a_name(store: MemoryPeople) -> None:
    assert people.name_person(store, "2", "Anna", another=True).title == "Anna (2)"
    assert people.name_person(store, "3", "anna", another=True).title == "anna (3)"
    assert people.name_person(store, "4", "Dora", another=True).title == "Dora"
    assert people.name_person(store, "1", "ANNA", another=True).title == "ANNA"


def test_what_was_so_already_is_no_decision(store: MemoryPeople) -> None:
    assert people.name_person(store, "1", "Anna").decision == 1  # pins the faces
    assert people.name_person(store, "1", "Anna").decision is None
    assert people.hide(store, ["2"]).decision == 2
    assert people.hide(store, ["2"]).decision is None
    assert people.hide_unnamed(store).decision == 3
    assert people.hide_unnamed(store).decision is None


def test_merging_keeps_the_first(store: MemoryPeople) -> None:
    done = people.merge(store, ["3", "2", "#4"])
    assert (done.person, done.faces) == (3, 8)
    assert of(store, 3) == [*range(20, 24), *range(30, 34), *range(40, 44)]
    assert unpinned(store, 3) == []
    assert sorted(store.known) == [1, 3]
    assert store.log[0][1]["what"] == "Person 003 <- Person 002 (4 faces), Person 004 (4 faces)"


def test_merging_keeps_the_one_with_a_name(store: MemoryPeople) -> None:
    assert people.merge(store, ["2", "anna", "3"]).person == 1
    assert sorted(store.known) == [1, 4]


def test_merging_two_names_needs_a_choice(store: MemoryPeople) -> None:
    people.name_person(store, "2", "Bea")
    with pytest.raises(UsageError, match="both names") as refused:
        people.merge(store, ["1", "2"])
    assert "--name" in refused.value.hint
    assert people.merge(store, ["1", "2"], name="bea").person == 2
    assert store.known[2].name == "bea"
    assert people.merge(store, ["3", "2"], name="Cleo").title == "Cleo"
    assert {p.id: p.name for p in store.known.values()} == {2: "Cleo", 4: None}


def test_merging_somebody_with_themselves_is_refused(store: MemoryPeople) -> None:
    with pytest.raises(UsageError, match="themselves"):
        people.merge(store, ["1", "Anna", "#1"])


def test_merging_hides_only_if_all_were_hidden(store: MemoryPeople) -> None:
    people.hide(store, ["2", "3"])
    assert not store.known[people.merge(store, ["2", "4"]).person or 0].hidden
    people.hide(store, ["2"])
    assert store.known[people.merge(store, ["2", "3"]).person or 0].hidden


def test_merging_takes_a_cover_over(store: MemoryPeople) -> None:
    people.cover(store, "3", 31)
    people.merge(store, ["2", "3"])
    assert store.known[2].cover == 31


def test_splitting_makes_a_new_person_and_keeps_both(store: MemoryPeople) -> None:
    people.cover(store, "1", 11)
    done = people.split(store, "Anna", [11, 12], name="Bea")
    assert (done.person, done.title, done.faces) == (5, "Bea", 2)
    assert (of(store, 1), of(store, 5)) == ([10, 13], [11, 12])
    assert unpinned(store, 1) == unpinned(store, 5) == []
    assert store.known[1].cover is None


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        ([], "No face"),
        ([10, 11, 12, 13], "nobody would be left"),
        ([10, 777], "no face 777"),
        ([10, 2**70], "no face"),
        ([20], "Face 20 is not taken for Anna"),
        ([99, 20], "Faces 20, 99 are not taken for Anna"),
    ],
)
def test_impossible_splits_are_refused(store: MemoryPeople, faces: list[int], reason: str) -> None:
    before = copy.deepcopy(store.known), copy.deepcopy(store.faces)
    with pytest.raises(UsageError, match=reason):
        people.split(store, "1", faces)
    assert (store.known, store.faces, store.log) == (*before, [])


def test_a_split_cannot_take_a_name_that_is_taken(store: MemoryPeople) -> None:
    with pytest.raises(UsageError, match="called"):
        people.split(store, "2", [20], name="anna")
    assert (len(store.known), store.log) == (4, [])


def test_rejecting_releases_the_faces_and_keeps_the_others(store: MemoryPeople) -> None:
    people.cover(store, "1", 10)
    done = people.reject(store, [10, 99, 20], "Anna")
    assert (done.person, done.faces) == (1, 1)
    assert (of(store, 1), unpinned(store, 1)) == ([11, 12, 13], [])
    assert store.rejections == {(10, 1), (99, 1), (20, 1)}
    assert of(store, 2) == [20, 21, 22, 23]
    assert store.known[1].cover is None


def test_rejecting_everything_needs_a_name_to_be_left(store: MemoryPeople) -> None:
    with pytest.raises(UsageError, match="nobody would be left") as refused:
        people.reject(store, [20, 21, 22, 23], "2")
    assert "people delete 2" in refused.value.hint
    assert people.reject(store, [10, 11, 12, 13], "Anna").faces == 4
    assert of(store, 1) == []


def test_confirming_moves_faces(store: MemoryPeople) -> None:
    people.cover(store, "2", 20)
    people.reject(store, [20], "1")
    done = people.confirm(store, "Anna", [20, 99, 10])
    assert (done.person, done.faces) == (1, 2)
    assert of(store, 1) == [10, 11, 12, 13, 20, 99]
    assert {m.sighting for m in store.faces.values() if m.confirmed} == {10, 20, 99}
    assert store.rejections == set()
    assert store.known[2].cover is None


def test_confirming_makes_a_person_only_where_asked(store: MemoryPeople) -> None:
    with pytest.raises(UsageError, match="nobody called"):
        people.confirm(store, "Bea", [99])
    done = people.confirm(store, "Bea", [99], create=True)
    assert (done.title, of(store, done.person or 0)) == ("Bea", [99])
    assert people.confirm(store, "BEA", [20], create=True).person == done.person
    with pytest.raises(UsageError, match="no face 55"):
        people.confirm(store, "Cleo", [55], create=True)
    assert len(store.known) == 5


def test_hiding_the_unnamed_is_one_decision(store: MemoryPeople) -> None:
    people.hide_unnamed(store)
    assert {p.id for p in store.known.values() if p.hidden} == {2, 3, 4}
    assert [kind for kind, _ in store.log] == ["hide-unnamed"]
    people.unhide(store, ["2", "3"])
    assert {p.id for p in store.known.values() if p.hidden} == {4}


def test_a_cover_is_one_of_their_faces(store: MemoryPeople) -> None:
    with pytest.raises(UsageError, match="not taken for"):
        people.cover(store, "1", 20)
    assert people.cover(store, "1", 12).decision == 1
    assert store.known[1].cover == 12


def test_deleting_leaves_the_faces_to_nobody(store: MemoryPeople) -> None:
    anna = people.delete(store, "anna")
    assert (anna.faces, anna.said) == (4, "Anna is deleted; 4 faces became nobody's.")
    assert 1 not in store.known
    assert store.faces[10] == Membership(10, None, None, False)


def test_deleting_somebody_without_a_name_says_that_they_may_come_back(
    store: MemoryPeople,
) -> None:
    said = people.delete(store, "3").said
    assert said.endswith(
        "Grouping may find these faces again; facefind people hide leaves them out for good."
    )


def test_a_name_that_ends_with_a_dot_needs_no_other(store: MemoryPeople) -> None:
    done = people.confirm(store, "Jen A.", [20], create=True)
    assert done.said == "Face 20 is Jen A."
    assert people.cover(store, "Jen A.", 20).said == "Face 20 stands for Jen A."
    assert people.reject(store, [20], "Jen A.").said == "Face 20 is not Jen A."


def test_what_somebody_else_decided_a_moment_ago_is_told(store: MemoryPeople) -> None:
    def merged() -> None:
        store.known.pop(2, None)

    store.meanwhile = merged
    with pytest.raises(UsageError, match="merged or deleted a moment ago"):
        people.name_person(store, "2", "Bea")

    def renamed() -> None:
        store.known[3] = Person(3, "Cleo", False, None)

    store.meanwhile = renamed
    with pytest.raises(UsageError, match="Person 003 was named Cleo a moment ago"):
        people.name_person(store, "3", "Bea")
    assert store.log == []


def test_many_faces_are_named_in_one_decision(store: MemoryPeople) -> None:
    named = people.name_faces(store, {20: "Bea", 30: "BEA", 99: "anna", 10: "Anna"}, source="x")
    assert (named.decision, named.confirmed, named.conflicts) == (1, 4, ())
    assert [store.known[number].name for number in named.made] == ["Bea"]
    assert of(store, named.made[0]) == [20, 30]
    assert of(store, 1) == [10, 11, 12, 13, 99]
    assert unpinned(store, 1) == []
    assert (store.log[0][0], store.log[0][1]["source"]) == ("import", "x")
    again = people.name_faces(store, {20: "Bea", 30: "Bea"})
    assert (again.decision, again.made, again.confirmed) == (None, (), 0)


def test_many_names_leave_what_a_user_has_said(store: MemoryPeople) -> None:
    people.reject(store, [20], "Anna")
    people.name_person(store, "3", "Cleo")
    named = people.name_faces(store, {20: "Anna", 30: "Anna", 40: "Anna", 31: "Dora", 32: "Cleo"})
    assert [c.sighting for c in named.conflicts] == [20, 30, 31]
    assert "Cleo" in named.conflicts[1].reason
    assert (named.made, named.confirmed) == ((), 2)
    assert "Dora" not in {p.name for p in store.known.values()}
    assert (of(store, 3), 40 in of(store, 1)) == ([30, 31, 32, 33], True)


def test_naming_many_can_be_tried_first(store: MemoryPeople) -> None:
    people.reject(store, [20], "Anna")
    names = {20: "Anna", 30: "Anna", 31: "Dora"}
    before = copy.deepcopy((store.known, store.faces, store.rejections, store.log))
    tried = people.name_faces(store, names, dry_run=True)
    assert (store.known, store.faces, store.rejections, store.log) == before
    assert (tried.decision, tried.names, tried.confirmed, len(tried.made)) == (None, 2, 2, 1)
    done = people.name_faces(store, names)
    assert replace(done, decision=None) == tried
    assert store.log[-1][1]["what"] == "2 faces of 2 names"
    people.name_faces(store, {32: "Dora"})
    assert store.log[-1][1]["what"] == "1 face of 1 name"


def test_many_names_are_all_or_nothing(store: MemoryPeople) -> None:
    with pytest.raises(UsageError, match="no face 777"):
        people.name_faces(store, {20: "Bea", 777: "Bea"})
    with pytest.raises(UsageError, match="number"):
        people.name_faces(store, {20: "Bea", 21: "12"})
    assert (len(store.known), store.log) == (4, [])
    assert people.name_faces(store, {}).decision is None


# --- grouping ------------------------------------------------------------------------------------


def looks(who: int, number: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """One of many pictures of somebody: a unit vector."""
    vector = np.random.default_rng(100 * who + number).normal(0, 0.006, 128)
    vector[who] += 1
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def to_group(
    seen: Sequence[tuple[int, int]],
    *,
    taken: Mapping[int, int] | None = None,
    pinned: Collection[int] = (),
    rejections: Collection[tuple[int, int]] = (),
    portraits: Sequence[LearntPortrait] = (),
    last: Grouping | None = None,
    decided: Collection[int] = (),
) -> ToGroup:
    """Faces 1, 2, ... of who was seen in which photo."""
    taken = taken or {}
    numbers = np.arange(1, len(seen) + 1)
    return ToGroup(
        sightings=numbers,
        photos=np.array([photo for _, photo in seen], np.int64),
        faces=numbers,
        qualities=np.ones(len(seen), np.float32),
        people=np.array([taken.get(n, 0) for n in numbers.tolist()], np.int64),
        pinned=np.isin(numbers, list(pinned)),
        vectors=np.stack([looks(who, n) for n, (who, _) in enumerate(seen)]),
        rejections=tuple(rejections),
        decided=frozenset(decided),
        portraits=tuple(portraits),
        last=last,
        revision=1,
    )


def plan(found: ToGroup, **options: bool) -> grouped.Plan:
    assert SETTINGS is not None
    return planned(found, SETTINGS, **options)


def test_a_person_is_who_was_seen_in_two_photos() -> None:
    found = plan(to_group([(1, 1), (1, 2), (2, 1), (2, 3), (3, 4)]))
    assert found.assigned == {1: -1, 2: -1, 3: -2, 4: -2}
    assert (found.released, found.grouped, found.strangers) == ([], 4, 1)
    assert found.photos_without_people == 1
    assert found.people == {-1, -2}
    assert found.grouping == Grouping(5, 5)


def test_twice_in_one_photo_is_no_person() -> None:
    assert plan(to_group([(1, 1), (1, 1)])).assigned == {}


def test_nothing_to_group_is_no_error() -> None:
    empty = to_group([(1, 1)])
    none = replace(
        empty,
        **{
            name: getattr(empty, name)[:0]
            for name in ("sightings", "photos", "faces", "qualities", "people", "pinned", "vectors")
        },
    )
    assert plan(none) == grouped.Plan({}, [], Grouping(0, 0), frozenset(), 0, 0, 0, True)


def test_only_differences_are_written_and_numbers_stay() -> None:
    seen = [(1, 1), (1, 2), (2, 1), (2, 3), (2, 4)]
    taken = {1: 8, 2: 8, 3: 7, 4: 7}
    found = plan(to_group(seen, taken=taken, last=Grouping(4, 4)))
    assert (found.assigned, found.released, set(found.people)) == ({5: 7}, [], {7, 8})


def test_a_group_takes_over_the_number_of_whom_it_has_most_of() -> None:
    seen = [(1, photo) for photo in range(1, 6)]
    found = plan(to_group(seen, taken={1: 3, 2: 3, 3: 3, 4: 9, 5: 9}))
    assert found.assigned == {4: 3, 5: 3}
    both = plan(
        to_group([(1, 1), (1, 2), (2, 3), (2, 4), (2, 5)], taken=dict.fromkeys(range(1, 6), 5))
    )
    assert both.assigned == {1: -1, 2: -1}


def test_who_is_left_in_one_photo_is_nobody_any_more() -> None:
    found = plan(to_group([(1, 1), (2, 2)], taken={1: 4, 2: 4}))
    assert (found.assigned, found.released) == ({}, [1, 2])


def test_pinned_faces_stay_and_draw_others() -> None:
    found = plan(to_group([(1, 1), (1, 2), (2, 3)], taken={1: 6}, pinned=[1], decided=[6]))
    assert found.assigned == {2: 6}
    merged = plan(to_group([(1, 1), (2, 2)], taken={1: 6, 2: 6}, pinned=[1, 2], decided=[6]))
    assert (merged.assigned, merged.released) == ({}, [])


def test_two_decided_people_never_become_one() -> None:
    seen = [(1, photo) for photo in range(1, 5)]
    found = plan(to_group(seen, taken={1: 5, 2: 6}, pinned=[1, 2], decided=[5, 6]))
    assert set(found.assigned) == {3, 4}
    assert {1, 2}.isdisjoint(found.released)


def test_a_rejected_face_never_comes_to_that_person() -> None:
    seen = [(1, photo) for photo in range(1, 5)]
    found = plan(
        to_group(seen, taken={1: 5, 2: 5}, pinned=[1, 2], rejections=[(3, 5), (77, 5)], decided=[5])
    )
    assert found.assigned == {4: 5}


def test_somebody_whose_faces_are_not_pinned_keeps_their_number_and_rejections() -> None:
    seen = [(1, photo) for photo in range(1, 4)]
    taken = {1: 5, 2: 9, 3: 9}
    assert plan(to_group(seen, taken=taken, decided=[5])).assigned == {2: 5, 3: 5}
    rejected = plan(to_group(seen, taken=taken, decided=[5], rejections=[(3, 5)]))
    assert rejected.assigned == {1: 9}


def test_faces_that_the_machine_gave_to_a_decided_person_may_move() -> None:
    found = plan(to_group([(1, 1), (2, 2), (2, 3)], taken={1: 5, 2: 5}, pinned=[1], decided=[5]))
    assert found.assigned == {2: -1, 3: -1}


def test_a_learnt_portrait_draws_faces() -> None:
    portrait = LearntPortrait(12, 1.0, looks(1, 50))
    found = plan(to_group([(1, 1), (2, 2)], portraits=[portrait], decided=[12]))
    assert (found.assigned, set(found.people), found.strangers) == ({1: 12}, {12}, 1)
    nobody = plan(to_group([(2, 2)], portraits=[portrait], decided=[12]))
    assert (nobody.assigned, nobody.people) == ({}, frozenset())


def test_somebody_who_looks_several_ways_draws_faces_of_each() -> None:
    seen = [(1, 1), (1, 2), (2, 3), (2, 4), (1, 5), (2, 6), (3, 7), (3, 8)]
    taken, pinned = dict.fromkeys((1, 2, 3, 4), 6), (1, 2, 3, 4)
    found = plan(to_group(seen, taken=taken, pinned=pinned, decided=[6]))
    assert (found.assigned, set(found.people)) == ({5: 6, 6: 6, 7: -1, 8: -1}, {6, -1})
    rejected = plan(
        to_group(seen, taken=taken, pinned=pinned, decided=[6], rejections=[(5, 6), (6, 6)])
    )
    assert rejected.assigned == {7: -1, 8: -1}


def test_looks_are_kept_when_only_new_faces_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouped, "FULL_UP_TO", 0)
    # Faces 5 and 6 were the person's already, by the machine; 7 and 8 are new.
    seen = [(1, 1), (1, 2), (2, 3), (2, 4), (1, 5), (2, 6), (1, 7), (2, 8), (3, 9)]
    taken, pinned = dict.fromkeys(range(1, 7), 6), (1, 2, 3, 4)
    found = plan(to_group(seen, taken=taken, pinned=pinned, decided=[6], last=Grouping(9, 6)))
    assert (found.assigned, found.released, found.full) == ({7: 6, 8: 6}, [], False)


def test_a_face_pinned_by_oversight_draws_nobody() -> None:
    seen = [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6)]
    taken = {1: 6, 2: 6, 3: 6, 4: 6}
    found = plan(to_group(seen, taken=taken, pinned=(1, 2, 3, 4), decided=[6]))
    assert found.assigned == {5: -1, 6: -1}
    # Nor does it keep those of the person away.
    more = plan(to_group([*seen, (1, 7)], taken=taken, pinned=(1, 2, 3, 4), decided=[6]))
    assert more.assigned == {5: -1, 6: -1, 7: 6}


def test_a_portrait_unlike_the_faces_draws_too() -> None:
    portrait = LearntPortrait(6, 1.0, looks(2, 50))
    seen = [(1, 1), (1, 2), (2, 3)]
    found = plan(
        to_group(seen, taken={1: 6, 2: 6}, pinned=(1, 2), portraits=[portrait], decided=[6])
    )
    assert found.assigned == {3: 6}


def test_many_faces_are_grouped_incrementally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouped, "FULL_UP_TO", 3)
    # Faces 3 and 4 were looked at before and left apart; face 5 is new.
    seen = [(1, 1), (1, 2), (2, 3), (2, 4), (1, 5)]
    before = to_group(seen, taken={1: 7, 2: 7}, last=Grouping(6, 4))
    found = plan(before)
    assert (found.assigned, found.full, found.grouping) == ({5: 7}, False, Grouping(6, 5))
    anew = plan(before, full=True)
    assert (anew.assigned, anew.full) == ({3: -1, 4: -1, 5: 7}, True)
    grown = plan(replace(before, last=Grouping(4, 4)))
    assert (grown.full, grown.grouping) == (True, Grouping(5, 5))


def test_a_new_face_and_a_stranger_of_before_become_a_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grouped, "FULL_UP_TO", 0)
    found = plan(to_group([(1, 1), (2, 2), (1, 3)], last=Grouping(3, 2)))
    assert (found.assigned, found.full) == ({1: -1, 3: -1}, False)


@dataclass
class Undecided:
    """A store in which somebody decides so many times while it is grouped."""

    decisions: int
    stored: int = 0

    def faces_to_group(self, kind: Kind, dimension: int) -> ToGroup:
        assert (kind, dimension) == (KIND, 128)
        return to_group([(1, 1), (1, 2)])

    def put_groups(
        self,
        kind: Kind,
        revision: int,
        assigned: Mapping[int, int],
        released: Collection[int],
        grouping: Grouping,
    ) -> dict[int, int] | None:
        self.decisions -= 1
        if self.decisions >= 0:
            return None
        self.stored += 1
        return {-1: 31}


def test_grouping_starts_again_when_something_was_decided_meanwhile() -> None:
    store = Undecided(grouped.ATTEMPTS - 1)
    report = people.group_people(store, [PARTY])
    assert (report.people, report.new_people, report.faces, store.stored) == (1, 1, 2, 1)
    assert (report.full, report.grouped, report.ungrouped) == (True, ("dlib",), ())
    with pytest.raises(StoreError, match="decided"):
        people.group_people(Undecided(grouped.ATTEMPTS), [PARTY])


def test_pipelines_that_cannot_tell_people_are_left_out() -> None:
    clip = replace(PARTY, id=2, pipeline="clip")
    report = people.group_people(Undecided(0), [clip, PARTY, replace(PARTY, id=3)])
    assert (report.people, report.grouped, report.ungrouped) == (1, ("dlib",), ("clip",))
    strange = people.group_people(Undecided(0), [replace(PARTY, pipeline="of the future")])
    assert (strange.people, strange.ungrouped) == (0, ("of the future",))


# --- two parts -----------------------------------------------------------------------------------


def together(*vectors: np.ndarray[Any, np.dtype[np.float32]], seeds: Sequence[int] = ()) -> Faces:
    count = len(vectors)
    return Faces(
        np.stack(vectors),
        np.arange(count),
        np.full(count, 0.1, np.float32),
        np.isin(np.arange(count), list(seeds)).astype(np.int64),
    )


def test_a_person_falls_into_the_parts_that_fit_least() -> None:
    assert SETTINGS is not None
    faces = together(*(looks(1, n) for n in range(3)), *(looks(2, n) for n in range(2)))
    assert two_parts(faces, SETTINGS).tolist() == [True, True, True, False, False]
    pair = together(looks(1, 0), looks(1, 1))
    assert sorted(two_parts(pair, SETTINGS).tolist()) == [False, True]


def test_the_part_with_confirmed_faces_stays() -> None:
    assert SETTINGS is not None
    vectors = [*(looks(1, n) for n in range(3)), looks(2, 0)]
    assert two_parts(together(*vectors, seeds=[3]), SETTINGS).tolist() == [False] * 3 + [True]
    both = two_parts(together(*vectors, seeds=[0, 3]), SETTINGS)
    assert both.tolist()[::3] == [True, True]
    assert not both.all()
    assert two_parts(together(*vectors, seeds=range(4)), SETTINGS).all()


def test_many_faces_go_with_the_part_that_they_are_nearer() -> None:
    assert SETTINGS is not None
    vectors = [looks(person, n) for n in range(200) for person in (1, 2)]
    vectors = [*vectors, *(looks(1, n) for n in range(200, 300))]
    stays = two_parts(together(*vectors), SETTINGS)
    assert stays.tolist() == [True, False] * 200 + [True] * 100
    assert two_parts(together(*vectors, seeds=[399]), SETTINGS)[399]

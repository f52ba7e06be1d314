"""Undoing and redoing: what is refused, why, and what gives way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facefind.errors import UsageError
from facefind.store.opening import open_store
from facefind.store.repository import Repository
from facefind.types import Event
from tests.deciding import (
    add_portrait,
    confirm,
    crowd,
    decided,
    dump,
    faces,
    group,
    made,
    members,
    merge,
    name,
    nobodys,
    pinned,
    put_apart,
    refused,
    regroup,
    reject,
    remove,
)  # fmt: skip
from tests.stored import new_event, rows

pytestmark = pytest.mark.every_server


@pytest.fixture
def people(store: Repository, event: Event) -> list[int]:
    """Two people of the machine's, with ten faces each; ten more faces are nobody's."""
    found = crowd(store, event)
    return group(store, event, found[0::3], found[1::3])


# The log


def test_the_log_tells_who_what_and_when(
    store: Repository, people: list[int], sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.deciding("name", person=people[0]) as draft:
        draft.keep(people[0])
        draft.rename(people[0], "Ann", "ann")
        draft.describe(name="Ann")
    (decision,) = store.decisions()
    assert (decision.id, decision.kind) == (draft.id, "name")
    assert decision.subject == {"person": people[0], "name": "Ann"}
    assert (decision.changes, decision.undone_by, decision.undone_at) == (11, None, None)
    assert "@" in decision.made_by
    monkeypatch.setattr("getpass.getuser", lambda: "somebody")
    undone = store.undo()
    assert undone.undone_by is not None
    assert undone.undone_by.startswith("somebody@")
    assert undone.made_by == decision.made_by
    assert undone.undone_at is not None
    assert undone.undone_at > undone.made_at
    assert store.redo().undone_by is None
    name(store, people[1], "Ben")
    assert [d.id for d in store.decisions()] == [2, 1]
    assert [d.id for d in store.decisions(limit=1)] == [2]


def test_what_changes_nothing_is_not_in_the_log(store: Repository, people: list[int]) -> None:
    name(store, people[0], "Ann")
    with store.deciding("name") as draft:
        draft.keep(people[0])
        draft.rename(people[0], "Ann", "ann")
        draft.assign(people[0], [m.sighting for m in draft.members(people[0])], confirmed=False)
    assert draft.id is None
    assert len(store.decisions()) == 1


def test_a_refusal_inside_leaves_everything_as_it_was(
    store: Repository, people: list[int], sql: Any
) -> None:
    before = dump(sql)

    def refuse() -> None:
        with store.deciding("merge") as draft:
            draft.move(*people)
            draft.remove(people[0])
            raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        refuse()
    assert dump(sql) == before
    assert store.decisions() == []


def test_twice_is_refused(store: Repository, people: list[int], sql: Any) -> None:
    number = name(store, people[0], "Ann")
    refused(sql, store.redo, number, "Decision 1 is not undone")
    store.undo(number)
    refused(sql, store.undo, number, "Decision 1 is undone already")
    with pytest.raises(UsageError, match="no decision 7"):
        store.undo(7)


# What depends on what


def test_a_created_person_who_has_got_faces_since(
    store: Repository, people: list[int], sql: Any
) -> None:
    nobody = [m for m in range(1, 31) if m not in members(sql, people[0]) + members(sql, people[1])]
    with store.deciding("confirm") as draft:
        person = draft.create("Ann", "ann")
        draft.assign(person, nobody[:2], confirmed=True)
    later = confirm(store, person, nobody[2])
    refused(sql, store.undo, made(draft), f"has got more faces since. Decision {later} ", "undo 2")
    store.undo(later)
    store.undo(made(draft))
    assert members(sql, person) == []
    refused(sql, store.redo, later, "gone since. Decision 1 .confirm., which came before", "redo 1")


def test_a_name_that_somebody_else_has_by_now(
    store: Repository, people: list[int], sql: Any
) -> None:
    name(store, people[0], "Ann")
    renamed = name(store, people[0], "Anna")
    name(store, people[1], "Ann")
    refused(sql, store.undo, renamed, "called Ann, as somebody else was since", "undo 3")
    store.undo(3)
    store.undo(renamed)
    refused(sql, store.redo, 3, "called Ann, as somebody else is now. Decision 2", "redo 2")


def test_names_change_hands_within_one_decision(
    store: Repository, people: list[int], sql: Any
) -> None:
    name(store, people[0], "Ann")
    name(store, people[1], "Ben")
    before = dump(sql)
    with store.deciding("name") as draft:
        draft.rename(people[0], None, None)
        draft.rename(people[1], "Ann", "ann")
        draft.rename(people[0], "Ben", "ben")
    after = dump(sql)
    store.undo()
    assert dump(sql) == before
    store.redo()
    assert dump(sql) == after
    with store.deciding("delete") as draft:
        draft.remove(people[0])
        draft.create("Ben", "ben")
    store.undo()
    assert dump(sql) == after


def test_two_decisions_on_one_face(store: Repository, people: list[int], sql: Any) -> None:
    face = members(sql, people[0])[0]
    first = confirm(store, people[1], face)
    second = confirm(store, people[0], face)
    refused(sql, store.undo, first, "has changed since. Decision 2 .confirm.", "undo 2")
    store.undo(second)
    store.undo(first)
    refused(sql, store.redo, second, "has changed since. Decision 1 .confirm., which", "redo 1")


def test_a_face_that_was_rejected_since_is_not_given_back(
    store: Repository, people: list[int], sql: Any
) -> None:
    face = members(sql, people[0])[0]
    confirm(store, people[0], face)
    away = confirm(store, people[1], face)
    reject(store, people[0], face)
    refused(sql, store.undo, away, "was decided otherwise since. Decision 3", "undo 3")


def test_there_and_back_is_two_changes(store: Repository, people: list[int], sql: Any) -> None:
    hidden = []
    for value in (True, False, True):
        with store.deciding("hide") as draft:
            draft.hide(people[0], value)
        hidden.append(made(draft))
    refused(sql, store.undo, hidden[0], "has changed since. Decision 3 .hide.", "undo 3")


def test_what_a_person_is_called_and_whether_hidden_are_two_things(
    store: Repository, people: list[int], sql: Any
) -> None:
    named = name(store, people[0], "Ann")
    with store.deciding("hide") as draft:
        draft.keep(people[0])
        draft.hide(people[0], True)
    store.undo(named)
    person = store.people(people=[people[0]])[0]
    assert (person.name, person.hidden, person.decided) == (None, True, 10)
    store.redo(named)
    store.undo(made(draft))
    person = store.people(people=[people[0]])[0]
    assert (person.name, person.hidden, person.decided) == ("Ann", False, 10)
    store.undo(named)
    assert decided(sql) == {}


# Pins


def test_a_merge_is_undone_though_the_person_was_named_since(
    store: Repository, people: list[int], sql: Any
) -> None:
    before = dump(sql)
    source, target = people
    theirs, its = members(sql, source), members(sql, target)
    merged = merge(store, source, target)
    named = name(store, target, "Ann")
    store.undo(merged)
    assert (members(sql, source), members(sql, target)) == (theirs, its)
    # Ann keeps her faces for as long as she is Ann.
    assert (pinned(sql, source), pinned(sql, target)) == (0, 10)
    store.redo(merged)
    assert pinned(sql, target) == 20
    store.undo(merged)
    store.undo(named)
    assert dump(sql) == before
    store.redo(named)
    assert pinned(sql, target) == 10
    store.redo(merged)
    assert pinned(sql, target) == 20
    store.undo(named)
    assert pinned(sql, target) == 20


# The machine in between


def test_merge_then_grouping_then_undo(
    store: Repository, event: Event, people: list[int], sql: Any
) -> None:
    theirs = [members(sql, person) for person in people]
    merged = merge(store, people[0], people[1])
    put_apart(store, event, "/new.jpg", [0.5])
    regroup(store, event, {max(faces(store, event)): people[1]})
    store.undo(merged)
    assert members(sql, people[0]) == theirs[0]
    assert members(sql, people[1]) == [*theirs[1], 31]


def test_delete_then_grouping_then_undo(
    store: Repository, event: Event, people: list[int], sql: Any
) -> None:
    named = name(store, people[0], "Ann")
    before = decided(sql)
    deleted = remove(store, people[0])
    (other,) = group(store, event, nobodys(sql))
    store.undo(deleted)
    assert decided(sql) == before
    assert members(sql, other) != []
    store.undo(named)
    assert decided(sql) == {}


def test_people_whom_the_machine_dropped_come_back(
    store: Repository, event: Event, people: list[int], sql: Any
) -> None:
    one, two = people
    face = members(sql, one)[0]
    confirm(store, one, face)
    others = [m for m in members(sql, one) if m != face]
    away = confirm(store, two, face)
    with store.deciding("release") as draft:
        draft.release(others)
    regroup(store, event, {})
    assert not is_there(sql, one)
    store.undo(away)
    assert members(sql, one) == [face]
    store.undo(draft.id)
    store.undo(1)
    regroup(store, event, {}, [face, *others])
    assert not is_there(sql, one)
    store.redo(1)
    assert (members(sql, one), pinned(sql, one)) == ([face, *others], 10)


def is_there(sql: Any, person: int) -> bool:
    return rows(sql, "SELECT count(*) FROM people WHERE id = %s", person) == [(1,)]


def test_a_face_whose_old_person_is_gone_is_nobody_s(
    store: Repository, event: Event, people: list[int], sql: Any
) -> None:
    one, two = people
    taken = members(sql, one)
    moved = confirm(store, two, *taken)
    regroup(store, event, {})
    assert members(sql, one) == []
    store.undo(moved)
    assert set(taken).isdisjoint(members(sql, two))
    assert decided(sql) == {}


# Portraits, covers, photos that are gone


def test_a_portrait_that_both_had_comes_back_to_both(
    store: Repository, people: list[int], sql: Any
) -> None:
    with store.deciding("learn") as draft:
        for person, picture in ((people[0], "a"), (people[0], "b"), (people[1], "a")):
            add_portrait(draft, person, picture)
    before = dump(sql)
    merged = merge(store, *people)
    assert [(p.person, str(p.path)) for p in store.portraits_of()] == [
        (people[1], "/b"), (people[1], "/a")
    ]  # fmt: skip
    store.undo(merged)
    assert dump(sql) == before
    store.redo(merged)
    with store.deciding("delete") as draft:
        draft.remove(people[1])
    refused(sql, store.undo, merged, "has changed since. Decision 3", "undo 3")


def test_a_portrait_that_is_there_once_more(store: Repository, people: list[int], sql: Any) -> None:
    with store.deciding("learn") as draft:
        add_portrait(draft, people[0], "a")
    with store.deciding("merge") as moved:
        moved.move(people[0], people[1])
    with store.deciding("learn") as again:
        add_portrait(again, people[0], "a")
    refused(sql, store.undo, made(moved), "is there once more. Decision 3 .learn.", "undo 3")


def test_what_was_decided_about_a_forgotten_photo_is_left_out(
    store: Repository, event: Event, people: list[int], sql: Any
) -> None:
    theirs = members(sql, people[0])
    with store.deciding("name") as draft:
        draft.keep(people[0])
        draft.rename(people[0], "Ann", "ann")
        draft.cover(people[0], theirs[0])
        draft.reject(people[1], theirs[:2])
    deleted = remove(store, people[0])
    store.forget_paths([b"/crowd/0.jpg"], None)
    store.undo(deleted)
    assert members(sql, people[0]) == theirs[1:]
    (person,) = store.people(people=[people[0]])
    assert (person.name, person.cover) == ("Ann", None)
    assert rows(sql, "SELECT sighting_id FROM rejections") == [(theirs[1],)]
    store.undo(draft.id)
    assert decided(sql) == {}
    store.redo(draft.id)
    assert members(sql, people[0]) == theirs[1:]
    changes = rows(sql, "SELECT count(*) FROM decision_changes WHERE decision_id = %s", draft.id)
    assert changes == [(10 + 1 + 1 + 2,)]


def test_an_event_that_is_forgotten_leaves_the_log(
    store: Repository, event: Event, people: list[int], sql: Any
) -> None:
    named = name(store, people[0], "Ann")
    other = new_event(store, "copy")
    put_apart(store, other, "/crowd/0.jpg", [0.0, 1.0, 2.0])
    store.forget_event("party")
    assert members(sql, people[0]) == [1]
    store.undo(named)
    assert rows(sql, "SELECT decided_by FROM sighting_person WHERE sighting_id = 1") == [
        ("machine",)
    ]
    store.redo(named)
    store.forget_event("copy")
    assert rows(sql, "SELECT count(*) FROM sightings") == [(0,)]
    assert [person.title for person in store.people()] == ["Ann"]
    store.undo(named)
    assert store.people() == []


def test_the_log_reads_alike_for_every_session(
    store: Repository,
    people: list[int],
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = name(store, people[0], "Ann")
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    with open_store(tmp_path, database_url) as other:
        assert other.undo().id == named

"""Who is who: what the store tells of people, and groupings beside decisions."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefind.store.opening import open_store
from facefind.store.records import Grouping, PhotoPlace
from facefind.store.repository import Repository
from facefind.types import Event, PhotoInfo
from tests.deciding import (
    add_portrait,
    confirm,
    crowd,
    group,
    kind_of,
    members,
    name,
    nobodys,
    put_apart,
    regroup,
    reject,
)  # fmt: skip
from tests.stored import (
    DIMENSION,
    STAMP,
    digest,
    face,
    new_event,
    put,
    record_failure,
    record_photo,
    rows,
)

pytestmark = pytest.mark.every_server


@pytest.fixture
def people(store: Repository, event: Event) -> list[int]:
    """Two people of the machine's, with ten faces each; ten more faces are nobody's."""
    found = crowd(store, event)
    return group(store, event, found[0::3], found[1::3])


# Reading


def test_people_with_their_photos_and_faces(
    store: Repository, event: Event, people: list[int]
) -> None:
    assert [person.title for person in store.people()] == ["Person 001", "Person 002"]
    name(store, people[1], "Zoë")
    with store.deciding("hide") as draft:
        draft.hide(people[0], True)
        draft.assign(people[0], [1, 3], confirmed=True)
    first, second = store.people()
    assert (first.id, first.title, first.photos, first.faces, first.decided) == (
        2,
        "Zoë",
        10,
        10,
        10,
    )
    assert (second.hidden, second.photos, second.faces, second.decided) == (True, 10, 11, 2)
    assert store.people(people=[people[0]]) == [second]


def test_what_is_gone_is_not_counted_and_the_decided_are_still_told(
    store: Repository, event: Event, people: list[int]
) -> None:
    name(store, people[1], "Ann")
    store.mark_missing(event.id, [f"/crowd/{number}.jpg".encode() for number in range(9)])
    assert [(p.title, p.photos) for p in store.people()] == [("Ann", 1), ("Person 001", 1)]
    store.mark_missing(event.id, [b"/crowd/9.jpg"])
    assert [(p.title, p.photos) for p in store.people()] == [("Ann", 0)]
    assert store.seen_faces(people=people) == []
    other = new_event(store, "copy")
    put_apart(store, other, "/crowd/0.jpg", [0.0, 1.0, 2.0])
    assert [(p.title, p.photos) for p in store.people()] == [("Ann", 1), ("Person 001", 1)]
    assert [(p.title, p.photos) for p in store.people(events=[event.id])] == [("Ann", 0)]


def test_faces_that_are_seen(store: Repository, event: Event, people: list[int]) -> None:
    confirm(store, people[0], 3)
    found = store.seen_faces(sightings=[1, 2, 3])
    assert [f.sighting for f in found] == [1, 2, 3]
    assert [f.person for f in found] == [people[0], people[1], people[0]]
    assert [(f.decided_by, f.confirmed) for f in found] == [
        ("user", False), ("machine", False), ("user", True)
    ]  # fmt: skip
    assert (found[0].event, str(found[0].photo), found[0].box.x) == ("party", "/crowd/0.jpg", 10)
    assert found[0].photo_id == found[1].photo_id
    assert len(store.seen_faces(people=people)) == 21
    assert len(store.seen_faces(photos=[found[0].photo_id])) == 3
    assert store.seen_faces(people=[]) == []


def test_faces_of_a_time(store: Repository, event: Event) -> None:
    for hour in (10, 11, 12):
        moment = datetime(2026, 1, 1, hour, tzinfo=timezone.utc)
        info = PhotoInfo("JPEG", 400, 300, moment)
        path = f"/{hour}.jpg"
        record_photo(store, event, path.encode(), STAMP, digest(path), info, [face(0.1)])
    put(store, event, "/no-time.jpg", 0.1)
    at = [datetime(2026, 1, 1, hour, tzinfo=timezone.utc) for hour in (11, 12)]
    found = store.seen_faces(after=at[0], before=at[1])
    assert [str(face.photo) for face in found] == ["/11.jpg"]
    assert len(store.seen_faces()) == 4


def test_a_face_that_two_events_have_is_told_once_by_its_better_one(
    store: Repository, event: Event, sql: Any
) -> None:
    other = new_event(store, "copy")
    put(store, event, "/a.jpg", 0.1)
    put(store, other, "/b.jpg", 0.1, content="/a.jpg")
    rows(sql, "UPDATE faces SET quality = CASE WHEN event_id = %s THEN 0.9 ELSE 0.2 END", other.id)
    (found,) = store.seen_faces()
    assert (found.event, str(found.photo)) == ("copy", "/b.jpg")
    assert [face.event for face in store.seen_faces(events=[event.id])] == ["party"]
    store.mark_missing(other.id, [b"/b.jpg"])
    assert [face.event for face in store.seen_faces()] == ["party"]


def test_contents_at_paths(store: Repository, event: Event) -> None:
    put(store, event, "/a.jpg", 0.1)
    put(store, new_event(store, "copy"), "/a.jpg", 0.1)
    record_failure(store, event, b"/broken.jpg", STAMP, digest("broken"), "truncated")
    put(store, event, "/gone.jpg", 0.1)
    store.mark_missing(event.id, [b"/gone.jpg"])
    asked = [b"/a.jpg", b"/broken.jpg", b"/gone.jpg", b"/nowhere.jpg"]
    photo, broken = sorted(store.photos_at(asked))
    (seen,) = store.event_photos(event.id)
    assert photo == PhotoPlace(Path("/a.jpg"), seen.photo_id, 400, 300)
    assert (broken.path, broken.width, broken.height) == (Path("/broken.jpg"), None, None)


# Grouping


def test_what_grouping_reads(store: Repository, event: Event, people: list[int], sql: Any) -> None:
    rows(sql, "UPDATE faces SET quality = 0.25 WHERE sighting_id = 2")
    other = new_event(store, "copy")
    put_apart(store, other, "/crowd/0.jpg", [0.0, 1.0, 2.0])
    put(store, new_event(store, "elsewhere", "sface"), "/other.jpg", 0.1)
    confirm(store, people[0], 3)
    reject(store, people[1], 6)
    with store.deciding("learn") as draft:
        add_portrait(draft, people[1], "a")
    found = store.faces_to_group(kind_of(event), DIMENSION)
    assert found.sightings.tolist() == list(range(1, 31))
    assert found.photos.tolist() == [1 + number // 3 for number in range(30)]
    assert found.faces.tolist() == list(range(1, 31))
    assert found.qualities.tolist() == [1, 0.25, *[1] * 28]
    assert found.people.tolist()[:6] == [people[0], people[1], people[0], *people, 0]
    assert found.pinned.tolist()[:6] == [True, False, True, True, False, False]
    assert np.allclose(found.vectors[:, 0], [0.01 * (n // 3) + n % 3 for n in range(30)])
    assert found.vectors.shape == (30, DIMENSION)
    assert found.rejections == ((6, people[1]),)
    assert found.decided == {*people}
    ((person, quality, embedding),) = found.portraits
    assert (person, quality, embedding.tolist()) == (people[1], 1, [0.25] * 3)
    assert found.last == Grouping(1, 1)
    unknown = store.faces_to_group(kind_of(event)._replace(pipeline="clip"), 768)
    assert (unknown.vectors.shape, unknown.last) == ((0, 768), None)


def test_groups_give_way_to_users(
    store: Repository, event: Event, people: list[int], sql: Any
) -> None:
    theirs = members(sql, people[0])
    name(store, people[0], "Ann")
    found = store.faces_to_group(kind_of(event), DIMENSION)
    assigned = {int(face): -1 for face in found.sightings} | {999: -2}
    made = store.put_groups(kind_of(event), found.revision, assigned, theirs, Grouping(30, 30))
    assert made is not None
    assert members(sql, people[0]) == theirs
    assert len(members(sql, made[-1])) == 20
    # Nobody is left of the machine's second person, nor of the one whose photo is not there.
    assert rows(sql, "SELECT id FROM people ORDER BY id") == [(people[0],), (made[-1],)]
    assert store.faces_to_group(kind_of(event), DIMENSION).last == Grouping(30, 30)


def test_a_grouping_that_began_before_a_decision_is_refused(
    store: Repository, event: Event, people: list[int], sql: Any
) -> None:
    for decide in (lambda: confirm(store, people[0], 3), lambda: store.undo(), store.redo):
        before = store.faces_to_group(kind_of(event), DIMENSION).revision
        decide()
        kind, grouping = kind_of(event), Grouping(9, 9)
        assert store.put_groups(kind, before, {3: people[1]}, [], grouping) is None
        assert store.faces_to_group(kind, DIMENSION).last == Grouping(1, 1)
    assert members(sql, people[0])[:2] == [1, 3]


# Two sessions


def test_two_sessions_that_decide_at_once(
    store: Repository, people: list[int], sql: Any, database_url: str, tmp_path: Path
) -> None:
    begun, done = threading.Event(), []

    def other_session() -> None:
        with open_store(tmp_path, database_url) as other:
            begun.set()
            with other.deciding("confirm") as draft:
                # What the first has done by then is seen.
                assert draft.person_named("ann") is not None
                draft.keep(people[0])
                draft.assign(people[0], [3], confirmed=True)
            done.append(draft.id)

    thread = threading.Thread(target=other_session)
    with store.deciding("name") as draft:
        draft.keep(people[0])
        thread.start()
        begun.wait()
        thread.join(0.3)
        assert thread.is_alive()
        draft.rename(people[0], "Ann", "ann")
    thread.join()
    assert done == [2]
    assert [d.id for d in store.decisions()] == [2, 1]
    (person,) = store.people(people=[people[0]])
    assert (person.name, person.faces, person.decided) == ("Ann", 11, 11)


def test_sessions_that_decide_and_undo_at_once(
    store: Repository, event: Event, people: list[int], sql: Any, database_url: str, tmp_path: Path
) -> None:
    nobody = nobodys(sql)

    def session(number: int) -> None:
        with open_store(tmp_path, database_url) as mine:
            for face in nobody[number::2]:
                confirm(mine, people[number], face)
                mine.undo(name(mine, people[number], f"{number}"))

    threads = [threading.Thread(target=session, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = store.decisions()
    assert [d.id for d in reversed(made)] == list(range(1, 21))
    assert {d.kind for d in made if d.undone_at is None} == {"confirm"}
    for number in range(2):
        assert set(nobody[number::2]) <= set(members(sql, people[number]))


def test_nobody_by_one_kind_of_vectors_stays_somebody_by_another(
    store: Repository, event: Event, people: list[int], sql: Any
) -> None:
    other = store.ensure_event("again", "dlib", "weights-2", DIMENSION, {})
    put_apart(store, other, "/crowd/0.jpg", [0.0, 1.0, 2.0])
    before = members(sql, people[0])
    regroup(store, other, {}, before)
    assert members(sql, people[0]) == before
    regroup(store, event, {}, before)
    assert members(sql, people[0]) == before[:1]

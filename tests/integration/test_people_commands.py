"""`facefind people` on a real database: grouping, decisions, and both together."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefind import people
from facefind.cli.context import App
from facefind.errors import StoreError, UsageError
from facefind.inference.pipeline import PIPELINES
from facefind.people import groups as grouped
from facefind.store.opening import open_store
from facefind.store.repository import Repository
from facefind.types import Box, Detection, Event, Face, FloatArray, Image
from tests.command import Result, call_facefind
from tests.fakes import GREEN, RED, ColourFinder, write_photo
from tests.stored import DIMENSION, JPEG, STAMP, digest, new_event, record_photo, rows

ALBUM = {
    "/p/1.jpg": "AB",
    "/p/2.jpg": "AB",
    "/p/3.jpg": "AC",
    "/p/4.jpg": "CD",
    "/p/5.jpg": "A",
    "/p/6.jpg": "E",
    "/p/7.jpg": "",
}
"""Who is in which photo, from the left: A in four, B and C in two each, D and E in one."""


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path
) -> Callable[..., Result]:
    """Runs facefind in this process on the test's database."""

    def call(*arguments: object) -> Result:
        words = ["--home", tmp_path / "home", "--database-url", database_url]
        return call_facefind(capsys, *words, *arguments)

    return call


def looks(who: str, picture: str) -> FloatArray:
    """One of many pictures of somebody: a unit vector."""
    vector = np.random.default_rng([ord(who), *picture.encode()]).normal(0, 0.006, DIMENSION)
    vector[ord(who) % DIMENSION] += 1
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def put(store: Repository, event: Event, path: str, who: str, content: str = "") -> None:
    """Records a photo of these people, from the left."""
    faces = [
        Face(Detection(Box(10 + 60.0 * place, 20, 30, 40), 0.9), looks(one, path))
        for place, one in enumerate(who)
    ]
    sha256 = digest(content or f"{event.id} {path}")
    record_photo(store, event, os.fsencode(path), STAMP, sha256, JPEG, faces)


def sets_of(store: Repository, event: Event) -> set[frozenset[tuple[str, float]]]:
    """The people of an event, each as the places where they are seen."""
    found: dict[int, set[tuple[str, float]]] = {}
    for face in store.seen_faces(events=[event.id]):
        if face.person is not None:
            found.setdefault(face.person, set()).add((str(face.photo), face.box.x))
    return {frozenset(places) for places in found.values()}


def faces_of(store: Repository, person: int) -> list[int]:
    return [face.sighting for face in store.seen_faces(people=[person])]


def photos_of(store: Repository, person: int) -> list[str]:
    return sorted(str(face.photo) for face in store.seen_faces(people=[person]))


@pytest.fixture
def album(store: Repository, event: Event) -> Event:
    """The photos of `ALBUM`, grouped: A, B and C are the people 1, 2 and 3."""
    for path, who in ALBUM.items():
        put(store, event, path, who)
    report = people.group_people(store, [event])
    assert (report.people, report.new_people, report.faces, report.strangers) == (3, 3, 8, 2)
    assert report.photos_without_people == 1
    return event


# --- grouping ------------------------------------------------------------------------------------


def test_people_are_listed_with_what_they_are_in(album: Event, cli: Callable[..., Result]) -> None:
    answer = cli("people", "list", "--json").done.json
    assert [(p["id"], p["title"], p["photos"], p["faces"]) for p in answer["people"]] == [
        (1, "Person 001", 4, 4),
        (2, "Person 002", 2, 2),
        (3, "Person 003", 2, 2),
    ]
    assert answer["hidden"] == 0
    listed = cli("people", "list")
    assert listed.out.splitlines()[0].split() == [
        "1", "4", "photos", "4", "faces", "Person", "001",
    ]  # fmt: skip
    assert "3 people, 0 with a name" in listed.err


def test_a_person_is_shown_with_the_numbers_of_their_faces(
    store: Repository, album: Event, cli: Callable[..., Result]
) -> None:
    shown = cli("people", "show", "Person 002", "--json").done.json
    assert [Path(one["photo"]).name for one in shown["seen"]] == ["1.jpg", "2.jpg"]
    assert [one["face"] for one in shown["seen"]] == faces_of(store, 2)
    face = faces_of(store, 2)[0]
    cli("people", "cover", "2", face)
    lines = cli("people", "show", "2").out.splitlines()
    assert lines[0] == "Person 002: 2 photos, 2 faces"
    assert lines[1].split() == ["face", str(face), "/p/1.jpg", "(cover)"]


def test_a_person_is_shown_in_one_event(
    store: Repository, album: Event, cli: Callable[..., Result]
) -> None:
    gala = new_event(store, "gala")
    put(store, gala, "/g/1.jpg", "B")
    put(store, gala, "/g/2.jpg", "E")
    assert people.group_people(store, [album, gala]).people == 4
    assert cli("people", "show", "2").out.startswith("Person 002: 3 photos, 3 faces\n")
    lines = cli("people", "show", "2", "--event", "gala").out.splitlines()
    assert lines[0] == "Person 002: 1 photo, 1 face"
    assert [line.split()[2] for line in lines[1:]] == ["/g/1.jpg"]
    there = cli("people", "show", "2", "--event", album.name, "--json").done.json
    assert (there["event"], there["photos"], there["faces"]) == (album.name, 2, 2)
    assert [one["event"] for one in there["seen"]] == [album.name] * 2
    assert cli("people", "show", "2", "--json").done.json["event"] is None
    nowhere = cli("people", "show", "1", "--event", "gala").done.out
    assert nowhere == "Person 001: no photos, no faces\n"
    assert 'There is no event "ball"' in cli("people", "show", "1", "--event", "ball").err


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_ingest_does_not_matter(store: Repository, seed: int) -> None:
    chance = random.Random(seed)
    rich = {**ALBUM, "/p/8.jpg": "AA", "/p/9.jpg": "BCD", "/p/10.jpg": "EF"}
    straight = new_event(store, "straight")
    for path, who in rich.items():
        put(store, straight, path, who)
    people.group_people(store, [straight])
    shuffled = store.ensure_event("shuffled", "dlib", "weights-2", DIMENSION, {})
    for path in chance.sample(list(rich), len(rich)):
        put(store, shuffled, path, rich[path])
        if chance.random() < 0.4:
            people.group_people(store, [shuffled])
    people.group_people(store, [shuffled])
    assert len(sets_of(store, straight)) == 5
    assert sets_of(store, shuffled) == sets_of(store, straight)


def test_numbers_stay_when_photos_are_added(store: Repository, album: Event) -> None:
    before = {number: photos_of(store, number) for number in (1, 2, 3)}
    for number in range(6):
        put(store, album, f"/q/{number}.jpg", "CX")
    put(store, album, "/q/9.jpg", "BD")
    report = people.group_people(store, [album])
    assert (report.people, report.new_people) == (5, 2)
    after = {number: photos_of(store, number) for number in (1, 2, 3)}
    assert after[1] == before[1]
    assert after[2] == [*before[2], "/q/9.jpg"]
    assert after[3] == [*before[3], *(f"/q/{n}.jpg" for n in range(6))]


def test_people_of_the_machine_go_with_their_photos(store: Repository, album: Event) -> None:
    store.forget_paths([b"/p/1.jpg"], None)
    report = people.group_people(store, [album])
    assert (report.people, report.new_people) == (2, 0)
    assert [person.id for person in store.people()] == [1, 3]


def test_grouping_twice_changes_nothing(store: Repository, album: Event, sql: Any) -> None:
    state = "SELECT * FROM sighting_person ORDER BY sighting_id"
    before = rows(sql, state)
    report = people.group_people(store, [album], full=True)
    assert (report.people, report.new_people, rows(sql, state)) == (3, 0, before)
    assert len(before) == 8


def test_decisions_are_not_broken_by_grouping(store: Repository, album: Event) -> None:
    a, b, c = (faces_of(store, number) for number in (1, 2, 3))
    people.name_person(store, "1", "Anna")
    people.merge(store, ["2", "3"], name="Bea")
    moved = people.split(store, "Anna", a[:2], name="Zoe")
    people.reject(store, [a[3]], "Anna")
    for number in range(4):
        put(store, album, f"/q/{number}.jpg", "ABC")
    for full in (False, True):
        people.group_people(store, [album], full=full)
        assert set(faces_of(store, 2)) >= {*b, *c}
        assert set(faces_of(store, moved.person or 0)) >= set(a[:2])
        assert a[2] in faces_of(store, 1)
        assert a[3] not in faces_of(store, 1)
    assert len(faces_of(store, 2)) == len(b) + len(c) + 8


def test_everything_hidden_stays_so_and_its_new_faces_too(store: Repository, album: Event) -> None:
    people.hide_unnamed(store)
    put(store, album, "/q/1.jpg", "A")
    assert people.group_people(store, [album]).new_people == 0
    assert len(faces_of(store, 1)) == 5
    assert all(person.hidden for person in store.people())


def test_confirmed_faces_draw_others_when_grouped(store: Repository, album: Event) -> None:
    lone = next(f for f in store.seen_faces() if str(f.photo) == "/p/6.jpg")
    done = people.confirm(store, "Eve", [lone.sighting], create=True)
    put(store, album, "/q/1.jpg", "E")
    people.group_people(store, [album])
    assert photos_of(store, done.person or 0) == ["/p/6.jpg", "/q/1.jpg"]


def test_incremental_grouping_joins_new_photos(
    store: Repository, album: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouped, "FULL_UP_TO", 0)
    monkeypatch.setattr(grouped, "GROWTH", 10.0)
    people.name_person(store, "2", "Bea")
    put(store, album, "/q/1.jpg", "ABD")
    put(store, album, "/q/2.jpg", "XY")
    report = people.group_people(store, [album])
    # D was a stranger once and is a person now; X and Y are strangers still.
    assert (report.full, report.new_people, report.strangers) == (False, 1, 3)
    assert "/q/1.jpg" in photos_of(store, 1)
    assert "/q/1.jpg" in photos_of(store, 2)
    before = sets_of(store, album)
    assert people.group_people(store, [album], full=True).full
    assert sets_of(store, album) == before


def test_a_decision_made_while_grouping_is_not_lost(
    store: Repository, album: Event, database_url: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    reads: list[int] = []
    read = Repository.faces_to_group

    def slowly(self: Repository, *arguments: Any) -> Any:
        found = read(self, *arguments)
        reads.append(found.revision)
        if len(reads) <= interruptions:
            with open_store(tmp_path / "other", database_url) as other:
                people.name_person(other, "3", f"Cleo {len(reads)}")
        return found

    monkeypatch.setattr(Repository, "faces_to_group", slowly)
    put(store, album, "/q/1.jpg", "C")
    interruptions = 2
    people.group_people(store, [album])
    assert (len(reads), reads == sorted(set(reads))) == (3, True)
    assert [p.name for p in store.people(people=[3])] == ["Cleo 2"]
    assert "/q/1.jpg" in photos_of(store, 3)
    reads, interruptions = [], 99
    with pytest.raises(StoreError, match="decided about"):
        people.group_people(store, [album])
    assert len(reads) == grouped.ATTEMPTS


def test_the_group_command(store: Repository, album: Event, cli: Callable[..., Result]) -> None:
    put(store, album, "/q/1.jpg", "E")
    answer = cli("people", "group", "--json").done.json
    assert (answer["people"], answer["new_people"], answer["strangers"]) == (4, 1, 1)
    assert answer["photos_without_people"] == 0
    assert (
        "4 people with 10 faces; 1 face of strangers, who are alone in no photos"
        in cli("people", "group").out
    )
    assert cli("people", "group", "-q") == Result(0, "", "")
    store.ensure_event("article", "clip", "clip-1", 768, {})
    assert "pipeline clip cannot be grouped" in cli("people", "group").err
    refused = cli("people", "group", "--event", "article")
    assert (refused.code, refused.out) == (2, "")
    assert "cannot be grouped" in refused.err
    unknown = cli("people", "group", "--event", "wedding")
    assert (unknown.code, '"party"' in unknown.err) == (2, True)


# --- decisions -----------------------------------------------------------------------------------


def test_a_walk_through_all_decisions_and_back(
    store: Repository, album: Event, cli: Callable[..., Result], sql: Any
) -> None:
    a, b, c = (faces_of(store, number) for number in (1, 2, 3))
    put(store, album, "/q/1.jpg", "BC")
    people.group_people(store, [album])
    commands: list[Sequence[object]] = [
        ("name", "1", "Anna Berg"),
        ("cover", "anna berg", a[1]),
        ("split", "anna berg", a[0], a[1], "--name", "Ânna/2 👩"),
        ("reject", a[2], "Anna Berg"),
        ("confirm", b[0], "Anna Berg"),
        ("confirm", c[0], "Cleo", "--new"),
        ("merge", "2", "3"),
        ("hide", "Cleo", "2"),
        ("unhide", "cleo"),
        ("hide-unnamed",),
        ("name", "Person 002", "Anna Berg", "--another"),
        ("delete", "anna berg (2)"),
    ]
    states = [_state(sql)]
    made = []
    for command in commands:
        answer = cli("people", *command, "--json").done.json
        if answer["decision"] is not None:
            made.append(answer["decision"])
            states.append(_state(sql))
    assert len(made) == len(commands) - 1  # hide-unnamed finds nobody left
    log = cli("people", "log", "--json").done.json["decisions"]
    assert [one["id"] for one in log] == made[::-1]
    assert [one["kind"] for one in log][::-1] == [c[0] for c in commands if c[0] != "hide-unnamed"]
    for number, before in zip(reversed(made), reversed(states[:-1]), strict=True):
        assert cli("people", "undo", "--json").done.json["decision"]["id"] == number
        assert _state(sql) == before
    assert cli("people", "undo").code == 2
    for after in states[1:]:
        assert cli("people", "redo").code == 0
        assert _state(sql) == after
    assert cli("people", "redo").code == 2


def _state(sql: Any) -> list[Any]:
    tables = ("people", "sighting_person", "rejections")
    return [rows(sql, f"SELECT to_jsonb(t)::text FROM {name} t ORDER BY 1") for name in tables]


def test_undoing_what_others_rest_on_names_them(album: Event, cli: Callable[..., Result]) -> None:
    first = cli("people", "name", "1", "Anna", "--json").done.json["decision"]
    second = cli("people", "name", "1", "Bea", "--json").done.json["decision"]
    refused = cli("people", "undo", first)
    assert (refused.code, f"people undo {second}" in refused.err) == (2, True)
    assert cli("people", "undo", second).code == cli("people", "undo", first).code == 0
    twice = cli("people", "undo", first)
    assert (twice.code, "undone already" in twice.err) == (2, True)


def test_a_split_by_suggestion_says_what_it_does(
    store: Repository, album: Event, cli: Callable[..., Result]
) -> None:
    a, b = faces_of(store, 1), faces_of(store, 2)
    cli("people", "merge", "1", "2")
    parts = cli("people", "split", "1", "--dry-run", "--json").done.json
    assert parts == {"stays": a, "leaves": b}
    assert len(faces_of(store, 1)) == 6
    told = cli("people", "split", "1", "--name", "Bea").out
    assert f"Leaves: face {b[0]}, {b[1]}\n" in told
    assert "became Bea; 4 stayed." in told
    found = people.find_person(store, "bea")
    assert faces_of(store, found.id) == b
    cli("people", "confirm", *b, "bea")
    assert cli("people", "split", "bea").code == 2
    lone = cli("people", "split", "bea", b[0], "--json").done.json["person"]
    assert "fewer than two faces" in cli("people", "split", lone).err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["merge", "1", "1"], "themselves"),
        (["merge", "1"], "themselves"),
        (["merge", "1", "77"], "no person 77"),
        (["show", "nobody"], "nobody called"),
        (["name", "1", "12"], "number"),
        (["name", "1", "x" * 300], "300 characters"),
        (["name", "1", ""], "empty"),
        (["name", "1", "a\nb"], "control"),
        (["split", "1", "99999"], "no face 99999"),
        (["reject", "99999", "1"], "no face 99999"),
        (["confirm", "99999", "1"], "no face 99999"),
        (["confirm", "1", "Nobody"], "nobody called"),
        (["cover", "1", "99999"], "no face 99999"),
        (["hide", "1", "77"], "no person 77"),
        (["delete", "9999999999999999999999"], "no person"),
        (["list", "--event", "wedding"], 'no event "wedding"'),
        (["undo"], "no decision to undo"),
        (["undo", "5"], "no decision 5"),
        (["redo"], "no decision to make again"),
    ],
)
def test_bad_input_is_a_clear_error_and_changes_nothing(
    album: Event, cli: Callable[..., Result], sql: Any, arguments: list[str], reason: str
) -> None:
    before = _state(sql)
    refused = cli("people", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert reason in refused.err
    assert (_state(sql), cli("people", "log").out) == (before, "")


def test_an_empty_library(cli: Callable[..., Result]) -> None:
    listed = cli("people", "list")
    assert (listed.code, listed.out) == (0, "")
    assert "Nothing has been ingested yet" in listed.err
    assert cli("people", "list", "--json").done.json["people"] == []
    assert cli("people", "log").err == "Nothing has been decided yet.\n"
    grouping = cli("people", "group")
    assert (grouping.code, "Nothing has been ingested" in grouping.err) == (2, True)
    assert cli("people", "hide-unnamed").out == "Nothing changed: it was so already.\n"


def test_hidden_people_are_listed_only_where_asked(
    album: Event, cli: Callable[..., Result]
) -> None:
    cli("people", "hide", "2")
    listed = cli("people", "list")
    assert len(listed.out.splitlines()) == 2
    assert "1 hidden" in listed.err
    assert len(cli("people", "list", "--all").out.splitlines()) == 3
    assert cli("people", "list", "--json").done.json["hidden"] == 1


def test_people_of_one_event(store: Repository, album: Event, cli: Callable[..., Result]) -> None:
    other = new_event(store, "other")
    put(store, other, "/o/1.jpg", "AX")
    put(store, other, "/o/2.jpg", "X")
    people.group_people(store, [other])
    answer = cli("people", "list", "--event", "other", "--json").done.json
    assert [(p["id"], p["photos"]) for p in answer["people"]] == [(4, 2), (1, 1)]
    assert {p["id"]: p["photos"] for p in cli("people", "list", "--json").done.json["people"]}[
        1
    ] == 5


# --- two at once ---------------------------------------------------------------------------------


def at_once(url: str, home: Path, *acts: Callable[[Repository], Any]) -> list[Any]:
    """Each act in a session of its own, all at the same moment; what came of them."""
    start = threading.Barrier(len(acts))
    outcomes: list[Any] = [None] * len(acts)

    def session(number: int, act: Callable[[Repository], Any]) -> None:
        with open_store(home / str(number), url) as store:
            start.wait(30)
            try:
                outcomes[number] = act(store)
            except UsageError as error:
                outcomes[number] = error

    threads = [threading.Thread(target=session, args=one) for one in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes


def test_two_sessions_that_decide_at_once_lose_nothing(
    store: Repository, album: Event, database_url: str, tmp_path: Path
) -> None:
    outcomes = at_once(
        database_url,
        tmp_path,
        lambda one: people.name_person(one, "1", "Anna"),
        lambda one: people.name_person(one, "2", "Bea"),
        lambda one: people.hide(one, ["3"]),
    )
    assert sorted(done.decision for done in outcomes) == [1, 2, 3]
    assert {p.id: (p.name, p.hidden) for p in store.people()} == {
        1: ("Anna", False), 2: ("Bea", False), 3: (None, True),
    }  # fmt: skip


def test_of_two_sessions_one_gets_the_name(
    store: Repository, album: Event, database_url: str, tmp_path: Path
) -> None:
    outcomes = at_once(
        database_url,
        tmp_path,
        lambda one: people.name_person(one, "1", "Anna"),
        lambda one: people.name_person(one, "2", "ANNA"),
    )
    refused = [one for one in outcomes if isinstance(one, UsageError)]
    assert len(refused) == 1
    assert "called" in str(refused[0])
    assert len(store.decisions()) == 1
    assert sorted(p.name or "" for p in store.people())[:2] == ["", ""]


def test_of_two_sessions_one_names_the_person(
    store: Repository, album: Event, database_url: str, tmp_path: Path
) -> None:
    gone = at_once(
        database_url,
        tmp_path,
        lambda one: people.delete(one, "2"),
        lambda one: people.merge(one, ["1", "2"]),
    )
    assert sum(isinstance(one, UsageError) for one in gone) == 1
    assert 2 not in {person.id for person in store.people()}
    assert len(store.decisions()) == 1


# --- ingest --------------------------------------------------------------------------------------


class WideFinder(ColourFinder):
    """`ColourFinder` in the place of a pipeline, with embeddings of its dimension."""

    fingerprint = "colours"

    def __init__(self, name: str) -> None:
        super().__init__()
        self.spec = PIPELINES[name]

    def find_faces(self, image: Image) -> list[Face]:
        return [
            Face(face.detection, np.pad(face.embedding, (0, self.spec.dimension - 3)))
            for face in super().find_faces(image)
        ]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one person in two photos, and another in one of them; a finder for them."""

    def load(app: App, name: str, settings: Any, **_: Any) -> WideFinder:
        return WideFinder(name)

    monkeypatch.setattr(App, "pipeline", load)
    write_photo(tmp_path / "party" / "a.png", RED, GREEN)
    write_photo(tmp_path / "party" / "b.png", RED)
    return tmp_path / "party"


def test_ingest_groups(photos: Path, cli: Callable[..., Result]) -> None:
    assert cli("ingest", photos, "--json").done.json["people"] == 1
    told = cli("ingest", photos).out
    assert 'Event "party" holds 2 photos with 3 faces and 1 person' in told
    write_photo(photos / "c.png", GREEN, size=(120, 60))
    assert cli("ingest", photos, "--json").done.json["people"] == 2
    sheet = photos.parent / "sheet.jpg"
    listed = cli("people", "list", "--sheet", sheet)
    assert "2 faces as a picture" in listed.out
    assert sheet.stat().st_size > 1000
    assert cli("people", "show", "1", "--sheet", sheet, "--json").done.json["faces"] == 2


def test_ingest_without_grouping(photos: Path, cli: Callable[..., Result]) -> None:
    assert cli("ingest", photos, "--no-group", "--json").done.json["people"] is None
    assert "3 faces (" in cli("ingest", photos, "--no-group").out
    assert cli("people", "list", "--json").done.json["people"] == []


def test_ingest_says_in_one_line_that_a_pipeline_knows_no_people(
    photos: Path, cli: Callable[..., Result]
) -> None:
    done = cli("ingest", photos, "--pipeline", "clip", "--json")
    assert done.json["people"] is None
    assert done.err.count("cannot be grouped") == 1
    assert "cannot be grouped" not in cli("ingest", photos, "-q").err

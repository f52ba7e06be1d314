"""Albums of people out of the database, through the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from facefind.albums import RECORD_NAME, Choice, people_albums
from facefind.store.records import Grouping, Kind
from facefind.store.repository import Repository
from facefind.types import Event
from tests.fakes import GREEN, RED, write_photo
from tests.program import Program
from tests.stored import JPEG, STAMP, face, new_event, put, record_photo

KIND = Kind("dlib", "weights-1")


@pytest.fixture
def photos(store: Repository, event: Event, tmp_path: Path) -> list[Path]:
    """Five photos, a day apart: 1 shows Anna, 2 both, 3 Bob and 4 nobody; 5, of another event, Bob.

    Anna's number is 1 and Bob's 2; he has no name.
    """
    found = [
        write_photo(tmp_path / "party" / f"{number}.png", RED, GREEN, size=(40 + number, 30))
        for number in range(1, 6)
    ]
    other = new_event(store, "other")
    for number, (photo, people) in enumerate(zip(found, [1, 2, 1, 0, 1], strict=True), start=1):
        taken = datetime(2024, 6, number, 12, tzinfo=timezone.utc)
        info = replace(JPEG, taken_at=taken, width=40 + number, height=30)
        faces = [face(number + place / 10, 10 + 15 * place) for place in range(people)]
        into = other if number == 5 else event
        record_photo(store, into, os.fsencode(photo), STAMP, f"{number:064}", info, faces)
    seen = {f.photo.stem + str(int(f.box.x)): f.sighting for f in store.seen_faces()}
    groups = {seen["110"]: -1, seen["210"]: -1, seen["225"]: -2, seen["310"]: -2, seen["510"]: -2}
    made = store.put_groups(KIND, 0, groups, [], Grouping(5, 5))
    assert made == {-1: 1, -2: 2}
    with store.deciding("name") as draft:
        draft.rename(1, "Anna", "anna")
    return found


@pytest.fixture
def albums(tmp_path: Path, database_url: str, photos: list[Path]) -> Callable[..., dict[str, Any]]:
    program = Program(tmp_path / "home")

    def run(*options: object, code: int = 0) -> dict[str, Any]:
        done = program(
            "albums", tmp_path / "out", "--database-url", database_url, "--json", *options
        )
        assert done.returncode == code, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
        return answer

    return run


def tree(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.glob("*/*.png"))


Albums = Callable[..., dict[str, Any]]


def test_one_folder_for_each_person(albums: Albums, tmp_path: Path, photos: list[Path]) -> None:
    answer = albums("--unsorted")
    assert tree(tmp_path / "out") == [
        "Anna/1.png", "Anna/2.png",
        "Person 002/2.png", "Person 002/3.png", "Person 002/5.png",
        "Unsorted/4.png",
    ]  # fmt: skip
    anna = answer["people"][0]
    assert (anna["id"], anna["named"], anna["hidden"]) == (1, True, False)
    assert [face["box"] for face in anna["faces"]] == [[10, 20, 30, 40]] * 2
    assert answer["photos_without_people"] == [str(photos[3])]
    assert (answer["written"], answer["thumbnails"]) == (6, 7)
    assert (tmp_path / "out" / "index.html").is_file()
    again = albums("--unsorted")
    assert (again["written"], again["removed"], again["thumbnails"]) == (0, 0, 0)


def test_events_and_dates_limit_the_albums(albums: Albums, tmp_path: Path) -> None:
    albums("--event", "party", "--no-page")
    assert "Person 002/5.png" not in tree(tmp_path / "out")
    albums("--after", "2024-06-02T00:00:00+00:00", "--before", "2024-06-04T00:00:00+00:00")
    assert tree(tmp_path / "out") == ["Anna/2.png", "Person 002/2.png", "Person 002/3.png"]
    answer = albums("--event", "other", code=1)
    assert [person["folder"] for person in answer["people"]] == ["", ""]


def test_a_person_named_and_hidden_meanwhile(
    albums: Albums, store: Repository, tmp_path: Path
) -> None:
    albums()
    folder = (tmp_path / "out" / "Person 002").stat().st_ino
    with store.deciding("name") as draft:
        draft.rename(2, "Bob", "bob")
    assert albums()["moved"] == [{"from": "Person 002", "to": "Bob"}]
    assert (tmp_path / "out" / "Bob").stat().st_ino == folder
    with store.deciding("hide") as draft:
        draft.hide(2, True)
    assert albums()["removed"] == 3
    assert albums("--include-hidden")["written"] == 3
    assert albums("--only", "bob")["people"][0]["hidden"]
    assert tree(tmp_path / "out") == ["Bob/2.png", "Bob/3.png", "Bob/5.png"]


def test_together_and_only_by_name_and_number(albums: Albums, tmp_path: Path) -> None:
    albums("--only", "ANNA", "--together", "anna", "#2")
    assert tree(tmp_path / "out") == ["Anna & Person 002/2.png", "Anna/1.png", "Anna/2.png"]
    assert "There is nobody called" in albums("--only", "Ann", code=2)["error"]


def test_a_rejected_face_leaves_the_album(
    albums: Albums, store: Repository, tmp_path: Path
) -> None:
    albums()
    theirs = store.seen_faces(people=[2])
    with store.deciding("reject") as draft:
        draft.reject(2, [face.sighting for face in theirs if face.photo.stem == "3"])
    albums()
    assert [path for path in tree(tmp_path / "out") if path.startswith("Person")] == [
        "Person 002/2.png",
        "Person 002/5.png",
    ]


def test_a_photo_that_is_gone(albums: Albums, photos: list[Path], tmp_path: Path) -> None:
    albums("--mode", "copy")
    photos[0].rename(tmp_path / "aside.png")
    answer = albums("--mode", "copy", code=1)
    assert answer["gone"] == [str(photos[0])]
    assert "Anna/1.png" in tree(tmp_path / "out")


def test_a_dry_run_tells_the_plan(albums: Albums, tmp_path: Path) -> None:
    answer = albums("--dry-run", "--mode", "zip")
    assert answer["plan"] == {"write": ["Anna.zip", "Person 002.zip"], "remove": []}
    assert not (tmp_path / "out").exists()


def test_the_cover_is_the_one_that_was_chosen(
    albums: Albums, store: Repository, tmp_path: Path
) -> None:
    second = max(face.sighting for face in store.seen_faces(people=[1]))
    with store.deciding("cover") as draft:
        draft.cover(1, second)
    albums()
    assert (tmp_path / "out" / "thumbnails" / f"face-{second}.jpg").is_file()


def test_what_a_library_without_people_says(database_url: str, tmp_path: Path) -> None:
    program = Program(tmp_path / "home")
    done = program("albums", tmp_path / "out", "--database-url", database_url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Nothing has been ingested yet" in done.stderr
    assert not (tmp_path / "out").exists()


def test_groups_are_needed(
    store: Repository, event: Event, database_url: str, tmp_path: Path
) -> None:
    put(store, event, str(tmp_path / "a.jpg"), 0.1)
    program = Program(tmp_path / "home")
    done = program("albums", tmp_path / "out", "--database-url", database_url)
    assert done.returncode == 1
    assert "facefind people group" in done.stderr
    assert not (tmp_path / "out" / RECORD_NAME).exists()


def test_the_store_is_what_albums_ask_for(store: Repository, photos: list[Path]) -> None:
    members = people_albums(store, Choice(store.events()))
    assert [album.title for album in members.albums] == ["Anna", "Person 002"]

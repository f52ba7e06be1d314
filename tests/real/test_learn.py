"""Learning from portraits, suggestions and trials on the development albums' real faces."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.program import Program

ALBUMS = ("friends_tv", "azure_families")


@pytest.fixture(scope="module")
def photos(test_data: Path) -> dict[str, dict[str, Any]]:
    """What is known of each photo of two albums, by its file's name."""
    lines = (test_data / "events" / "people.jsonl").read_text(encoding="utf-8").splitlines()
    known = [json.loads(line) for line in lines]
    return {Path(one["file"]).name: one for one in known if one["album"] in ALBUMS}


@pytest.fixture(scope="module")
def folders(
    test_data: Path, photos: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The event's photos, and one portrait of each person that is in none of them."""
    top = tmp_path_factory.mktemp("albums")
    portraits: dict[str, dict[str, Any]] = {}
    for photo in photos.values():
        if photo["role"] == "portrait":
            portraits.setdefault(photo["people"][0], photo)
    chosen = [photo["file"] for photo in portraits.values()]
    (top / "portraits").mkdir()
    (top / "photos").mkdir()
    for name, photo in portraits.items():
        shutil.copy(test_data / "events" / photo["file"], top / "portraits" / f"{name}.jpg")
    for photo in photos.values():
        if photo["file"] not in chosen and photo.get("derived_from") not in chosen:
            shutil.copy(test_data / "events" / photo["file"], top / "photos")
    return top / "photos", top / "portraits"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, folders: tuple[Path, Path]) -> Program:
    program = Program(tmp_path_factory.mktemp("home"))
    assert program.json("ingest", folders[0], "--event", "party")["failed"] == []
    return program


@pytest.fixture(scope="module")
def learnt(program: Program, folders: tuple[Path, Path]) -> dict[str, Any]:
    return program.json("people", "learn", folders[1])


def named(program: Program, learnt: dict[str, Any]) -> dict[str, list[str]]:
    """By name, the names of the photos' files."""
    found = {}
    for person in learnt["people"]:
        shown = program.json("people", "show", person["person"])
        found[person["name"]] = [Path(face["photo"]).name for face in shown["seen"]]
    return found


def test_portraits_name_the_right_people(
    program: Program,
    learnt: dict[str, Any],
    photos: dict[str, dict[str, Any]],
    folders: tuple[Path, Path],
) -> None:
    assert learnt["refused"] == []
    found = {(name, file) for name, files in named(program, learnt).items() for file in files}
    complete = {file for file, photo in photos.items() if photo["people_complete"]}
    truth = {
        (name, file.name)
        for file in folders[0].iterdir()
        for name in photos[file.name]["people"]
        if any(person["name"] == name for person in learnt["people"])
    }
    assert {pair for pair in found if pair[1] in complete} <= truth
    assert len(truth) > 80
    assert len(truth & found) > 0.9 * len(truth)


def test_again_changes_nothing(
    program: Program, learnt: dict[str, Any], folders: tuple[Path, Path]
) -> None:
    assert learnt["decision"] is not None
    assert program.json("people", "learn", folders[1])["decision"] is None


def test_a_group_picture_is_refused(program: Program, test_data: Path, tmp_path: Path) -> None:
    family = test_data / "events" / "people" / "azure_identification1.jpg"
    (tmp_path / "portraits").mkdir()
    shutil.copy(family, tmp_path / "portraits" / "Family.jpg")
    done = program("people", "learn", tmp_path / "portraits", "--dry-run", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["people"] == []
    assert "4 faces of about the same size" in told["refused"][0]["reason"]


def test_what_a_user_confirmed_is_not_suggested_as_wrong(
    program: Program, learnt: dict[str, Any]
) -> None:
    joey, monica = (
        next(one["person"] for one in learnt["people"] if one["name"] == f"friends_{name}")
        for name in ("joey", "monica")
    )
    before = program.json("people", "show", joey)["faces"]
    seen = program.json("people", "show", monica)["seen"]
    stranger = max(seen, key=lambda face: face["quality"])["face"]
    confirmed = program.json("people", "confirm", stranger, joey)
    assert program.json("people", "show", joey)["faces"] == before + 1
    told = program.json("people", "suggest", "--limit", 500)["suggestions"]
    assert stranger not in {one["face"] for one in told}
    program.json("people", "undo", confirmed["decision"])


def test_suggestions_come_with_faces(program: Program, tmp_path: Path) -> None:
    """People whose names and merges are undone are found again."""
    decision = program.json("people", "log")["decisions"][-1]["id"]
    program.json("people", "undo", decision)
    sheet, page = tmp_path / "sheet.jpg", tmp_path / "sheet.html"
    told = program.json("people", "suggest", "--limit", 100, "--sheet", sheet)
    program.json("people", "suggest", "--sheet", page)
    program.json("people", "redo", decision)
    assert len(told["suggestions"]) > 0
    assert page.read_text(encoding="utf-8").count("data:image/jpeg;base64,") > 1
    with Image.open(sheet) as picture:
        assert picture.format == "JPEG"


def test_a_trial_stores_nothing(program: Program, learnt: dict[str, Any]) -> None:
    """Nothing is learnt here, because people who are do not join each other."""
    decision = program.json("people", "log")["decisions"][-1]["id"]
    program.json("people", "undo", decision)
    before = program.json("people", "list", "--all")["people"]
    told = program.json("people", "try", "--settings", "join=0.6", "--settings", "lowest=0.6")
    after = program.json("people", "list", "--all")["people"]
    program.json("people", "redo", decision)
    assert told["after"] < told["before"]
    assert len(told["joined"]) > 0
    assert after == before

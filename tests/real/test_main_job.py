"""The main job through the command line, on the sample event's real faces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.program import Program

COLLINS, HOPPER = "Eileen Collins", "Grace Hopper"


@pytest.fixture(scope="module")
def truth(sample_event: Path) -> dict[str, list[str]]:
    people: dict[str, list[str]] = json.loads((sample_event / "truth.json").read_text())["people"]
    return people


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, sample_event: Path) -> Program:
    """facefind with the sample event ingested as "party"."""
    program = Program(tmp_path_factory.mktemp("home"))
    report = program.json("ingest", sample_event / "photos", "--event", "party")
    assert report["failed"] == []
    return program


@pytest.fixture
def who(program: Program, sample_event: Path) -> Callable[..., dict[str, Any]]:
    def ask(person: str, *options: object) -> dict[str, Any]:
        return program.json("who", sample_event / "portraits" / f"{person}.jpg", *options)

    return ask


def names(answer: dict[str, Any]) -> list[str]:
    return [Path(match["photo"]).name for match in answer["matches"]]


@pytest.mark.parametrize("person", [COLLINS, HOPPER])
def test_who_finds_all_photos_of_a_person_and_no_other(
    who: Callable[..., dict[str, Any]], truth: dict[str, list[str]], person: str
) -> None:
    answer = who(person)
    assert sorted(names(answer)) == sorted(truth[person])
    distances = [match["distance"] for match in answer["matches"]]
    assert distances == sorted(distances)
    assert max(distances) <= answer["max_distance"]
    assert all(match["probability"] >= answer["min_probability"] for match in answer["matches"])
    assert all(0.5 <= match["quality"] <= 1 for match in answer["matches"])
    assert answer["portraits"][0]["faces"] == 1
    assert answer["event"] == "party"


def test_limit_and_distance(who: Callable[..., dict[str, Any]]) -> None:
    everything = who(COLLINS)["matches"]
    assert who(COLLINS, "--limit", 2)["matches"] == everything[:2]
    nearest = everything[0]["distance"] + 1e-4
    assert who(COLLINS, "--max-distance", nearest)["matches"] == everything[:1]


def test_certainty_and_quality_move_the_answer(
    program: Program, who: Callable[..., dict[str, Any]]
) -> None:
    strict, default, loose = (who(HOPPER, *flags) for flags in (["--strict"], [], ["--loose"]))
    asked_for = [answer["min_probability"] for answer in (strict, default, loose)]
    assert asked_for == sorted(asked_for, reverse=True)
    assert len(set(asked_for)) == 3
    assert set(names(strict)) <= set(names(default)) <= set(names(loose))
    everybody = who(HOPPER, "--max-distance", 2)
    assert len(everybody["matches"]) > len(loose["matches"])
    assert min(match["probability"] for match in everybody["matches"]) < 0.5
    low = who(HOPPER, "--max-distance", 2, "--include-low-quality")
    assert {*names(low)} >= {*names(everybody)}
    assert program("who", "--strict", "--max-distance", 1, __file__).returncode == 2
    both = program("who", "--strict", "--loose", __file__)
    assert both.returncode == 2
    assert "contradict each other" in both.stderr


def test_dates_limit_the_answer(who: Callable[..., dict[str, Any]]) -> None:
    everything = sorted(who(COLLINS)["matches"], key=lambda match: str(match["taken_at"]))
    moment = everything[2]["taken_at"]
    assert len(names(who(COLLINS, "--before", moment))) == 2
    assert len(names(who(COLLINS, "--after", moment))) == len(everything) - 2


def test_two_portraits_are_one_question(program: Program, sample_event: Path) -> None:
    portrait = sample_event / "portraits" / f"{HOPPER}.jpg"
    one = program.json("who", portrait)
    two = program.json("who", portrait, portrait)
    assert len(two["portraits"]) == 2
    assert names(two) == names(one)


def test_portrait_turned_on_its_side(
    program: Program, sample_event: Path, tmp_path: Path, truth: dict[str, list[str]]
) -> None:
    turned = tmp_path / "turned.jpg"
    with Image.open(sample_event / "portraits" / f"{HOPPER}.jpg") as picture:
        picture.transpose(Image.Transpose.ROTATE_180).save(turned, quality=95)
    answer = program.json("who", turned)
    assert sorted(names(answer)) == sorted(truth[HOPPER])
    (x, y, w, h) = answer["portraits"][0]["box"]
    assert 0 <= x <= x + w <= 400
    assert 0 <= y <= y + h <= 400


def test_stranger_is_answered_with_nobody(program: Program, test_data: Path) -> None:
    result = program("who", test_data / "lfw" / "Adam_Ant_0001.jpg")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Nobody" in result.stderr


def test_portrait_without_a_face(program: Program, tmp_path: Path) -> None:
    wall = tmp_path / "wall.png"
    Image.linear_gradient("L").convert("RGB").save(wall)
    result = program("who", wall)
    assert result.returncode == 1
    assert "No face was found" in result.stderr


def test_photo_of_two_asks_about_one_and_says_so(program: Program, sample_event: Path) -> None:
    photo = sample_event / "photos" / "IMG_0103.jpg"
    result = program("who", photo)
    assert result.returncode == 0
    assert "shows 2 faces" in result.stderr
    left = program.json("who", photo, "--face", 1)["matches"]
    right = program.json("who", photo, "--face", 2)["matches"]
    assert left[0]["distance"] == pytest.approx(0, abs=1e-4)
    assert left[0]["box"] != right[0]["box"]
    assert program("who", photo, "--face", 3).returncode == 2


def test_answers_are_copied_and_linked(
    program: Program, sample_event: Path, tmp_path: Path, truth: dict[str, list[str]]
) -> None:
    portrait = sample_event / "portraits" / f"{HOPPER}.jpg"
    copies, links = tmp_path / "copies", tmp_path / "links"
    program.json("who", portrait, "--copy-to", copies)
    program.json("who", portrait, "--link-to", links)
    assert sorted(p.name for p in copies.iterdir()) == sorted(truth[HOPPER])
    assert sorted(p.name for p in links.iterdir()) == sorted(truth[HOPPER])
    assert all(p.is_symlink() for p in links.iterdir())


def test_albums_hold_each_persons_photos(
    program: Program, sample_event: Path, tmp_path: Path, truth: dict[str, list[str]]
) -> None:
    out = tmp_path / "albums"
    first = program.json("albums", out, "--portraits", sample_event / "portraits")
    for person, photos in truth.items():
        assert sorted(p.name for p in (out / person).iterdir()) == sorted(photos)
    listing = json.loads((out / "albums.json").read_text())
    assert [person["name"] for person in listing["people"]] == [COLLINS, HOPPER]
    assert len(listing["photos_without_people"]) == 3
    assert first["written"] == sum(len(photos) for photos in truth.values())
    again = program.json("albums", out, "--portraits", sample_event / "portraits")
    assert (again["written"], again["removed"]) == (0, 0)


def test_faces_marks_both_faces(program: Program, sample_event: Path, tmp_path: Path) -> None:
    copy = tmp_path / "marked.jpg"
    photo = sample_event / "photos" / "IMG_0103.jpg"
    answer = program.json("faces", photo, "--to", copy)
    assert len(answer["faces"]) == 2
    assert answer["faces"][0]["box"][0] < answer["faces"][1]["box"][0]
    with Image.open(copy) as marked, Image.open(photo) as original:
        assert marked.size == original.size
        assert marked.tobytes() != original.tobytes()


def test_other_settings_are_refused_for_an_event_that_has_photos(
    program: Program, sample_event: Path
) -> None:
    photos = sample_event / "photos"
    result = program("ingest", photos, "--event", "party", "--set", "detector.threshold=0.9")
    assert result.returncode == 2
    assert "was ingested with detector.threshold=" in result.stderr
    result = program("ingest", photos, "--event", "party", "--pipeline", "clip")
    assert result.returncode == 2


def test_same_folder_in_two_events_with_other_settings(
    program: Program, sample_event: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "two"
    photos.mkdir()
    for name in ("IMG_0101.jpg", "IMG_0102.jpg"):
        shutil.copy(sample_event / "photos" / name, photos)
    plain = program.json("ingest", photos, "--event", "plain")
    blind = program.json("ingest", photos, "--event", "blind", "--set", "detector.threshold=0.99")
    assert (plain["photos"], plain["faces"]) == (2, 2)
    assert (blind["photos"], blind["faces"]) == (2, 0)
    events = {row["event"]: row for row in program.json("status")["events"]}
    assert events["blind"]["settings"]["detector.threshold"] == 0.99
    for event in ("plain", "blind"):
        assert program("forget", "--event", event, "--yes").returncode == 0
    assert {row["event"] for row in program.json("status")["events"]} == {"party"}


def test_forget_asks_first(program: Program, sample_event: Path, tmp_path: Path) -> None:
    photo = shutil.copy(sample_event / "photos" / "IMG_0101.jpg", tmp_path)
    program.json("ingest", photo, "--event", "one")
    refused = program("forget", "--event", "one", stdin="n\n")
    assert refused.returncode == 1
    assert "Nothing was forgotten" in refused.stderr
    assert program.json("forget", photo, "--event", "one", "--yes") == {"photos": 1, "faces": 1}
    program.json("forget", "--event", "one", "--yes")


def test_clip_without_its_weights_says_where_they_go(program: Program, sample_event: Path) -> None:
    result = program("ingest", sample_event / "photos", "--event", "c", "--pipeline", "clip")
    assert result.returncode == 2
    assert "patch32_v1.onnx" in result.stderr
    assert "facefind models pull" in result.stderr
    assert "c" not in {row["event"] for row in program.json("status")["events"]}


def test_photo_that_became_unreadable_is_reported_and_keeps_its_faces(
    program: Program, sample_event: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "party" / "IMG_0101.jpg"
    photo.parent.mkdir()
    shutil.copy(sample_event / "photos" / photo.name, photo)
    program.json("ingest", photo.parent, "--event", "lost")
    # What stands where the photo was cannot be read as a file, not even by root.
    photo.rename(tmp_path / "aside.jpg")
    photo.write_bytes(b"")
    report = program("ingest", photo.parent, "--event", "lost", "--json")
    assert report.returncode == 1
    assert json.loads(report.stdout)["faces"] == 1
    assert program("who", tmp_path / "aside.jpg", "--event", "lost").returncode == 0
    program.json("forget", "--event", "lost", "--yes")


def test_one_bad_portrait_of_two_does_not_spoil_the_answer(
    program: Program, sample_event: Path, tmp_path: Path, truth: dict[str, list[str]]
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    good = sample_event / "portraits" / f"{HOPPER}.jpg"
    done = program("who", tmp_path / "broken.jpg", good, "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert len(names(answer)) == len(truth[HOPPER])
    assert [failed["path"] for failed in answer["failed"]] == [str(tmp_path / "broken.jpg")]


def test_an_album_stays_while_its_portrait_cannot_be_used(
    program: Program, sample_event: Path, tmp_path: Path, truth: dict[str, list[str]]
) -> None:
    portraits = tmp_path / "portraits"
    shutil.copytree(sample_event / "portraits", portraits)
    program.json("albums", tmp_path / "out", "--portraits", portraits)
    portrait = portraits / f"{HOPPER}.jpg"
    portrait.write_bytes(portrait.read_bytes()[:3000])
    done = program("albums", tmp_path / "out", "--portraits", portraits, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["removed"] == 0
    assert len(list((tmp_path / "out" / HOPPER).iterdir())) == len(truth[HOPPER])

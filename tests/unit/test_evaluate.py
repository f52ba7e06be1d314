"""`facefind evaluate` and `facefind compare-pipelines`, with a pipeline that compares colours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from facefind import evaluation
from facefind.cli.context import App
from facefind.errors import UnreadablePhoto, WeightsError
from facefind.evaluation import find_labelled, judge, look
from facefind.inference.pipeline import PIPELINES
from facefind.metrics import all_pairs
from facefind.types import Box, Detection, Face, Image
from tests.command import Result, call_facefind
from tests.fakes import GREY

Colour = tuple[int, int, int]


@dataclass
class MeanColour:
    """A pipeline: one face in every picture that is not grey, its embedding is the colour."""

    spec: Any = field(default_factory=lambda: SimpleNamespace(name="colours", threshold=0.1))

    def find_faces(self, image: Image) -> list[Face]:
        mean = image.reshape(-1, 3).mean(axis=0)
        if abs(mean - GREY).max() < 1:
            return []
        box = Box(2.0, 2.0, 20.0, 20.0)
        return [Face(Detection(box, 1.0), (mean / 255).astype(np.float32))]


def paint(path: Path, colour: Colour) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", (24, 24), colour).save(path, "PNG")
    return path


def paint_people(folder: Path, people: int = 16, photos: int = 3) -> Path:
    """People of colours that are well apart, each with photos that differ a little."""
    for number in range(people):
        colour = [16 + 72 * (number // 4**digit % 4) for digit in range(3)]
        for shade in range(photos):
            name = folder / f"person{number:02}" / f"{shade}.png"
            paint(name, (colour[0] + 4 * shade, colour[1], colour[2]))
    return folder


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    monkeypatch.setattr(App, "pipeline", lambda *_: MeanColour())

    def call(*arguments: object) -> Result:
        return call_facefind(capsys, "--home", tmp_path / "home", *arguments)

    return call


# The folder


def test_photos_belong_to_the_folder_directly_below(tmp_path: Path) -> None:
    for name in ("ann/1.png", "ann/2026/2.png", "bob/3.png", "4.png"):
        paint(tmp_path / name, (9, 9, 9))
    labelled = find_labelled(tmp_path)
    assert [(photo.path.name, photo.person) for photo in labelled.photos] == [
        ("1.png", "ann"),
        ("2.png", "ann"),
        ("3.png", "bob"),
    ]
    assert [path.name for path in labelled.outside] == ["4.png"]


@pytest.mark.parametrize(
    ("photos", "words"),
    [
        ([], "no photos in folders of people"),
        (["1.png"], "no photos in folders of people"),
        (["ann/1.png", "ann/2.png"], "of one person, ann"),
    ],
)
def test_folders_without_people_to_tell_apart_are_refused(
    cli: Callable[..., Result], tmp_path: Path, photos: list[str], words: str
) -> None:
    folder = tmp_path / "people"
    folder.mkdir()
    for name in photos:
        paint(folder / name, (9, 9, 9))
    for command in ("evaluate", "compare-pipelines"):
        result = cli(command, folder)
        assert (result.code, result.out) == (2, "")
        assert words in result.err
        assert "DIR/name/*.jpg" in result.err


def test_one_file_in_two_peoples_folders_belongs_to_both(tmp_path: Path) -> None:
    shared = paint(tmp_path / "shared.png", (9, 9, 9))
    for name in ("ann", "bob"):
        (tmp_path / "people" / name).mkdir(parents=True)
        (tmp_path / "people" / name / "us.png").symlink_to(shared)
    labelled = find_labelled(tmp_path / "people")
    assert [photo.person for photo in labelled.photos] == ["ann", "bob"]


# The service


def test_copies_of_a_photo_count_once_for_a_person_and_show_for_two(tmp_path: Path) -> None:
    for name in ("ann/1.png", "ann/copy.png", "bob/1.png"):
        paint(tmp_path / name, (200, 0, 0))
    paint(tmp_path / "ann" / "2.png", (210, 0, 0))
    seen = look(find_labelled(tmp_path).photos, MeanColour())
    assert [path.name for path in seen.repeated] == ["copy.png"]
    report = judge(seen, None)
    assert (report.photos, report.people, report.mates, report.strangers) == (3, 2, 1, 2)
    assert report.own is None
    nearest = report.worst[0]
    assert (nearest.kind, nearest.distance) == ("strangers", 0.0)
    assert {nearest.one.person, nearest.other.person} == {"ann", "bob"}


def test_one_bad_photo_is_one_of_the_worst_pairs_only(tmp_path: Path) -> None:
    paint_people(tmp_path, people=8)
    wrong = paint(tmp_path / "person00" / "wrong.png", (250, 250, 250))
    report = judge(look(find_labelled(tmp_path).photos, MeanColour()), 0.1)
    mates = [pair for pair in report.worst if pair.kind == "mates"]
    strangers = [pair for pair in report.worst if pair.kind == "strangers"]
    assert (len(mates), len(strangers)) == (5, 5)
    assert wrong in (mates[0].one.path, mates[0].other.path)
    assert [p.distance for p in mates] == sorted((p.distance for p in mates), reverse=True)
    assert [p.distance for p in strangers] == sorted(p.distance for p in strangers)
    assert sum(wrong in (pair.one.path, pair.other.path) for pair in mates) == 1


def test_strangers_within_the_own_distance_are_told_only_if_all_were_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = look(find_labelled(paint_people(tmp_path)).photos, MeanColour())
    report = judge(seen, 0.5)
    assert report.own is not None
    assert report.own.far is not None
    assert report.own.far > 0.1
    monkeypatch.setattr(evaluation, "all_pairs", partial(all_pairs, kept=20))
    report = judge(seen, 0.5)
    assert report.own is not None
    assert report.own.tar == pytest.approx(1.0)
    assert report.own.far is None


# The commands


def test_evaluate_as_json(cli: Callable[..., Result], tmp_path: Path) -> None:
    folder = paint_people(tmp_path / "people")
    answer = cli("evaluate", folder, "--json")
    assert answer.code == 0
    report = json.loads(answer.out)
    assert report["pipeline"] == "colours"
    assert (report["photos"], report["people"], report["faces"]) == (48, 16, 48)
    assert report["pairs"] == {"mates": 48, "strangers": 48 * 47 // 2 - 48}
    assert report["accuracy"]["value"] == 1.0
    assert report["equal_error"]["rate"] == 0.0
    one, tenth = report["limits"]
    assert (one["far"], one["tar"]["value"]) == (0.01, 1.0)
    assert one["distance"] > 0.25
    assert tenth == {"far": 0.001, "distance": None, "tar": None}
    assert report["smallest_measurable"]["far"] == pytest.approx(10 / 1080)
    assert report["own_threshold"] == {"distance": 0.1, "tar": 1.0, "far": 0.0}
    assert len(report["worst"]) == 10
    assert report["sheet"] is None


def test_evaluate_says_what_too_few_photos_can_tell(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    result = cli("evaluate", paint_people(tmp_path / "people"))
    assert result.code == 0
    assert "48 photos of 16 people, pipeline colours: 48 show a face" in result.out
    assert "mates at 1 % false accepts" in result.out
    assert "mates at 0.1 % false accepts" not in result.out
    assert "1080 pairs of strangers are too few to measure 0.1 %" in result.out
    assert "which takes 10000" in result.out
    assert "who PORTRAIT --max-distance 0." in result.out


def test_evaluate_with_hardly_any_photos(cli: Callable[..., Result], tmp_path: Path) -> None:
    result = cli("evaluate", paint_people(tmp_path / "people", people=2, photos=2))
    assert result.code == 0
    assert "Add photos of more people." in result.out
    assert "--max-distance" not in result.out


def test_evaluate_where_nobody_has_two_photos(cli: Callable[..., Result], tmp_path: Path) -> None:
    result = cli("evaluate", paint_people(tmp_path / "people", people=60, photos=1))
    assert result.code == 0
    assert "Nobody has two photos" in result.out
    assert "accuracy" not in result.out
    assert "--max-distance 0." in result.out


def test_evaluate_lists_what_does_not_count(cli: Callable[..., Result], tmp_path: Path) -> None:
    folder = paint_people(tmp_path / "people", people=4)
    paint(folder / "person00" / "grey.png", GREY)
    paint(folder / "loose.png", (1, 2, 3))
    (folder / "person01" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")
    result = cli("evaluate", folder)
    assert result.code == 1
    assert "Not read: " in result.err
    assert "broken.jpg: " in result.err
    assert "No face found, so never recognised: " in result.err
    assert "grey.png" in result.err
    assert "Left out, in no person's folder: " in result.err
    assert "13 photos of 4 people" in result.out
    report = json.loads(cli("evaluate", folder, "--json").out)
    assert [Path(path).name for path in report["without_face"]] == ["grey.png"]
    assert [Path(each["path"]).name for each in report["failed"]] == ["broken.jpg"]


def test_evaluate_where_no_face_is_found(cli: Callable[..., Result], tmp_path: Path) -> None:
    for name in ("ann/1.png", "bob/1.png"):
        paint(tmp_path / "people" / name, GREY)
    sheet = tmp_path / "sheet.jpg"
    result = cli("evaluate", tmp_path / "people", "--sheet", sheet)
    assert result.code == 1
    assert "nobody to tell apart" in result.out
    assert not sheet.exists()
    report = json.loads(cli("evaluate", tmp_path / "people", "--json").out)
    assert (report["accuracy"], report["equal_error"], report["worst"]) == (None, None, [])


def test_evaluate_writes_the_worst_pairs_as_a_picture(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    folder, sheet = paint_people(tmp_path / "people"), tmp_path / "worst.jpg"
    result = cli("evaluate", folder, "--sheet", sheet)
    assert result.code == 0
    assert "worst.jpg" in result.out
    with PillowImage.open(sheet) as picture:
        assert picture.format == "JPEG"
        assert picture.width > 600
        assert picture.height > 900
    photo = folder / "person00" / "0.png"
    before = photo.read_bytes()
    result = cli("evaluate", folder, "--sheet", photo)
    assert (result.code, photo.read_bytes()) == (2, before)
    assert "is one of the photos" in result.err


def test_a_sheet_without_a_folder_is_refused_before_the_first_photo(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Image] = []
    monkeypatch.setattr(MeanColour, "find_faces", lambda _, image: looked.append(image))
    folder = paint_people(tmp_path / "people")
    result = cli("evaluate", folder, "--sheet", tmp_path / "none" / "sheet.jpg")
    assert (result.code, result.out, looked) == (2, "", [])
    assert "none is not a folder, so sheet.jpg cannot be put there" in result.err


def test_figures_are_told_although_the_sheet_cannot_be_made(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> Image:
        raise UnreadablePhoto("1.png: no such file")

    monkeypatch.setattr(evaluation, "draw_worst", gone)
    folder, sheet = paint_people(tmp_path / "people"), tmp_path / "sheet.jpg"
    result = cli("evaluate", folder, "--sheet", sheet)
    assert (result.code, sheet.exists()) == (1, False)
    assert "equal error rate" in result.out
    assert "sheet.jpg" not in result.out
    assert "1.png: no such file" in result.err
    result = cli("evaluate", folder, "--sheet", sheet, "--json")
    assert (result.code, json.loads(result.out)["sheet"]) == (1, None)


def test_ctrl_c_promises_nothing_that_evaluate_does_not_keep(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> list[Face]:
        raise KeyboardInterrupt

    monkeypatch.setattr(MeanColour, "find_faces", interrupted)
    result = cli("evaluate", paint_people(tmp_path / "people"))
    assert (result.code, result.out, result.err) == (130, "", "\nStopped.\n")


def test_evaluate_says_where_strangers_are_too_many_to_count(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "all_pairs", partial(all_pairs, kept=0))
    folder = paint_people(tmp_path / "people")
    result = cli("evaluate", folder)
    assert result.code == 0
    assert "100.0 % of mates, too many strangers to count" in result.out
    assert "accuracy" not in result.out
    own = json.loads(cli("evaluate", folder, "--json").out)["own_threshold"]
    assert own == {"distance": 0.1, "tar": 1.0, "far": None}


def test_evaluate_where_many_strangers_look_the_same(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    for number in range(12):
        paint(tmp_path / "people" / f"{number}" / "1.png", (200, 0, 0))
    result = cli("evaluate", tmp_path / "people")
    assert result.code == 0
    assert "-0.0" not in result.out
    assert "--max-distance" not in result.out


def test_compare_pipelines_keeps_the_rows_of_those_that_can_run(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Damaged(MeanColour):
        def find_faces(self, image: Image) -> list[Face]:
            raise WeightsError("The network is damaged.")

    def second_is_damaged(self: App, name: str, values: object) -> MeanColour:
        kind = Damaged if name == "clip" else MeanColour
        return kind(SimpleNamespace(name=name, threshold=None))

    monkeypatch.setattr(App, "pipeline", second_is_damaged)
    folder = paint_people(tmp_path / "people")
    result = cli("compare-pipelines", folder)
    rows = result.out.splitlines()[1:]
    assert result.code == 0
    assert [row.split()[0] for row in rows] == [name for name in PIPELINES if name != "clip"]
    assert "Left out: clip. The network is damaged." in result.err
    asked = cli("compare-pipelines", folder, "--pipeline", "dlib", "--pipeline", "clip")
    assert asked.code == 1
    assert [row.split()[0] for row in asked.out.splitlines()[1:]] == ["dlib"]
    assert cli("compare-pipelines", folder, "--pipeline", "clip").code == 2


def test_compare_pipelines_is_one_table_and_names_missing_weights(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_dlib(self: App, name: str, values: object) -> MeanColour:
        if name != "dlib":
            raise WeightsError(f"The weights {name} are missing.", f"Run: models pull {name}")
        return MeanColour(SimpleNamespace(name=name, threshold=None))

    monkeypatch.setattr(App, "pipeline", only_dlib)
    folder = paint_people(tmp_path / "people")
    result = cli("compare-pipelines", folder)
    assert result.code == 0
    heading, *rows = result.out.splitlines()
    assert [row.split()[0] for row in rows] == ["dlib"]
    assert heading.split()[0] == "pipeline"
    assert "48 of 48" in rows[0]
    assert "100.0 %" in rows[0]
    assert "Left out: clip. The weights clip are missing. Run: models pull clip" in result.err
    value = json.loads(cli("compare-pipelines", folder, "--json").out)
    assert [report["pipeline"] for report in value["reports"]] == ["dlib"]
    assert "clip" in value["missing"]
    assert cli("compare-pipelines", folder, "--pipeline", "clip").code == 2
    assert cli("compare-pipelines", folder, "--pipeline", "no such").code == 2

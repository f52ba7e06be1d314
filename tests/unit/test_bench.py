"""The benchmarks' own arithmetic: medians, limits, costs, the photos that are fed to ingest."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefind.types import Image
from scripts.benchmarks import __main__ as bench
from scripts.benchmarks import (
    figures,
    group,
    group_stored,
    ingest,
    memory,
    page,
    photos,
    search,
)
from scripts.commands import module_of
from scripts.evaluation.scenes import Cutting

LIMITS = {"speed": {"at_least": 2.0}, "size": {"at_most": 3.0, "at_least": 1.0}}


def test_spread_is_the_median_and_both_ends() -> None:
    assert figures.spread([5.0, 1.0, 2.0]) == {"median": 2.0, "low": 1.0, "high": 5.0, "runs": 3}
    assert figures.shown(figures.spread([5.0, 1.0, 2.0]), 1) == "2.0 (1.0 - 5.0)"
    assert figures.shown(figures.spread([0.5])) == "0.50"


def test_a_table_has_a_line_for_each_row() -> None:
    assert figures.table(["a", "b"], [[1, 2]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("ratios", "beyond"),
    [
        ({"speed": 2.0, "size": 3.0}, []),
        ({"speed": 1.99, "size": 1.0}, ["speed is 1.99, no less than 2 is allowed"]),
        ({"speed": 9.0, "size": 3.1}, ["size is 3.1, no more than 3 is allowed"]),
        ({"size": 0.5}, ["size is 0.5, no less than 1 is allowed"]),
        ({"speed": float("nan")}, ["speed is nan, no less than 2 is allowed"]),
        ({}, ["none of speed, size was measured, so nothing is checked"]),
    ],
)
def test_ratios_beyond_their_limits_are_told(ratios: dict[str, float], beyond: list[str]) -> None:
    assert figures.over(ratios, LIMITS) == beyond


def test_limits_of_what_was_not_measured_are_named() -> None:
    assert figures.unmeasured({"size": 1.0}, LIMITS) == ["speed"]
    assert figures.over({}, {}) == []


def test_every_table_of_limits_is_a_command_s_and_every_limit_a_bound() -> None:
    tables = figures.read_tables()
    assert tables.keys() <= set(bench.COMMANDS)
    bounds = [limit for limits in tables.values() for limit in limits.values()]
    assert bounds
    assert all(limit and limit.keys() <= {"at_least", "at_most"} for limit in bounds)
    assert figures.read_limits("detect") == tables["detect"]
    assert figures.read_limits("nothing") == {}


def test_commands_have_what_the_program_calls() -> None:
    assert set(bench.QUICK) | set(bench.UNHELD) <= set(bench.COMMANDS)
    for name in bench.COMMANDS:
        module = module_of("benchmarks", name)
        assert module.__doc__
        assert all(
            callable(getattr(module, called))
            for called in ("add_arguments", "measure", "render", "over_limits")
        )


def test_grouping_is_held_against_its_limits_where_they_are_for_so_many_faces() -> None:
    slow = {"ratios": {"all_over_compared": 99.0}}
    for module in (group, group_stored):
        (beyond,) = module.over_limits({"faces": group.FACES, **slow})
        assert "all_over_compared is 99" in beyond
        assert module.over_limits({"faces": group.FACES // 2, **slow}) == []


class Measured:
    """A command whose only ratio is given."""

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio
        self.asked: list[argparse.Namespace] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--photos", type=int, default=7)

    def measure(self, arguments: argparse.Namespace) -> dict[str, Any]:
        self.asked.append(arguments)
        return {"ratios": {"haar_over_own": self.ratio}}

    def render(self, measured: dict[str, Any]) -> str:
        return f"table of {measured['ratios']['haar_over_own']}"

    def over_limits(self, measured: dict[str, Any]) -> list[str]:
        return figures.over_limits("detect", measured)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """The only command there is, called detect."""
    made = Measured(100.0)
    monkeypatch.setattr(bench, "COMMANDS", ("detect",))
    monkeypatch.setattr(bench, "QUICK", ("detect",))
    monkeypatch.setattr(bench, "module_of", lambda *_: made)
    return made


def test_check_exits_with_one_beyond_a_limit(
    command: Measured, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(["detect", "--check"]) == 0
    command.ratio = 0.01
    assert bench.main(["detect", "--check"]) == 1
    assert "detect: haar_over_own is 0.01, no less than" in capsys.readouterr().err
    assert bench.main(["detect"]) == 0


def test_json_is_all_that_stdout_has(command: Measured, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["detect", "--json", "--check"]) == 0
    assert json.loads(capsys.readouterr().out) == {"detect": {"ratios": {"haar_over_own": 100.0}}}


def test_quick_alone_means_all_of_it(command: Measured) -> None:
    assert bench.main(["--quick", "--check"]) == 0
    assert bench.main(["all", "--runs", "2"]) == 0
    assert [(a.quick, a.check, a.runs, a.photos) for a in command.asked] == [
        (True, True, 3, 7),
        (False, False, 2, 7),
    ]


def test_the_page_is_made_of_what_is_stored(command: Measured, tmp_path: Path) -> None:
    page.store("detect", {"ratios": {"haar_over_own": 4.0}}, tmp_path)
    page.store("other", {"ratios": {}}, tmp_path)
    page.write({"detect": command}, tmp_path)
    text = (tmp_path / "performance.md").read_text("utf-8")
    assert "## Detect" in text
    assert "table of 4.0" in text
    assert "Ratios: `haar_over_own` 4." in text
    assert "Other" not in text


def test_the_page_names_the_options_that_differ_from_the_defaults(
    command: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[list[str]] = []
    monkeypatch.setattr(page, "store", lambda *_, options: stored.append(options))
    monkeypatch.setattr(page, "write", lambda _: None)
    bench.main(["detect", "--store", "--check", "--photos", "7"])
    bench.main(["all", "--store", "--runs", "2"])
    bench.main(["detect", "--store", "--photos", "9", "--quick"])
    assert stored == [[], ["--runs", "2"], ["--quick", "--photos", "9"]]
    monkeypatch.undo()
    page.store("detect", {"ratios": {"haar_over_own": 4.0}}, tmp_path, options=stored[-1])
    page.write({"detect": command}, tmp_path)
    text = (tmp_path / "performance.md").read_text("utf-8")
    assert "`scripts/bench detect --quick --photos 9`, commit" in text


def test_several_values_of_an_option_and_folders_are_told_as_typed(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    search.add_arguments(parser)
    words = ["--sizes", "60000x128", "5000x128", "--keep"]
    arguments = parser.parse_args([*words, str(tmp_path)])
    assert page.given(arguments, parser.parse_args([])) == [*words, "DIR"]


def test_the_page_names_what_all_leaves_out() -> None:
    left_out = page.INTRODUCTION.partition("makes all but ")[2].partition(", which")[0]
    assert left_out == " and ".join(f"`{name}`" for name in bench.UNHELD)


# --- ingest and memory ---------------------------------------------------------------------------


def test_ratios_are_of_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The median of each run's ratio, not the ratio of medians."""
    runs = iter(
        {
            "rate": rate,
            "start": 1.0,
            "after_start": rate,
            "alone": alone,
            "cpu": 0.2,
            "cpu_alone": 0.1,
            "peak": 400_000_000,
            "found": 5.0,
            "ledger": {},
        }
        for rate, alone in ((8.0, 10.0), (2.0, 4.0), (30.0, 50.0))
    )
    monkeypatch.setattr(ingest, "_once", lambda *_: next(runs))
    kind = ingest._kind([], 5, 2, 3, (), 1)
    assert kind["ratios"] == {"share_of_alone": 0.6, "cpu_share_of_alone": 0.5}
    assert kind["rate"]["median"] == 8.0
    assert kind["found"] == 5.0
    assert ingest._compared(kind, False) == {**kind["ratios"], "peak_of_a_gigabyte": 0.4}
    assert "share_of_alone" not in ingest._compared(kind, True)


def test_files_are_filled_before_they_are_read_and_emptied_after(tmp_path: Path) -> None:
    content = tmp_path / "a.jpg"
    content.write_bytes(bytes(1000))
    folder = tmp_path / "fed"
    feed = memory.Feed([content], folder, 400)

    def filled() -> list[int]:
        paths = sorted(folder.iterdir())
        assert len(paths) == 400
        return [nth for nth, path in enumerate(paths) if path.stat().st_size]

    assert filled() == list(range(memory.AHEAD))
    feed.read(200 * 1000)
    assert filled() == list(range(200 - memory.BEHIND, 200 + memory.AHEAD))
    feed.read(10**9)
    assert filled() == []


def test_copies_differ_in_what_lies_behind_the_picture(tmp_path: Path) -> None:
    content = tmp_path / "a.jpg"
    content.write_bytes(b"picture")
    made = photos.copies([content], tmp_path / "copies", 3)
    assert len({path.read_bytes() for path in made}) == 3
    assert all(path.read_bytes().startswith(b"picture") for path in made)
    assert made == sorted(made)


# --- photos --------------------------------------------------------------------------------------


def sources() -> photos.Sources:
    face: Image = np.full((300, 240, 3), 255, np.uint8)
    cutting = Cutting(
        face, np.array([[60, 60, 120, 180]], np.float32), np.zeros((0, 4), np.float32)
    )
    return photos.Sources("drawn", [cutting, cutting], [np.zeros((300, 400, 3), np.uint8)])


@pytest.mark.parametrize("faces", [0, 1, 5, 20])
def test_a_photo_has_just_so_many_faces_inside_it(faces: int) -> None:
    scene = photos.draw(sources(), faces, seed=1, megapixels=3)
    height, width = scene.pixels.shape[:2]
    assert width * height == pytest.approx(3e6, rel=0.01)
    assert scene.boxes.shape == (faces, 4)
    assert (scene.boxes[:, :2] >= 0).all()
    assert (scene.boxes[:, 0] + scene.boxes[:, 2] <= width).all()
    assert (scene.boxes[:, 1] + scene.boxes[:, 3] <= height).all()
    assert (scene.boxes[:, 3] >= 119).all()
    centres = (scene.boxes[:, :2] + scene.boxes[:, 2:] / 2).astype(int)
    assert (scene.pixels[centres[:, 1], centres[:, 0]] == 255).all()


def test_noise_is_stronger_where_it_is_brighter_and_repeats() -> None:
    flat: Image = np.full((300, 200, 3), 20, np.uint8)
    flat[:, 100:] = 200
    noisy = photos.with_noise(flat, 3)
    assert (noisy == photos.with_noise(flat, 3)).all()
    assert noisy[:, 100:].std() > 1.2 * noisy[:, :100].std() > 0
    assert abs(noisy.mean() - flat.mean()) < 0.1


def test_a_camera_s_photo_says_when_it_was_taken(tmp_path: Path) -> None:
    from facefind.images import OpenedPhoto

    path = tmp_path / "IMG_0001.jpg"
    photos.write_as_camera(path, np.zeros((60, 80, 3), np.uint8), 1)
    info = OpenedPhoto(path.read_bytes()).info
    assert (info.width, info.height, info.camera) == (80, 60, "facefind bench")
    assert info.taken_at is not None

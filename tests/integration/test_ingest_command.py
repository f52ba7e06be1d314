"""`facefind ingest` on a real database, with a stand-in for the models: what it says and leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from facefind.cli.context import App
from facefind.ingest import FailedPhoto, Walked
from facefind.types import SettingValue
from tests.command import Result, call_facefind
from tests.moving import FakePipeline


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str],
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Result]:
    """Runs facefind in this process on the test's database."""

    def load(
        self: App, name: str, settings: Mapping[str, SettingValue], *, threads: int
    ) -> FakePipeline:
        return FakePipeline(name, settings=settings)

    monkeypatch.setattr(App, "pipeline", load)

    def call(*arguments: object) -> Result:
        words = ["--home", tmp_path / "home", "--database-url", database_url]
        return call_facefind(capsys, *words, *arguments)

    return call


def seconds_in(text: str, pattern: str) -> str:
    (seconds,) = re.findall(pattern, text)
    return str(seconds)


def test_the_summary_and_the_profile_count_the_same_seconds(
    photos: Path, cli: Callable[..., Result]
) -> None:
    told = cli("ingest", photos, "--profile")
    assert told.code == 1  # one photo is broken
    of_summary = seconds_in(told.out, r"1 failed; ([\d.]+ s)\)")
    assert of_summary == seconds_in(told.err, r"(?m)^([\d.]+ s) in all with \d+ at once: 4 photos")
    again = cli("ingest", photos, "--profile", "--json").json
    assert again["seconds"] == again["profile"]["wall_seconds"] > 0


def test_a_profile_of_nothing_to_do_says_so(photos: Path, cli: Callable[..., Result]) -> None:
    cli("ingest", photos)
    told = cli("ingest", photos, "--profile")
    assert "(0 new, 5 known, 1 failed; " in told.out
    assert re.findall(r"(?m)^[\d.]+ s in all: (no photo was read)", told.err) == [
        "no photo was read"
    ]
    assert "ms/photo" not in told.err


def test_unreadable_photos_alone_are_recorded_with_their_reasons(
    tmp_path: Path, cli: Callable[..., Result]
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"nothing")
    told = cli("ingest", folder)
    assert (told.code, "0 new, 0 known, 1 failed" in told.out) == (1, True)
    (event,) = cli("status", "--json").done.json["events"]
    assert [Path(failed["path"]).name for failed in event["failed"]] == ["a.jpg"]
    assert event["failed"][0]["reason"] in told.err


@pytest.mark.parametrize("names", [[], ["notes.txt"]])
def test_a_folder_without_a_picture_makes_no_event(
    tmp_path: Path, cli: Callable[..., Result], names: list[str]
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("hello")
    told = cli("ingest", folder)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("facefind: There are no pictures in ")
    assert cli("status", "--json").done.json["events"] == []


def test_a_folder_that_cannot_be_looked_into_makes_no_event(
    tmp_path: Path, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()

    def refuse(_: Path) -> Walked:
        return Walked((folder,), (), (FailedPhoto(folder, "permission denied"),))

    monkeypatch.setattr("facefind.ingest.find_photos", refuse)
    told = cli("ingest", folder)
    assert (told.code, told.out) == (2, "")
    lines = told.err.splitlines()
    assert lines[0].endswith("locked: permission denied")
    assert lines[1].startswith("facefind: There are no pictures in ")
    assert cli("status", "--json").done.json["events"] == []

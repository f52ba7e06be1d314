"""`facefind ingest` on a real database, with a stand-in for the models: what it says and leaves."""

from __future__ import annotations

import io
import re
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from facefind.cli.context import App
from facefind.ingest import FailedPhoto, Walked
from facefind.store.records import Finding
from facefind.store.repository import Repository
from facefind.types import Event, SettingValue
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


# Ctrl-C


def press_ctrl_c_when_stored(monkeypatch: pytest.MonkeyPatch, photos: int) -> None:
    """Presses it once so many photos are stored, the last of the run or not."""
    record, stored = Repository.record, [0]

    def then_press(self: Repository, event: Event, findings: Sequence[Finding]) -> list[bool]:
        answers = record(self, event, findings)
        before, stored[0] = stored[0], stored[0] + len(findings)
        if before < photos <= stored[0]:
            signal.raise_signal(signal.SIGINT)
        return answers

    monkeypatch.setattr(Repository, "record", then_press)


def test_faces_that_do_not_compare_with_earlier_ones_are_told_of_once(
    photos: Path, cli: Callable[..., Result]
) -> None:
    said = "Faces of pipeline dlib-fast do not compare with those of earlier events (dlib)"
    assert "do not compare" not in cli("ingest", photos, "--event", "usual").err
    assert "do not compare" not in cli("ingest", photos, "--event", "as usual").err
    assert said in cli("ingest", photos, "--event", "fast", "--fast").err
    assert "do not compare" not in cli("ingest", photos, "--event", "fast", "--fast").err
    assert "do not compare" not in cli("-q", "ingest", photos, "--event", "other", "--fast").err


def test_a_question_that_nobody_answers_is_no_interruption(
    photos: Path, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("ingest", photos, "--event", "stage")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    unasked = cli("forget", "--event", "stage")
    assert unasked.code == 2
    assert "Nobody answered. An option does, see --help." in unasked.err
    assert "stage" in cli("status").out


def people_of(cli: Callable[..., Result]) -> list[object]:
    found: list[object] = cli("people", "list", "--json").done.json["people"]
    return found


def to_type(told: Result) -> list[str]:
    """The command that is said to go on, after the program's name."""
    (line,) = re.findall(r"(?m)^To go on: (.*)$", told.err)
    program, *words = shlex.split(line)
    assert program == "facefind"
    return words


def test_ctrl_c_when_the_last_photos_are_at_hand_leaves_out_grouping(
    photos: Path, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        press_ctrl_c_when_stored(patch, 6)
        patch.setattr("facefind.people.group_people", lambda *_: pytest.fail("grouped"))
        stopped = cli("ingest", photos, "--json")
    assert stopped.code == 130
    assert (stopped.json["interrupted"], stopped.json["people"]) == (True, None)
    assert (stopped.json["new"], len(stopped.json["failed"])) == (4, 1)
    assert "Finishing the photos at hand" in stopped.err
    assert "all photos were looked at, but their faces may not be grouped" in stopped.err
    assert people_of(cli) == []
    again = cli(*to_type(stopped)).json
    assert (again["interrupted"], again["new"], again["skipped"]) == (False, 0, 5)
    assert again["people"] == len(people_of(cli)) > 0


def test_ctrl_c_when_the_last_photos_are_at_hand_and_nothing_is_left_to_do(
    photos: Path, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    press_ctrl_c_when_stored(monkeypatch, 6)
    told = cli("ingest", photos, "--no-group")
    assert "Finishing the photos at hand" in told.err
    assert told.code == 1  # one photo is broken
    assert "Stopped" not in told.err
    assert "Next: facefind who" in told.out


@pytest.fixture
def keyboard() -> Iterator[None]:
    """Ctrl-C arrives, also where the tests themselves run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("keyboard")
def test_ctrl_c_while_faces_are_grouped_ends_with_the_summary_and_a_hint(
    photos: Path, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        pytest.fail("still here")

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "put_groups", interrupted)
        stopped = cli("ingest", photos)
    assert stopped.code == 130
    assert "(4 new, 1 known, 1 failed; " in stopped.out
    assert "Next:" not in stopped.out
    assert "all photos were looked at, but their faces may not be grouped" in stopped.err
    assert "Traceback" not in stopped.err
    assert people_of(cli) == []
    assert cli("people", "group").code == 0
    assert len(people_of(cli)) > 0


def test_ctrl_c_at_the_last_photos_leaves_nothing_to_do_where_none_can_be_grouped(
    photos: Path, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    press_ctrl_c_when_stored(monkeypatch, 6)
    monkeypatch.setattr("facefind.people.can_be_grouped", lambda _: False)
    done = cli("ingest", photos, "--json")
    assert done.code == 1  # one photo is broken
    assert done.json["interrupted"] is False
    assert "Stopped early" not in done.err


@pytest.mark.parametrize(
    "given",
    [
        "--no-group --fast --thorough --profile",
        "--pipeline dlib --set detector.threshold=0.4 --event other --retry-failed -v",
        "",
    ],
)
def test_the_command_to_go_on_has_all_that_was_given(
    photos: Path, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("FACEFIND_THREADS", "1")
    monkeypatch.setenv("FACEFIND_BATCH", "1")
    with monkeypatch.context() as patch:
        press_ctrl_c_when_stored(patch, 1)
        stopped = cli("ingest", photos, *given.split())
    assert stopped.code == 130
    assert ("may not be grouped" in stopped.err) == ("--no-group" not in given)
    assert "all photos were looked at" not in stopped.err
    words = to_type(stopped)
    assert words[words.index("ingest") :] == ["ingest", str(photos), *given.split()]
    assert cli(*words).code == 1  # one photo is broken

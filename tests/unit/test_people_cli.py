"""`facefind people` without a database: help, arguments, and how things are said."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facefind import images
from facefind.cli.context import App
from facefind.cli.people_command import SUBCOMMANDS
from facefind.errors import UsageError
from facefind.people.contact_sheet import MOST, Labelled, write_sheet
from facefind.store.records import Decision, SeenFace
from facefind.types import Box
from tests.command import Result, call_facefind
from tests.fakes import BLUE, RED, write_photo
from tests.program import REPO

WHEN = datetime(2026, 11, 21, 10, 2, tzinfo=timezone.utc)
MERGE = Decision(
    7, "merge", {"what": "Anna <- Person 012 (34 faces)", "people": [1, 12]}, "root@host", WHEN,
    None, None, 35,
)  # fmt: skip
IMPORT = Decision(6, "import", {"folder": "x"}, "root@host", WHEN, "me@here", WHEN, 3)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    def call(*arguments: object) -> Result:
        return call_facefind(capsys, "people", *arguments)

    return call


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the store was asked; its log holds a merge and an import that was undone."""
    asked: list[Any] = []

    def decisions(limit: int | None) -> list[Decision]:
        asked.append(limit)
        return [MERGE, IMPORT][:limit]

    def turn(number: int | None) -> Decision:
        asked.append(number)
        return MERGE

    @contextmanager
    def store(self: App) -> Iterator[Any]:
        yield SimpleNamespace(decisions=decisions, undo=turn, redo=turn)

    monkeypatch.setattr(App, "store", store)
    return asked


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_command_has_help(cli: Callable[..., Result], name: str) -> None:
    result = cli(name, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: facefind people {name} ")


def test_the_groups_help_lists_every_command_and_imports_none(cli: Callable[..., Result]) -> None:
    out = cli("--help").out
    assert [name for name in SUBCOMMANDS if f"\n  {name} " not in out] == []
    statements = (
        "import sys\nfrom facefind.cli.main import run\n"
        "try: run(['people', '--help'])\nexcept SystemExit: pass\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", statements], cwd=REPO, capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert "facefind.cli.people_command" in loaded
    assert loaded.isdisjoint({f"facefind.cli.{module}" for module, _ in SUBCOMMANDS.values()})
    assert loaded.isdisjoint({"numpy", "cv2", "psycopg2"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["show"],
        ["name", "1"],
        ["name", "1", "Anna", "Berg"],
        ["merge"],
        ["split"],
        ["split", "1", "zero"],
        ["split", "1", "5", "--dry-run"],
        ["reject", "1"],
        ["reject", "first", "1"],
        ["reject", "0", "1"],
        ["confirm", "Anna"],
        ["confirm", "5"],
        ["confirm", str(2**63), "Anna"],
        ["hide"],
        ["cover", "1"],
        ["cover", "1", "-5"],
        ["delete"],
        ["delete", "1", "2"],
        ["undo", "x"],
        ["undo", "0"],
        ["undo", str(2**70)],
        ["log", "--limit", "-1"],
    ],
)
def test_usage_errors_exit_with_2(cli: Callable[..., Result], arguments: list[str]) -> None:
    result = cli(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "Error: " in result.err


@pytest.mark.parametrize("command", ["confirm", "reject"])
def test_a_name_before_the_faces_is_told_its_place(
    cli: Callable[..., Result], command: str
) -> None:
    result = cli(command, "Lisa Kudrow", "73")
    assert (result.code, result.out) == (2, "")
    assert "'Lisa Kudrow' is no face number; the person comes last." in result.err


def test_the_log_is_sentences(cli: Callable[..., Result], log: list[Any]) -> None:
    when = WHEN.astimezone().strftime("%Y-%m-%d %H:%M")
    assert cli("log") == Result(
        0,
        f"   7  {when}  merge  Anna <- Person 012 (34 faces)  root@host\n"
        f"   6  {when}  import  folder x  root@host  undone {when} me@here\n",
        "",
    )
    assert len(cli("log", "--limit", "1").out.splitlines()) == 1
    cli("log", "--limit", "0")
    assert log == [50, 1, None]


def test_the_log_as_json(cli: Callable[..., Result], log: list[Any]) -> None:
    first, second = json.loads(cli("log", "--json").out)["decisions"]
    assert (first["id"], first["subject"]["people"], first["undone_at"]) == (7, [1, 12], None)
    assert second["undone_at"] == second["made_at"] == WHEN.isoformat()


def test_undo_and_redo_say_what_they_did(cli: Callable[..., Result], log: list[Any]) -> None:
    assert cli("undo").out == "Undone: 7  merge  Anna <- Person 012 (34 faces)\n"
    assert cli("redo", "7").out == "Made again: 7  merge  Anna <- Person 012 (34 faces)\n"
    assert cli("undo", "-q") == Result(0, "", "")
    assert json.loads(cli("undo", "--json").out)["decision"]["id"] == 7
    assert log == [None, 7, None, None]


# --- contact sheets ------------------------------------------------------------------------------


def seen(number: int, photo: Any, x: float = 0) -> SeenFace:
    box = Box(x, 0, 30, 30)
    return SeenFace(number, 1, photo, "party", box, None, number, 0.9, "machine", False)


def test_a_sheet_shows_each_face_in_its_place(tmp_path: Any) -> None:
    photo = write_photo(tmp_path / "a.png", RED, BLUE, size=(180, 90))
    faces = [Labelled(seen(n, photo, x), f"face {n}") for n, x in ((1, 30), (2, 120))]
    target = tmp_path / "sheet.jpg"
    asked: list[Any] = []

    def progress(photos: Any) -> Any:
        asked.extend(photos)
        return photos

    done = write_sheet(target, "Anna", faces, progress)
    assert (done.faces, done.failed, asked) == (2, (), [photo])
    sheet = images.read_photo(target).pixels.astype(int)
    middle = sheet[120]
    red, blue = middle[100], middle[300]
    assert np.abs(red - RED).max() < 12
    assert np.abs(blue - BLUE).max() < 12


def test_a_photo_that_is_gone_leaves_a_grey_face(tmp_path: Any) -> None:
    there = write_photo(tmp_path / "a.png", RED)
    faces = [Labelled(seen(1, tmp_path / "gone.png"), "face 1"), Labelled(seen(2, there), "face 2")]
    done = write_sheet(tmp_path / "sheet.jpg", "Anna", faces)
    assert [path.name for path, _ in done.failed] == ["gone.png"]
    middle = images.read_photo(tmp_path / "sheet.jpg").pixels.astype(int)[120]
    assert np.abs(middle[100] - 200).max() < 12
    assert np.abs(middle[300] - RED).max() < 12


def test_sheets_never_replace_a_photo_and_are_never_empty(tmp_path: Any) -> None:
    photo = write_photo(tmp_path / "a.png", RED)
    before = photo.read_bytes()
    with pytest.raises(UsageError, match="one of the photos"):
        write_sheet(tmp_path / "." / "a.png", "Anna", [Labelled(seen(1, photo), "face 1")])
    with pytest.raises(UsageError, match="no faces"):
        write_sheet(tmp_path / "sheet.jpg", "Anna", [])
    assert photo.read_bytes() == before
    assert not (tmp_path / "sheet.jpg").exists()


def test_very_many_faces_are_cut_short(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facefind.people.contact_sheet.MOST", 3)
    photo = write_photo(tmp_path / "a.png", RED)
    faces = [Labelled(seen(n, photo), f"face {n}") for n in range(5)]
    assert write_sheet(tmp_path / "sheet.jpg", "Anna", faces).faces == 3
    assert MOST == 1000

"""The command line's manners: options, help, errors, exit codes; no database, no models."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import shlex
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facefind import __version__
from facefind.cli import output
from facefind.cli.context import App
from facefind.cli.main import COMMANDS
from facefind.cli.output import counter, plural, progress, shown
from facefind.errors import InferenceError, StoreError
from facefind.inference.pipeline import resolve_settings
from facefind.types import Event
from tests.command import Result, call_facefind
from tests.fakes import RED, write_photo


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Result]:
    def call(*arguments: str) -> Result:
        return call_facefind(capsys, "--home", tmp_path / "home", *arguments)

    return call


@pytest.fixture
def broken_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: App) -> None:
        try:
            raise ConnectionError("refused by the socket")
        except ConnectionError as error:
            raise StoreError("The database does not answer.", "Start it.") from error

    monkeypatch.setattr(App, "store", fail)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_command_has_help(cli: Callable[..., Result], command: list[str]) -> None:
    result = cli(*command, "--help")
    assert result.code == 0
    assert result.out.startswith("Usage: facefind")


def test_group_help_lists_every_command(cli: Callable[..., Result]) -> None:
    out = cli("--help").out
    assert [name for name in COMMANDS if f"  {name} " not in out] == []


@pytest.mark.parametrize("arguments", [["--version"], ["status", "--version"]])
def test_version(cli: Callable[..., Result], arguments: list[str]) -> None:
    assert cli(*arguments) == Result(0, f"facefind {__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["who"],
        ["who", "/no/such/portrait.jpg"],
        ["who", __file__, "--limit", "-1"],
        ["who", str(Path(__file__).parent)],
        ["who", __file__, "--max-distance", "nan"],
        ["who", __file__, "--max-distance", "far"],
        ["who", __file__, "--after", "yesterday"],
        ["ingest", str(Path(__file__).parent), "--set", "threshold"],
        ["albums"],
        ["albums", "out", "--strict"],
        ["albums", "out", "--portraits", str(Path(__file__).parent), "--only", "Anna"],
        ["forget"],
    ],
)
def test_usage_errors_exit_with_2(cli: Callable[..., Result], arguments: list[str]) -> None:
    result = cli(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err


@pytest.mark.usefixtures("broken_store")
def test_errors_are_one_sentence_and_a_hint(cli: Callable[..., Result]) -> None:
    result = cli("status")
    assert result == Result(2, "", "facefind: The database does not answer.\nStart it.\n")


def test_a_database_url_that_is_wrong_is_told_with_the_name_of_its_variable(
    cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEFIND_DATABASE_URL", "no url")
    result = cli("status")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("facefind: The database URL cannot be understood.\n")
    assert result.err.endswith(" The URL is that of FACEFIND_DATABASE_URL.\n")


@pytest.mark.usefixtures("broken_store")
@pytest.mark.parametrize("arguments", [["--debug", "status"], ["status", "--debug"]])
def test_debug_shows_the_traceback_with_its_cause(
    cli: Callable[..., Result], arguments: list[str]
) -> None:
    result = cli(*arguments)
    assert result.code == 2
    assert "Traceback" in result.err
    assert "refused by the socket" in result.err


def test_ctrl_c_exits_with_130(cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: App) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(App, "store", interrupted)
    result = cli("status")
    assert (result.code, result.out) == (130, "")


def test_ctrl_c_at_once_says_what_becomes_of_photos(
    cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(self: App) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(App, "store", interrupted)
    photo = write_photo(tmp_path / "a.png", RED)
    result = cli("ingest", str(photo))
    hint = "\nStopped. What is stored stays; run the same command again to go on.\n"
    assert result == Result(130, "", hint)


def test_ctrl_c_while_albums_are_written_says_how_to_go_on(
    cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @contextmanager
    def opened(self: App) -> Iterator[Any]:
        yield SimpleNamespace(events=lambda: [SimpleNamespace(id=1, name="party")])

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    members = SimpleNamespace(albums=[], photos=[], nobody=[])
    monkeypatch.setattr(App, "store", opened)
    monkeypatch.setattr("facefind.albums.people_albums", lambda *_: members)
    monkeypatch.setattr("facefind.albums.write_albums", interrupted)
    result = cli("albums", str(tmp_path / "albums"), "--no-page")
    assert (result.code, result.out) == (130, "")
    assert "What is there is whole; run it again to go on.\n" in result.err
    dry = cli("albums", str(tmp_path / "albums"), "--no-page", "--dry-run")
    assert (dry.code, dry.err.strip()) == (130, "Stopped.")


def test_a_fault_is_one_line_and_the_traceback_is_for_debug(
    cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: App) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(App, "store", broken)
    result = cli("status")
    assert (result.code, result.out) == (2, "")
    assert "ZeroDivisionError: by nought" in result.err
    assert "Traceback" not in result.err
    assert "Traceback" in cli("status", "--debug").err


def test_a_folder_without_pictures_is_refused(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def no_events(self: App) -> Iterator[Any]:
        yield SimpleNamespace(event=lambda _: None)

    monkeypatch.setattr(App, "store", no_events)
    (tmp_path / "empty").mkdir()
    result = cli("ingest", str(tmp_path / "empty"))
    assert result.code == 2
    assert "There are no pictures in" in result.err


def test_a_command_to_copy_is_quoted_for_the_shell() -> None:
    words = ("ingest", "a b", "--event", "O'Brien's $x", "--retry-failed")
    assert shlex.split(App(words=words).again) == ["facefind", *words]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://ann:se%40cret@host:5432/db", "postgresql://ann:***@host:5432/db"),
        ("postgresql:///db?password=secret&host=/tmp", "postgresql:///db?password=***&host=/tmp"),
        ("host=a password = 'se cret' dbname=b", "host=a password = *** dbname=b"),
        ("host=a password=secret", "host=a password=***"),
        ("host=a password=se&cret user=b", "host=a password=*** user=b"),
        (r"host=a password=se\ cret user=b", "host=a password=*** user=b"),
        ("postgresql://ann:se@cret@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://ann@host:5432/db", "postgresql://ann@host:5432/db"),
    ],
)
def test_a_command_to_copy_holds_no_password(url: str, told: str) -> None:
    for words in (("--database-url", "{}", "status"), ("status", "--database-url={}")):
        app = App({"database_url": url}, [word.format(url) for word in words])
        assert shlex.split(app.again)[1:] == [word.format(told) for word in words]


def test_a_command_to_copy_holds_no_password_of_an_option_given_twice() -> None:
    given = ["--database-url", "postgresql://a:one@h/x", "status"]
    last = "postgresql://b:two@h/y"
    told = App({"database_url": last}, [*given, f"--database-url={last}"]).again
    assert "one" not in told
    assert "two" not in told


class Terminal:
    """A terminal for stderr, of so many rows and columns."""

    def __init__(self, rows: int, columns: int) -> None:
        self._screen, keyboard = pty.openpty()
        fcntl.ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.stderr = os.fdopen(keyboard, "w")

    def drawn(self) -> str:
        """What is to be seen there; it is closed then."""
        self.stderr.close()
        with os.fdopen(self._screen, "rb", buffering=0) as screen:
            return b"".join(iter(partial(_read, screen), b"")).decode()


def _read(screen: io.RawIOBase) -> bytes:
    try:
        return screen.read(10_000) or b""
    except OSError:
        # Linux's way to say that a terminal is closed.
        return b""


def count_to_seven() -> None:
    with counter("ingest", quiet=False)(7) as done:
        done(7)


def go_through_seven() -> None:
    assert len(list(progress("sheet", quiet=False)(range(7)))) == 7


@pytest.mark.parametrize("show", [count_to_seven, go_through_seven])
@pytest.mark.parametrize(("columns", "widest"), [(0, 80), (40, 40)])
def test_progress_is_drawn_on_a_terminal_whether_or_not_it_knows_its_columns(
    monkeypatch: pytest.MonkeyPatch, show: Callable[[], None], columns: int, widest: int
) -> None:
    terminal = Terminal(0 if columns == 0 else 24, columns)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal.stderr)
        assert os.get_terminal_size(terminal.stderr.fileno()).columns == columns
        show()
    drawn = terminal.drawn()
    assert "7/7" in drawn
    assert max(map(len, re.split("[\r\n]", drawn))) <= widest


@pytest.mark.parametrize("command", [("ingest", "."), ("reindex",)])
def test_fast_and_another_pipeline_contradict_each_other(
    cli: Callable[..., Result], command: tuple[str, ...]
) -> None:
    refused = cli(*command, "--fast", "--pipeline", "clip")
    assert refused.code == 2
    assert "--fast means --pipeline dlib-fast" in refused.err


def test_fast_is_a_pipeline_and_refused_where_the_event_has_another(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = Event(1, "party", "dlib", "f00d", {})

    @contextmanager
    def one_event(self: App) -> Iterator[Any]:
        yield SimpleNamespace(event=lambda _: event)

    monkeypatch.setattr(App, "store", one_event)
    photo = write_photo(tmp_path / "a.png", RED)
    refused = cli("ingest", str(photo), "--event", "party", "--fast")
    assert refused.code == 2
    assert "was ingested with pipeline dlib, not dlib-fast" in refused.err


def test_faces_never_writes_over_the_photo(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = write_photo(tmp_path / "a.jpg", RED)
    detector = SimpleNamespace(detect=lambda _: [])
    monkeypatch.setattr(App, "detector", lambda *_: detector)
    before = photo.read_bytes()
    result = cli("faces", str(photo), "--to", str(tmp_path / "." / "a.jpg"))
    assert (result.code, photo.read_bytes()) == (2, before)
    monkeypatch.chdir(tmp_path)
    assert cli("faces", str(photo)).code == cli("faces", str(photo)).code == 1  # no face
    assert {"a-faces.jpg", "a-faces (2).jpg"} <= {path.name for path in tmp_path.iterdir()}


MORE = {"detector.min_size": 40}


def test_faces_looks_as_at_an_events_photos(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []

    def detector(self: App, name: str, settings: Any) -> Any:
        asked.append((name, dict(settings)))
        return SimpleNamespace(detect=lambda _: [])

    @contextmanager
    def one_event(self: App) -> Iterator[Any]:
        yield SimpleNamespace(events=lambda: [Event(1, "party", "clip", "", MORE)])

    monkeypatch.setattr(App, "detector", detector)
    monkeypatch.setattr(App, "store", one_event)
    photo, copy = write_photo(tmp_path / "a.jpg", RED), str(tmp_path / "copy.jpg")
    faces = ("faces", str(photo), "--to", copy)
    result = cli(*faces, "--event", "party", "--json")
    assert (result.code, result.json["pipeline"]) == (1, "clip")
    assert asked == [("clip", resolve_settings("clip", MORE))]
    assert 'There is no event "wedding"' in cli(*faces, "--event", "wedding").err
    for other in (("--pipeline", "dlib"), ("--set", "detector.min_size=70")):
        refused = cli(*faces, "--event", "party", *other)
        assert (refused.code, refused.out) == (2, "")
        assert "leave --pipeline and --set out" in refused.err
    assert len(asked) == 1


def test_errors_of_a_photo_exit_with_1() -> None:
    assert InferenceError("x").exit_code == 1


def test_models_lists_every_record_as_json(cli: Callable[..., Result]) -> None:
    result = cli("models", "--json")
    assert result.code == 0
    names = [row["name"] for row in json.loads(result.out)["models"]]
    assert {"centerface", "dlib_resnet"} <= set(names)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cli: Callable[..., Result], shell: str) -> None:
    result = cli("completion", shell)
    assert result.code == 0
    assert "_FACEFIND_COMPLETE" in result.out


def test_unset_pipeline_settings_are_explained(cli: Callable[..., Result]) -> None:
    photo = Path(__file__)
    result = cli("faces", str(photo), "--set", "detector.colour=red")
    assert result.code == 2
    assert "detector.colour" in result.err


def test_paths_are_shown_on_one_printable_line() -> None:
    assert shown(Path("a b.jpg")) == "a b.jpg"
    assert shown("Bär\n.jpg") == "Bär\\n.jpg"
    assert shown("caf\udce9.jpg") == "caf\\xe9.jpg"


def test_paths_below_the_current_folder_are_shown_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "party" / "a.jpg") == "party/a.jpg"
    assert shown(tmp_path.parent / "a.jpg") == str(tmp_path.parent / "a.jpg")


def test_progress_is_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "LINE_SECONDS", 0.0)
    assert list(progress("ingest", quiet=False)(["a", "b"])) == ["a", "b"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "ingest: 1 of 2 photos", "ingest: 2 of 2 photos"
    ]  # fmt: skip
    assert list(progress("ingest", quiet=True)(["a", "b"])) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_plural() -> None:
    assert [plural(n, "photo") for n in (0, 1, 2)] == ["no photos", "1 photo", "2 photos"]
    assert plural(3, "person") == "3 people"

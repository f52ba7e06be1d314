"""Weights that are published in an archive, under a licence that must be accepted first."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from facefind.cli.main import run
from facefind.errors import WeightsError
from facefind.inference import archives, download, weights
from facefind.inference.download import Wanted, only_one
from tests.weights_server import HURRIED, Script, served

FINDER, EMBEDDER = b"finder " * 20_000, b"embedder " * 10_000
TERMS = "For research only."


def packed(**members: bytes) -> bytes:
    """A zip file; what the members are called, dots written as _."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"pack/{name.replace('_', '.')}", data)
    return buffer.getvalue()


PACK = packed(finder_onnx=FINDER, embedder_onnx=EMBEDDER, other_onnx=b"not wanted")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def record(name: str, data: bytes, url: str, pack: bytes) -> str:
    return (
        f'name = "{name}"\ntitle = "{name}"\nused_by = ["both"]\nsource = "download"\n'
        f'file = "{name}.onnx"\nsha256 = "{sha256(data)}"\nsize = {len(data)}\n'
        'licence = "research only"\nlicence_url = "https://example.org/licence"\n'
        f'terms = "{TERMS}"\nurl = "{url}/pack.zip"\narchive = "pack.zip"\n'
        f'archive_sha256 = "{sha256(pack)}"\narchive_size = {len(pack)}\n'
        f'member = "{name}.onnx"\n'
        '[input]\nname = "x"\nshape = ["N"]\ncolour = "RGB"\nrange = [0, 1]\n'
        '[[output]]\nname = "y"\nshape = ["N"]\nmeaning = "z"\n'
    )


@dataclass
class Place:
    """A running server, the records of two files in its archive, and a folder to download into."""

    script: Script
    records: Path
    url: str
    models_dir: Path

    def publish(self, pack: bytes, finder: bytes = FINDER, embedder: bytes = EMBEDDER) -> None:
        self.script.data = pack
        self.records.mkdir(exist_ok=True)
        for name, data in (("finder", finder), ("embedder", embedder)):
            (self.records / f"{name}.toml").write_text(record(name, data, self.url, pack))

    def pull(self, name: str = "finder", *, accept: bool = True) -> Path:
        return weights.pull(name, self.models_dir, accept_licence=accept, patience=HURRIED)

    def put(self, name: str, data: bytes) -> Path:
        """Places a file by hand."""
        self.models_dir.mkdir(parents=True, exist_ok=True)
        (self.models_dir / name).write_bytes(data)
        return self.models_dir / name

    @property
    def left(self) -> set[str]:
        """What lies in the folder, apart from notes and locks."""
        names = {path.name for path in self.models_dir.iterdir()}
        return {name for name in names if not name.endswith((".json", ".lock"))}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    script = Script()
    for name in ("HF_ENDPOINT", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(weights, "resource_dir", lambda name: tmp_path / name)
    with served(script) as url:
        made = Place(script, tmp_path / "models", url, tmp_path / "home" / "models")
        made.publish(PACK)
        yield made


def test_one_download_brings_all_that_is_wanted_and_removes_the_archive(place: Place) -> None:
    assert place.pull("finder").read_bytes() == FINDER
    assert (place.models_dir / "embedder.onnx").read_bytes() == EMBEDDER
    assert place.left == {"finder.onnx", "embedder.onnx"}
    assert place.pull("embedder").read_bytes() == EMBEDDER
    assert len(place.script.asked) == 1
    assert weights.locate("embedder", place.models_dir) == place.models_dir / "embedder.onnx"


def test_files_are_as_readable_as_any_other(place: Place) -> None:
    mode = place.put("any", b"").stat().st_mode
    assert place.pull().stat().st_mode == mode


def test_a_damaged_file_is_taken_out_of_a_new_archive(place: Place) -> None:
    place.put("finder.onnx", EMBEDDER)
    assert place.pull().read_bytes() == FINDER


def test_a_cut_download_is_continued(place: Place) -> None:
    place.script.cuts = [300, None]
    assert place.pull().read_bytes() == FINDER
    assert place.script.asked == [None, "bytes=300-"]


def test_pulls_at_the_same_time_download_once(place: Place) -> None:
    with ThreadPoolExecutor(4) as pool:
        names = ["finder", "embedder"] * 2
        paths = list(pool.map(place.pull, names))
    assert [path.name for path in paths] == [f"{name}.onnx" for name in names]
    assert len(place.script.asked) == 1
    assert place.left == {"finder.onnx", "embedder.onnx"}


def test_a_wrong_archive_is_thrown_away(place: Place) -> None:
    place.script.data = PACK[::-1]
    with pytest.raises(WeightsError, match="sha256 of what came") as caught:
        place.pull()
    hint = str(caught.value)
    assert "facefind models pull both" in hint
    assert f"{place.url}/pack.zip and put it at {place.models_dir / 'pack.zip'}" in hint
    assert place.left == set()


def test_a_member_that_is_another_file_is_not_placed(place: Place) -> None:
    place.publish(PACK, finder=b"something else")
    with pytest.raises(WeightsError, match="is another file") as caught:
        place.pull()
    assert sha256(FINDER) in str(caught.value)
    assert "finder.onnx" not in place.left


@pytest.mark.parametrize(
    ("pack", "message"),
    [
        (packed(embedder_onnx=EMBEDDER), "holds 0 files called finder.onnx"),
        (b"not a zip file", "is damaged: File is not a zip file"),
    ],
)
def test_an_archive_without_the_file_ends_in_an_error(
    place: Place, pack: bytes, message: str
) -> None:
    place.publish(pack)
    with pytest.raises(WeightsError, match=message):
        place.pull()
    assert "finder.onnx" not in place.left


def test_what_an_interrupted_unpacking_left_is_used_and_then_removed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise WeightsError("No space left on device")

    monkeypatch.setattr(archives, "take_out", full)
    with pytest.raises(WeightsError, match="No space"):
        place.pull()
    assert place.left == {"pack.zip"}
    monkeypatch.undo()
    monkeypatch.setattr(weights, "resource_dir", lambda name: place.records.parent / name)
    assert place.pull().read_bytes() == FINDER
    assert len(place.script.asked) == 1
    assert place.left == {"finder.onnx", "embedder.onnx"}


def test_an_archive_placed_by_hand_is_used_by_pull_and_stays(place: Place) -> None:
    place.put("pack.zip", PACK)
    assert place.pull(accept=False).read_bytes() == FINDER
    assert place.script.asked == []
    assert place.left == {"finder.onnx", "embedder.onnx", "pack.zip"}


def test_an_archive_placed_by_hand_is_found_where_weights_are_needed(place: Place) -> None:
    place.put("pack.zip", PACK)
    assert weights.locate("embedder", place.models_dir).read_bytes() == EMBEDDER


def test_weights_are_waited_for_while_a_pull_takes_them_out_and_removes_the_archive(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.put("pack.zip", PACK)
    known = weights.records()["finder"]
    with ThreadPoolExecutor(1) as pool:
        with only_one(weights._wanted(known, place.models_dir)):
            asked = threading.Event()

            def asking(wanted: Wanted) -> AbstractContextManager[None]:
                asked.set()
                return only_one(wanted)

            monkeypatch.setattr(download, "only_one", asking)
            located = pool.submit(weights.locate, "finder", place.models_dir)
            assert asked.wait(10)
            place.put("finder.onnx", FINDER)
            path.unlink()
        assert located.result().read_bytes() == FINDER


def test_members_placed_by_hand_are_used(place: Place) -> None:
    place.put("finder.onnx", FINDER)
    assert weights.locate("finder", place.models_dir).read_bytes() == FINDER
    assert place.pull(accept=False).read_bytes() == FINDER
    assert place.script.asked == []


def test_a_wrong_archive_placed_by_hand_is_told_and_replaced(place: Place) -> None:
    place.put("pack.zip", PACK[::-1])
    with pytest.raises(WeightsError, match=r"pack.zip is not what was published: its sha256"):
        weights.locate("finder", place.models_dir)
    place.put("pack.zip", b"short")
    with pytest.raises(WeightsError, match="it has 5 bytes, expected"):
        weights.locate("finder", place.models_dir)
    assert place.pull().read_bytes() == FINDER
    assert place.left == {"finder.onnx", "embedder.onnx"}


def test_missing_weights_name_file_address_place_and_command(place: Place) -> None:
    with pytest.raises(WeightsError, match=r"weights finder \(finder.onnx\) are missing") as caught:
        weights.locate("finder", place.models_dir)
    assert caught.value.hint == (
        "Run `facefind models pull both` (for research only, which it asks you to accept), "
        f"or get {place.url}/pack.zip and put it at {place.models_dir / 'pack.zip'}."
    )


def test_nothing_is_downloaded_without_acceptance(place: Place) -> None:
    with pytest.raises(WeightsError, match="research only, which has not been accepted") as caught:
        place.pull(accept=False)
    assert "facefind models pull both --accept-licence" in caught.value.hint
    assert "https://example.org/licence" in caught.value.hint
    assert place.script.asked == []
    assert place.left == set()


def test_acceptance_is_remembered_beside_each_file(place: Place) -> None:
    for path in (place.pull(), place.models_dir / "embedder.onnx"):
        note = json.loads((place.models_dir / f"{path.name}.licence.json").read_text())
        assert (note["terms"], note["licence"]) == (TERMS, "research only")
        path.unlink()
    assert place.pull("embedder", accept=False).read_bytes() == EMBEDDER
    assert len(place.script.asked) == 2


@pytest.mark.parametrize("note", ["", "[]", '{"terms": "others"}'])
def test_a_note_of_other_terms_accepts_nothing(place: Place, note: str) -> None:
    place.put("finder.onnx.licence.json", note.encode())
    with pytest.raises(WeightsError, match="has not been accepted"):
        place.pull(accept=False)


@pytest.fixture
def cli(place: Place, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs facefind with the folder above the models' as its home."""

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            run(["--home", str(place.models_dir.parent), *arguments])
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, *capsys.readouterr()

    return call


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: bool) -> list[str]:
    """Lets somebody answer; returns what they are asked."""
    asked: list[str] = []

    def confirm(text: str, **_: Any) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "confirm", confirm)
    return asked


def test_a_script_that_does_not_accept_gets_nothing_and_exit_code_2(
    place: Place, cli: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = cli("models", "pull", "both")
    assert (code, out) == (2, "")
    assert "research only, which has not been accepted, so nothing was downloaded" in err
    assert "--accept-licence" in err
    assert place.script.asked == []


def test_a_script_that_accepts_gets_all_of_the_pipeline(
    place: Place, cli: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = cli("models", "pull", "both", "--accept-licence", "--json")
    assert code == 0
    files = [
        {"name": name, "path": str(place.models_dir / f"{name}.onnx")}
        for name in ("embedder", "finder")
    ]
    assert json.loads(out) == {"name": "both", "weights": files}
    assert cli("models", "pull", "finder")[0] == 0  # remembered, and there
    assert len(place.script.asked) == 1


def test_at_a_terminal_the_terms_are_shown_and_asked_about_once(
    place: Place, cli: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = at_a_terminal(monkeypatch, answer=True)
    code, out, err = cli("models", "pull", "both")
    assert code == 0
    assert asked == ["Do you accept this licence (research only)?"]
    assert TERMS in err
    assert "https://example.org/licence" in err
    assert f"finder is at {place.models_dir / 'finder.onnx'}" in out


def test_who_declines_at_a_terminal_gets_nothing(
    place: Place, cli: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = at_a_terminal(monkeypatch, answer=False)
    code, _, err = cli("models", "pull", "both")
    assert (code, len(asked)) == (2, 1)
    assert "has not been accepted" in err
    assert place.script.asked == []


def test_a_name_nobody_knows_is_refused_with_those_that_are_known(
    place: Place, cli: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, err = cli("models", "pull", "nothing")
    assert code == 2
    assert "Pipelines: both. Weights: embedder, finder." in err

"""Downloading weights from a server that behaves as badly as it is told."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facefind.errors import WeightsError
from facefind.inference import download, weights
from facefind.inference.download import Patience
from tests.weights_server import DATA, HURRIED, OTHER, SHA256, Script, Site, served


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    script = Script()
    with served(script) as url:
        yield _site(script, url, tmp_path, monkeypatch)


def _site(script: Script, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    (tmp_path / "models").mkdir()

    def record(known: str, at: str = url) -> None:
        (tmp_path / "models" / "net.toml").write_text(
            'name = "net"\ntitle = "net"\nused_by = ["p"]\nsource = "download"\n'
            f'file = "net.onnx"\nurl = "{at}/net.onnx"\n{known}\n'
            'licence = "MIT"\nlicence_url = "https://example.org"\n'
            '[input]\nname = "x"\nshape = ["N"]\ncolour = "RGB"\nrange = [0, 1]\n'
            '[[output]]\nname = "y"\nshape = ["N"]\nmeaning = "z"\n'
        )

    record(f'sha256 = "{SHA256}"\nsize = {len(DATA)}')
    monkeypatch.setattr(weights, "resource_dir", lambda name: tmp_path / name)
    for name in ("HF_ENDPOINT", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return Site(script, url, tmp_path / "home" / "models", record)


def test_a_file_comes_whole_with_progress_and_leaves_nothing_behind(site: Site) -> None:
    steps: list[tuple[int, int | None]] = []
    path = weights.pull("net", site.models_dir, progress=lambda *step: steps.append(step))
    assert path == site.target
    assert path.read_bytes() == DATA
    assert (steps[0], steps[-1]) == ((0, len(DATA)), (len(DATA), len(DATA)))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert site.left == {"net.onnx", "net.onnx.json"}
    assert weights.locate("net", site.models_dir) == path


def test_what_is_there_is_not_downloaded_again(site: Site) -> None:
    site.pull()
    site.pull()
    assert len(site.script.asked) == 1


def test_a_damaged_file_is_downloaded_again(site: Site) -> None:
    site.models_dir.mkdir(parents=True)
    site.target.write_bytes(OTHER)
    assert site.pull().read_bytes() == DATA


def test_a_connection_cut_short_is_continued_in_the_same_call(site: Site) -> None:
    site.script.cuts = [300_000, 300_000, None]
    assert site.pull().read_bytes() == DATA
    assert site.script.asked == [None, "bytes=300000-", "bytes=600000-"]


def test_a_later_call_continues_what_an_earlier_one_left(site: Site) -> None:
    site.script.cuts = [300_000, None]
    once = Patience(timeout=0.3, attempts=1)
    assert "after 300000 of 1048576 bytes" in site.error(once)
    assert site.left == {"net.onnx.part", "net.onnx.part.etag"}
    steps: list[int] = []
    weights.pull("net", site.models_dir, progress=lambda done, _: steps.append(done))
    assert site.target.read_bytes() == DATA
    assert steps[0] == 300_000
    assert site.script.asked == [None, "bytes=300000-"]


def test_a_file_that_changed_meanwhile_starts_again(site: Site) -> None:
    site.script.data, site.script.etag, site.script.cuts = OTHER, '"v0"', [300_000, None]
    site.error(Patience(timeout=0.3, attempts=1))
    site.script.data, site.script.etag = DATA, '"v1"'
    assert site.pull().read_bytes() == DATA
    assert len(site.script.asked) == 2


def test_a_server_without_ranges_starts_again(site: Site) -> None:
    site.script.cuts, site.script.ranges = [300_000, None], False
    assert site.pull().read_bytes() == DATA


def test_versions_without_a_name_start_again(site: Site) -> None:
    site.script.cuts, site.script.etag = [300_000, None], 'W/"weak"'
    assert site.pull().read_bytes() == DATA
    assert site.script.asked == [None, None]


def test_a_part_that_is_longer_than_the_file_starts_again(site: Site) -> None:
    site.models_dir.mkdir(parents=True)
    (site.models_dir / "net.onnx.part").write_bytes(DATA + DATA)
    (site.models_dir / "net.onnx.part.etag").write_text('"v1"')
    site.script.statuses = [416, None]
    assert site.pull().read_bytes() == DATA
    assert site.script.asked == [f"bytes={2 * len(DATA)}-", None]


def test_a_size_that_the_server_hides_is_no_obstacle(site: Site) -> None:
    site.script.hides_size = True
    steps: list[tuple[int, int | None]] = []
    weights.pull("net", site.models_dir, progress=lambda *step: steps.append(step))
    assert steps[-1] == (len(DATA), None)
    assert site.target.read_bytes() == DATA


def test_a_connection_that_keeps_breaking_ends_in_an_error(site: Site) -> None:
    site.script.cuts = [1000]
    message = site.error()
    assert "after 3000 of 1048576 bytes (3 attempts)" in message
    assert "facefind models pull p" in message


def test_wrong_bytes_are_thrown_away(site: Site) -> None:
    site.script.data = OTHER
    message = site.error()
    assert hashlib.sha256(OTHER).hexdigest() in message
    assert SHA256 in message
    assert site.left == set()


def test_wrong_bytes_that_cannot_be_thrown_away_are_told_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.script.data = OTHER
    kept: list[str] = []
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.exists():
            kept.append(path.name)
            raise OSError(30, "Read-only file system")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert f"sha256 of what came is {hashlib.sha256(OTHER).hexdigest()}" in site.error()
    assert kept == ["net.onnx.part"]


def test_a_tag_that_cannot_be_removed_does_no_harm(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == "net.onnx.part.etag" and path.exists():
            raise PermissionError(1, "Operation not permitted")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert site.pull().read_bytes() == DATA
    assert "net.onnx.part.etag" in site.left
    monkeypatch.undo()


def test_a_wrong_size_is_refused_before_the_download(site: Site) -> None:
    site.script.data = DATA + b"!"
    assert "has 1048577 bytes, expected 1048576" in site.error()
    assert site.left == set()


def test_a_missing_file_is_not_asked_for_twice(site: Site) -> None:
    site.script.statuses = [404]
    assert "answers 404" in site.error()
    assert len(site.script.asked) == 1


def test_a_busy_server_is_asked_again(site: Site) -> None:
    site.script.statuses = [503, 429, None]
    assert site.pull().read_bytes() == DATA


def test_a_server_that_stays_busy_ends_in_an_error(site: Site) -> None:
    site.script.statuses = [503]
    assert "answers 503" in site.error()
    assert len(site.script.asked) == 3


def test_a_stalled_server_is_left_and_the_rest_fetched(site: Site) -> None:
    site.script.stall = threading.Event()
    site.script.cuts = [300_000, None]
    assert site.pull().read_bytes() == DATA
    assert site.script.asked == [None, "bytes=300000-"]
    site.script.stall.set()


def test_a_server_that_never_goes_on_ends_in_an_error(site: Site) -> None:
    site.script.stall = threading.Event()
    site.script.cuts = [0]
    assert "timed out" in site.error()
    assert len(site.script.asked) == 3
    site.script.stall.set()


def test_a_host_that_does_not_answer_ends_in_an_error(site: Site) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        site.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        rewrite(site)
        assert "3 attempts" in site.error()


def test_a_closed_port_ends_in_an_error_at_once(site: Site) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        site.url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    rewrite(site)
    assert "cannot be reached" in site.error(Patience(attempts=3, pause=60))


def test_an_unknown_host_ends_in_an_error_at_once(site: Site) -> None:
    site.url = "http://nowhere.invalid"
    rewrite(site)
    assert "cannot be reached" in site.error(Patience(attempts=3, pause=60))


@pytest.mark.parametrize("url", ["nonsense", "http://[::1", "gopher://example.org"])
def test_an_address_that_is_none_ends_in_an_error(site: Site, url: str) -> None:
    site.url = url
    rewrite(site)
    assert url in site.error()


def rewrite(site: Site) -> None:
    """Sends the record's address to ``site.url``."""
    record = site.models_dir.parent.parent / "models" / "net.toml"
    lines = record.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("url")]
    kept.insert(5, f'url = "{site.url}/net.onnx"')
    record.write_text("\n".join(kept))


def test_a_proxy_from_the_environment_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    site.url = "http://nowhere.invalid"
    rewrite(site)
    assert site.pull().read_bytes() == DATA


@pytest.mark.parametrize("redirect", [False, True])
def test_an_unknown_hash_is_the_one_that_the_hub_says(site: Site, redirect: bool) -> None:
    site.record("")
    site.script.linked, site.script.redirect = f'"{SHA256}"', redirect
    assert site.pull().read_bytes() == DATA
    assert weights.weight_state(weights.records()["net"], site.models_dir) == "downloaded"
    own = hashlib.sha256(SHA256.encode()).hexdigest()
    assert weights.fingerprint(["net"], site.models_dir) == own


def test_bytes_that_differ_from_the_hubs_word_are_thrown_away(site: Site) -> None:
    site.record("")
    site.script.linked = f'"{hashlib.sha256(OTHER).hexdigest()}"'
    assert f"sha256 of what came is {SHA256}" in site.error()
    assert site.left == set()


@pytest.mark.parametrize("linked", ["", '"abc"', f'"{"z" * 64}"'])
def test_a_file_that_nobody_vouches_for_is_refused(site: Site, linked: str) -> None:
    site.record("")
    site.script.linked = linked
    assert "cannot be verified" in site.error()
    assert site.left == set()


def test_a_later_change_of_an_unknown_file_is_refused(site: Site) -> None:
    site.record("")
    site.script.linked = SHA256
    site.pull().unlink()
    site.script.data, site.script.linked = OTHER, hashlib.sha256(OTHER).hexdigest()
    message = site.error()
    assert "has changed there" in message
    assert f"delete {site.target}.json" in message
    (site.models_dir / "net.onnx.json").unlink()
    assert site.pull().read_bytes() == OTHER


def test_a_change_that_the_hub_keeps_quiet_about_is_refused_too(site: Site) -> None:
    site.record("")
    site.script.linked = SHA256
    site.pull().unlink()
    site.script.data = OTHER
    assert "sha256 of what came" in site.error()


def test_a_known_file_that_changed_is_refused_before_the_download(site: Site) -> None:
    site.script.data, site.script.linked = OTHER, hashlib.sha256(OTHER).hexdigest()
    assert "has changed there" in site.error()
    assert site.left == set()


def test_hub_files_come_from_the_mirror(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    site.url = "https://huggingface.co/who/what/resolve/main"
    rewrite(site)
    assert site.pull().read_bytes() == DATA


def test_pulls_at_the_same_time_download_once(site: Site) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: site.pull(), range(4)))
    assert paths == [site.target] * 4
    assert site.target.read_bytes() == DATA
    assert len(site.script.asked) == 1


def test_a_folder_that_cannot_be_made_ends_in_an_error(site: Site) -> None:
    site.models_dir.parent.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="cannot be written") as caught:
        site.pull()
    assert str(site.target) in str(caught.value)


def test_a_full_disk_is_not_taken_for_a_broken_connection(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsError, match=r"part cannot be written: .*No space"):
        weights.pull("net", site.models_dir, progress=fill(monkeypatch), patience=HURRIED)
    assert len(site.script.asked) == 1


def fill(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int | None], None]:
    """A progress that fills the disk as soon as the first bytes are announced."""

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    def progress(_done: int, _size: int | None) -> None:
        monkeypatch.setattr(download, "partial", lambda *_args, **_more: full)

    return progress

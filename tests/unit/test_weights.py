"""Finding and verifying weight files, on records and files made here."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from facefind.errors import WeightsError
from facefind.inference import weights
from facefind.inference.digest import file_sha256
from facefind.inference.weight_records import OutputSpec

BUNDLED = b"converted weights"
PUBLISHED = hashlib.sha256(b"published weights").hexdigest()
KNOWN = b"weights of known sha256"
UNKNOWN = b"weights whose publisher says nothing"

TENSORS = """
licence = "MIT"
licence_url = "https://example.org/licence"
[input]
name = "in"
shape = ["N", 3, 8, 8]
colour = "RGB"
range = [0, 255]
[[output]]
name = "out"
shape = ["N", 4]
meaning = "embedding"
"""

RECORDS = {
    "inside": (
        'name = "inside"\ntitle = "bundled"\nused_by = ["a"]\nsource = "bundled"\n'
        f'file = "inside.onnx"\nsha256 = "{PUBLISHED}"\nsize = 17\n'
        'package = "pack"\nversion = "1.0"\nmember = "pack/inside.dat"\n'
    ),
    "known": (
        'name = "known"\ntitle = "known"\nused_by = ["b"]\nsource = "download"\n'
        f'file = "known.onnx"\nsha256 = "{hashlib.sha256(KNOWN).hexdigest()}"\n'
        f'size = {len(KNOWN)}\nurl = "https://example.org/known.onnx"\n'
    ),
    "unknown": (
        'name = "unknown"\ntitle = "unknown"\nused_by = ["b", "c"]\nsource = "download"\n'
        'file = "unknown.onnx"\nurl = "https://huggingface.co/who/what/resolve/main/unknown.onnx"\n'
    ),
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders that an installed facefind would have."""
    root = tmp_path / "package"
    for name, record in RECORDS.items():
        path = root / "models" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record + TENSORS)
    (root / "weights").mkdir()
    (root / "weights" / "inside.onnx").write_bytes(BUNDLED)
    digest = hashlib.sha256(BUNDLED).hexdigest()
    (root / "weights" / "SHA256SUMS").write_text(f"# a comment\n{digest}  inside.onnx\n")

    def resource_dir(name: str) -> Path:
        if not (root / name).is_dir():
            raise FileNotFoundError(name)
        return root / name

    monkeypatch.setattr(weights, "resource_dir", resource_dir)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    return root


@pytest.fixture
def models_dir(package: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "models"
    folder.mkdir(parents=True)
    return folder


def state(name: str, models_dir: Path) -> str:
    return weights.weight_state(weights.records()[name], models_dir)


def test_records_are_read_by_name(package: Path) -> None:
    known = weights.records()
    assert list(known) == ["inside", "known", "unknown"]
    assert known["inside"].package == "pack"
    assert known["inside"].input.shape == ("N", 3, 8, 8)
    assert known["inside"].outputs == (OutputSpec("out", ("N", 4), "embedding"),)
    assert known["known"].url == "https://example.org/known.onnx"
    assert (known["unknown"].sha256, known["unknown"].size) == (None, None)
    assert known["unknown"].used_by == ("b", "c")


def test_the_projects_own_records_are_complete() -> None:
    known = weights.records()
    assert set(known) >= {"centerface", "dlib_resnet", "clip"}
    incomplete = [
        record.name
        for record in known.values()
        if not (record.url if record.source == "download" else record.package and record.sha256)
        or not (record.title and record.used_by and record.licence and record.outputs)
    ]
    assert incomplete == []


def test_a_bundled_file_is_found_in_the_package(package: Path, models_dir: Path) -> None:
    assert state("inside", models_dir) == "bundled"
    assert weights.locate("inside", models_dir) == package / "weights" / "inside.onnx"
    assert weights.pull("inside", models_dir) == package / "weights" / "inside.onnx"
    assert list(models_dir.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"converted weightS"])
def test_a_damaged_bundled_file_is_refused(package: Path, models_dir: Path, data: bytes) -> None:
    (package / "weights" / "inside.onnx").write_bytes(data)
    assert state("inside", models_dir) == "damaged"
    with pytest.raises(WeightsError, match="damaged") as caught:
        weights.locate("inside", models_dir)
    assert "collect.py" in caught.value.hint


def test_bundled_weights_without_their_sums_are_damaged(package: Path, models_dir: Path) -> None:
    (package / "weights" / "SHA256SUMS").unlink()
    assert state("inside", models_dir) == "damaged"


def test_bundled_weights_may_be_missing_with_their_folder(package: Path, models_dir: Path) -> None:
    (package / "weights" / "inside.onnx").unlink()
    assert state("inside", models_dir) == "missing"
    (package / "weights" / "SHA256SUMS").unlink()
    (package / "weights").rmdir()
    assert state("inside", models_dir) == "missing"
    with pytest.raises(WeightsError, match=r"inside\.onnx\) are missing") as caught:
        weights.locate("inside", models_dir)
    assert "collect.py" in caught.value.hint


def test_missing_weights_say_where_to_get_them_and_where_they_belong(models_dir: Path) -> None:
    assert state("known", models_dir) == "missing"
    with pytest.raises(WeightsError, match=r"known\.onnx") as caught:
        weights.locate("known", models_dir)
    assert caught.value.hint == (
        "Run `facefind models pull b`, "
        f"or get https://example.org/known.onnx and put it at {models_dir / 'known.onnx'}."
    )


def test_a_folder_that_does_not_exist_is_only_empty(models_dir: Path) -> None:
    assert state("known", models_dir / "nowhere") == "missing"
    assert not (models_dir / "nowhere").exists()


def test_a_name_nobody_knows_is_refused_with_those_that_are_known(models_dir: Path) -> None:
    for ask in (weights.locate, weights.pull):
        with pytest.raises(WeightsError, match="'other'") as caught:
            ask("other", models_dir)
        assert caught.value.hint == "Known: inside, known, unknown."


def test_a_file_placed_by_hand_is_read_once(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counting(path: Path) -> str:
        read.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(weights, "file_sha256", counting)
    target = models_dir / "known.onnx"
    target.write_bytes(KNOWN)
    assert weights.locate("known", models_dir) == target
    assert weights.locate("known", models_dir) == target
    assert state("known", models_dir) == "downloaded"
    assert read == [target]


def test_a_changed_file_is_read_again(models_dir: Path) -> None:
    target = models_dir / "known.onnx"
    target.write_bytes(KNOWN)
    assert state("known", models_dir) == "downloaded"
    target.write_bytes(KNOWN.upper())
    os.utime(target, ns=(1, 1))
    assert state("known", models_dir) == "damaged"
    target.write_bytes(KNOWN)
    assert state("known", models_dir) == "downloaded"


def test_the_wrong_size_is_told_without_reading(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(weights, "file_sha256")
    (models_dir / "known.onnx").write_bytes(KNOWN[:-1])
    with pytest.raises(WeightsError, match=f"it has 22 bytes, expected {len(KNOWN)}"):
        weights.locate("known", models_dir)


def test_the_wrong_bytes_are_told_with_both_sums(models_dir: Path) -> None:
    (models_dir / "known.onnx").write_bytes(KNOWN.upper())
    with pytest.raises(WeightsError, match=hashlib.sha256(KNOWN.upper()).hexdigest()) as caught:
        weights.locate("known", models_dir)
    assert hashlib.sha256(KNOWN).hexdigest() in caught.value.message
    assert "facefind models pull b" in caught.value.hint


def test_an_unknown_file_is_remembered_and_no_other_taken_after(models_dir: Path) -> None:
    target = models_dir / "unknown.onnx"
    target.write_bytes(UNKNOWN)
    assert state("unknown", models_dir) == "downloaded"
    assert json.loads((models_dir / "unknown.onnx.json").read_text())["sha256"] == (
        hashlib.sha256(UNKNOWN).hexdigest()
    )
    target.write_bytes(b"another")
    assert state("unknown", models_dir) == "damaged"


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"sha256": 1}', "null"])
def test_a_note_that_makes_no_sense_is_not_guessed_at(models_dir: Path, note: str) -> None:
    (models_dir / "unknown.onnx").write_bytes(UNKNOWN)
    (models_dir / "unknown.onnx.json").write_text(note)
    with pytest.raises(WeightsError, match=r"unknown\.onnx\.json cannot be understood"):
        state("unknown", models_dir)


def test_a_read_only_folder_goes_without_notes(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = models_dir / "known.onnx"
    target.write_bytes(KNOWN)

    def refuse(*_args: object, **_more: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert weights.locate("known", models_dir) == target
    assert [path.name for path in models_dir.iterdir()] == ["known.onnx"]


@pytest.mark.parametrize("step", ["write_text", "replace"])
def test_a_read_only_disk_that_refuses_the_cleaning_up_too_goes_without_notes(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    target = models_dir / "known.onnx"
    target.write_bytes(KNOWN)
    refused: list[Path] = []

    def refuse(path: Path, *_args: object, **_more: object) -> None:
        refused.append(path)
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, step, refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    assert weights.locate("known", models_dir) == target
    assert len(refused) == 2
    assert not (models_dir / "known.onnx.json").exists()


def test_a_full_disk_is_told(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (models_dir / "known.onnx").write_bytes(KNOWN)

    def full(*_args: object, **_more: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    monkeypatch.setattr(Path, "unlink", full)
    with pytest.raises(WeightsError, match=r"json cannot be written: .*No space left"):
        weights.locate("known", models_dir)


def test_a_mirror_stands_in_for_the_hub_and_for_nothing_else(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/hub/")
    hints = []
    for name in ("known", "unknown"):
        with pytest.raises(WeightsError) as caught:
            weights.locate(name, models_dir)
        hints.append(caught.value.hint)
    assert "https://example.org/known.onnx" in hints[0]
    assert "https://mirror.example/hub/who/what/resolve/main/unknown.onnx" in hints[1]


def test_a_fingerprint_names_the_published_files(package: Path, models_dir: Path) -> None:
    first = weights.fingerprint(["inside", "known"], models_dir)
    assert (
        first
        == hashlib.sha256(f"{PUBLISHED}\n{hashlib.sha256(KNOWN).hexdigest()}".encode()).hexdigest()
    )
    (package / "weights" / "inside.onnx").write_bytes(b"converted in another way")
    assert weights.fingerprint(["inside", "known"], models_dir) == first
    assert weights.fingerprint(["known", "inside"], models_dir) != first
    assert weights.fingerprint(["inside"], models_dir) != first


def test_a_fingerprint_of_an_unknown_file_is_the_files_own(models_dir: Path) -> None:
    with pytest.raises(WeightsError, match=r"unknown\.onnx\) are missing"):
        weights.fingerprint(["unknown"], models_dir)
    target = models_dir / "unknown.onnx"
    target.write_bytes(UNKNOWN)
    own = hashlib.sha256(hashlib.sha256(UNKNOWN).hexdigest().encode()).hexdigest()
    assert weights.fingerprint(["unknown"], models_dir) == own
    target.unlink()
    assert weights.fingerprint(["unknown"], models_dir) == own  # remembered


def test_weights_need_no_runtime() -> None:
    program = (
        "import sys, facefind.inference.weights;"
        "sys.exit(bool({'onnxruntime', 'onnx', 'cv2', 'psycopg2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_weights_that_cannot_be_read_are_a_weights_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        file_sha256(tmp_path)

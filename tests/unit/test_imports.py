"""What commands load: each in a process of its own, for a start is as slow as its imports."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "PIL",
    "cv2",
    "numpy",
    "onnx",
    "onnxruntime",
    "pgvector",
    "pillow_heif",
    "platformdirs",
    "psycopg2",
    "tqdm",
    "urllib.request",
}

CHILD = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
    {code}
print(json.dumps([len(said.getvalue()), sorted(sys.modules)]))
"""

RUN = "from facefind.cli.main import run; run({arguments!r})"


def loaded(code: str) -> tuple[int, set[str]]:
    """How much some code printed, and the heavy modules that it loaded."""
    child = [sys.executable, "-c", CHILD.format(code=code)]
    done = subprocess.run(child, check=True, capture_output=True, text=True)
    printed, modules = json.loads(done.stdout)
    assert "facefind" in modules
    return printed, HEAVY & set(modules)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["who", "--help"],
        ["ingest", "--help"],
        ["albums", "--help"],
        ["people", "--help"],
        ["people", "list", "--help"],
        ["completion", "bash"],
    ],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    printed, heavy = loaded(RUN.format(arguments=arguments))
    assert printed > 10
    assert heavy == set()


def test_the_embedded_server_starts_without_the_driver() -> None:
    _, heavy = loaded("import facefind.store.opening")
    assert heavy == set()


@pytest.mark.parametrize(
    "modules",
    ["facefind.store.repository", "facefind.answers"],
)
def test_the_store_loads_no_pictures_and_no_networks(modules: str) -> None:
    _, heavy = loaded(f"import {modules}")
    assert "numpy" in heavy
    assert not heavy & {"cv2", "PIL", "onnx", "onnxruntime", "tqdm"}


def test_the_registry_of_pipelines_loads_no_runtime() -> None:
    _, heavy = loaded("import facefind.inference.pipeline")
    assert "cv2" in heavy
    assert not heavy & {"onnx", "onnxruntime", "psycopg2"}

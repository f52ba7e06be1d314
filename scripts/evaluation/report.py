"""``docs/accuracy.json`` and the page made from it, ``docs/accuracy.md``."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import datetime, timezone
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

NAME = "accuracy"

INTRODUCTION = """\
# How right facefind is

This page is made by `scripts/evaluate all`, each part by its own command; the figures are in
[accuracy.json](accuracy.json) beside it. The photos are development photos with ground truth that
are not part of this repository (`--data`): 224 photos with face boxes, six albums with 57 people,
and 3,713 photos of 1,782 people of Labeled Faces in the Wild (LFW).
"""


class Part(Protocol):
    """A part of the page."""

    TITLE: str

    def render(self, figures: dict[str, Any]) -> str:
        """Its text in Markdown."""


def store(docs: Path, name: str, figures: dict[str, Any]) -> None:
    """Replaces one part's figures, with what they were measured with.

    Their order is kept: tables are made in it.
    """
    path = docs / f"{NAME}.json"
    parts = json.loads(path.read_text("utf-8")) if path.exists() else {}
    parts[name] = {"measured_with": _measured_with(), "figures": figures}
    _write(path, json.dumps(parts, indent=1) + "\n")


def write(docs: Path, parts: Iterable[tuple[str, Part]]) -> None:
    """Writes the page from the figures stored so far, in the order of the parts."""
    stored = json.loads((docs / f"{NAME}.json").read_text("utf-8"))
    text = [INTRODUCTION]
    for name, part in parts:
        if name in stored:
            text.append(f"## {part.TITLE}\n\n{_source(name, stored[name]['measured_with'])}\n")
            text.append(part.render(stored[name]["figures"]).strip() + "\n")
    _write(docs / f"{NAME}.md", "\n".join(text))


def _source(name: str, with_: dict[str, Any]) -> str:
    weights = ", ".join(f"{file} {digest[:12]}" for file, digest in with_["weights"].items())
    return (
        f"`scripts/evaluate {name}`, commit {with_['commit']}, {with_['date']}, {with_['cores']} "
        f"cores with a load of {with_['load']} (times suffer from more than one), onnxruntime "
        f"{with_['onnxruntime']}; weights {weights}."
    )


def _measured_with() -> dict[str, Any]:
    from facefind.inference import weights
    from scripts.evaluation.models import models_dir

    folder = models_dir()
    return {
        "commit": commit(),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[2], 1),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "weights": {
            name: sha256(weights.locate(name, folder).read_bytes()).hexdigest()
            for name, record in weights.records().items()
            if weights.weight_state(record, folder) in ("bundled", "downloaded")
        },
    }


def commit() -> str:
    """The commit measured; a "+" says that the working tree differs from it, but for docs/."""
    name = _git("describe", "--always", "--abbrev=9").stdout.strip()
    changed = _git("diff", "--quiet", "HEAD", "--", ":/", ":(top,exclude)docs").returncode
    return f"{name}{'+' if changed else ''}" if name else "unknown"


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *words], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True, check=False
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")

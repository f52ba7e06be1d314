"""``docs/performance.json`` and the page made from it, ``docs/performance.md``."""

from __future__ import annotations

import json
import os
import platform
from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scripts.benchmarks.running import REPO
from scripts.evaluation.report import commit

DOCS = REPO / "docs"
NAME = "performance"

INTRODUCTION = """\
# How fast facefind is

Each part of this page is made by the command that it names, with `--store`, and
`scripts/bench all --store` makes all but `memory` and `group_stored`, which take long; the figures
are in [performance.json](performance.json) beside it. Times depend on the machine, and a busy one
is slower; so each figure stands beside its peers', measured in the same run on the same photos, and
`scripts/bench COMMAND --check` holds their ratios against [bench.toml](../bench.toml). A figure is
the median of several runs, with the smallest and the largest where there were more than one.

The photos are made: JPEGs of 12 megapixels and 3 to 4 MB with a sensor's noise
(`scripts/benchmarks/photos.py`), faces of 120 to 500 pixels from the development photos or, where
these are absent, from two portraits.
"""


UNSAID = frozenset({"command", "json", "check", "store", "into"})
"""Options that change nothing in the figures."""


def store(
    name: str, figures: Mapping[str, Any], docs: Path = DOCS, *, options: Sequence[str] = ()
) -> None:
    """Replaces one command's figures, with what they were measured with.

    Args:
        options: Of the command, see `given`.
    """
    path = docs / f"{NAME}.json"
    parts = json.loads(path.read_text("utf-8")) if path.exists() else {}
    parts[name] = {"measured_with": measured_with(), "options": [*options], "figures": figures}
    path.write_text(json.dumps(parts, indent=1) + "\n", "utf-8")


def given(arguments: Namespace, defaults: Namespace) -> list[str]:
    """The options that differ from a command's defaults, as one types them; a folder, which is of
    one machine, as DIR."""
    words = []
    for name, value in vars(arguments).items():
        if name not in UNSAID and value != getattr(defaults, name):
            words.append("--" + name.replace("_", "-"))
            if value is not True:
                each = value if isinstance(value, list) else [value]
                words += ["DIR" if isinstance(one, Path) else str(one) for one in each]
    return words


def write(modules: Mapping[str, Any], docs: Path = DOCS) -> None:
    """Writes the page from the figures stored so far, in the order of the commands."""
    stored = json.loads((docs / f"{NAME}.json").read_text("utf-8"))
    text = [INTRODUCTION]
    for name, module in modules.items():
        if name in stored:
            figures = stored[name]["figures"]
            title = getattr(module, "TITLE", name.capitalize())
            text.append(f"## {title}\n\n{_about(name, module, stored[name])}\n")
            text.append(module.render(figures).strip() + "\n")
            if hasattr(module, "ledger"):
                text.append("Where the time goes:\n\n" + module.ledger(figures) + "\n")
            if figures.get("ratios"):
                text.append(_ratios(figures["ratios"]) + "\n")
    (docs / f"{NAME}.md").write_text("\n".join(text), "utf-8")


def measured_with() -> dict[str, Any]:
    """The commit, the day and the machine."""
    return {
        "commit": commit(),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "load": round(os.getloadavg()[2], 1),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
    }


def _about(name: str, module: Any, stored: Mapping[str, Any]) -> str:
    said, with_ = (module.__doc__ or "").strip(), stored["measured_with"]
    # What was stored before options were has none.
    command = " ".join(("scripts/bench", name, *stored.get("options", ())))
    return (
        f"{said}\n\n`{command}`, commit {with_['commit']}, {with_['date']}, "
        f"{with_['cores']} cores of {with_['processor']}, load {with_['load']}, onnxruntime "
        f"{with_['onnxruntime']}."
    )


def _ratios(ratios: Mapping[str, float]) -> str:
    each = ", ".join(f"`{name}` {value:.3g}" for name, value in ratios.items())
    return f"Ratios: {each}."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

"""``docs/performance.json`` and the page made from it, ``docs/performance.md``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
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

This page is made by `scripts/bench all --store`, each part by its own command; the figures are in
[performance.json](performance.json) beside it. Times depend on the machine, and a busy one is
slower; so each figure stands beside its peers', measured in the same run on the same photos, and
`scripts/bench COMMAND --check` holds their ratios against [bench.toml](../bench.toml). A figure is
the median of several runs, with the smallest and the largest where there were more than one.

The photos are made: JPEGs of 12 megapixels and 3 to 4 MB with a sensor's noise
(`scripts/benchmarks/photos.py`), faces of 120 to 500 pixels from the development photos or, where
these are absent, from two portraits.
"""


def store(name: str, figures: Mapping[str, Any], docs: Path = DOCS) -> None:
    """Replaces one command's figures, with what they were measured with."""
    path = docs / f"{NAME}.json"
    parts = json.loads(path.read_text("utf-8")) if path.exists() else {}
    parts[name] = {"measured_with": measured_with(), "figures": figures}
    path.write_text(json.dumps(parts, indent=1) + "\n", "utf-8")


def write(modules: Mapping[str, Any], docs: Path = DOCS) -> None:
    """Writes the page from the figures stored so far, in the order of the commands."""
    stored = json.loads((docs / f"{NAME}.json").read_text("utf-8"))
    text = [INTRODUCTION]
    for name, module in modules.items():
        if name in stored:
            figures = stored[name]["figures"]
            title = getattr(module, "TITLE", name.capitalize())
            text.append(f"## {title}\n\n{_about(name, module, stored[name]['measured_with'])}\n")
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


def _about(name: str, module: Any, with_: Mapping[str, Any]) -> str:
    said = (module.__doc__ or "").strip()
    return (
        f"{said}\n\n`scripts/bench {name}`, commit {with_['commit']}, {with_['date']}, "
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

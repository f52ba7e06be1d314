"""Costs of one unit of work each, fitted to CPU time by stage, and what they predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

GROWS_WITH: Mapping[str, Sequence[str]] = {
    "read": ("megabytes",),
    "decode": ("megapixels", "decoded_megapixels"),
    "detect": ("network_megapixels", "decoded_megapixels"),
    "align": ("faces", "peopled"),
    "embed": ("faces",),
}
"""The work that each stage's time grows with; `peopled` are photos with a face."""

Costs = dict[str, dict[str, float]]
"""CPU milliseconds by stage and unit of work."""

Work = Mapping[str, Any]
"""How many of each unit of work were done; where it was measured, CPU milliseconds by stage in
``cpu``."""

_LEAST = 0.1
"""Of the mean time: what took less counts no more than this would, however far off it is."""


def fit(done: Sequence[Work]) -> Costs:
    """What each unit costs, by least squares of the relative errors."""
    return {stage: _fit_stage(stage, units, done) for stage, units in GROWS_WITH.items()}


def _fit_stage(stage: str, units: Sequence[str], done: Sequence[Work]) -> dict[str, float]:
    spent = np.array([work["cpu"].get(stage, 0.0) for work in done], float)
    weights = 1 / np.maximum(spent, max(_LEAST * spent.mean(), 1e-9))
    columns = [np.array([work[unit] for work in done], float) * weights for unit in units]
    return dict(zip(units, nonnegative(columns, spent * weights), strict=True))


def nonnegative(columns: Sequence[ArrayLike], values: ArrayLike) -> list[float]:
    """Least squares with no factor below 0: those that would be are left out, the lowest first."""
    matrix, wanted = np.stack([np.asarray(c, float) for c in columns], axis=1), np.asarray(values)
    kept = list(range(matrix.shape[1]))
    while kept:
        factors = np.linalg.lstsq(matrix[:, kept], wanted, rcond=None)[0]
        if factors.min() >= 0:
            break
        kept.pop(int(factors.argmin()))
    found = [0.0] * matrix.shape[1]
    for place, nth in enumerate(kept):
        found[nth] = float(factors[place])
    return found


def predicted(costs: Costs, work: Work) -> float:
    """CPU milliseconds of so much work."""
    parts = (cost * work[unit] for units in costs.values() for unit, cost in units.items())
    return float(sum(parts))


def each(work: Work) -> dict[str, float]:
    """The work for one photo."""
    return {unit: float(work[unit]) / work["photos"] for unit in work if unit != "cpu"}


def all_told(done: Sequence[Work]) -> dict[str, float]:
    """CPU milliseconds of all stages together, as measured and as the costs fitted to it say."""
    measured = sum(sum(work["cpu"].values()) for work in done)
    return {"measured": measured, "fitted": sum(predicted(fit(done), work) for work in done)}

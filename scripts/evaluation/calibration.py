"""Fits what `facefind.matching` knows of a pipeline, and says how true its probabilities are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facefind import matching
from facefind.matching import Calibration, Density
from facefind.types import FloatArray
from scripts.evaluation.simulated import (
    SIZES, Bools, Floats, Indices, People, SimulatedEvent, draw_event, lower_quality, questions,
)  # fmt: skip

PARTS = 16
DIMENSIONS = 20
FACTOR = 32
DRAWN = 2000
PHOTOS_EACH = 2
RADIUS = 0.5
RIDGE = 0.1


def fit_density(everybody: People, parts: int = PARTS, factor: int = FACTOR) -> Density:
    """A mixture of normals with one covariance: k-means on whitened principal components."""
    random = np.random.RandomState(0)
    chosen = _few_of_each(everybody, random)
    vectors = everybody.vectors[chosen].astype(np.float64)
    values, axes = np.linalg.eigh(np.cov(vectors.T))
    flat = (vectors - vectors.mean(axis=0)) @ axes[:, -DIMENSIONS:] / np.sqrt(values[-DIMENSIONS:])
    owner = _k_means(flat, parts, random)
    means = np.stack([vectors[owner == part].mean(axis=0) for part in np.unique(owner)])
    _, owner = np.unique(owner, return_inverse=True)
    inside = np.cov((vectors - means[owner]).T)
    values, axes = np.linalg.eigh(inside)
    wide = axes[:, -factor:] * np.sqrt(values[-factor:])
    rest = np.maximum(np.diag(inside) - (wide**2).sum(axis=1), 0)
    shares = np.bincount(owner) / len(owner)
    return Density(*(np.asarray(x, np.float32) for x in (shares, means, wide, rest)))


def _few_of_each(everybody: People, random: np.random.RandomState) -> Indices:
    order = random.permutation(len(everybody.numbers))
    seen = np.zeros(len(order), int)
    chosen = []
    for row in order:
        seen[everybody.numbers[row]] += 1
        if seen[everybody.numbers[row]] <= PHOTOS_EACH:
            chosen.append(row)
    return np.sort(np.array(chosen, np.intp))


def _k_means(points: Floats, parts: int, random: np.random.RandomState) -> Indices:
    centres = points[random.choice(len(points), parts, replace=False)]
    for _ in range(30):
        owner = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        for part in np.unique(owner):
            centres[part] = points[owner == part].mean(axis=0)
    return np.asarray(owner, np.intp)


def logistic(rows: Floats, right: Bools, weights: Floats, fixed: int) -> tuple[float, ...]:
    """Logistic regression by Newton's method with a little ridge.

    Args:
        rows: (N, C); the first column is 1, and its weight is not held back.
        right: (N,) bool.
        weights: (N,) how much each row counts.
        fixed: The column whose weight is -1: the prior.
    """
    free = [column for column in range(1, rows.shape[1]) if column != fixed]
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    x = np.c_[np.ones(len(rows)), ((rows - mean) / spread)[:, free]]
    offset = mean[fixed] - rows[:, fixed]
    b = np.zeros(x.shape[1])
    hold = np.r_[1e-9, np.full(len(free), RIDGE)]
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(x @ b + offset, -30, 30)))
        gradient = x.T @ (weights * (p - right)) + hold * b
        hessian = (x * (weights * p * (1 - p))[:, None]).T @ x + np.diag(hold)
        step = np.linalg.solve(hessian, gradient)
        b -= step
        if np.abs(step).max() < 1e-8:
            break
    found = np.full(rows.shape[1], -1.0)
    found[free] = b[1:] / spread[free]
    found[0] = b[0] - found[1:] @ mean[1:]
    return tuple(map(float, found))


def start(everybody: People, nearest: int = 100, floor: float = 0.36, sure: float = 2.0) -> Calibration:
    """A calibration without weights."""
    strangers = fit_density(everybody).draw(DRAWN)
    free = (0.0, np.inf)
    begin = Calibration("dlib", RADIUS, 0.5, 0.9, 0.2, nearest, floor, (), (), sure, free, free, strangers)
    around = matching.surroundings(everybody.vectors, everybody.vectors[:0], begin)
    means, deviations = (tuple(map(float,np.quantile(x, (.005, .995)))) for x in (around.mean, around.deviation))
    return replace(begin, means=means, deviations=deviations)


def fit(everybody: People, begin: Calibration, drawn: Iterable[tuple[SimulatedEvent, int]]) -> Calibration:
    drawn = list(drawn)
    fitted = begin
    for stage in ("pair", "group"):
        rows, right, weights = [], [], []
        for event, portraits in drawn:
            if stage == "pair" and portraits > 1:
                continue
            x, y = examples(everybody, event, fitted, stage)
            rows.append(x); right.append(y); weights.append(np.full(len(y), 1 / len(event.portraits)))
        w = logistic(np.concatenate(rows), np.concatenate(right), np.concatenate(weights), 2 if stage == 'pair' else 4)
        fitted = replace(fitted, **{stage: w})
    return fitted


def examples(
    everybody: People, event: SimulatedEvent, fitted: Calibration, stage: str
) -> tuple[Floats, Bools]:
    """Features of all candidates, and whether they are the person asked about."""
    rows, right = [], []
    prior = matching.log_prior(len(event.faces))
    for number, (near, question) in enumerate(questions(everybody, event, fitted)):
        portraits = event.portraits[number]
        if stage == "pair":
            n = len(near)
            rows.append(np.stack([np.ones(n), question.scores, np.full(n, prior)], axis=1))
        else:
            low = lower_quality(everybody, portraits, event.faces[near])
            expanded = question.expanded(fitted.enough(prior))
            rows.append(matching.features(expanded, prior, len(portraits), low))
        who = everybody.numbers[portraits[0]]
        right.append(everybody.numbers[event.faces[near]] == who)
    return np.concatenate(rows), np.concatenate(right)

"""How true the probabilities of `facefind.matching` are, on people that they were not fitted on.

The people of Labeled Faces in the Wild (LFW) are dealt into two halves. Everything is fitted on
events composed of one half, and asked about events composed of the other; then the other way
round. For large events, which half of the people cannot fill, it is fitted on a fifth, five times.

With --fit everything is fitted anew on all people, and the constants are written.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from facefind.matching import Calibration, load_calibration
from facefind.metrics import calibration as reliability
from facefind.resources import resource_dir
from scripts.evaluation import fitting
from scripts.evaluation.drawn_events import SIZES, People, draw_event, folds, people
from scripts.evaluation.embeddings import lfw_embeddings
from scripts.evaluation.fitting import Answers

TITLE = "Probabilities"

COMMAND = "scripts/evaluate calibration --fit"

EVENTS = {"tiny": 40, "small": 30, "middle": 12, "half": 8, "large": 3}
"""Events of each size, for each part that is fitted on."""

WORTH_SAYING = 0.05
"""Photos below this probability are not in the curve: nearly all are, and near 0 it is easy to be
right."""

STEPS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--fit", action="store_true", help="fit anew and write the constants")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fits if asked to, then measures."""
    everybody = lfw_people(arguments.data)
    by_size = held_out_answers(everybody)
    if arguments.fit:
        fit_all(everybody, by_size, resource_dir("calibration"))
    shipped = load_calibration("dlib")
    assert shipped is not None
    return {
        "thresholds": {name: getattr(shipped, name) for name in fitting.TARGETS},
        "sizes": {size: _figures(by_size[size], shipped) for size in EVENTS},
    }


def lfw_people(data: Path) -> People:
    """The most prominent face of each photo of LFW, as the default pipeline sees it."""
    embedded = lfw_embeddings(data, "dlib")
    return people(embedded.units, embedded.names)


def splits(everybody: People) -> Iterator[tuple[Sequence[str], People, People]]:
    """The sizes of events, the people to fit on and those to ask about."""
    halves = folds(everybody, 2)
    for half in range(2):
        sizes = [size for size in EVENTS if size != "large"]
        yield sizes, everybody.part(halves == half), everybody.part(halves != half)
    fifths = folds(everybody, 5)
    for fifth in range(5):
        yield ["large"], everybody.part(fifths == fifth), everybody.part(fifths != fifth)


def held_out_answers(everybody: People) -> dict[str, Answers]:
    """Answers in events of each size, of calibrations that were fitted on other people."""
    found: dict[str, list[Answers]] = defaultdict(list)
    for sizes, known, unknown in splits(everybody):
        fitted = fitting.fit(known)
        for size in sizes:
            drawn = [draw_event(unknown, SIZES[size], seed) for seed in range(EVENTS[size])]
            found[size].append(fitting.answers(unknown, fitted, drawn))
    return {size: fitting.joined(parts) for size, parts in found.items()}


def fit_all(everybody: People, by_size: Mapping[str, Answers], folder: Path) -> Calibration:
    """Fits on everybody, takes the thresholds from the held-out answers, and writes it all."""
    chosen = fitting.thresholds([by_size[size] for size in EVENTS])
    fitted = replace(
        fitting.fit(everybody),
        default=chosen["default"],
        strict=chosen["strict"],
        loose=chosen["loose"],
    )
    fitting.write(folder, fitted, fitting.fit_density(everybody), COMMAND)
    return fitted


def _figures(answers: Answers, shipped: Calibration) -> dict[str, Any]:
    probability = np.concatenate([p.ravel() for p in answers.probabilities])
    right = np.concatenate([shown.ravel() for shown in answers.shown])
    said = probability >= WORTH_SAYING
    curve = reliability(probability[said], right[said])
    everything = reliability(np.maximum(probability, 0), right)
    named = {name: getattr(shipped, name) for name in fitting.TARGETS}
    return {
        "events": len(answers.shown),
        "error": curve.error,
        "error_of_all_photos": everything.error,
        "curve": [list(part) for part in curve.bins],
        "at": {f"{step:g}": _rates(answers, step) for step in STEPS},
        "named": {name: _rates(answers, threshold) for name, threshold in named.items()},
    }


def _rates(answers: Answers, threshold: float) -> dict[str, float]:
    right, wrong, missed, absent, answered = answers.counts(threshold)
    return {
        "precision": right / max(right + wrong, 1),
        "recall": right / max(right + missed, 1),
        "absent": absent,
        "absent_answered": answered,
    }


def render(figures: dict[str, Any]) -> str:
    """Tables of the curve, of the thresholds, and how it was measured."""
    parts = [_ABOUT.format(**figures["thresholds"]), _errors(figures), _curves(figures)]
    return "\n\n".join([*parts, _AT, _thresholds(figures)])


_ABOUT = """\
A probability says how likely a photo answered with shows the person asked about. Each figure is for
people that nothing was fitted on: fitted on one half of the people of LFW and asked about events
composed of the other, and the other way round; for `large`, fitted on one fifth and asked about the
other four, five times. `default` ({default:g}), `strict` ({strict:g}) and `loose` ({loose:g}) are
the lowest probabilities that hold precision .993, .997 and .95, with at most .7 %, .3 % and 5 % of
absent people answered with anybody, by the mean over the sizes of events (the default is to hold
.99 and 1 % with photos that are harder than LFW's); they were chosen by these very answers. All
else that ships is fitted on all people. The prior of a face falls as one
over the number of faces searched, by rule and not by fit, so that a probability means the same in
an event of 16 faces and of 1,700; beyond that it is extrapolated, untested.

The curve's error is the mean distance between probability and share of right answers over ten bins
of as many photos each, of those with a probability of .05 or more; over all photos, most of
which are near 0, it is in brackets."""

_AT = """\
By the lowest probability that is answered with: precision, recall, and the share of people in none
of the photos who are answered with anybody."""


def _errors(figures: dict[str, Any]) -> str:
    lines = ["| event | faces | events | calibration error |", "|---|---|---|---|"]
    for size, row in figures["sizes"].items():
        lines.append(
            f"| {size} | {SIZES[size].faces} | {row['events']} "
            f"| {row['error']:.3f} ({row['error_of_all_photos']:.4f}) |"
        )
    return "\n".join(lines)


def _curves(figures: dict[str, Any]) -> str:
    lines = ["| event | probability said / share right, by tenths |", "|---|---|"]
    for size, row in figures["sizes"].items():
        curve = ", ".join(f"{said:.2f} / {right:.2f}" for _, said, right in row["curve"])
        lines.append(f"| {size} | {curve} |")
    return "\n".join(lines)


def _thresholds(figures: dict[str, Any]) -> str:
    sizes = figures["sizes"]
    lines = ["| from | " + " | ".join(sizes) + " |", "|---|" + "---|" * len(sizes)]
    steps = [(step, "at", step) for step in next(iter(sizes.values()))["at"]]
    steps += [
        (f"**{name}, {value:g}**", "named", name) for name, value in figures["thresholds"].items()
    ]
    for title, part, key in steps:
        cells = []
        for row in sizes.values():
            rates = row[part][key]
            share = rates["absent_answered"] / rates["absent"]
            cells.append(f"{rates['precision']:.3f}, {rates['recall']:.3f}, {share:.3f}")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)

"""How well two photos are told to show one person or two: pairs of faces, and albums.

Faces are found and embedded by the whole pipeline as it ships; of an LFW photo the most prominent
face counts. A photo in which no face is found is infinitely far from every other: its mates count
as missed.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefind.inference.pipeline import DEFAULT_PIPELINE, Pipeline
from facefind.metrics import (
    Pairs,
    accuracy_by_folds,
    all_pairs,
    equal_error,
    threshold_at_far,
)
from facefind.resampling import bootstrap_mean, bootstrap_tar
from scripts.evaluation.album_ranking import HARD, ask_albums, groups, score
from scripts.evaluation.embeddings import (
    Embedded,
    embeddings,
    lfw_photos,
)
from scripts.evaluation.models import ready

TITLE = "Recognition"

FARS = (0.01, 0.001, 0.0001)
SMALL_FAR = 0.001
WIDTHS = (60, 40, 30, 20)
"""Pixels to which faces are shrunk."""

BESIDE: Mapping[str, Sequence[str]] = {"dlib": ("dlib-fast",)}
"""Pipelines that are measured along with one, as they are meant to answer like it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--pipeline", default=DEFAULT_PIPELINE, help=f"default: {DEFAULT_PIPELINE}")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of pairs in LFW, of shrunk faces, and of the albums.

    Under "beside" are the pairs and the albums of the pipelines of `BESIDE`.
    """
    finder = ready(arguments.pipeline)
    embedded = embeddings(lfw_photos(arguments.data), finder, "lfw")
    pairs = all_pairs(*embedded.with_missed())
    return {
        **_measure(arguments.data, finder, embedded, pairs),
        "widths": measure_widths(arguments.data, finder, embedded, pairs),
        "beside": [_beside(arguments.data, name) for name in BESIDE.get(arguments.pipeline, ())],
    }


def _beside(data: Path, pipeline: str) -> dict[str, Any]:
    finder = ready(pipeline)
    embedded = embeddings(lfw_photos(data), finder, "lfw")
    return _measure(data, finder, embedded, all_pairs(*embedded.with_missed()))


def _measure(data: Path, finder: Pipeline, embedded: Embedded, pairs: Pairs) -> dict[str, Any]:
    """One pipeline's pairs and albums."""
    threshold = finder.spec.threshold
    people = embedded.with_missed()[1]
    return {
        "pipeline": finder.spec.name,
        "threshold": threshold,
        "lfw": {
            "photos": len(people),
            "people": len(set(people)),
            "missed": len(embedded.missed),
            "mates": len(pairs.genuine),
            "strangers": pairs.impostors,
            "person": measure_pairs(pairs),
            "pair": measure_pairs(pairs.with_equal_pairs()),
            "own": None if threshold is None else [pairs.tar(threshold), pairs.far(threshold)],
        },
        "albums": [
            score(name, group, threshold) for name, group in groups(ask_albums(data, finder))
        ],
    }


def render(figures: dict[str, Any]) -> str:
    """The figures in Markdown."""
    return "\n\n".join(
        [
            _render_pairs(figures),
            _render_widths(figures["widths"], figures["pipeline"]),
            _render_albums(figures),
        ]
    )


def measure_pairs(pairs: Pairs) -> dict[str, Any]:
    """Accuracy, equal error rate and TAR with intervals."""
    accuracy, equal = accuracy_by_folds(pairs), equal_error(pairs)
    intervals = bootstrap_tar(pairs, FARS)
    return {
        "accuracy": accuracy and accuracy._asdict(),
        "equal_error": equal and equal._asdict(),
        "tar": [
            {
                "far": far,
                "threshold": threshold_at_far(pairs, far),
                **(tar._asdict() if tar else {}),
            }
            for far, tar in zip(FARS, intervals, strict=True)
        ],
    }


def measure_widths(
    data: Path, finder: Pipeline, whole: Embedded, pairs: Pairs
) -> list[dict[str, Any]]:
    """Photos whose face is shrunk, compared with another photo of each person as it is."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(whole.names.tolist()):
        rows[name].append(row)
    first, second = np.array([two[:2] for two in rows.values() if len(two) > 1]).T
    named = {photo.path.name: photo for photo in lfw_photos(data)}
    photos = [named[Path(file).name] for file in whole.files[second]]
    limit = threshold_at_far(pairs, SMALL_FAR)
    as_it_is = compare(whole.vectors[first], whole.vectors[second], whole.names[first], limit)
    median = round(float(np.median(whole.boxes[second, 2])))
    answers = [{"median_width": median, "missed": 0, **as_it_is}]
    for width in WIDTHS:
        factors = (width / whole.boxes[second, 2]).tolist()
        shrunk = embeddings(photos, finder, f"lfw-{width}px", factors)
        vectors = np.full((len(photos), whole.vectors.shape[1]), np.nan, np.float32)
        there = np.isin([str(photo.path) for photo in photos], shrunk.files)
        vectors[there] = shrunk.vectors
        compared = compare(whole.vectors[first], vectors, whole.names[first], limit)
        answers.append({"width": width, "missed": len(shrunk.missed), **compared})
    return answers


def compare(
    portraits: NDArray[np.float32],
    others: NDArray[np.float32],
    people: NDArray[np.str_],
    limit: float | None,
) -> dict[str, Any]:
    """One portrait and one other photo of each person, everyone compared with everyone.

    Args:
        portraits, others: (P, D); NaN where no face was found.
        limit: The distance that lets in `SMALL_FAR` of strangers where no face is shrunk.
    """
    distances = np.linalg.norm(portraits[:, None].astype(np.float64) - others[None], axis=2)
    distances[np.isnan(distances)] = np.inf
    mates, strangers = np.diag(distances), np.sort(distances[~np.eye(len(people), dtype=bool)])
    own = strangers[int(SMALL_FAR * len(strangers))]
    return {
        "people": len(people),
        "tar": bootstrap_mean(mates < own, people.tolist())._asdict(),
        "at_limit": None
        if limit is None
        else [float((mates <= limit).mean()), float((strangers <= limit).mean())],
    }


_ROUNDED = """\
`dlib-fast` has the network of `dlib` in whole numbers of eight bits; the ranges by which it was
rounded were measured on some of these photos (`scripts/int8_ranges.py`), and its distance is that
of `dlib`."""


def _render_pairs(figures: Mapping[str, Any]) -> str:
    lfw = figures["lfw"]
    weighed = {"person": "every person counts the same", "pair": "every pair counts the same"}
    rows = []
    for measured, (key, name) in product(_pipelines(figures), weighed.items()):
        part = measured["lfw"][key]
        rows.append(
            [
                f"`{measured['pipeline']}`",
                name,
                _percent(part["accuracy"] and part["accuracy"]["value"]),
                _percent(part["equal_error"] and part["equal_error"]["rate"]),
                *(_interval(tar) for tar in part["tar"]),
            ]
        )
    headings = [f"TAR at {100 * far:g} % (95 % interval)" for far in FARS]
    distances = ", ".join(
        f"{100 * tar['far']:g} %: {tar['threshold']:.3f}"
        for tar in lfw["person"]["tar"]
        if tar["threshold"] is not None
    )
    limits = f" (of `{figures['pipeline']}` at {distances})" if distances else ""
    text = (
        f"All pairs of {lfw['photos']:,} photos of {lfw['people']:,} people of LFW: "
        f"{lfw['mates']:,} pairs of one person (mates), {lfw['strangers']:,} of two (strangers). "
        f"{lfw['missed']} photos without a face that was "
        "found; their mates count as missed. TAR is the share of mates accepted at the distance "
        f"that accepts this share of strangers{limits}. One person of LFW has most of the pairs "
        "of mates, so a pipeline's first row is the one to go by. Accuracy counts mates and "
        "strangers alike, with the distance chosen on nine tenths of the people and judged on the "
        "rest, in turn; intervals are from 1,000 draws of people with replacement. None of LFW's "
        "wrong labels is left out."
    )
    if figures["threshold"] is not None:
        text += (
            f" At the pipeline's own distance, {figures['threshold']:g}, which was chosen on these "
            f"photos, {'; '.join(map(_own, _pipelines(figures)))}."
        )
    if any(measured["pipeline"] == "dlib-fast" for measured in _pipelines(figures)):
        text += f" {_ROUNDED}"
    return f"{_table(['pipeline', 'LFW', 'accuracy', 'equal error', *headings], rows)}\n\n{text}"


def _pipelines(figures: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The pipeline that was asked for, then those beside it; older figures have none of these."""
    return [figures, *figures.get("beside", [])]


def _own(measured: Mapping[str, Any]) -> str:
    mates, strangers = measured["lfw"]["own"]
    return (
        f"`{measured['pipeline']}` accepts {_percent(mates)} of mates and "
        f"{_percent(strangers, 3)} of strangers"
    )


def _render_widths(widths: Sequence[Mapping[str, Any]], pipeline: str) -> str:
    rows = []
    for part in widths:
        tar, far = part["at_limit"] or (None, None)
        name = f"{part['width']} px" if "width" in part else f"as it is ({part['median_width']} px)"
        missed = f"{part['missed']} of {part['people']}"
        rows.append([name, missed, _interval(part["tar"]), _percent(tar), _percent(far, 3)])
    headings = ["width of the face", "no face found", "TAR at 0.1 % (95 % interval)",
                "mates accepted", "strangers accepted"]  # fmt: skip
    text = (
        f"Small faces, as `{pipeline}` compares them: of each of the {widths[0]['people']} people "
        "of LFW with two photos or more, one photo as it is against another that was shrunk until "
        "its face had this width. (The photo shows little else, so nearly every face is found: "
        "how many are found in large photos is a matter of detection.) The last two columns are at "
        "the distance that accepts 0.1 % of strangers in the table above, where no face is shrunk."
    )
    return f"{_table(headings, rows)}\n\n{text}"


def _render_albums(figures: Mapping[str, Any]) -> str:
    rows = [
        [
            f"`{measured['pipeline']}`",
            part["name"],
            f"{part['portraits']} / {part['people']}",
            f"{part['mates']} / {part['strangers']}",
            _interval(part["map"], 3, 1),
            _percent(part["equal_error"]),
            _percent(part.get("recall")),
            _percent(part.get("precision")),
            f"{part['absent_answered']} of {part['absent']}" if measured["threshold"] else "-",
        ]
        for measured in _pipelines(figures)
        for part in measured["albums"]
    ]
    headings = ["pipeline", "album", "portraits / people", "mates / strangers",
                "mean average precision", "equal error", "recall", "precision",
                "absent answered"]  # fmt: skip
    limit = ""
    if figures["threshold"] is not None:
        limit = f" Recall, precision and the absent are at {figures['threshold']:g}."
    unseen = sum(part["unseen"] for part in figures["albums"][:-2])
    text = (
        "Albums: each portrait against the event photos of its album, a photo being as near as its "
        f"nearest face. These figures are of the bare distance.{limit} No album took part in the "
        "choice of the distance. What `facefind who` answers is in the part on `who`. "
        f"{unseen} portraits without a face that was found. `{HARD}` and the children stand apart; "
        "the children are two of one family, so their row shows failures but proves no rate."
    )
    return f"{_table(headings, rows)}\n\n{text}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(share: float | None, digits: int = 2) -> str:
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def _interval(figure: Mapping[str, Any] | None, digits: int = 1, scale: int = 100) -> str:
    """A figure with its bounds; "-" where it could not be measured."""
    if not figure or "value" not in figure:
        return "-"
    value, low, high = (scale * figure[key] for key in ("value", "low", "high"))
    unit = " %" if scale == 100 else ""
    return f"{value:.{digits}f}{unit} ({low:.{digits}f}-{high:.{digits}f})"

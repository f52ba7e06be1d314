"""What a photo costs: by its megapixels, what the networks are shown, its faces and rows.

The CPU time of each stage of looking at photos is fitted to the work that it grows with, on photos
of one set of mixes. With the rows' cost it then predicts the ingest of three other mixes by the
command line, whose work alone is counted before: all CPU time of all its processes, the database's
too, of twice as many photos less that of as many, so that the start is left out. Each photo is read
several times, under other names and with other bytes at its end, until that takes some seconds.

Photos/s are predicted for two cores that have nothing else to do and never wait; on a busy machine
fewer are measured. What is said of larger libraries is calculated from these figures.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.benchmarks import costs as fitting
from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks import ingest, page, paper, photos, stored
from scripts.benchmarks.figures import table
from scripts.benchmarks.running import measured

TITLE = "Cost model"

FITTED = ((12.0, 0), (12.0, 2), (12.0, 10), (6.0, 2), (3.0, 0), (2.0, 1))
"""Megapixels and faces of the photos that the costs are fitted to."""

PREDICTED = ((12.0, 5), (12.0, 20), (3.0, 1))
WORKERS = 2
ENOUGH, QUICK = 20_000.0, 5000.0
"""CPU milliseconds that the photos of a mix are predicted to take, at the least: a start's differ
by some hundred."""

FACES = 5
"""In the photos of which rows are stored."""

DIMENSION = 128
"""Numbers in a face's vector."""

_SEARCH = "ten photos, by the index"
"""The row of the search benchmark's figures that one `who` is calculated from."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--photos", type=int, default=12, help="of each mix; default: 12")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Costs, predictions and paper figures."""
    count = 6 if arguments.quick else arguments.photos
    # Before and after the ingests, as the machine may be busier at one time than at the other.
    first = _looked_at(count)
    rows = _rows(arguments)
    costs, enough = fitting.fit(first["mixes"]), QUICK if arguments.quick else ENOUGH
    mixes = [_ingested(mix, count, costs, rows, enough) for mix in PREDICTED]
    second = _looked_at(count)
    done = first["mixes"] + second["mixes"]
    costs = fitting.fit(done)
    for mix in mixes:
        mix["predicted"] = _photo(costs, rows, mix["work"])
        mix["predicted_rate"] = 1000 * WORKERS / mix["predicted"]
    return {
        "costs": costs,
        "rows": rows,
        "fitted": fitting.all_told(done),
        "mixes": mixes,
        "scales": _scales(mixes[0]["predicted"], rows),
        "ratios": {"worst_prediction": worst((mix["predicted"], mix["measured"]) for mix in mixes)},
    }


def _looked_at(count: int) -> dict[str, Any]:
    """The fitted mixes' work, and CPU milliseconds by stage."""
    mixes = [photos.photos(faces, count, megapixels=size) for size, faces in FITTED]
    names = [list(map(str, paths)) for paths in mixes]
    return measured("work", "looked_at", 1, mixes=names, threads=WORKERS)


def _rows(arguments: argparse.Namespace) -> dict[str, float]:
    """CPU milliseconds and bytes of a photo and of a face, and of its entry in the search index."""
    nobody, people = (measured("work", "rows", 1, faces=faces) for faces in (0, FACES))
    sizes = stored.measure(
        argparse.Namespace(quick=arguments.quick, photos=640, runs=arguments.runs)
    )
    return {
        "ms_photo": nobody["cpu"],
        "ms_face": max(people["cpu"] - nobody["cpu"], 0.0) / FACES,
        "bytes_photo": sizes["bytes"]["photo"],
        "bytes_face": sizes["bytes"]["face"],
        "bytes_index": people["index"] / people["stored"],
    }


def _photo(costs: fitting.Costs, rows: dict[str, float], work: dict[str, float]) -> float:
    """CPU milliseconds of one photo of so much work, stored."""
    return fitting.predicted(costs, work) + rows["ms_photo"] + work["faces"] * rows["ms_face"]


def _ingested(
    mix: tuple[float, int],
    count: int,
    costs: fitting.Costs,
    rows: dict[str, float],
    enough: float,
) -> dict[str, Any]:
    """A mix's work, CPU milliseconds a photo and photos/s by the command line after the start."""
    megapixels, faces = mix
    contents = photos.photos(faces, count, megapixels=megapixels)
    work = fitting.each(measured("work", "counted", 1, photos=list(map(str, contents)))["work"])
    rounds = math.ceil(enough / (count * _photo(costs, rows, work)))
    with tempfile.TemporaryDirectory(prefix="facefind-") as name:
        files = photos.copies(contents, Path(name), 2 * rounds * count)
        half = len(files) // 2
        few, many = ingest.run(files[:half], WORKERS), ingest.run(files, WORKERS, "--profile")
    return {
        "megapixels": megapixels,
        "faces": faces,
        "work": work,
        "photos": len(files),
        "measured": 1000 * (many.cpu_seconds - few.cpu_seconds) / half,
        "rate": len(files) / after_start(many.answer["profile"]),
    }


def after_start(ledger: dict[str, Any]) -> float:
    """Seconds of a run between its start and the grouping of faces."""
    before_and_after = ("start", "walk", "group")
    apart: float = sum(ledger["stages"][stage]["seconds"] for stage in before_and_after)
    return float(ledger["wall_seconds"] - apart)


def worst(pairs: Iterable[tuple[float, float]]) -> float:
    """How far the worse of some pairs are apart, as a factor; endless where one is not above 0."""
    return max(max(a / b, b / a) if min(a, b) > 0 else math.inf for a, b in pairs)


def _scales(milliseconds: float, rows: dict[str, float]) -> list[dict[str, Any]]:
    """The paper figures, with the times of `who` and of searching as they are stored."""
    path = page.DOCS / f"{page.NAME}.json"
    parts = json.loads(path.read_text("utf-8")) if path.exists() else {}
    start = parts.get("start", {}).get("figures", {}).get("seconds", {}).get("who_running")
    milliseconds_of_search, searched = search_of(parts.get("search", {}).get("figures", {}))
    return [
        paper.scale(
            count,
            {
                "cpu": milliseconds,
                "photo": rows["bytes_photo"],
                "face": rows["bytes_face"],
                "index": rows["bytes_index"],
                "who": start and start["median"],
                "search": milliseconds_of_search,
                "searched": searched,
            },
        )
        for count in paper.SCALES
    ]


def search_of(figures: dict[str, Any]) -> tuple[float | None, int]:
    """Milliseconds of a search by index in the largest library that was measured, and its faces."""
    libraries = [
        library
        for library in figures.get("libraries", {}).values()
        if library["dimension"] == DIMENSION and _SEARCH in library["rows"]
    ]
    if not libraries:
        return None, 0
    largest = max(libraries, key=lambda library: library["faces"])
    return float(largest["rows"][_SEARCH]["p50"]), int(largest["faces"])


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits."""
    return arithmetic.over_limits("model", figures)


_UNITS = {
    ("read", "megabytes"): "read and hashed, a megabyte of the file",
    ("decode", "megapixels"): "decoded, a megapixel of the photo",
    ("decode", "decoded_megapixels"): "and a megapixel that comes of it",
    ("detect", "network_megapixels"): "looked for faces, a megapixel shown to the network",
    ("detect", "decoded_megapixels"): "and a megapixel that it is scaled from",
    ("align", "faces"): "aligned, a face",
    ("align", "peopled"): "and a photo with faces",
    ("embed", "faces"): "embedded with its mirror image, a face",
}


def render(figures: dict[str, Any]) -> str:
    """The costs, what they predict, and larger libraries."""
    rows, fitted = figures["rows"], figures["fitted"]
    costs = [
        [what, f"{figures['costs'][stage][unit]:.3g}"] for (stage, unit), what in _UNITS.items()
    ]
    costs += [["stored, a photo", f"{rows['ms_photo']:.3g}"]]
    costs += [["and each of its faces", f"{rows['ms_face']:.3g}"]]
    return "\n\n".join(
        (
            table(["work", "CPU ms"], costs),
            f"Of the CPU time that these are fitted to they give {_share(fitted)}. The mixes that "
            "they predict:",
            _predictions(figures["mixes"]),
            "### Larger libraries: calculated, not measured",
            f"Photos of 12 megapixels with {paper.FACES} faces. In the database a photo takes "
            f"{rows['bytes_photo']:,.0f} bytes and a face {rows['bytes_face']:,.0f}, "
            f"{rows['bytes_index']:,.0f} of them in the search index.",
            paper.render(figures["scales"]),
        )
    )


def _share(fitted: dict[str, float]) -> str:
    return f"{fitted['fitted'] / fitted['measured']:.1%}"


def _predictions(mixes: list[dict[str, Any]]) -> str:
    head = ["megapixels, faces found", "decoded, MP", "shown to the network, MP"]
    head += ["CPU ms a photo, predicted", "measured", f"photos/s on {WORKERS} cores, predicted"]
    rows = [
        [
            f"{mix['megapixels']:g}, {mix['work']['faces']:.1f}",
            f"{mix['work']['decoded_megapixels']:.2f}",
            f"{mix['work']['network_megapixels']:.2f}",
            *(f"{mix[way]:.0f}" for way in ("predicted", "measured")),
            *(f"{mix[way]:.2f}" for way in ("predicted_rate", "rate")),
        ]
        for mix in mixes
    ]
    return table([*head, "measured"], rows)

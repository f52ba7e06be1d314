"""What a photo costs: by its megapixels, what the networks are shown, its faces and rows.

The CPU time of each stage is fitted to what it grows with, on photos of one set of mixes, and then
predicts that of the ingest of other mixes by the command line. The paper figures for larger
libraries are products of what was measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scripts.benchmarks import figures as arithmetic
from scripts.benchmarks import ingest, photos, stored
from scripts.benchmarks.figures import table
from scripts.benchmarks.running import measured

TITLE = "Cost model"

FITTED = ((12.0, 0), (12.0, 2), (12.0, 10), (6.0, 2), (3.0, 0), (1.0, 1))
"""Megapixels and faces of the photos that the costs are fitted to."""

PREDICTED = ((12.0, 5), (12.0, 20), (3.0, 1))
SCALES = (10**4, 10**6, 10**8)
FACES = 5
MEGAPIXELS = 12.0
WORKERS = 2

_DETECTOR = "centerface"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--photos", type=int, default=12, help="of each mix; default: 12")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Costs, predictions and paper figures."""
    count = arguments.photos
    seen = []
    for megapixels, faces in FITTED:
        paths = list(map(str, photos.photos(faces, max(count // 2, 3), megapixels=megapixels)))
        seen += measured("model", "looked_at", 1, photos=paths)["photos"]
    rows = stored.measure(
        argparse.Namespace(quick=arguments.quick, photos=1000, runs=arguments.runs)
    )
    costs = fit(seen) | {
        "ms_stored_photo": rows["milliseconds"]["photo"],
        "ms_stored_face": rows["milliseconds"]["face"],
    }
    mixes = [_mix(megapixels, faces, count, costs) for megapixels, faces in PREDICTED]
    factors = [mix["predicted"] / mix["measured"] for mix in mixes]
    main = mixes[0]
    return {
        "costs": costs,
        "bytes": rows["bytes"],
        "mixes": mixes,
        "scales": [scale(n, main["rates"][str(WORKERS)], rows) for n in SCALES],
        "ratios": {"worst_prediction": max(max(x, 1 / x) for x in factors)},
    }


def looked_at(photos: Sequence[str]) -> dict[str, Any]:
    """CPU milliseconds of each photo's stages, and what these grow with; networks are loaded."""
    import cv2

    from facefind.images import OpenedPhoto
    from scripts.benchmarks.alone import pipeline

    cv2.setNumThreads(1)
    finder, shown = pipeline()
    figures = []
    for path in (photos[0], *photos):
        shown.clear()
        marks = [time.process_time()]
        opened = OpenedPhoto(Path(path).read_bytes())
        # What is looked at is decoded within `see`; decoding it again from memory tells its cost.
        seen = finder.see(opened)
        marks.append(time.process_time())
        size = opened.size
        shape = opened.at(0.0).shape
        marks.append(time.process_time())
        OpenedPhoto(Path(path).read_bytes()).at(shape[1] / size[0])
        marks.append(time.process_time())
        finder.recognise([seen])
        marks.append(time.process_time())
        see, _, decode, embed = 1000 * np.diff(marks)
        figures.append(
            {
                "megapixels": size[0] * size[1] / 1e6,
                "network_megapixels": shown[_DETECTOR].pixels / 1e6,
                "network": 1000 * shown[_DETECTOR].seconds,
                "faces": len(seen.chips),
                "decode": float(decode),
                "look": float(see - decode) - 1000 * shown[_DETECTOR].seconds,
                "embed": float(embed),
            }
        )
    return {"seconds": 0.0, "photos": figures[1:]}


def fit(seen: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Milliseconds for each unit of work, by least squares without negative costs.

    Args:
        seen: Of each photo `megapixels`, `network_megapixels`, `faces`, and milliseconds to
            `decode` it, for the detector's `network`, to `look` (the rest of detection: scaling,
            reading the network's answer, cutting chips out) and to `embed`.
    """
    column = {name: np.array([photo[name] for photo in seen], float) for name in seen[0]}
    megapixels, faces, one = column["megapixels"], column["faces"], np.ones(len(seen))
    decode = nonnegative((megapixels, one), column["decode"])
    look = nonnegative((megapixels, faces, one), column["look"])
    embed = nonnegative((faces, one), column["embed"])
    shown = nonnegative((one, faces), column["network_megapixels"])
    return {
        "ms_decoded_megapixel": decode[0],
        "ms_looked_megapixel": look[0],
        "ms_network_megapixel": column["network"].sum() / column["network_megapixels"].sum(),
        "ms_cut_face": look[1],
        "ms_embedded_face": embed[0],
        "ms_photo": decode[1] + look[2] + embed[1],
        "network_megapixels_photo": shown[0],
        "network_megapixels_face": shown[1],
    }


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


def predicted(costs: dict[str, float], megapixels: float, faces: float) -> float:
    """CPU milliseconds of a photo."""
    shown = costs["network_megapixels_photo"] + faces * costs["network_megapixels_face"]
    each = costs["ms_cut_face"] + costs["ms_embedded_face"] + costs["ms_stored_face"]
    return (
        costs["ms_photo"]
        + costs["ms_stored_photo"]
        + megapixels * (costs["ms_decoded_megapixel"] + costs["ms_looked_megapixel"])
        + shown * costs["ms_network_megapixel"]
        + faces * each
    )


def _mix(megapixels: float, faces: int, count: int, costs: dict[str, float]) -> dict[str, Any]:
    """CPU milliseconds a photo as predicted and as measured by the command line, with all its
    processes; and photos/s, both after the start."""
    paths = photos.photos(faces, count, megapixels=megapixels)
    rates, busy = {}, []
    for threads in (1, WORKERS):
        one, all_ = ingest.run(paths[:1], threads), ingest.run(paths, threads)
        rates[str(threads)] = (count - 1) / (all_.seconds - one.seconds)
        busy.append(1000 * (all_.cpu_seconds - one.cpu_seconds) / (count - 1))
    return {
        "megapixels": megapixels,
        "faces": faces,
        "predicted": predicted(costs, megapixels, faces),
        "measured": busy[0],
        "rates": rates,
    }


def scale(count: int, rate: float, rows: dict[str, Any]) -> dict[str, float]:
    """Hours to ingest so many photos, and bytes of the database, of which faces' vectors."""
    faces = count * FACES
    return {
        "photos": count,
        "hours": count / rate / 3600,
        "database": count * rows["bytes"]["photo"] + faces * rows["bytes"]["face"],
        "vectors": faces * 512.0,
    }


def over_limits(figures: dict[str, Any]) -> list[str]:
    """Ratios beyond their limits."""
    return arithmetic.over_limits("model", figures)


_UNITS = {
    "ms_photo": "ms a photo, whatever is in it",
    "ms_decoded_megapixel": "ms a megapixel of the photo decoded",
    "ms_looked_megapixel": "ms a megapixel of the photo scaled for the detector",
    "ms_network_megapixel": "ms a megapixel shown to the detector's network",
    "network_megapixels_photo": "megapixels shown to it for a photo",
    "network_megapixels_face": "and more for each face",
    "ms_cut_face": "ms a face found and cut out",
    "ms_embedded_face": "ms a face embedded, with its mirror image",
    "ms_stored_photo": "ms a photo stored",
    "ms_stored_face": "ms a face stored",
}


def render(figures: dict[str, Any]) -> str:
    """The costs, what they predict, and larger libraries."""
    costs = [[unit, f"{figures['costs'][name]:.3g}"] for name, unit in _UNITS.items()]
    mixes = [
        [
            f"{mix['megapixels']:g} megapixels, {mix['faces']} faces",
            *(f"{mix[way]:.0f}" for way in ("predicted", "measured")),
            *(f"{mix['rates'][str(workers)]:.2f}" for workers in (1, WORKERS)),
        ]
        for mix in figures["mixes"]
    ]
    scales = [
        [
            f"{row['photos']:,}",
            f"{row['hours']:,.1f}",
            f"{row['database'] / 1e9:,.1f}",
            f"{row['vectors'] / 1e9:,.2f}",
        ]
        for row in figures["scales"]
    ]
    head = ["mix", "CPU ms a photo, predicted", "measured", "photos/s, 1 worker"]
    head += [f"{WORKERS} workers"]
    return "\n\n".join(
        (
            table(["cost of one core", ""], costs),
            "Ingest by the command line, its start left out:",
            table(head, mixes),
            f"Libraries of photos of {MEGAPIXELS:g} megapixels with {FACES} faces on this machine, "
            f"at the rate measured with {WORKERS} workers; products, not measurements. A search by "
            "index stays fast while the vectors fit into memory.",
            table(["photos", "hours to ingest", "database, GB", "of it vectors, GB"], scales),
        )
    )

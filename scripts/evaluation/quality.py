"""How well the quality of a face tells faces from mistakes, and sharp faces from spoilt ones.

Detections from a score of .25 on, on the photos with boxes, are true where they overlap a face by
an IoU of .5 or more. The part of quality that tells these apart is fitted without the photos that
it is then asked about, in five folds. How it falls is measured on copies of portraits that are
shrunk or blurred more and more; no person of these was in the fit.

With --fit everything is fitted anew, on all photos, and the coefficients are written.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefind import images
from facefind.inference import quality
from facefind.inference.pipeline import Pipeline, resolve_settings
from facefind.inference.quality import LOW_QUALITY, Floats
from scripts.evaluation import quality_fit
from scripts.evaluation.detection import GROUPS
from scripts.evaluation.embeddings import lfw_embeddings
from scripts.evaluation.models import ready
from scripts.evaluation.quality_fit import FACE_SIGNS, KNOWN_SIGNS, LOWEST_SCORE, Copies, Judged

TITLE = "Quality of a face"

FITTED = Path(__file__).resolve().parent.parent.parent / "facefind" / "calibration"

THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.41, 0.42, 0.43, 0.44, 0.46, 0.48, 0.5)

Mask = NDArray[np.bool_]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--fit", action="store_true", help="fit anew and write the coefficients")
    parser.add_argument("--threads", type=int, default=0, help="0 for one per core (default)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fits if asked to, then measures."""
    finder = ready("dlib", {"detector.threshold": LOWEST_SCORE}, arguments.threads)
    judged = quality_fit.judged_detections(finder, arguments.data)
    if arguments.fit:
        write(finder, judged, quality_fit.spoilt_copies(finder, arguments.data, odd=False))
    model = quality.load("dlib", quality_fit.template(finder))
    known = model.known(judged.features)
    values = np.minimum(quality_fit.held_out(judged), (1 + known) / 2)
    lfw = lfw_embeddings(arguments.data, "dlib").qualities
    threshold = float(resolve_settings("dlib", {})["detector.threshold"])
    return {
        "threshold": threshold,
        "floor": LOW_QUALITY,
        "areas": areas(judged, values),
        "thresholds": [at_threshold(judged, values, threshold) for threshold in THRESHOLDS],
        "groups": by_group(judged, values, threshold),
        "copies": falling(model, quality_fit.spoilt_copies(finder, arguments.data, odd=True)),
        "lfw": {"faces": len(lfw), "below": int((lfw < LOW_QUALITY).sum())},
        "people": _people(finder, arguments.data),
        "milliseconds": cost(finder, model, arguments.data),
    }


def write(finder: Pipeline, judged: Judged, copies: Copies) -> None:
    """Fits both regressions and writes them where the product reads them."""
    parts = {"face": quality_fit.fit_face(judged), "known": quality_fit.fit_known(copies)}
    text = {
        "made_by": "scripts/evaluate quality --fit",
        "made_from": {
            "face": f"{len(judged.true)} detections, {int(judged.true.sum())} of them true",
            "known": f"{len(copies.known)} shrunk and blurred copies of portraits",
        },
        **{name: part._asdict() for name, part in parts.items()},
    }
    path = FITTED / f"quality-{finder.spec.name}.json"
    path.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


def areas(judged: Judged, values: Floats) -> dict[str, float]:
    """Area under the curve of each feature, turned to help, and of the whole."""
    signs = {**KNOWN_SIGNS, **FACE_SIGNS}
    single = {
        name: area(sign * getattr(judged.features, name), judged.true)
        for name, sign in signs.items()
    }
    return {**single, "quality": area(values, judged.true)}


def area(values: Floats, true: Mask) -> float:
    """The chance that a true one is above a false one, ties counting half."""
    false = np.sort(values[~true])
    below, up_to = (np.searchsorted(false, values[true], side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(false))


def at_threshold(judged: Judged, values: Floats, threshold: float) -> dict[str, Any]:
    """What is left of the detections above a score, with quality at the floor or above."""
    above = judged.score > threshold
    good = above & (values >= LOW_QUALITY)
    figures: dict[str, Any] = {
        "threshold": threshold,
        "kept": float((good & judged.true).sum() / (above & judged.true).sum()),
        "invented": int((above & (judged.group == GROUPS.index("negatives"))).sum()),
        "invented_good": int((good & (judged.group == GROUPS.index("negatives"))).sum()),
    }
    for number, name in enumerate(GROUPS[:2]):
        mine = judged.group == number
        right = int((good & mine & judged.true).sum())
        figures[name] = {
            "recall": right / judged.faces[number],
            "precision": right / int((good & mine).sum()),
            "recall_all": int((above & mine & judged.true).sum()) / judged.faces[number],
            "precision_all": float(judged.true[above & mine].mean()),
        }
    return figures


def by_group(judged: Judged, values: Floats, threshold: float) -> list[dict[str, Any]]:
    """True and false detections above the working threshold, and how many are at the floor."""
    above = judged.score > threshold
    masks = {name: judged.group == number for number, name in enumerate(GROUPS)}
    masks["under 40 px"] = judged.size < 40
    masks["all"] = np.ones(len(above), bool)
    rows = []
    for name, mask in masks.items():
        row: dict[str, Any] = {"group": name}
        for kind, truth in (("true", judged.true), ("false", ~judged.true)):
            mine = mask & above & truth
            row[kind] = int(mine.sum())
            row[f"{kind}_good"] = int((values[mine] >= LOW_QUALITY).sum())
        rows.append(row)
    return rows


def falling(model: quality.QualityModel, copies: Copies) -> list[dict[str, Any]]:
    """Quality of copies by how they were spoilt, beside the share still recognised."""
    values, known = model.value(copies.features), model.known(copies.features)
    rows = []
    for number, (name, _, amount) in enumerate(quality_fit.levels()):
        mine = copies.level == number
        if mine.any():
            rows.append(
                {
                    "copy": f"{name} {amount:g}",
                    "faces": int(mine.sum()),
                    "width": float(copies.width[mine].mean()),
                    "known": float(copies.known[mine].mean()),
                    "expected": float(known[mine].mean()),
                    "median": float(np.median(values[mine])),
                    "low": float(np.percentile(values[mine], 5)),
                }
            )
    return rows


def _people(finder: Pipeline, data: Path) -> dict[str, int]:
    """Portraits of the albums whose best face is under the floor."""
    lines = (data / "events" / "people.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["role"] == "portrait"]
    best = [_best(finder, data / "events" / row["file"]) for row in rows]
    return {"portraits": len(best), "below": sum(value < LOW_QUALITY for value in best)}


def _best(finder: Pipeline, path: Path) -> float:
    faces = finder.find_faces(images.read_photo(path).pixels)
    return max((face.quality.value for face in faces if face.quality), default=0.0)


def cost(finder: Pipeline, model: quality.QualityModel, data: Path) -> float:
    """Milliseconds a face, beyond the detector's and the embedder's."""
    photo = images.read_photo(sorted((data / "lfw").glob("*.jpg"))[0]).pixels
    found = finder.detect(photo)[:1] * 20
    chips, asymmetry = finder.cut(photo, found), np.full(20, 0.1, np.float32)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        model(found, chips, asymmetry)
        times.append((time.perf_counter() - start) * 1000 / len(found))
    return round(float(np.median(times)), 3)


# --- for people to read --------------------------------------------------------------------------


def render(figures: dict[str, Any]) -> str:
    """The tables with what they say."""
    return "\n\n".join(
        (
            _words(figures),
            _render_areas(figures["areas"]),
            f"Faces of quality {figures['floor']} or more, by the score from which the detector "
            "reports them (in brackets: all it reports):",
            _render_thresholds(figures["thresholds"]),
            f"At the detector's threshold, {figures['threshold']}:",
            _render_groups(figures["groups"]),
            "Copies of photos of 250 pixels, whose faces are some 110 wide, of people who were not "
            "in the fit. Recognised: share of the same person's other photos within the "
            "pipeline's distance; expected: the second regression's mean.",
            _render_copies(figures["copies"]),
        )
    )


def _words(figures: Mapping[str, Any]) -> str:
    lfw, people = figures["lfw"], figures["people"]
    return (
        "Quality is the weaker of two links, each a logistic regression: whether a detection is a "
        "face (fitted on the photos with boxes; the figures are of five folds by photo, each "
        "fitted without its own), and whether it can be recognised (fitted on spoilt copies of "
        "portraits of other people than those below). Under the floor, "
        f"{figures['floor']}, a face is stored but not searched by default. "
        f"Of {lfw['faces']} faces of LFW {lfw['below']} are under it, of "
        f"{people['portraits']} portraits of the albums {people['below']}. It takes "
        f"{figures['milliseconds']} ms a face."
    )


def _render_areas(areas: Mapping[str, float]) -> str:
    rows = [(name.replace("_", " "), f"{value:.3f}") for name, value in areas.items()]
    text = "Area under the curve, true against false detections from a score of .25 on:"
    return f"{text}\n\n{_table(('feature', 'area'), rows)}"


def _render_thresholds(thresholds: Sequence[Mapping[str, Any]]) -> str:
    heads = ["score"]
    heads += [f"{group}: {rate}" for group in GROUPS[:2] for rate in ("recall", "precision")]
    rows = []
    for row in thresholds:
        cells = [f"{row['threshold']:g}"]
        for group in GROUPS[:2]:
            for rate in ("recall", "precision"):
                cells.append(f"{row[group][rate]:.3f} ({row[group][f'{rate}_all']:.3f})")
        cells += [f"{row['kept']:.3f}", f"{row['invented_good']} ({row['invented']})"]
        rows.append(cells)
    return _table([*heads, "true faces kept", "false in 29 negatives"], rows)


def _render_groups(groups: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (row["group"], row["true"], row["true_good"], row["false"], row["false_good"])
        for row in groups
    ]
    return _table(("group", "true", "of quality", "false", "of quality"), rows)


def _render_copies(copies: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            row["copy"],
            row["faces"],
            f"{row['width']:.0f}",
            *(f"{row[key]:.2f}" for key in ("known", "expected", "median", "low")),
        )
        for row in copies
    ]
    heads = ("copy", "faces", "width", "recognised", "expected", "median quality", "95 % above")
    return _table(heads, rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)

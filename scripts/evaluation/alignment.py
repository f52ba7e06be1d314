"""Ways to cut a face's chip out for dlib's ResNet, those that were left out among them.

A way is one chip of a face, or several of which the embeddings are averaged: by CenterFace's five
landmarks, by those that dlib's predictor finds on the upright face, mirrored, enlarged, tilted.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from facefind import images
from facefind.geometry import scaled, similarity_transform, warp
from facefind.inference import weights
from facefind.inference.embedders.dlib_resnet import CHIP_SIZE, TEMPLATE, DlibAligner
from facefind.inference.forest import Forest
from facefind.inference.pipeline import Pipeline
from facefind.inference.protocols import Pictured
from facefind.inference.session import Session
from facefind.metrics import accuracy_by_folds, all_pairs, threshold_at_far
from facefind.portraits import most_prominent
from facefind.resampling import bootstrap_mean
from facefind.types import Detection, Face, Image
from scripts.evaluation.album_ranking import HARD, ask_albums, groups, score
from scripts.evaluation.embeddings import lfw_photos, progressing
from scripts.evaluation.models import models_dir, ready

TITLE = "Alignment"

Floats: TypeAlias = NDArray[np.float32]

WAYS: Mapping[str, tuple[str, ...]] = {
    "CenterFace's landmarks": ("c",),
    "... and mirror image": ("c", "c'"),
    "dlib's landmarks": ("e",),
    "... and mirror image (the pipeline)": ("e", "e'"),
    "CenterFace's, and dlib's mirrored": ("c", "e'"),
    "CenterFace's mirrored, and dlib's": ("c'", "e"),
    "both, and both mirrored": ("c", "c'", "e", "e'"),
    "dlib's, and mirrored 6 % larger": ("e", "larger"),
    "dlib's, and mirrored tilted by 5 degrees": ("e", "tilted"),
    "dlib's, and mirrored, larger, tilted": ("e", "e'", "larger", "tilted"),
}
"""Of which chips (`CHIPS`) the embeddings are averaged."""

SHIPPED = "... and mirror image (the pipeline)"

CHIPS = ("c", "c'", "e", "e'", "larger", "tilted")
"""c: by CenterFace's landmarks; e: by dlib's; ' and the last two: mirrored."""

FARS = (0.01, 0.001, 0.0001)
ROLLS = (15, 30, 45, 90)
WIDTHS = (64, 44, 29, 22)
COPIED = 120
"""Photos that are rolled and shrunk."""

_BATCH = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options: none."""


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Each way's cost, TAR in LFW, ranking in the albums, and change by roll and size."""
    maker = Maker(ready("dlib"))
    lfw, people, copies = _embed_lfw(arguments.data, maker)
    accepted = {way: _accepted(mean(lfw, way), people) for way in WAYS}
    costs = {threads: _cost(arguments.data, threads) for threads in (1, 2)}
    return {
        "photos": len(people),
        "people": len(set(people)),
        "ways": [
            {
                "name": way,
                "embeddings": len(chips),
                "ms": [_total(costs[threads], chips) for threads in costs],
                "lfw": _lfw_figures(mean(lfw, way), people, accepted[way], accepted[SHIPPED]),
                "albums": _album_figures(arguments.data, Finder(maker, way)),
                "copies": _changes(copies, way),
            }
            for way, chips in WAYS.items()
        ],
    }


class Maker:
    """Makes the raw embeddings of all `CHIPS` of the faces in a picture, each picture once."""

    def __init__(self, pipeline: Pipeline, threads: int = 0) -> None:
        self.detect = pipeline.detect
        self.align = DlibAligner(Forest(weights.locate("dlib_landmarks", models_dir())))
        self.network = Session(weights.locate("dlib_resnet", models_dir()), threads)
        self._known: dict[bytes, tuple[list[Detection], Floats]] = {}

    def __call__(self, image: Image) -> tuple[list[Detection], Floats]:
        """The faces, and (N, chips, 128)."""
        key = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
        if key not in self._known:
            found = self.detect(image)
            self._known[key] = found, self.embed(image, found)
        return self._known[key]

    def embed(self, image: Image, found: Sequence[Detection]) -> Floats:
        """The raw embeddings (N, chips, 128)."""
        c = [centerface_chip(image, face) for face in found]
        e = self.align(Pictured(image, face) for face in found)
        chips = [
            chip
            for plain, refined in zip(c, e, strict=True)
            for chip in (plain, plain[:, ::-1], refined, refined[:, ::-1], *_jittered(refined))
        ]
        return self.run(chips).reshape(len(found), len(CHIPS), -1)

    def run(self, chips: Sequence[Image]) -> Floats:
        """The network's answers (N, 128)."""
        batches = [chips[i : i + _BATCH] for i in range(0, len(chips), _BATCH)]
        blobs = [np.stack(batch).transpose(0, 3, 1, 2).astype(np.float32) for batch in batches]
        answers = [self.network.run({"chips": blob})[0] for blob in blobs]
        return np.concatenate([np.zeros((0, 128), np.float32), *answers])


@dataclass(frozen=True)
class Finder:
    """A pipeline that aligns in one of the `WAYS`."""

    maker: Maker
    way: str

    def find_faces(self, image: Image) -> list[Face]:
        """As `Pipeline.find_faces`, without quality."""
        found, raw = self.maker(image)
        vectors = mean(raw, self.way)
        return [Face(face, vector) for face, vector in zip(found, vectors, strict=True)]


def centerface_chip(image: Image, face: Detection) -> Image:
    """The chip by the detector's own landmarks."""
    if face.landmarks is None:
        raise SystemExit("the detector gave no landmarks")
    return warp(image, similarity_transform(face.landmarks, TEMPLATE), CHIP_SIZE)


def _jittered(chip: Image) -> list[Image]:
    centre = (CHIP_SIZE / 2, CHIP_SIZE / 2)
    turns = [cv2.getRotationMatrix2D(centre, *by) for by in ((0, 1.06), (5, 1))]
    return [warp(chip, np.asarray(turn, np.float64), CHIP_SIZE)[:, ::-1] for turn in turns]


def mean(raw: Floats, way: str) -> Floats:
    """Unit vectors (N, 128) of (N, chips, 128) raw ones."""
    mixed = raw[:, [CHIPS.index(chip) for chip in WAYS[way]]].mean(axis=1)
    unit: Floats = mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)
    return unit


# --- Labeled Faces in the Wild ------------------------------------------------------------------


def _embed_lfw(data: Path, maker: Maker) -> tuple[Floats, list[str], dict[str, Floats]]:
    """Raw embeddings and people of all who have two photos or more, and copies of some photos."""
    photos = lfw_photos(data)
    counts = Counter(photo.person for photo in photos)
    known = [photo for photo in photos if counts[photo.person] > 1]
    step = max(1, len(known) // COPIED)
    rows, people, copies = [], [], []
    for number, photo in enumerate(progressing("lfw", known)):
        image = images.read_photo(photo.path).pixels
        found = maker.detect(image)
        if not found:
            continue
        face = found[most_prominent([Face(f, np.zeros(1, np.float32)) for f in found], image)]
        rows.append(maker.embed(image, [face])[0])
        people.append(photo.person)
        if number % step == 0:
            copies.append({"original": rows[-1], **_copies(image, face, maker, number)})
    names = ("original", *map(str, (*ROLLS, *WIDTHS)))
    nothing = np.full_like(rows[0], np.nan)
    together = {name: np.stack([copy.get(name, nothing) for copy in copies]) for name in names}
    return np.stack(rows), people, together


def _copies(image: Image, face: Detection, maker: Maker, number: int) -> dict[str, Floats]:
    """The face's raw embeddings in rolled and shrunk copies, where it is found there."""
    box = face.box
    centre = np.array((box.x + box.w / 2, box.y + box.h / 2))
    made: dict[str, tuple[Image, NDArray[np.float64]]] = {}
    for degrees in ROLLS:
        turn = cv2.getRotationMatrix2D(tuple(centre), degrees if number % 2 else -degrees, 1)
        size = (image.shape[1], image.shape[0])
        rolled = cv2.warpAffine(image, turn, size, flags=cv2.INTER_CUBIC)
        made[str(degrees)] = np.asarray(rolled, np.uint8), centre
    for width in WIDTHS:
        made[str(width)] = scaled(image, width / box.w), centre * width / box.w
    answers = {}
    for name, (copy, where) in made.items():
        same = [f for f in maker.detect(copy) if _is_at(f, where)]
        if same:
            answers[name] = maker.embed(copy, same[:1])[0]
    return answers


def _is_at(face: Detection, centre: NDArray[np.float64]) -> bool:
    box = face.box
    off = np.hypot(box.x + box.w / 2 - centre[0], box.y + box.h / 2 - centre[1])
    return bool(off < 0.4 * box.w)


def _accepted(vectors: Floats, people: Sequence[str]) -> list[Floats]:
    """For each FAR the share of each person's pairs that is accepted, people in order."""
    pairs = all_pairs(vectors, people)
    owners = pairs.people[pairs.genuine_photos[:, 0]]
    counts = np.bincount(owners)
    shares = []
    for far in FARS:
        limit = threshold_at_far(pairs, far)
        if limit is None:
            raise SystemExit(f"too few photos to measure a share of {far:g}")
        within = np.bincount(owners, weights=pairs.genuine <= limit, minlength=len(counts))
        shares.append((within[counts > 0] / counts[counts > 0]).astype(np.float32))
    return shares


def _lfw_figures(
    vectors: Floats, people: Sequence[str], own: list[Floats], shipped: list[Floats]
) -> dict[str, Any]:
    accuracy = accuracy_by_folds(all_pairs(vectors, people))
    everybody = range(len(own[0]))
    return {
        "accuracy": accuracy and accuracy.value,
        "tar": [float(shares.mean()) for shares in own],
        "gain": [
            bootstrap_mean(mine - theirs, everybody)._asdict()
            for mine, theirs in zip(own, shipped, strict=True)
        ],
    }


def _changes(copies: Mapping[str, Floats], way: str) -> dict[str, float]:
    """The median distance between a photo's vector and that of its copy."""
    original = mean(copies["original"], way)
    return {
        name: float(np.nanmedian(np.linalg.norm(mean(raw, way) - original, axis=1)))
        for name, raw in copies.items()
        if name != "original"
    }


# --- albums, costs ------------------------------------------------------------------------------


def _album_figures(data: Path, finder: Any) -> dict[str, float]:
    scores = {name: score(name, probes, None) for name, probes in groups(ask_albums(data, finder))}
    return {name: scores[name]["map"]["value"] for name in (f"all but {HARD}", HARD)}


def _cost(data: Path, threads: int) -> dict[str, float]:
    """Milliseconds a face, eight at once: of each alignment, and of one embedding."""
    maker = Maker(ready("dlib", threads=threads), threads)
    image = images.read_photo(lfw_photos(data)[0].path).pixels
    found = maker.detect(image)[:1] * 8
    chips = [centerface_chip(image, face) for face in found]
    cores = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        return {
            "c": _milliseconds(lambda: [centerface_chip(image, face) for face in found]),
            "e": _milliseconds(lambda: maker.align(Pictured(image, face) for face in found)),
            "embedding": _milliseconds(lambda: maker.run(chips)),
        }
    finally:
        cv2.setNumThreads(cores)


def _milliseconds(work: Callable[[], Any]) -> float:
    """The fastest of some runs, a face: others' work on the machine only adds to it."""
    taken = []
    for _ in range(15):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken) * 1000 / 8


def _total(cost: Mapping[str, float], chips: Sequence[str]) -> float:
    by_centerface = any(chip.startswith("c") for chip in chips)
    by_dlib = any(not chip.startswith("c") for chip in chips)
    return by_centerface * cost["c"] + by_dlib * cost["e"] + len(chips) * cost["embedding"]


# --- the page -----------------------------------------------------------------------------------


def render(figures: dict[str, Any]) -> str:
    """The figures in Markdown."""
    degrees = [f"{roll} degrees" for roll in ROLLS]
    pixels = [f"{width} px" for width in WIDTHS]
    tars = [f"TAR at FAR {100 * far:g} %" for far in FARS]
    return "\n".join(
        [
            _METHOD.format(**figures),
            *_head("chips", "embeddings", "ms", "accuracy", *tars, "ranking", f"`{HARD}`"),
            *(_row(way) for way in figures["ways"]),
            _COPIES,
            *_head("chips", *degrees, *pixels),
            *(_change_row(way) for way in figures["ways"]),
            _VERDICT,
        ]
    )


_METHOD = f"""\
Faces are found by CenterFace throughout. TAR is in LFW, {{photos}} photos of {{people}} people with
two photos or more, every person weighing the same; behind each the difference to the pipeline and
its 95 % interval over people, the thresholds taken as given. Ranking is the mean average precision
in the albums; `{HARD}` has 13 mates, so its column tells little. Nothing was tuned but the choice
itself, which was made on these photos. Milliseconds a face, on 1 / 2 threads, are the fastest of
several runs with eight faces at once.
"""

_COPIES = f"""
Median L2 distance between the embeddings of a photo and of a copy, {COPIED} photos: the copy rolled
by so many degrees, or shrunk until the face is so many pixels wide.
"""

_VERDICT = """
dlib's landmarks on the upright face make embeddings all but blind to roll, and steadier for small
faces, in little time. Photos of LFW are upright already, so TAR shows none of that gain. A mean
with a chip by CenterFace's landmarks brings the roll back; more than two chips cost more than they
bring.
"""


def _row(way: Mapping[str, Any]) -> str:
    lfw = way["lfw"]
    tars = [
        f"{100 * tar:.1f}" + ("" if way["name"] == SHIPPED else f" ({_difference(gain)})")
        for tar, gain in zip(lfw["tar"], lfw["gain"], strict=True)
    ]
    ranking = [f"{value:.3f}" for value in way["albums"].values()]
    times = " / ".join(f"{ms:.1f}" for ms in way["ms"])
    accuracy = f"{100 * lfw['accuracy']:.2f}"
    return _line(way["name"], str(way["embeddings"]), times, accuracy, *tars, *ranking)


def _difference(gain: Mapping[str, float]) -> str:
    return "{value:+.1f}; {low:+.1f} to {high:+.1f}".format(
        **{name: 100 * value for name, value in gain.items()}
    )


def _change_row(way: Mapping[str, Any]) -> str:
    return _line(way["name"], *(f"{change:.3f}" for change in way["copies"].values()))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _head(*cells: str) -> list[str]:
    return [_line(*cells), "|" + "---|" * len(cells)]

"""Faces in JPEGs decoded at half their sides: how far embedding and quality move, by width.

Each photo's most prominent face is shrunk to several widths, and the picture saved as a JPEG as
cameras write it. What is made of the face in the picture decoded in full is compared with what is
made of it decoded at half its sides.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facefind import geometry, images
from facefind.evaluation import LabelledPhoto
from facefind.geometry import scale_detection
from facefind.inference.pipeline import DEFAULT_PIPELINE, PIPELINES, Pipeline
from facefind.inference.protocols import Pictured, Seen
from facefind.inference.quality import LOW_QUALITY
from facefind.inference.scaled import WIDE_ENOUGH, from_fewer, rescaled
from facefind.portraits import most_prominent
from facefind.types import Detection, Face, Image
from scripts.evaluation.embeddings import lfw_photos, progressing
from scripts.evaluation.models import ready

TITLE = "Faces in photos decoded at half their sides"

WIDTHS = (50, 64, 72, 80, 90, 128, 180)
"""Pixels of the faces' shorter side in the whole picture: in the half one they are half as wide."""

_SHARP = 0.95
"""Photos are shrunk at least to this factor."""

_JPEG_QUALITY = 90

OTHERS = 0.01
"""Share of the pairs of different people that may be nearer than pairs that count as found."""


@dataclass(frozen=True, slots=True, eq=False)
class Trio:
    """One face: as its file has it, shrunk and decoded in full, and the same decoded at half."""

    person: str
    photo: Path
    original: Face
    full: Face
    half: Face


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--people", type=int, default=150, help="of LFW, two photos each (default: 150)"
    )
    parser.add_argument("--threads", type=int, default=0, help="0 for one per core (default)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures for each of `WIDTHS`."""
    finder = ready(DEFAULT_PIPELINE, threads=arguments.threads)
    photos = _two_each(lfw_photos(arguments.data), arguments.people) + _portraits(arguments.data)
    trios: dict[int, list[Trio]] = {width: [] for width in WIDTHS}
    for photo in progressing("photos", photos):
        for width, trio in _trios(finder, photo):
            trios[width].append(trio)
    threshold = PIPELINES[DEFAULT_PIPELINE].threshold or 0.0
    rows = [_row(width, trios[width], threshold) for width in WIDTHS]
    return {"limit": WIDE_ENOUGH, "threshold": threshold, "widths": rows}


def _two_each(photos: Sequence[LabelledPhoto], people: int) -> list[LabelledPhoto]:
    of_person: dict[str, list[LabelledPhoto]] = {}
    for photo in photos:
        of_person.setdefault(photo.person, []).append(photo)
    several = [theirs[:2] for theirs in of_person.values() if len(theirs) > 1]
    return [photo for pair in several[:people] for photo in pair]


def _portraits(data: Path) -> list[LabelledPhoto]:
    """Photos of the development albums that show one known person."""
    lines = (data / "events" / "people.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        LabelledPhoto(data / "events" / row["file"], row["people"][0])
        for row in rows
        if len(row["people"]) == 1
    ]


def _trios(finder: Pipeline, photo: LabelledPhoto) -> Iterator[tuple[int, Trio]]:
    """The photo's most prominent face at each width that its file has more pixels than."""
    pixels = images.read_photo(photo.path).pixels
    found = finder.find_faces(pixels)
    if not found:
        return
    original = found[most_prominent(found, pixels)]
    side = min(original.detection.box[2:])
    for width in WIDTHS:
        if width <= side * _SHARP:
            saved = _jpeg(geometry.scaled(pixels, width / side))
            seen = rescaled([original.detection], pixels, *images.OpenedPhoto(saved).size)
            full, half = (_face(finder, saved, scale, seen) for scale in (1.0, 0.5))
            yield width, Trio(photo.person, photo.path, original, full, half)


def _jpeg(pixels: Image) -> bytes:
    encoded = BytesIO()
    PillowImage.fromarray(pixels).save(encoded, "JPEG", quality=_JPEG_QUALITY)
    return encoded.getvalue()


def _face(finder: Pipeline, saved: bytes, scale: float, seen: list[Detection]) -> Face:
    """What is made of a face that lies where it is known to: detectors have no say."""
    photo = images.OpenedPhoto(saved)
    pixels = photo.at(scale)
    height, width = pixels.shape[:2]
    in_pixels = scale_detection(seen[0], width / photo.size[0], height / photo.size[1])
    source = Pictured(pixels, in_pixels) if scale == 1 else from_fewer(pixels, in_pixels)
    ((face,),) = finder.recognise([Seen(seen, finder.cut(source.image, [source.face]))])
    return face


def _row(width: int, trios: Sequence[Trio], threshold: float) -> dict[str, Any]:
    """The figures of one width."""
    apart = np.array([_distance(trio.full, trio.half) for trio in trios])
    changes = np.array([_quality(trio.half) - _quality(trio.full) for trio in trios])
    crossed = [
        (_quality(trio.half) >= LOW_QUALITY) != (_quality(trio.full) >= LOW_QUALITY)
        for trio in trios
    ]
    return {
        "width": width,
        "faces": len(trios),
        "apart": _middle_and_end(apart),
        "full": _against_originals([trio.full for trio in trios], trios, threshold),
        "half": _against_originals([trio.half for trio in trios], trios, threshold),
        "quality": round(float(changes.mean()), 4),
        "quality_end": round(float(np.quantile(np.abs(changes), 0.95)), 4),
        "crossed": sum(crossed),
    }


def _against_originals(
    faces: Sequence[Face], trios: Sequence[Trio], threshold: float
) -> dict[str, Any]:
    """How near faces are to their own originals, and to those of other photos."""
    units = np.array([face.embedding for face in faces])
    originals = np.array([trio.original.embedding for trio in trios])
    distances = np.linalg.norm(units[:, None] - originals[None], axis=2)
    people = np.array([trio.person for trio in trios])
    photos = np.array([str(trio.photo) for trio in trios])
    same = (people[:, None] == people) & (photos[:, None] != photos)
    other = people[:, None] != people
    strict = float(np.quantile(distances[other], OTHERS))
    return {
        "own": _middle_and_end(np.diagonal(distances)),
        "pairs": int(same.sum()),
        "same_near": round(float((distances[same] < threshold).mean()), 4),
        "same_found": round(float((distances[same] < strict).mean()), 4),
        "others_near": round(float((distances[other] < threshold).mean()), 5),
    }


def _distance(a: Face, b: Face) -> float:
    return float(np.linalg.norm(a.embedding - b.embedding))


def _quality(face: Face) -> float:
    return face.quality.value if face.quality else float("nan")


def _middle_and_end(values: NDArray[Any]) -> list[float]:
    """The median and the 95th percentile."""
    return [round(float(value), 4) for value in np.quantile(values, (0.5, 0.95))]


def render(figures: dict[str, Any]) -> str:
    """A row for each width."""
    columns = (
        "width in full, at half",
        "faces",
        "full to half",
        "95th percentile",
        "to original: full",
        "half",
        "same person: full",
        "half",
        "others: full",
        "half",
        "found: full",
        "half",
        "quality",
        "95th percentile",
        "crossed",
    )
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in figures["widths"]]
    return "\n".join(lines) + "\n\n" + _words(figures)


def _cells(row: dict[str, Any]) -> Iterator[str]:
    full, half = row["full"], row["half"]
    yield f"{row['width']}, {row['width'] // 2} px"
    yield str(row["faces"])
    yield from (f"{value:.3f}" for value in row["apart"])
    yield from (f"{one['own'][0]:.3f}" for one in (full, half))
    yield from (f"{100 * one['same_near']:.1f} %" for one in (full, half))
    yield from (f"{100 * one['others_near']:.2f} %" for one in (full, half))
    yield from (f"{100 * one['same_found']:.1f} %" for one in (full, half))
    yield f"{row['quality']:+.3f}"
    yield f"{row['quality_end']:.3f}"
    yield str(row["crossed"])


def _words(figures: dict[str, Any]) -> str:
    return (
        "Photos of LFW and of the albums, shrunk until the face's shorter side has this width,\n"
        "saved as JPEG and decoded in full and at half the sides. L2 distances between\n"
        "embeddings: of the face in the two, and of each to the same photo's before it was shrunk\n"
        f"(medians). Then pairs nearer than {figures['threshold']}, of the shrunk face and other\n"
        "photos of the same person and of others; and the pairs of one person that are found\n"
        f"where {100 * OTHERS:g} % of those of others may be nearer. Last how the quality moves\n"
        "when decoded at half (mean, and 95th percentile of the size), and how many faces cross\n"
        f"{LOW_QUALITY}. The rows differ in their faces: few files have large ones. Faces\n"
        f"narrower than {figures['limit']:g} pixels when scaled are cut from a larger picture."
    )

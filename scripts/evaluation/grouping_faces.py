"""Faces to group: those of the albums, and spoilt ones; and sheets of those that were joined."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facefind import grouping, images
from facefind.images.sheet import DrawnPair, draw_pairs
from facefind.types import Face, FloatArray, Image
from scripts.evaluation.embeddings import Embedded, embeddings, lfw_photos, progressing
from scripts.evaluation.grouping_methods import bcubed, plain_faces, shipped
from scripts.evaluation.models import ready

WIDTHS = (20, 30)
"""Pixels to which faces are shrunk, each a quarter of the people with several photos."""

SPOILT = 0.9
"""Quality below which a face is taken for a poor one here: none of LFW falls below the product's
own limit, however it is shrunk."""

COLUMNS = 4
ROWS = 6


@dataclass(frozen=True, eq=False)
class AlbumFaces:
    """The N faces of all albums.

    Attributes:
        vectors, qualities, photos: As of `facefind.grouping.Faces`.
        people: (N,) who each is, "" where that is not known.
        albums: (N,) the album of its photo.
    """

    vectors: FloatArray
    qualities: FloatArray
    photos: NDArray[np.int64]
    people: NDArray[np.str_]
    albums: NDArray[np.str_]


def album_faces(data: Path) -> AlbumFaces:
    """Every face that the default pipeline finds in the photos of ``events/people.jsonl``.

    In a photo of one person the largest face is theirs, in others a face whose middle is in the
    box that a name was given.
    """
    finder = ready("dlib")
    lines = (data / "events" / "people.jsonl").read_text(encoding="utf-8").splitlines()
    columns: list[tuple[FloatArray, float, int, str, str]] = []
    for number, row in enumerate(progressing("albums", [json.loads(line) for line in lines])):
        found = finder.find_faces(images.read_photo(data / "events" / row["file"]).pixels)
        for face, name in zip(found, _names(found, row), strict=True):
            unit = face.embedding / np.linalg.norm(face.embedding)
            quality = face.quality.value if face.quality else 1.0
            columns.append((unit, quality, number, name, row["album"]))
    vectors, qualities, photos, people, albums = zip(*columns, strict=True)
    return AlbumFaces(
        np.array(vectors, np.float32),
        np.array(qualities, np.float32),
        np.array(photos, np.int64),
        np.array(people),
        np.array(albums),
    )


def _names(found: Sequence[Face], row: Mapping[str, Any]) -> list[str]:
    names = [""] * len(found)
    if len(row["people"]) == 1 and found:
        areas = [face.detection.box.w * face.detection.box.h for face in found]
        names[int(np.argmax(areas))] = row["people"][0]
        return names
    for named in row.get("faces", []):
        x, y, w, h = named["box"]
        for place, face in enumerate(found):
            box = face.detection.box
            if 0 < box.x + box.w / 2 - x < w and 0 < box.y + box.h / 2 - y < h:
                names[place] = named["name"]
    return names


def measure_spoilt(data: Path, whole: Embedded) -> dict[str, Any]:
    """All of LFW, one photo of half of the people with several being shrunk."""
    vectors, qualities = whole.units.copy(), whole.qualities.copy()
    _, first, counts = np.unique(whole.names, return_index=True, return_counts=True)
    second = first[counts > 1] + 1
    named = {photo.path.name: photo for photo in lfw_photos(data)}
    photos = [named[Path(file).name] for file in whole.files[second]]
    finder = ready("dlib")
    shrunk = 0
    for turn, width in enumerate(WIDTHS):
        factors = (width / whole.boxes[second, 2]).tolist()
        small = embeddings(photos, finder, f"lfw-{width}px", factors)
        rows = {file: row for row, file in enumerate(whole.files.tolist())}
        mine = np.arange(len(small.files)) % 4 == turn
        places = np.array([rows[file] for file in small.files[mine].tolist()])
        vectors[places], qualities[places] = small.units[mine], small.qualities[mine]
        shrunk += len(places)
    faces, settings = plain_faces(vectors, qualities), shipped()
    return {
        "shrunk": shrunk,
        "lowest": float(qualities.min()),
        "poor": int((qualities < SPOILT).sum()),
        "taking part": bcubed(whole.names, grouping.group(faces, settings))._asdict(),
        "joining only": bcubed(
            whole.names, grouping.group(faces, replace(settings, low_quality=SPOILT))
        )._asdict(),
    }


def draw_sheets(
    wrong: Sequence[Mapping[str, Sequence[str]]], whole: Embedded, folder: Path
) -> None:
    """Writes PNGs of the groups with several people: the first of them beside each other one."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {Path(file).name: row for row, file in enumerate(whole.files.tolist())}
    pairs = [
        _drawn(number, (name, files), other, whole, rows)
        for number, by_name in enumerate(wrong, start=1)
        for (name, files), *others in [list(by_name.items())]
        for other in others
    ]
    for sheet, first in enumerate(range(0, len(pairs), COLUMNS * ROWS), start=1):
        some = pairs[first : first + COLUMNS * ROWS]
        columns = [("", some[start : start + ROWS]) for start in range(0, len(some), ROWS)]
        PillowImage.fromarray(draw_pairs(columns)).save(folder / f"joined-{sheet}.png")


def _drawn(
    number: int,
    left: tuple[str, Sequence[str]],
    right: tuple[str, Sequence[str]],
    whole: Embedded,
    rows: Mapping[str, int],
) -> DrawnPair:
    """The two faces of the two people that are nearest to each other."""
    own, other = ([rows[file] for file in files] for _, files in (left, right))
    products = whole.units[own] @ whole.units[other].T
    i, j = divmod(int(np.argmax(products)), len(other))
    distance = float(np.sqrt(max(2 - 2 * products[i, j], 0)))
    return DrawnPair(
        _crop(whole, own[i]),
        _crop(whole, other[j]),
        f"{number}: {len(own)} and {len(other)} photos, {distance:.2f}",
        (left[0], left[1][i]),
        (right[0], right[1][j]),
    )


def _crop(whole: Embedded, row: int) -> Image:
    pixels = images.read_photo(Path(str(whole.files[row]))).pixels
    x, y, w, h = whole.boxes[row]
    half = 0.9 * max(w, h)
    left, top = max(int(x + w / 2 - half), 0), max(int(y + h / 2 - half), 0)
    return np.ascontiguousarray(pixels[top : top + int(2 * half), left : left + int(2 * half)])

"""Makes 12-megapixel JPEGs such as a camera writes, with a known number of faces.

``python -m scripts.benchmarks.photos FOLDER --faces K --count N``. Faces and grounds come from the
development photos (`FACEFIND_TEST_DATA`) or, where these are absent, from the two portraits that
pip packages carry. On top lies noise as a sensor makes it, so that a file has the megabytes of a
real one. The same number gives the same photo; what is there already is kept.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facefind.geometry import scaled
from facefind.types import Image
from scripts.evaluation.scenes import Cutting, Scene, compose, cutting

REPO = Path(__file__).resolve().parent.parent.parent
PHOTOS = REPO / ".cache" / "bench" / "photos"
"""Where the benchmarks keep what they made; a new version of this module needs a new folder."""

MEGAPIXELS = 12.0
SIDES = (120.0, 500.0)
"""Pixels of a face's longer side, as at events."""

SHARPEST = 0.9
"""Faces are shrunk at least to this factor: at its file's own size one is seldom sharp."""

MARGIN = 0.7
"""How much is pasted around a face, in sides of its box."""

QUALITY = 91
NOISE = (0.03, 2.0)
"""Variance of a sensor's noise: so much per grey level, and so much in the dark."""

_FIRST = datetime(2024, 6, 1, 10)
_EXIF = 0x8769


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """What photos are composed of.

    Attributes:
        name: Where that is from.
        faces: Pictures of one face each.
        grounds: Pictures without a face.
    """

    name: str
    faces: Sequence[Cutting]
    grounds: Sequence[Image]


def sources() -> Sources:
    """The development photos, or the two portraits on drawn grounds."""
    data = Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data"))
    return _development(data) if (data / "events").is_dir() else _portraits()


def photos(faces: int, count: int, *, megapixels: float = MEGAPIXELS) -> list[Path]:
    """So many photos with so many faces each, made where they are not there yet."""
    folder = PHOTOS / f"{megapixels:g}mp-{faces}"
    return make(folder, faces, count, megapixels=megapixels)


def make(folder: Path, faces: int, count: int, *, megapixels: float = MEGAPIXELS) -> list[Path]:
    """As `photos`, in a folder that also gets ``photos.json``: each file's boxes (x, y, w, h)."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "photos.json"
    made: dict[str, Any] = json.loads(record.read_text("utf-8")) if record.exists() else {}
    wanted = [folder / f"IMG_{number:04}.jpg" for number in range(1, count + 1)]
    missing = [path for path in wanted if path.name not in made or not path.exists()]
    parts = sources() if missing else None
    for path in missing:
        assert parts is not None
        number = wanted.index(path) + 1
        scene = draw(parts, faces, 1000 * faces + number, megapixels)
        write_as_camera(path, with_noise(scene.pixels, number), number)
        made[path.name] = {"boxes": scene.boxes.round(1).tolist(), "from": parts.name}
        record.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    return wanted


def copies(photos: Sequence[Path], folder: Path, count: int) -> list[Path]:
    """So many files of the photos by turns, each a content of its own: a number after its end."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        path = folder / copy_name(number)
        path.write_bytes(copy_bytes(photos[number % len(photos)], number))
        made.append(path)
    return made


def copy_name(number: int) -> str:
    """A copy's file name; the names' order is the numbers'."""
    return f"IMG_{number:06}.jpg"


def copy_bytes(photo: Path, number: int) -> bytes:
    """The photo's file with the number after the picture's end, where decoders do not look."""
    return photo.read_bytes() + number.to_bytes(8, "big")


def draw(parts: Sources, faces: int, seed: int, megapixels: float = MEGAPIXELS) -> Scene:
    """A scene with just so many faces, spread over it, each somewhere in a cell of its own."""
    random = np.random.default_rng(seed)
    scene = compose((), parts.grounds, megapixels=megapixels, sides=(1, 1), seed=seed)
    height, width = scene.pixels.shape[:2]
    columns = max(1, int(np.ceil((faces * width / height) ** 0.5)))
    rows = max(1, -(-faces // columns))
    cell = np.array((width // columns, height // rows))
    boxes = []
    chosen = random.choice(len(parts.faces), faces, replace=faces > len(parts.faces))
    for nth, place in zip(chosen, random.permutation(columns * rows), strict=False):
        face = _sized(parts.faces[nth], cell, random)
        size = np.array(face.pixels.shape[1::-1])
        x, y = cell * (place % columns, place // columns) + random.integers(0, cell - size + 1)
        scene.pixels[y : y + size[1], x : x + size[0]] = face.pixels
        boxes.append(face.boxes[0] + (x, y, 0, 0))
    return Scene(scene.pixels, np.array(boxes, np.float32).reshape(-1, 4), scene.ignored)


def _sized(face: Cutting, cell: NDArray[np.int64], random: np.random.Generator) -> Cutting:
    """The face with its longer side drawn from `SIDES`, as far as its cell and its file allow."""
    side = float(face.boxes[0, 2:].max())
    fits = float((cell / face.pixels.shape[1::-1]).min()) * side - 1
    high = min(SIDES[1], side * SHARPEST, fits)
    low = min(SIDES[0], high)
    return face.shrunk(low * (high / low) ** random.random() / side)


def with_noise(pixels: Image, seed: int) -> Image:
    """The picture with a sensor's noise: more where it is brighter."""
    random = np.random.default_rng(seed)
    noisy = np.empty_like(pixels)
    for top in range(0, len(pixels), 256):
        rows = pixels[top : top + 256].astype(np.float32)
        spread = np.sqrt(NOISE[0] * rows + NOISE[1])
        rows += spread * random.standard_normal(rows.shape, np.float32)
        noisy[top : top + 256] = np.clip(np.rint(rows), 0, 255)
    return noisy


def write_as_camera(path: Path, pixels: Image, number: int) -> None:
    """A baseline JPEG with what cameras say of a photo; written whole or not at all."""
    exif = PillowImage.Exif()
    taken = (_FIRST + timedelta(seconds=7 * number)).strftime("%Y:%m:%d %H:%M:%S")
    exif.update({0x010F: "facefind", 0x0110: "bench", 0x0112: 1, 0x0132: taken})
    exif.get_ifd(_EXIF).update(
        {0x829A: 1 / 125, 0x829D: 2.8, 0x8827: 800, 0x9003: taken, 0x9011: "+02:00", 0x920A: 35.0}
    )
    new = path.with_suffix(".new")
    picture = PillowImage.fromarray(pixels)
    picture.save(new, "JPEG", quality=QUALITY, subsampling="4:2:0", exif=exif)
    new.replace(path)


def _development(data: Path) -> Sources:
    from facefind.images import read_photo

    lines = (data / "events" / "detection.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    faces: list[Cutting] = []
    grounds: list[Image] = []
    for row in rows:
        large = [box for box in row["boxes"] if max(box[2:]) >= SIDES[0] / SHARPEST]
        if not large and not row.get("negative"):
            continue
        pixels = read_photo(data / "events" / row["file"]).pixels
        if row.get("negative"):
            grounds.append(pixels)
        faces += _lone_faces(cutting(pixels, row))
    return Sources("development photos", faces, grounds)


def _lone_faces(photo: Cutting) -> Iterator[Cutting]:
    """Each face that is large enough with what is around it, where no other face is."""
    others = np.concatenate((photo.boxes, photo.ignored))
    for box in photo.boxes:
        side = float(box[2:].max())
        low = np.maximum(np.floor(box[:2] - MARGIN * side), 0).astype(int)
        high = np.ceil(box[:2] + box[2:] + MARGIN * side).astype(int)
        inside = (others[:, :2] < high).all(1) & (others[:, :2] + others[:, 2:] > low).all(1)
        if side >= SIDES[0] / SHARPEST and inside.sum() == 1:
            pixels = photo.pixels[low[1] : high[1], low[0] : high[0]]
            moved = (box - (*low, 0, 0)).astype(np.float32)
            yield Cutting(np.ascontiguousarray(pixels), moved[np.newaxis], photo.ignored[:0])


_PORTRAITS = {"astronaut.png": (175, 54, 100, 126), "grace_hopper.jpg": (175, 103, 183, 234)}
"""Where the faces are."""


def _portraits() -> Sources:
    from facefind.images import read_photo
    from scripts.pip_photos import pip_photos

    folder = REPO / ".cache" / "portraits"
    folder.mkdir(parents=True, exist_ok=True)
    faces = []
    for path in pip_photos(folder):
        box = _PORTRAITS[path.name]
        photo = cutting(read_photo(path).pixels, {"boxes": [box]})
        larger = photo.shrunk(SIDES[1] / SHARPEST / box[3])
        faces += list(_lone_faces(larger))
    return Sources("two portraits of pip packages", faces, [_soft(seed) for seed in range(8)])


def _soft(seed: int) -> Image:
    """Soft shapes of several sizes, and what is fine, as behind people."""
    random = np.random.default_rng(seed)
    layers = []
    for cells in (3, 9, 30, 600):
        small = random.integers(0, 256, (cells, cells * 4 // 3, 3), np.uint8)
        layers.append(scaled(small, 1200 / cells)[:1200, :1600].astype(np.float32))
    soft = 0.5 * layers[0] + 0.25 * layers[1] + 0.1 * layers[2] + 0.15 * layers[3]
    return np.asarray(soft, np.uint8)


def main() -> None:
    """Makes photos."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmarks.photos", description=__doc__
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faces", type=int, default=5, help="in each photo; default: 5")
    parser.add_argument("--count", type=int, default=24, help="photos; default: 24")
    parser.add_argument("--megapixels", type=float, default=MEGAPIXELS, help="default: 12")
    arguments = parser.parse_args()
    made = make(arguments.folder, arguments.faces, arguments.count, megapixels=arguments.megapixels)
    size = sum(path.stat().st_size for path in made) / max(len(made), 1)
    print(f"{len(made)} photos of {size / 1e6:.1f} MB each in {arguments.folder}")


if __name__ == "__main__":
    main()

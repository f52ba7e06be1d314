"""Embeddings of the development photos through a whole pipeline, computed once and remembered.

What is computed lies in ``.cache/evaluation``, named after everything it depends on: the photos,
the pipeline with its weights and settings, and the source code that turns pixels into vectors.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefind import geometry, images
from facefind.cli.output import progress
from facefind.evaluation import LabelledPhoto
from facefind.inference.pipeline import Pipeline
from facefind.portraits import most_prominent
from facefind.types import Box, Image
from scripts.evaluation.models import ready

REPO = Path(__file__).resolve().parent.parent.parent

CACHE = REPO / ".cache" / "evaluation"

SOURCES = (
    "calibration/quality-dlib.json",
    "geometry.py",
    "images",
    "inference",
    "portraits.py",
)
"""In the package: what decides which vector and quality a photo gets."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Embedded:
    """The most prominent faces of photos of known people; photos without a face are left out.

    Attributes:
        names, files: (N,) whom each photo shows, and its path.
        vectors: (N, D) as the pipeline gives them: their L2 distance is the product's.
        boxes: (N, 4) x, y, w, h in pixels of the photo.
        qualities: (N,) `Quality.value`; NaN from pipelines that have no measure of it.
        missed: The photos in which no face was found.
    """

    names: NDArray[np.str_]
    files: NDArray[np.str_]
    vectors: Floats
    boxes: Floats
    qualities: Floats
    missed: tuple[LabelledPhoto, ...]

    @property
    def units(self) -> Floats:
        """The vectors, of unit length."""
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        units: Floats = self.vectors / lengths
        return units

    def with_missed(self) -> tuple[Floats, list[str]]:
        """The vectors and the people of all photos, those without a face as rows of NaN."""
        nothing = np.full((len(self.missed), self.vectors.shape[1]), np.nan, np.float32)
        people = [*map(str, self.names), *(photo.person for photo in self.missed)]
        return np.concatenate([self.vectors, nothing]), people


def lfw_photos(data: Path) -> list[LabelledPhoto]:
    """The photos of Labeled Faces in the Wild; a file is called ``<name>_<four digits>.jpg``."""
    files = sorted((data / "lfw").glob("*.jpg"))
    return [LabelledPhoto(file, file.stem.rpartition("_")[0]) for file in files]


def lfw_embeddings(data: Path, pipeline: str) -> Embedded:
    """What a pipeline makes of Labeled Faces in the Wild; three minutes where it is not known."""
    return embeddings(lfw_photos(data), ready(pipeline), "lfw")


def embeddings(
    photos: Sequence[LabelledPhoto],
    finder: Pipeline,
    name: str,
    factors: Sequence[float] | None = None,
) -> Embedded:
    """What a pipeline makes of photos.

    Args:
        name: What the file in the cache is called, before the digest.
        factors: (N,) each photo is first scaled to so many times its size.

    Raises:
        PhotoError: A photo cannot be read.
    """
    scales = [1.0] * len(photos) if factors is None else list(factors)
    found = remembered(
        f"{name}-{finder.spec.name}-{_digest(photos, finder, scales)}",
        lambda: _compute(photos, finder, scales, name),
    )
    seen = found["seen"]
    return Embedded(
        names=np.array([photo.person for photo in photos])[seen],
        files=np.array([str(photo.path) for photo in photos])[seen],
        vectors=found["vectors"],
        boxes=found["boxes"],
        qualities=found["qualities"],
        missed=tuple(photo for photo, there in zip(photos, seen, strict=True) if not there),
    )


def remembered(
    key: str, compute: Callable[[], Mapping[str, NDArray[Any]]]
) -> Mapping[str, NDArray[Any]]:
    """Arrays from the cache; computed and put there where they are not."""
    path = CACHE / f"{key}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{secrets.token_hex(8)}.npz")
        arrays: dict[str, Any] = dict(compute())
        np.savez(temporary, **arrays)
        temporary.replace(path)
    with np.load(path) as arrays:
        return dict(arrays)


def progressing(description: str, items: Iterable[Any]) -> Iterable[Any]:
    """The items, with a bar on terminals; stdout belongs to the figures."""
    wrap = progress(description, quiet=not sys.stderr.isatty())
    return wrap(items)


def _compute(
    photos: Sequence[LabelledPhoto], finder: Pipeline, scales: Sequence[float], name: str
) -> dict[str, NDArray[Any]]:
    seen = np.zeros(len(photos), bool)
    faces = []
    for number, photo in enumerate(progressing(name, photos)):
        pixels = _scaled(images.read_photo(photo.path).pixels, scales[number])
        found = finder.find_faces(pixels)
        if found:
            seen[number] = True
            faces.append(found[most_prominent(found, pixels)])
    dimension = finder.spec.dimension
    return {
        "seen": seen,
        "vectors": np.array([f.embedding for f in faces], np.float32).reshape(-1, dimension),
        "boxes": np.array([f.detection.box for f in faces], np.float32).reshape(
            -1, len(Box._fields)
        ),
        "qualities": np.array(
            [f.quality.value if f.quality else np.nan for f in faces], np.float32
        ),
    }


def _scaled(image: Image, factor: float) -> Image:
    return image if factor == 1 else geometry.scaled(image, factor)


def _digest(photos: Sequence[LabelledPhoto], finder: Pipeline, scales: Sequence[float]) -> str:
    """Of everything that the vectors depend on."""
    digest = hashlib.sha256()
    for photo, scale in zip(photos, scales, strict=True):
        digest.update(f"{photo.path.name} {photo.path.stat().st_size} {scale:.6f}\n".encode())
    digest.update(f"{finder.fingerprint} {sorted(finder.settings.items())}".encode())
    for source in _source_files():
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _source_files() -> list[Path]:
    tops = [REPO / "facefind" / source for source in SOURCES]
    return sorted(file for top in tops for file in (top.rglob("*.py") if top.is_dir() else [top]))

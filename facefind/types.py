"""The records that travel between facefind's rooms.

Frames and units, everywhere: pictures are RGB uint8 of shape (H, W, 3); boxes are (x, y, w, h)
and landmarks (x, y), floats in pixels of the *upright* photo (EXIF orientation applied), origin
at the top left; embeddings are float32 of shape (D,); distances are L2; times are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""RGB uint8, shape (H, W, 3), upright."""

FloatArray: TypeAlias = NDArray[np.float32]

SettingValue: TypeAlias = bool | int | float | str


class Box(NamedTuple):
    """An axis-aligned rectangle, in pixels of the upright photo; (x, y) is its top left corner."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face as a detector reports it.

    Attributes:
        box: Where it is; may reach beyond the photo's edge.
        score: The detector's own confidence in 0..1; 1.0 from detectors that have none.
        landmarks: (5, 2) float32: image-left eye, image-right eye, nose, image-left and
            image-right corner of the mouth; None from detectors without landmarks.
    """

    box: Box
    score: float
    landmarks: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.landmarks is not None and self.landmarks.shape != (5, 2):
            raise ValueError(f"landmarks have shape {self.landmarks.shape}, expected (5, 2)")


class Embeddings(NamedTuple):
    """What an embedder says of N chips.

    Attributes:
        vectors: (N, D) float32.
        asymmetry: (N,) float32, the L2 distance between the unit embeddings of each chip and of its
            mirror image: small where a true face is well aligned. None from embedders that do
            not look at mirror images.
    """

    vectors: FloatArray
    asymmetry: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """How far a detection can be trusted, and what that was judged by.

    Attributes:
        value: 0..1, how likely this is a face that can be told from others.
        sharpness: Fine detail in the chip; larger is sharper, without a unit.
        yaw, pitch, roll: Degrees, estimated from the landmarks, 0 for a face seen from the front;
            positive is turned to the image's right, upwards, and clockwise.
    """

    value: float
    sharpness: float
    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A detected face with its embedding, (D,) float32, and its asymmetry; see `Embeddings`.

    The quality is None from pipelines that have no measure of it.
    """

    detection: Detection
    embedding: FloatArray
    asymmetry: float | None = None
    quality: Quality | None = None

    def __post_init__(self) -> None:
        if self.embedding.ndim != 1:
            raise ValueError(f"embedding has shape {self.embedding.shape}, expected (D,)")
        if not np.isfinite(self.embedding).all():
            raise ValueError("embedding has values that are not finite")


@dataclass(frozen=True, slots=True)
class PhotoInfo:
    """What is known of a photo's content without looking for faces.

    Attributes:
        format: The format of the content, as Pillow names it ("JPEG", "HEIF", ...), or "RAW".
        width, height: Pixels of the upright photo.
        taken_at: When the shutter opened; aware where EXIF gives an offset, else naive camera time.
        camera: Make and model.
        latitude, longitude: Degrees, WGS 84; both None or both set.
        animated: The file holds more pictures than the one decoded, to be shown one after another.
    """

    format: str
    width: int
    height: int
    taken_at: datetime | None = None
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    animated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photo: upright RGB pixels (H, W, 3) uint8, and what its file says of it."""

    pixels: Image
    info: PhotoInfo


class FileStamp(NamedTuple):
    """What tells that a file is unchanged without reading it: bytes, and mtime in nanoseconds."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Event:
    """A set of photos searched together, bound to one pipeline and its settings."""

    id: int
    name: str
    pipeline: str
    fingerprint: str
    settings: Mapping[str, SettingValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """A photo that shows the person asked about, by its nearest face.

    Attributes:
        photo: The first known of the content's paths that were there at the last ingest; one that
            could be read then goes first.
        distance: L2 distance of the nearest face's embedding to the probe; NaN where none was asked
            about, but a known person.
        box: That face's box.
        taken_at: UTC, or None.
        photo_id: Tells one content from another, whatever path or event it was found in.
        probability: How likely that face is the person's, 0..1; None without a calibration.
        quality: That face's; see `Quality.value`.
        sighting: That face's number: the same whichever pipeline found it.
        person: Whom that face is taken for; None for nobody.
        by: What says so: the face itself, or that it is taken for the person asked about.
    """

    photo: Path
    event: str
    distance: float
    box: Box
    taken_at: datetime | None
    photo_id: int
    probability: float | None = None
    quality: float | None = None
    sighting: int | None = None
    person: int | None = None
    by: Literal["face", "person"] = "face"

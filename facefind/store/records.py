"""What the store answers with, beyond the records of ``facefind.types``. Times are UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facefind.types import Box, Event, Face, FileStamp, FloatArray, Match, PhotoInfo

ContentState = Literal["done", "failed"]
FileState = Literal["done", "failed", "unreadable"]


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A path that an earlier ingest saw.

    Attributes:
        stamp: Its size and mtime then; None if not even these could be read.
        state: "done": searched for faces; "failed": its content could not be decoded or searched;
            "unreadable": the file itself could not be read.
        missing: It was gone at the last ingest.
        sha256: Its content, in hexadecimal. If "unreadable", the one it had when it was last read,
            whose faces are still found; None if it never was.
        reason: Why it is not "done"; None if it is.
    """

    stamp: FileStamp | None
    state: FileState
    missing: bool
    sha256: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, eq=False)
class FoundPhoto:
    """A content that was searched for faces, and the file that it was read from.

    Attributes:
        path: Absolute, as bytes.
        sha256: In hexadecimal.
    """

    path: bytes
    stamp: FileStamp
    sha256: str
    info: PhotoInfo
    faces: Sequence[Face]


@dataclass(frozen=True, slots=True)
class FoundCopy:
    """A file whose content the event has already; attributes as `FoundPhoto`."""

    path: bytes
    stamp: FileStamp
    sha256: str


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file that could not be used.

    Attributes:
        stamp: None only if not even that could be read.
        sha256: Its content; None if it could not be read. The path then keeps the content it
            had before, if any, with its faces, beside the reason: a lost permission or a bad
            cable takes no photo away. The next record with a content replaces both.
        reason: One sentence.
    """

    path: bytes
    stamp: FileStamp | None
    sha256: str | None
    reason: str


Finding: TypeAlias = FoundPhoto | FoundCopy | FailedFile
"""What became of a file that was looked at."""


@dataclass(frozen=True, slots=True)
class EventSummary:
    """An event in figures.

    Attributes:
        photos: Contents searched for faces that are there.
        faces: Faces found in them.
        failed: Files that are there and could not be read or searched (see ``failures``).
        missing: Contents searched for faces of which every place was gone at the last ingest.
    """

    photos: int
    faces: int
    failed: int
    missing: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read or searched, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class EventPhoto:
    """A content that was searched for faces, at the first known of its paths that are there.

    Attributes:
        faces: How many were found.
        photo_id: As in ``Match``.
    """

    path: Path
    taken_at: datetime | None
    faces: int
    photo_id: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many photos left their event, and how many faces went with them."""

    photos: int
    faces: int


@dataclass(frozen=True, slots=True, eq=False)
class FaceNearby:
    """A face near a probe, and its embedding, (D,) float32. The match has no probability yet."""

    match: Match
    embedding: FloatArray


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A content that a move has yet to look at.

    Attributes:
        content: Its number in the event.
        paths: Everywhere it was ever seen, those where it was seen last first.
    """

    content: int
    sha256: str
    paths: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Succession:
    """An event's hidden successor, and one for another purpose that was dropped for it."""

    successor: Event
    dropped: Event | None


@dataclass(frozen=True, slots=True)
class Replaced:
    """What the move of an event has changed.

    Attributes:
        photos: Contents that have new faces.
        faces_before, faces_after: Of all its contents.
        carried, lost: What was decided about faces: how much has a face again, and how much is
            kept until one is found.
        left_out: Contents that are failed now, by their numbers before.
    """

    photos: int
    faces_before: int
    faces_after: int
    carried: int
    lost: int
    left_out: tuple[int, ...]


class Kind(NamedTuple):
    """What embeddings have in common that can be compared."""

    pipeline: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was seen, or who is looked for.

    Attributes:
        cover: The sighting whose face stands for them, where a user chose one.
        photos: Contents that show them and are there.
        faces: Sightings of them in those.
        decided: Of these, how many grouping leaves as they are.
    """

    id: int
    name: str | None
    hidden: bool
    cover: int | None
    photos: int = 0
    faces: int = 0
    decided: int = 0

    @property
    def title(self) -> str:
        """The name, or a number to call them by."""
        return self.name or f"Person {self.id:03}"


@dataclass(frozen=True, slots=True)
class SeenFace:
    """A face in a photo that is there.

    Attributes:
        sighting: The number of the face: the same whichever pipeline found it.
        person: Who it is taken for; None for nobody.
        photo: As in ``Match``, and so are event, box, taken_at, photo_id and quality.
        confirmed: A user decided about this very face.
    """

    sighting: int
    person: int | None
    photo: Path
    event: str
    box: Box
    taken_at: datetime | None
    photo_id: int
    quality: float | None
    decided_by: Literal["user", "machine"] | None
    confirmed: bool


class PhotoPlace(NamedTuple):
    """A content at a path; pixels of the upright photo, None where it could not be decoded."""

    path: Path
    photo_id: int
    width: int | None
    height: int | None


class KnownPortrait(NamedTuple):
    """A picture by which a person was learnt, as it was then."""

    person: int
    path: Path
    sha256: str
    pipeline: str
    created_at: datetime


class LearntPortrait(NamedTuple):
    """A person's portrait as grouping sees it; embedding is (D,) float32."""

    person: int
    quality: float
    embedding: FloatArray


class Grouping(NamedTuple):
    """A grouping that was stored.

    Attributes:
        all_faces: How many there were when all were grouped anew.
        newest_face: Faces with greater numbers were not there.
    """

    all_faces: int
    newest_face: int


@dataclass(frozen=True, slots=True, eq=False)
class ToGroup:
    """The faces of one kind, one for each sighting, and what is known of them.

    Attributes:
        sightings, photos, faces: (N,) int64: the face's number, its photo's, and its row's.
        qualities: (N,) float32; 1 where it is not known.
        people: (N,) int64, whom it is taken for; 0 for nobody.
        pinned: (N,) bool: a user said so.
        vectors: (N, D) float32.
        rejections: Sightings and whom they are not; of any kind.
        decided: People whom a user has decided something about.
        portraits: What people were learnt by.
        last: The grouping before; None for none.
        revision: Tells whether something was decided since.
    """

    sightings: NDArray[np.int64]
    photos: NDArray[np.int64]
    faces: NDArray[np.int64]
    qualities: FloatArray
    people: NDArray[np.int64]
    pinned: NDArray[np.bool_]
    vectors: FloatArray
    rejections: tuple[tuple[int, int], ...]
    decided: frozenset[int]
    portraits: tuple[LearntPortrait, ...]
    last: Grouping | None
    revision: int


@dataclass(frozen=True, slots=True)
class Membership:
    """Whom a sighting is taken for, and who said so."""

    sighting: int
    person: int | None
    decided_by: Literal["user", "machine"] | None
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """A row of the log.

    Attributes:
        kind: What was done: the name of a `facefind people` command.
        subject: With whom and what, to be read by people.
        made_by: Account and machine.
        changes: Rows that it changed.
    """

    id: int
    kind: str
    subject: Mapping[str, Any]
    made_by: str
    made_at: datetime
    undone_by: str | None
    undone_at: datetime | None
    changes: int

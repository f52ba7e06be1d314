"""What the store answers with, beyond the records of ``facefind.types``. Times are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from facefind.types import Event, FileStamp, FloatArray, Match

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

"""Stand-ins for the models and the database, for tests of everything above them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image as PillowImage

from facefind.inference.batches import Batch, batch_of
from facefind.inference.protocols import PhotoPixels, Seen
from facefind.stages import Stages, untimed
from facefind.store.records import (
    EventSummary,
    FaceNearby,
    FailedFile,
    Finding,
    FoundCopy,
    FoundPhoto,
    KnownFile,
)
from facefind.types import (
    Box,
    Detection,
    Event,
    Face,
    FileStamp,
    FloatArray,
    Image,
    Match,
    PhotoInfo,
)

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)


def write_photo(
    path: Path, *patches: tuple[int, int, int], size: tuple[int, int] = (90, 60)
) -> Path:
    """A PNG with one column for each colour; `ColourFinder` finds those that are not grey."""
    picture = PillowImage.new("RGB", size, GREY)
    width = size[0] // max(len(patches), 1)
    for index, colour in enumerate(patches):
        picture.paste(colour, (index * width, 0, (index + 1) * width, size[1]))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "PNG")
    return path


class InTwoSteps:
    """Gives a stand-in that finds faces at once the two steps of a pipeline."""

    batch: Batch = batch_of(0, 2, on_gpu=False)

    def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
        """Finds the faces; the chips of the answer are the faces themselves."""
        faces: Any = self.find_faces(photo.at(1.0))
        return Seen([face.detection for face in faces], faces)

    def recognise(self, seen: Sequence[Seen]) -> list[list[Face]]:
        """The faces that were found."""
        faces: list[Any] = [one.chips for one in seen]
        return faces

    def find_faces(self, image: Image) -> list[Face]:
        """The faces of a picture."""
        raise NotImplementedError


class ColourFinder(InTwoSteps):
    """Finds the columns of one pure colour; the embedding is the colour, of unit length."""

    def __init__(self) -> None:
        self.seen = 0

    def find_faces(self, image: Image) -> list[Face]:
        """One face for each pure red, green or blue region, in that order."""
        self.seen += 1
        return [face for channel in range(3) for face in self._region(image, channel)]

    def _region(self, image: Image, channel: int) -> list[Face]:
        others = [c for c in range(3) if c != channel]
        mask = (image[..., channel] == 255) & (image[..., others] == 0).all(axis=-1)
        if not mask.any():
            return []
        ys, xs = np.nonzero(mask)
        box = Box(float(xs.min()), float(ys.min()), float(np.ptp(xs) + 1), float(np.ptp(ys) + 1))
        embedding = np.zeros(3, dtype=np.float32)
        embedding[channel] = 1
        return [Face(Detection(box, 1.0), embedding)]


@dataclass
class _Content:
    state: Literal["done", "failed"]
    faces: Sequence[Face] = ()
    info: PhotoInfo | None = None


@dataclass
class MemoryStore:
    """The store's promises, kept in dictionaries, for one event."""

    contents: dict[str, _Content] = field(default_factory=dict)
    files: dict[bytes, KnownFile] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    def known_files(self, event_id: int) -> dict[bytes, KnownFile]:
        return dict(self.files)

    def searched_contents(self, event_id: int) -> set[str]:
        return {key for key, content in self.contents.items() if content.state == "done"}

    def record(self, event: Event, findings: Sequence[Finding]) -> list[bool]:
        self.batches.append(len(findings))
        return [self._record(finding) for finding in findings]

    def _record(self, finding: Finding) -> bool:
        key = finding.sha256
        if isinstance(finding, FailedFile):
            if key is not None:
                self.contents[key] = _Content("failed")
            state: Literal["failed", "unreadable"] = "failed" if key else "unreadable"
            stamp = finding.stamp or FileStamp(0, 0)
            self.files[finding.path] = KnownFile(stamp, state, False, key, finding.reason)
            return True
        is_known = key in self.searched_contents(event_id=0)
        if isinstance(finding, FoundPhoto) and not is_known:
            self.contents[finding.sha256] = _Content("done", finding.faces, finding.info)
        elif not is_known:
            return False
        self.files[finding.path] = KnownFile(finding.stamp, "done", False, key, None)
        return isinstance(finding, FoundCopy) or not is_known

    def mark_missing(self, event_id: int, paths: Collection[bytes]) -> None:
        for path in paths:
            old = self.files[path]
            self.files[path] = KnownFile(old.stamp, old.state, True, old.sha256, old.reason)

    def summary(self, event_id: int) -> EventSummary:
        there = {file.sha256 for file in self.files.values() if not file.missing}
        done = {key: content for key, content in self.contents.items() if content.state == "done"}
        return EventSummary(
            photos=len(done.keys() & there),
            faces=sum(len(done[key].faces) for key in done.keys() & there if key),
            failed=sum(file.state != "done" for file in self.files.values()),
            missing=len(done.keys() - there),
        )


@dataclass
class ListedStore:
    """Answers every search with what is listed, and remembers what it was asked."""

    matches: list[Match]
    faces: list[FaceNearby] = field(default_factory=list)
    asked: dict[str, object] = field(default_factory=dict)

    def search(
        self,
        probe: FloatArray,
        events: Sequence[Event],
        *,
        max_distance: float | None,
        limit: int,
        after: datetime | None,
        before: datetime | None,
        min_quality: float,
    ) -> list[Match]:
        self.asked = {"max_distance": max_distance, "limit": limit, "probe": probe}
        self.asked |= {"after": after, "before": before, "min_quality": min_quality}
        near = [face.match for face in self.faces if face.match.distance <= (max_distance or 0)]
        return self.matches + near

    def faces_within(
        self,
        probe: FloatArray,
        events: Sequence[Event],
        *,
        max_distance: float,
        limit: int,
        after: datetime | None,
        before: datetime | None,
        min_quality: float,
    ) -> list[FaceNearby]:
        self.asked = {"max_distance": max_distance, "limit": limit, "probe": probe}
        self.asked |= {"after": after, "before": before, "min_quality": min_quality}
        return [face for face in self.faces if face.match.distance <= max_distance]

    def cohort(self, events: Sequence[Event], size: int, min_quality: float) -> FloatArray:
        embeddings = [face.embedding for face in self.faces[:size]]
        return np.stack(embeddings) if embeddings else np.zeros((0, 0), np.float32)

    def count_faces(self, events: Sequence[Event], min_quality: float) -> int:
        return len(self.faces)

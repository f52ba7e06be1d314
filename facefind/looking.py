"""Looking at many photos: searched for faces in threads, the faces embedded in batches."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import cv2

from facefind import images
from facefind.errors import InferenceError, OutOfMemory, PhotoError
from facefind.flow import Flow, Gate, Workers
from facefind.inference.batches import Batch
from facefind.inference.protocols import BatchFinder, PhotoPixels, Seen
from facefind.memory import keep_freed_memory
from facefind.settings import Settings
from facefind.stages import Stages, untimed
from facefind.types import Face, Image, PhotoInfo

_log = logging.getLogger(__name__)

PIXELS_AT_ONCE = 100_000_000
"""Photos with more are looked at one at a time; see also `PIXELS_EACH`."""

PIXELS_EACH = 25_000_000
"""So many photo pixels are let in for each thread."""

LARGE = 40_000_000
"""Photos with more pixels are let in one at a time, beside smaller ones: decoded in full, one
takes over half a gigabyte."""

_LACKED = re.compile("memory|alloc", re.IGNORECASE)
"""What onnxruntime and OpenCV write where they had no room: they have no error of its own."""

A = TypeVar("A")
Item = TypeVar("Item")

Progress: TypeAlias = Callable[[int], AbstractContextManager[Callable[[int], object]]]
"""Told how many photos are to be looked at; its block is told how many more are stored."""


def no_progress(_photos: int) -> AbstractContextManager[Callable[[int], object]]:
    """A `Progress` that shows nothing."""
    return nullcontext(lambda _photos: None)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a run goes about it; what it finds is the same.

    Attributes:
        threads: Photos looked at at once. How many faces are embedded together is the finder's to
            say: it knows what its network runs on.
        stages: Measures "read", "decode", "detect", "align", "embed" and "store".
    """

    threads: int = 1
    stages: Stages = untimed


ONE_AT_A_TIME = Pace()


def pace_of(settings: Settings, stages: Stages = untimed) -> Pace:
    """How a run is to go about it, as the settings say or else as suits the machine.

    That is a photo at once for each core, as long as there is memory for so many: a network has
    one thread then, since several that share cores slow each other down.
    """
    return Pace(settings.workers, stages)


class Brake:
    """Ends a run early, and knows whether it did.

    Args:
        stop: Asked before each item is begun.
    """

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self.pulled = False

    def along(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, until the run is to stop."""
        for item in items:
            if self._stop():
                self.pulled = True
                return
            yield item


@contextmanager
def set_up_for_many() -> Iterator[None]:
    """Sets the process up for photos that have a thread each.

    OpenCV and the decoders use no further threads for a picture, and freed memory is kept for the
    next one.
    """
    keep_freed_memory()
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with images.one_thread_each():
            yield
    finally:
        cv2.setNumThreads(before)


class Searched(NamedTuple):
    """A content that was searched for faces."""

    info: PhotoInfo
    seen: Seen


@dataclass(frozen=True, slots=True, eq=False)
class Look(Generic[A]):
    """What a thread made of an item.

    Attributes:
        found: What was seen in its photo; why nothing was; None where it was not searched.
        path: Where it was read.
    """

    item: A
    found: Searched | PhotoError | None
    path: Path

    def __post_init__(self) -> None:
        if isinstance(self.found, PhotoError):
            let_go(self.found)


@dataclass(frozen=True, slots=True, eq=False)
class Found(Generic[A]):
    """What is known of an item's photo in the end.

    Attributes:
        info: None where it was not searched.
        error: Why there are no faces.
        path: Where it was read.
    """

    item: A
    info: PhotoInfo | None
    faces: Sequence[Face]
    error: PhotoError | None
    path: Path


class Eyes:
    """Searches contents for faces, each but once while it is known here; for any thread."""

    def __init__(self, finder: BatchFinder, pace: Pace) -> None:
        self._finder, self._pace = finder, pace
        self._room = max(PIXELS_AT_ONCE, PIXELS_EACH * pace.threads)
        self._gate = Gate(self._room)
        self._searches: dict[str, Future[Searched]] = {}
        self._lock = threading.Lock()

    @property
    def batch(self) -> Batch:
        """How many faces are to be embedded together."""
        return self._finder.batch

    def read(self, path: Path) -> images.FileContent:
        """A file, read once more alone where there was no room for it.

        Raises:
            PhotoError: It cannot be read.
        """
        try:
            return self._read(path)
        except OutOfMemory as error:
            _log.debug("%s: once more, with nothing else at work: %s", path, error)
        with self._gate.holding(self._room):
            return self._read(path)

    def search(self, sha256: str, data: bytes) -> Searched:
        """The faces of a content; waits where another thread is at it.

        Raises:
            PhotoError: It cannot be decoded or searched.
        """
        with self._lock:
            known = self._searches.get(sha256)
            search = known or self._searches.setdefault(sha256, Future())
        try:
            if known is None:
                self._carry_out(search, data)
            return search.result()
        finally:
            # Or an error would hold them, and the search its error in turn.
            del known, search, data

    def forget(self, sha256: str) -> None:
        """Lets go of what was found in a content."""
        with self._lock:
            self._searches.pop(sha256, None)

    def recognise(self, looks: Sequence[Look[A]]) -> list[Found[A]]:
        """Embeds the faces of photos together."""
        searched = [look.found for look in looks if isinstance(look.found, Searched)]
        faces = iter(self._embed([found.seen for found in searched]))
        return [_found(look, faces) for look in looks]

    def _read(self, path: Path) -> images.FileContent:
        with _lack_of_memory_told(), self._pace.stages("read"):
            return images.read_file(path)

    def _carry_out(self, search: Future[Searched], data: bytes) -> None:
        try:
            search.set_result(self._see(data))
        except PhotoError as error:
            _log.debug("%s (%r)", error, error.__cause__)
            search.set_exception(let_go(error))
        except BaseException as error:  # noqa: BLE001  # raised again where the result is taken
            search.set_exception(error)
        finally:
            del search

    def _see(self, data: bytes) -> Searched:
        try:
            return self._look_at(data)
        except OutOfMemory as error:
            _log.debug("Once more, with nothing else at work: %s", error)
        return self._look_at(data, alone=True)

    def _look_at(self, data: bytes, *, alone: bool = False) -> Searched:
        stages = self._pace.stages
        with _lack_of_memory_told():
            with stages("decode"):
                photo = images.OpenedPhoto(data)
            with self._gate.holding(self._room if alone else self._weight(*photo.size)):
                seen = self._finder.see(_TimedPixels(photo, stages), stages)
                # A raw file's size is settled only now.
                return Searched(photo.info, seen)

    def _weight(self, width: int, height: int) -> int:
        """What a photo takes of the room, whatever its format: its small faces need all of it."""
        pixels = width * height
        # There is no room for two that take more than half of it.
        return pixels if pixels <= LARGE else max(pixels, self._room // 2 + 1)

    def _embed(self, seen: Sequence[Seen], *, alone: bool = False) -> list[list[Face] | PhotoError]:
        try:
            with _lack_of_memory_told(), self._pace.stages("embed"):
                return list(self._finder.recognise(seen))
        except PhotoError as error:
            if alone or (len(seen) == 1 and not isinstance(error, OutOfMemory)):
                return [let_go(error)]
        if len(seen) == 1:
            with self._gate.holding(self._room):
                return self._embed(seen, alone=True)
        # One that cannot be embedded takes nobody else's faces away.
        return [faces for one in seen for faces in self._embed([one])]


class _TimedPixels:
    """A photo whose decoding is measured, whenever it happens."""

    def __init__(self, photo: PhotoPixels, stages: Stages) -> None:
        self._photo, self._stages = photo, stages

    @property
    def size(self) -> tuple[int, int]:
        """As the photo's."""
        return self._photo.size

    def at(self, scale: float) -> Image:
        """As the photo's."""
        with self._stages("decode"):
            return self._photo.at(scale)


def look_at_all(
    workers: Workers, items: Iterable[Item], look: Callable[[Item], Look[A]], eyes: Eyes
) -> Iterator[Sequence[Found[A]]]:
    """What is found in the photos of items, in their order, several at a time.

    How many faces are gathered is settled before the networks are loaded: where a GPU then fails,
    as many as for a GPU.

    Args:
        items: Taken one by one, when there is a thread for it.
        look: Reads one and has it searched; called in threads. What it answers with goes on to the
            result with its item, which may be another than it was given.
    """
    batch = eyes.batch
    way = Flow(
        workers,
        items,
        look,
        eyes.recognise,
        weight=_faces,
        enough=batch.faces,
        # They hold chips, and their pixels no longer.
        together=batch.photos,
    )
    return iter(way)


@contextmanager
def _lack_of_memory_told() -> Iterator[None]:
    """Gives a lack of memory, which is soon over, one name wherever it shows.

    Raises:
        OutOfMemory: Memory ran out.
    """
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory("not enough memory to look at the picture") from error
    except InferenceError as error:
        if not _LACKED.search(error.message):
            raise
        raise OutOfMemory(error.message, error.hint) from error


def let_go(error: PhotoError) -> PhotoError:
    """The error without the way it came, whose frames hold the photo's bytes and pixels."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _faces(look: Look[A]) -> int:
    return len(look.found.seen.chips) if isinstance(look.found, Searched) else 0


def _found(look: Look[A], faces: Iterator[list[Face] | PhotoError]) -> Found[A]:
    if not isinstance(look.found, Searched):
        return Found(look.item, None, (), look.found, look.path)
    embedded = next(faces)
    if isinstance(embedded, PhotoError):
        return Found(look.item, None, (), embedded, look.path)
    return Found(look.item, look.found.info, embedded, None, look.path)

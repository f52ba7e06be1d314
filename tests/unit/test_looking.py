"""Photos looked at in threads: nothing but the time depends on how many there are."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefind import images, looking, stages
from facefind.cli import output
from facefind.cli.ledger import Ledger, print_ledger
from facefind.errors import InferenceError, OutOfMemory, PhotoError
from facefind.inference.batches import batch_of
from facefind.inference.protocols import PhotoPixels, Seen
from facefind.ingest import IngestReport, find_photos, ingest
from facefind.looking import Eyes, Look, Pace
from facefind.stages import Spent, Stages, StageTimer, untimed
from facefind.types import Event, Face
from tests.fakes import BLUE, GREEN, RED, ColourFinder, MemoryStore, write_photo
from tests.pictures import encode, quarters

EVENT = Event(1, "party", "dlib", "f00d", {})


class SlowFinder(ColourFinder):
    """Takes the longer the narrower the photo is; of photos 99 wide no face can be embedded."""

    def __init__(self) -> None:
        super().__init__()
        self.most_at_once = 0
        self._at_once: list[object] = []

    def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
        self._at_once.append(photo)
        self.most_at_once = max(self.most_at_once, len(self._at_once))
        time.sleep(max(0.0, (200 - photo.size[0]) / 10_000))
        self._at_once.remove(photo)
        seen = super().see(photo)
        return seen._replace(chips=[*seen.chips]) if photo.size[0] != 99 else Seen([], [self])  # type: ignore[list-item]

    def recognise(self, seen: Sequence[Seen]) -> list[list[Face]]:
        if any(self in one.chips for one in seen):
            raise InferenceError("no such face")
        return super().recognise(seen)


@pytest.fixture
def party(tmp_path: Path) -> Path:
    """Twenty photos of unlike sizes; copies of some, one broken, one whose faces are refused."""
    folder = tmp_path / "party"
    for number in range(20):
        size = (90 + 7 * (number * 5 % 13), 60 + number)
        write_photo(folder / f"{number:02}.png", *(RED, GREEN, BLUE)[: number % 4], size=size)
    for number in (0, 3, 19):
        copied = (folder / f"{number:02}.png").read_bytes()
        (folder / f"{number:02}b.png").write_bytes(copied)
        (folder / f"z{number}.png").write_bytes(copied)
    (folder / "05broken.jpg").write_bytes(b"not a picture")
    write_photo(folder / "07refused.png", RED, size=(99, 60))
    return folder


def run(
    folder: Path, pace: Pace, finder: ColourFinder | None = None, batch: int = 0
) -> tuple[IngestReport, MemoryStore]:
    store, finder = MemoryStore(), finder or SlowFinder()
    finder.batch = batch_of(batch, 2, on_gpu=False)
    report = ingest(find_photos([folder]), event=EVENT, store=store, finder=finder, pace=pace)
    return report, store


def stored(store: MemoryStore) -> list[object]:
    """Everything in the order in which it was stored."""
    contents = [
        (key, content.state, content.info, [(f.detection.box, *f.embedding) for f in content.faces])
        for key, content in store.contents.items()
    ]
    return [contents, list(store.files.items())]


@pytest.mark.parametrize(("pace", "batch"), [(Pace(2), 0), (Pace(4), 1), (Pace(7), 100)])
def test_what_is_stored_and_its_order_do_not_depend_on_the_threads(
    party: Path, pace: Pace, batch: int
) -> None:
    report, store = run(party, Pace(1), batch=1)
    finder = SlowFinder()
    other, other_store = run(party, pace, finder, batch)
    assert stored(other_store) == stored(store)
    assert (other.photos, other.faces, other.new, other.skipped, other.failed) == (
        report.photos, report.faces, report.new, report.skipped, report.failed,
    )  # fmt: skip
    assert (report.new, report.skipped, report.new_faces) == (20, 6, 30)
    assert [failed.path.name for failed in report.failed] == ["05broken.jpg", "07refused.png"]
    assert 1 < finder.most_at_once <= pace.threads


def test_a_content_is_searched_once_though_its_copies_are_met_at_once(tmp_path: Path) -> None:
    for name in "abcdef":
        write_photo(tmp_path / f"{name}.png", RED, size=(150, 60))
    finder = SlowFinder()
    report, store = run(tmp_path, Pace(6), finder, 1)
    assert (finder.seen, report.new, report.skipped) == (1, 1, 5)
    assert len(store.files) == 6


def test_a_copy_whose_original_was_forgotten_meanwhile_is_looked_at(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", RED)
    _, store = run(tmp_path, Pace())
    forgotten = dict(store.contents)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())

    answers = [set(forgotten)]

    class Forgetful(MemoryStore):
        def searched_contents(self, event_id: int) -> set[str]:
            return answers.pop() if answers else super().searched_contents(event_id)

    late = Forgetful()
    report = ingest(find_photos([tmp_path]), event=EVENT, store=late, finder=ColourFinder())
    assert (report.new, report.skipped, report.failed) == (1, 1, ())
    assert set(late.files) == {os.fsencode(tmp_path / name) for name in ("a.png", "b.png")}


class Meter(ColourFinder):
    """Knows what sizes were looked at at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.together = set[tuple[int, ...]]()
        self._inside: list[int] = []

    def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
        self._inside.append(photo.size[0])
        time.sleep(0.05)
        self.together.add(tuple(sorted(self._inside)))
        self._inside.remove(photo.size[0])
        return super().see(photo, stages)


def test_large_photos_are_looked_at_one_at_a_time_but_beside_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LARGE", 200 * 60)
    monkeypatch.setattr(looking, "PIXELS_AT_ONCE", 500 * 60)
    monkeypatch.setattr(looking, "PIXELS_EACH", 1)
    for number, width in enumerate((201, 90, 205, 91, 210, 92)):
        write_photo(tmp_path / f"{number}.png", RED, size=(width, 60))
    finder = Meter()
    report, _ = run(tmp_path, Pace(6), finder, 1)
    assert report.new == 6
    assert all(sum(width > 200 for width in at_once) <= 1 for at_once in finder.together)
    assert any(len(at_once) > 1 and at_once[-1] > 200 for at_once in finder.together)


# What failed photos leave behind


@pytest.fixture
def no_gc() -> Iterator[None]:
    """What is in a circle stays: nothing big may be."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def look(eyes: Eyes, name: str, data: bytes) -> Look[str]:
    try:
        return Look(name, eyes.search(name, data), Path(name))
    except PhotoError as error:
        return Look(name, error, Path(name))


@pytest.mark.usefixtures("no_gc")
def test_a_photo_that_cannot_be_decoded_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list["weakref.ref[images.OpenedPhoto]"]()

    class Noted(images.OpenedPhoto):
        def __init__(self, data: bytes) -> None:
            opened.append(weakref.ref(self))
            super().__init__(data)

    monkeypatch.setattr(images, "OpenedPhoto", Noted)
    eyes = Eyes(ColourFinder(), Pace())
    data = encode(quarters(320, 256), "JPEG")
    looks = [look(eyes, str(number), data[:length]) for number, length in enumerate((2000, 300))]
    assert [str(one.found) for one in looks] == ["the JPEG picture is truncated"] * 2
    again = look(eyes, "0", data)
    assert again.found is looks[0].found
    assert [reference() for reference in opened] == [None, None]


class Refusing(ColourFinder):
    """Refuses each photo, or each photo's faces, and knows what it had of it in its hands."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step
        self.held: list[weakref.ref[Any]] = []

    def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
        if self.step == "see":
            self._refuse()
        return super().see(photo, stages)

    def recognise(self, seen: Sequence[Seen]) -> list[list[Face]]:
        self._refuse()
        return []

    def _refuse(self) -> None:
        pixels = np.zeros(100)
        self.held.append(weakref.ref(pixels))
        try:
            raise ValueError("no")
        except ValueError as error:
            raise InferenceError("refused") from error


@pytest.mark.usefixtures("no_gc")
@pytest.mark.parametrize("step", ["see", "recognise"])
def test_a_photo_that_is_refused_is_let_go_of(step: str) -> None:
    finder = Refusing(step)
    eyes = Eyes(finder, Pace())
    data = encode(quarters(320, 256), "JPEG")
    found = eyes.recognise([look(eyes, name, data) for name in "ab"])
    assert [str(one.error) for one in found] == ["refused", "refused"]
    assert len(finder.held) >= 2
    assert all(reference() is None for reference in finder.held)


@pytest.mark.usefixtures("no_gc")
def test_an_error_of_the_program_tells_where_it_was_and_ends_the_search() -> None:
    class Wrong(ColourFinder):
        def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
            raise KeyError(photo.size)

    eyes = Eyes(Wrong(), Pace())
    with pytest.raises(KeyError) as caught:
        look(eyes, "a", encode(quarters(320, 256), "JPEG"))
    assert caught.traceback[-1].name == "see"


# Memory that runs out


class Cramped(ColourFinder):
    """Lacks memory while another photo is looked at; three are at first."""

    def __init__(self) -> None:
        super().__init__()
        self.lacked = 0
        self._start = threading.Barrier(3)
        self._inside: list[object] = []

    def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
        self._inside.append(photo)
        try:
            if not self.lacked:
                self._start.wait(10)
            if len(self._inside) > 1:
                self.lacked += 1
                raise MemoryError
            return super().see(photo, stages)
        finally:
            self._inside.remove(photo)


def test_a_photo_that_lacks_memory_is_looked_at_once_more_alone(tmp_path: Path) -> None:
    for number in range(3):
        write_photo(tmp_path / f"{number}.png", RED, size=(90 + number, 60))
    finder = Cramped()
    report, _ = run(tmp_path, Pace(3), finder, 1)
    assert finder.lacked >= 1
    assert (report.new, report.new_faces, report.failed) == (3, 3, ())


@pytest.mark.parametrize(("times", "failed"), [(1, []), (2, ["1.png"])])
def test_a_file_that_lacks_memory_is_read_once_more_and_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, failed: list[str]
) -> None:
    for number in range(3):
        write_photo(tmp_path / f"{number}.png", RED, size=(90 + number, 60))
    tried: list[str] = []
    read_file = images.read_file

    def lacking(path: Path) -> images.FileContent:
        tried.append(path.name)
        if path.name == "1.png" and tried.count("1.png") <= times:
            raise MemoryError
        return read_file(path)

    monkeypatch.setattr(images, "read_file", lacking)
    report, store = run(tmp_path, Pace(2), ColourFinder(), 1)
    assert [one.path.name for one in report.failed] == failed
    assert (report.new, tried.count("1.png")) == (3 - len(failed), 2)
    for one in report.failed:
        assert one.reason == "not enough memory to look at the picture"
        assert store.files[os.fsencode(one.path)].reason == one.reason


class Failing(ColourFinder):
    """Raises an error at its first so many attempts at a step."""

    def __init__(self, step: str, error: Exception, times: int) -> None:
        super().__init__()
        self.attempts = 0
        self._step, self._error, self._times = step, error, times

    def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
        self._attempt("see")
        return super().see(photo, stages)

    def recognise(self, seen: Sequence[Seen]) -> list[list[Face]]:
        self._attempt("recognise")
        return super().recognise(seen)

    def _attempt(self, step: str) -> None:
        if step == self._step:
            self.attempts += 1
            if self.attempts <= self._times:
                raise self._error


LACKING = [
    MemoryError(),
    OutOfMemory("not enough memory to decode the JPEG picture"),
    InferenceError("A network refused a picture: Failed to allocate memory for a buffer."),
    InferenceError("OpenCV refused the picture: (-4:Insufficient memory) in function 'alloc'"),
]


@pytest.mark.parametrize("step", ["see", "recognise"])
@pytest.mark.parametrize("error", LACKING)
def test_every_lack_of_memory_is_given_a_second_chance_and_no_third(
    step: str, error: Exception
) -> None:
    data = encode(quarters(320, 256), "JPEG")
    for times, failed in ((1, False), (2, True)):
        finder = Failing(step, error, times)
        eyes = Eyes(finder, Pace())
        (found,) = eyes.recognise([look(eyes, "a", data)])
        assert isinstance(found.error, OutOfMemory) == failed
        assert finder.attempts == 2


@pytest.mark.parametrize("step", ["see", "recognise"])
def test_other_failures_have_no_second_chance(step: str) -> None:
    finder = Failing(step, InferenceError("no such shape"), 1)
    eyes = Eyes(finder, Pace())
    (found,) = eyes.recognise([look(eyes, "a", encode(quarters(320, 256), "JPEG"))])
    assert (str(found.error), finder.attempts) == ("no such shape", 1)


def test_of_photos_embedded_together_each_is_tried_when_memory_runs_out() -> None:
    finder = Failing("recognise", MemoryError(), 2)
    eyes = Eyes(finder, Pace())
    data = encode(quarters(320, 256), "JPEG")
    found = eyes.recognise([look(eyes, name, data) for name in "ab"])
    assert [one.error for one in found] == [None, None]
    assert finder.attempts == 4


# Where the time goes


def test_a_stage_within_another_is_taken_out_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([Spent(0, 0), Spent(1, 1), Spent(6, 3), Spent(8, 4)])
    monkeypatch.setattr(stages, "_now", lambda: next(clock))
    timer = StageTimer()
    with timer("outer"), timer("inner"):
        pass
    assert timer.spent == {"outer": Spent(3, 2), "inner": Spent(5, 2)}


def test_stages_of_several_threads_add_up() -> None:
    timer = StageTimer()

    def sleep() -> None:
        with timer("sleep"):
            time.sleep(0.02)

    threads = [threading.Thread(target=sleep) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert timer.spent["sleep"].seconds >= 0.1
    assert timer.spent["sleep"].cpu < 0.1


def test_an_ingest_is_measured(party: Path) -> None:
    timer = StageTimer()
    run(party, Pace(2, stages=timer))
    assert {"walk", "read", "decode", "embed", "store"} <= timer.spent.keys()


def test_the_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    spent = {"detect": Spent(10, 9), "embed": Spent(4, 4), "group": Spent(1, 1)}
    ledger = Ledger({**spent, "read": Spent()}, wall=10, threads=2, photos=20, faces=40)
    values = ledger.as_json()
    assert values["stages"]["detect"] == {
        "seconds": 10, "cpu_seconds": 9, "share": 0.5, "ms_per_photo": 500, "ms_per_face": 250
    }  # fmt: skip
    assert values["stages"]["waiting"]["seconds"] == 5
    assert values["stages"]["read"]["seconds"] == 0
    print_ledger(ledger)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("10.0 s in all with 2 at once: 20 photos, 40 faces; ")
    assert [line.split() for line in lines if line.startswith("embed")] == [
        ["embed", "4.00", "4.00", "20.0", "%", "200.0", "100.0"]
    ]
    shown = [line.split()[0] for line in lines[2:]]
    assert shown == ["read", "detect", "embed", "group", "waiting"]


def test_a_ledger_of_nothing_has_no_averages_and_no_zeros(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spent = {"start": Spent(0.5, 0.1), "walk": Spent(0.01, 0.01), "group": Spent(0.2, 0.2)}
    ledger = Ledger(spent, wall=1, threads=2, photos=0, faces=0)
    row = ledger.as_json()["stages"]["detect"]
    assert (row["ms_per_photo"], row["ms_per_face"]) == (None, None)
    print_ledger(ledger)
    assert capsys.readouterr().err == "1.0 s in all: no photo was read (start 0.5, group 0.2)\n"


# Progress


def test_plain_lines_tell_the_rate_and_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 4.0, 10.0, 15.0, 21.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with output.counter("ingest", quiet=False)(1000) as advance:
        for photos in (10, 40, 10, 45):
            advance(photos)
    assert capsys.readouterr().err == (
        "ingest: 50 of 1000 photos, 5.0 a second, 3 min left\n"
        "ingest: 105 of 1000 photos, 5.0 a second, 3 min left\n"
    )


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with output.counter("ingest", quiet=True)(2) as advance:
        advance(2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5340, "89 min"),
                          (5400, "1 h 30 min"), (11100, "3 h 05 min")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text

"""Ingest, with a finder of colours and a store in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from facefind.errors import UsageError
from facefind.ingest import (
    IngestReport,
    default_event_name,
    find_photos,
    ingest,
    names_of,
)
from facefind.types import Event
from tests.fakes import BLUE, GREEN, GREY, RED, ColourFinder, MemoryStore, write_photo

EVENT = Event(1, "party", "dlib", "f00d", {"detector.threshold": 0.5})


class Run:
    """Ingests a folder again and again into one store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.finder = folder, MemoryStore(), ColourFinder()

    def __call__(self, *paths: Path, **options: Any) -> IngestReport:
        return ingest(
            find_photos(paths or (self.folder,)),
            event=EVENT,
            store=self.store,
            finder=self.finder,
            **options,
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "party"
    write_photo(folder / "a.png", RED, BLUE)
    write_photo(folder / "b.png", GREEN)
    write_photo(folder / "c.png", GREY)
    return Run(folder)


def test_counts_photos_and_faces(run: Run) -> None:
    report = run()
    assert (report.photos, report.faces, report.new, report.skipped) == (3, 3, 3, 0)
    assert report.failed == ()


def test_second_run_reads_nothing(run: Run) -> None:
    run()
    report = run()
    assert (report.new, report.skipped, run.finder.seen) == (0, 3, 3)


def test_same_content_at_two_paths_is_one_photo(run: Run) -> None:
    (run.folder / "z.png").write_bytes((run.folder / "a.png").read_bytes())
    report = run()
    assert (report.photos, report.new, report.skipped, run.finder.seen) == (3, 3, 1, 3)


def test_moved_file_is_not_searched_again_and_its_old_path_is_gone(run: Run) -> None:
    run()
    (run.folder / "b.png").rename(run.folder / "moved.png")
    report = run()
    assert (report.new, report.missing, run.finder.seen) == (0, 1, 3)
    assert run.store.files[os.fsencode(run.folder / "b.png")].missing
    assert not run.store.files[os.fsencode(run.folder / "moved.png")].missing


def test_file_moved_out_of_the_folder_is_recognised_by_content(run: Run, tmp_path: Path) -> None:
    run()
    other = tmp_path / "other"
    other.mkdir()
    (run.folder / "b.png").rename(other / "b.png")
    report = run(other)
    assert report.missing == 1


def test_files_elsewhere_are_not_called_gone(run: Run, tmp_path: Path) -> None:
    """The disk they are on may just not be plugged in."""
    run()
    write_photo(tmp_path / "other" / "d.png", RED)
    run.folder.rename(tmp_path / "unplugged")
    assert run(tmp_path / "other").missing == 0


def test_file_that_comes_back_is_known_again(run: Run) -> None:
    run()
    hidden = run.folder.parent / "hidden.png"
    (run.folder / "b.png").rename(hidden)
    run()
    hidden.rename(run.folder / "b.png")
    report = run()
    assert (report.new, report.missing) == (0, 0)
    assert not run.store.files[os.fsencode(run.folder / "b.png")].missing


def test_edited_file_is_searched_again(run: Run) -> None:
    run()
    write_photo(run.folder / "b.png", RED, GREEN, BLUE)
    report = run()
    assert (report.new, run.finder.seen) == (1, 4)


def test_failed_file_is_recorded_with_its_reason_and_the_run_goes_on(run: Run) -> None:
    (run.folder / "broken.jpg").write_bytes(b"not a picture")
    report = run()
    assert report.new == 3
    assert [failed.path.name for failed in report.failed] == ["broken.jpg"]
    assert report.failed[0].reason
    assert not report.failed[0].earlier


def test_failed_file_is_tried_again_only_when_asked(run: Run) -> None:
    (run.folder / "broken.jpg").write_bytes(b"not a picture")
    first = run()
    again = run()
    assert [(f.earlier, f.reason) for f in again.failed] == [(True, first.failed[0].reason)]
    retried = run(retry_failed=True)
    assert [failed.earlier for failed in retried.failed] == [False]


def test_broken_link_is_recorded_as_failed(run: Run) -> None:
    link = run.folder / "link.jpg"
    link.symlink_to(run.folder / "nowhere.jpg")
    report = run()
    assert [failed.path for failed in report.failed] == [link]
    assert run.store.files[os.fsencode(link)].state == "unreadable"


def test_mended_file_is_read_without_being_asked(run: Run) -> None:
    broken = run.folder / "broken.png"
    broken.write_bytes(b"not a picture")
    run()
    write_photo(broken, RED, size=(30, 30))
    report = run()
    assert (report.new, report.failed) == (1, ())


def test_stops_between_photos_and_goes_on_later(run: Run) -> None:
    asked = iter([False, True, True, True])
    stopped = run(stop=lambda: next(asked))
    assert (stopped.interrupted, stopped.new, stopped.missing) == (True, 1, 0)
    report = run()
    assert (report.interrupted, report.new, report.skipped) == (False, 2, 1)


def test_progress_is_told_what_there_is_to_do_and_what_is_stored(run: Run) -> None:
    told: list[int] = []

    @contextmanager
    def progress(photos: int) -> Iterator[Callable[[int], object]]:
        told.append(photos)
        yield told.append

    run(progress=progress)
    assert (told[0], sum(told[1:])) == (3, 3)
    write_photo(run.folder / "d.png", RED, GREEN)
    told.clear()
    run(progress=progress)
    assert told == [1, 1]


def test_event_is_named_after_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "Anna & Ben"
    photo = write_photo(folder / "a.png", RED)
    assert default_event_name([folder]) == "Anna & Ben"
    assert default_event_name([photo]) == "Anna & Ben"
    with pytest.raises(UsageError, match="several folders"):
        default_event_name([folder, tmp_path])


def test_a_photo_has_one_name_however_it_is_reached(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    (tmp_path / "link").symlink_to(run.folder, target_is_directory=True)
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    for path in (Path("../party"), tmp_path / "link"):
        report = run(path)
        assert (report.new, report.skipped, report.missing) == (0, 3, 0)
    assert len(run.store.files) == 3
    assert set(names_of([Path("../party/a.png")])) & set(run.store.files)
    assert set(names_of([tmp_path / "link" / "a.png"])) & set(run.store.files)


def test_a_file_that_cannot_be_looked_at_is_not_called_gone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    known = os.fsencode(run.folder / "b.png")
    (run.folder / "b.png").rename(run.folder.parent / "away.png")
    real = os.lstat

    def refuse(path: bytes) -> os.stat_result:
        if path == known:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "lstat", refuse)
    assert run().missing == 0

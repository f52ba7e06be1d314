"""Placing: names, atomic writes, and what still is as it was put there."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from facefind import folders, placing
from facefind.errors import OutputError
from facefind.placing import Placed


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"pixels")
    return path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second disk at /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.mark.parametrize("mode", ["link", "hardlink", "copy"])
def test_placed_file_is_intact_until_it_is_changed(
    photo: Path, tmp_path: Path, mode: placing.Mode
) -> None:
    target = tmp_path / "out" / "photo.jpg"
    placing.place(photo, target, mode)
    placed = placing.intended(photo, mode)
    assert target.read_bytes() == b"pixels"
    assert placing.is_intact(target, placed)
    target.unlink()
    target.write_bytes(b"other")
    assert not placing.is_intact(target, placed)
    target.unlink()
    assert not placing.is_intact(target, placed)


@pytest.mark.parametrize("mode", ["link", "hardlink", "copy"])
def test_source_that_is_gone(photo: Path, tmp_path: Path, mode: placing.Mode) -> None:
    photo.unlink()
    with pytest.raises(OutputError, match="no longer there"):
        placing.place(photo, tmp_path / "out" / "photo.jpg", mode)
    assert folders.names_in(tmp_path / "out") == []


def test_file_where_a_folder_is_needed(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        placing.place(photo, tmp_path / "out" / "photo.jpg", "copy")


@pytest.mark.parametrize("mode", ["link", "hardlink", "copy"])
def test_place_all_again_places_nothing_again(tmp_path: Path, mode: placing.Mode) -> None:
    photos = [tmp_path / folder / "X.jpg" for folder in ("a", "b")]
    for photo in photos:
        photo.parent.mkdir()
        photo.write_bytes(b"pixels")
        os.utime(photo, (1, 1))  # alike in name, size and time
    out = tmp_path / "out"
    for _ in range(3):
        assert placing.place_all(photos, out, mode) == []
        assert sorted(folders.names_in(out)) == ["X (2).jpg", "X.jpg"]


def test_place_all_keeps_foreign_files(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "photo.jpg").write_text("mine")
    placing.place_all([photo], out, "link")
    assert (out / "photo.jpg").read_text() == "mine"
    assert (out / "photo (2).jpg").is_symlink()


def test_place_all_goes_on_without_photos_that_are_gone(photo: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.jpg"
    assert placing.place_all([gone, photo], tmp_path / "out", "copy") == [gone]
    assert folders.names_in(tmp_path / "out") == ["photo.jpg"]


def test_clear_links_removes_links_alone(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    placing.place_all([photo], out, "link")
    (out / "mine.txt").write_text("mine")
    placing.clear_links(out)
    assert folders.names_in(out) == ["mine.txt"]


def test_links_are_possible_on_one_disk_alone(photo: Path, tmp_path: Path) -> None:
    assert placing.can_be_linked(photo, tmp_path)
    assert placing.can_be_linked(photo, tmp_path / "none" / "yet")
    assert not placing.can_be_linked(tmp_path / "gone.jpg", tmp_path)
    assert folders.names_in(tmp_path) == ["photo.jpg"]


def test_another_disk_is_told_before_anything_is_linked(photo: Path, elsewhere: Path) -> None:
    assert not placing.can_be_linked(photo, elsewhere)
    assert folders.names_in(elsewhere) == []


def test_where_a_trial_fails_there_are_no_links(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert not placing.can_be_linked(photo, tmp_path)
    assert placing.can_be_linked(photo, tmp_path, trial=False)


def test_archives_and_pages_are_known_by_what_they_hold(tmp_path: Path) -> None:
    archive, page = tmp_path / "a.zip", tmp_path / "index.html"
    archive.write_bytes(b"PK..." + placing.mark("f00d"))
    os.utime(archive, ns=(0, 10**18))
    assert placing.is_intact(archive, Placed("f00d", "zip", 0, 10**18))
    assert not placing.is_intact(archive, Placed("beef", "zip", 0, 10**18))
    assert not placing.is_intact(archive, Placed("f00d", "zip", 0, 2 * 10**18))
    page.write_bytes(b"<p>")
    assert placing.is_intact(page, Placed(placing.sha256_of(b"<p>"), "page", 3))
    page.write_bytes(b"<q>")
    assert not placing.is_intact(page, Placed(placing.sha256_of(b"<p>"), "page", 3))

"""Placing: names, atomic writes, and what still is as it was put there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facefind import placing
from facefind.errors import OutputError


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"pixels")
    return path


def test_free_name_counts_up_ignoring_case() -> None:
    assert placing.free_name("a.jpg", set()) == "a.jpg"
    assert placing.free_name("A.jpg", {"a.jpg", "a (2).jpg"}) == "A (3).jpg"


def test_free_name_stays_within_what_file_systems_allow() -> None:
    name = "ä" * 125 + ".jpg"
    free = placing.free_name(name, {name.casefold()})
    assert free.endswith(" (2).jpg")
    assert len(os.fsencode(free)) <= 255


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
    assert placing.names_in(tmp_path / "out") == []


def test_file_where_a_folder_is_needed(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be made"):
        placing.make_folder(tmp_path / "out")
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
        assert sorted(placing.names_in(out)) == ["X (2).jpg", "X.jpg"]


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
    assert placing.names_in(tmp_path / "out") == ["photo.jpg"]


def test_clear_links_removes_links_alone(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    placing.place_all([photo], out, "link")
    (out / "mine.txt").write_text("mine")
    placing.clear_links(out)
    assert placing.names_in(out) == ["mine.txt"]


def test_write_text_is_atomic(tmp_path: Path) -> None:
    placing.write_text(tmp_path / "a.json", "{}")
    assert placing.read_text(tmp_path / "a.json") == "{}"
    assert placing.names_in(tmp_path) == ["a.json"]
    assert placing.read_text(tmp_path / "none") is None
    with pytest.raises(OutputError, match="cannot be written"):
        placing.write_text(tmp_path / "none" / "a.json", "{}")

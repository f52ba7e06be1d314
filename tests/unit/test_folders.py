"""Folders of results: whole files, and one run at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from facefind import folders
from facefind.errors import OutputError, UsageError


def test_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be made"):
        folders.make_folder(tmp_path / "out")


def test_text_is_written_whole(tmp_path: Path) -> None:
    folders.write_text(tmp_path / "a.json", "{ä}\n")
    assert (tmp_path / "a.json").read_bytes() == "{ä}\n".encode()
    assert folders.read_text(tmp_path / "a.json") == "{ä}\n"
    assert folders.names_in(tmp_path) == ["a.json"]
    assert folders.read_text(tmp_path / "none") is None
    with pytest.raises(OutputError, match="cannot be written"):
        folders.write_text(tmp_path / "none" / "a.json", "{}")


def test_bytes_are_written_whole_with_their_time(tmp_path: Path) -> None:
    folders.write_bytes(tmp_path / "a.jpg", b"pixels", 1_500_000_000_000_000_000)
    assert (tmp_path / "a.jpg").read_bytes() == b"pixels"
    assert (tmp_path / "a.jpg").stat().st_mtime_ns == 1_500_000_000_000_000_000


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    def fail() -> None:
        with folders.whole(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise OSError("full")

    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="full"):
        fail()
    assert (tmp_path / "a").read_text() == "old"
    assert folders.names_in(tmp_path) == ["a"]


def test_what_a_killed_run_left_is_discarded_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / folders.temporary_name()).write_text("half")
    (tmp_path / ".facefind-mine.part").write_text("mine")
    folders.discard_parts(tmp_path)
    assert folders.names_in(tmp_path) == [".facefind-mine.part"]


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        folders.alone(tmp_path),
        pytest.raises(UsageError, match="Another facefind is writing"),
        folders.alone(tmp_path),
    ):
        pass
    with folders.alone(tmp_path):
        assert folders.names_in(tmp_path) == []


def test_only_empty_folders_are_removed(tmp_path: Path) -> None:
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("empty", "full", "link", "none"):
        if name != "empty":
            folders.remove_if_empty(tmp_path / name)
    assert sorted(folders.names_in(tmp_path)) == ["empty", "full", "link"]
    folders.remove_if_empty(tmp_path / "empty")
    assert sorted(folders.names_in(tmp_path)) == ["full", "link"]

"""Backup and restore."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from facefind.errors import OutputError, StoreError, UsageError
from facefind.inference.pipeline import PIPELINES
from facefind.store.backup import backup, restore
from facefind.store.opening import open_store
from facefind.store.repository import Repository
from tests.deciding import crowd, dump, group, kind_of, merge, name
from tests.stored import DIMENSION, connected, new_event, put, rows, vector

pytestmark = pytest.mark.every_server


@pytest.fixture
def saved(store: Repository, database_url: str, tmp_path: Path) -> Path:
    event = new_event(store)
    put(store, event, "/a.jpg", 0.1)
    put(store, event, "/b.jpg", 0.2)
    file = tmp_path / "saved.facefind"
    backup(database_url, file)
    return file


def holds(url: str, home: Path) -> list[str]:
    with open_store(home, url) as store:
        return [str(m.photo) for m in store.search(vector(0), store.events(), limit=9)]


def test_there_and_back(saved: Path, empty_database_url: str, tmp_path: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [saved.name]
    restore(empty_database_url, saved)
    assert holds(empty_database_url, tmp_path) == ["/a.jpg", "/b.jpg"]
    with open_store(tmp_path, empty_database_url) as store:
        assert put(store, store.events()[0], "/c.jpg", 0.05)
    assert holds(empty_database_url, tmp_path) == ["/c.jpg", "/a.jpg", "/b.jpg"]
    with connected(empty_database_url) as connection:
        indexes = "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'faces_hnsw_%%'"
        assert rows(connection, indexes) == [(len(PIPELINES),)]


def test_people_and_their_log_go_along(
    store: Repository, database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    event = new_event(store)
    faces = crowd(store, event)
    one, two = group(store, event, faces[0::3], faces[1::3])
    first = name(store, one, "Ann")
    second = merge(store, two, one)
    with connected(database_url) as connection:
        before = dump(connection)
    store.undo(second)
    backup(database_url, tmp_path / "saved")
    restore(empty_database_url, tmp_path / "saved")
    with (
        connected(empty_database_url) as connection,
        open_store(tmp_path, empty_database_url) as restored,
    ):
        revision = restored.faces_to_group(kind_of(event), DIMENSION).revision
        restored.redo(second)
        assert dump(connection) == before
        # What is decided now is logged, numbered and newer than all.
        assert restored.faces_to_group(kind_of(event), DIMENSION).revision > revision
        assert name(restored, one, "Anna") == second + 1 == first + 2
        restored.undo()
        assert dump(connection) == before
        assert [p.title for p in restored.people()] == ["Ann"]


def test_into_a_database_that_was_only_set_up(
    saved: Path, empty_database_url: str, tmp_path: Path
) -> None:
    assert holds(empty_database_url, tmp_path) == []
    restore(empty_database_url, saved)
    assert holds(empty_database_url, tmp_path) == ["/a.jpg", "/b.jpg"]


def test_a_database_in_use_is_only_replaced_when_told(
    saved: Path, store: Repository, database_url: str, tmp_path: Path
) -> None:
    put(store, new_event(store, "later"), "/later.jpg", 0.01)
    with pytest.raises(UsageError, match="not empty"):
        restore(database_url, saved)
    assert holds(database_url, tmp_path)[0] == "/later.jpg"
    restore(database_url, saved, replace=True)
    assert holds(database_url, tmp_path) == ["/a.jpg", "/b.jpg"]


def test_somebody_else_s_tables_are_not_touched(saved: Path, empty_database_url: str) -> None:
    with connected(empty_database_url) as connection:
        rows(connection, "CREATE TABLE events (mine int)")
    with pytest.raises(UsageError, match="not empty"):
        restore(empty_database_url, saved)


def test_a_file_cut_short_restores_nothing(
    saved: Path, empty_database_url: str, tmp_path: Path
) -> None:
    saved.write_bytes(saved.read_bytes()[:-200])
    with pytest.raises(StoreError, match="Restoring failed"):
        restore(empty_database_url, saved)
    assert holds(empty_database_url, tmp_path) == []


def test_files_that_cannot_be(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no backup"):
        restore(database_url, tmp_path / "absent")
    with pytest.raises(OutputError, match="No such file or directory"):
        backup(database_url, tmp_path / "absent" / "file")


def test_a_folder_that_goes_away_does_not_hide_the_error(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()

    def unplugged(*_: str) -> None:
        shutil.rmtree(folder)
        folder.write_text("")
        raise StoreError("pg_dump failed.")

    monkeypatch.setattr("facefind.store.backup._dump", unplugged)
    with pytest.raises(StoreError, match="pg_dump failed"):
        backup(database_url, folder / "saved.facefind")

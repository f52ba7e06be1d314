"""The SQL files: numbered, named, commented, and with parameters that the driver understands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from facefind.errors import SchemaError
from facefind.resources import resource_dir
from facefind.store.migrate import migrations
from facefind.store.queries import parse, queries

FILES = sorted(path.stem for path in (resource_dir("sql") / "queries").glob("*.sql"))
STORE = Path(__file__).parent.parent.parent / "facefind" / "store"


def test_there_are_query_files() -> None:
    assert FILES == [
        "deciding", "events", "forget", "people", "photos", "reindex", "schema", "search",
        "sightings",
    ]  # fmt: skip


@pytest.mark.parametrize("file", FILES)
def test_each_statement_is_one_and_percent_signs_are_parameters(file: str) -> None:
    statements = queries(file)
    assert statements
    for name, sql in statements.items():
        assert sql.endswith(";"), name
        assert sql.count(";") == 1, name
        assert sql.count("%") == len(re.findall(r"%\(\w+\)s", sql)), name


@pytest.mark.parametrize("file", FILES)
def test_each_file_begins_with_what_it_is_for(file: str) -> None:
    text = (resource_dir("sql") / "queries" / f"{file}.sql").read_text(encoding="utf-8")
    assert text.startswith("-- ")
    assert not text.startswith("-- name:")


@pytest.mark.parametrize("file", FILES)
def test_each_statement_is_used(file: str) -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in STORE.glob("*.py"))
    assert [name for name in queries(file) if f'"{name}"' not in source] == []


def test_parse_keeps_what_is_between_names() -> None:
    found = parse("-- head\n\n-- why\n-- name: a\nSELECT 1;\n\n-- why b\n-- name: b\nSELECT 2;\n")
    assert found == {"a": "SELECT 1;", "b": "SELECT 2;"}


def test_parse_refuses_a_name_twice() -> None:
    with pytest.raises(ValueError, match="one name"):
        parse("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n")


def test_migrations_are_in_order_with_their_checksums() -> None:
    found = migrations()
    assert [m.version for m in found] == list(range(1, len(found) + 1))
    assert found[0].name == "schema"
    assert all(re.fullmatch(r"[0-9a-f]{64}", m.sha256) for m in found)


def test_a_migration_number_that_is_left_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("SELECT 1;")
    (tmp_path / "0003_c.sql").write_text("SELECT 1;")
    with pytest.raises(SchemaError, match="not numbered"):
        migrations(tmp_path)


def test_a_file_that_is_not_named_like_a_migration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.sql").write_text("SELECT 1;")
    with pytest.raises(SchemaError, match=r"notes\.sql is not named"):
        migrations(tmp_path)

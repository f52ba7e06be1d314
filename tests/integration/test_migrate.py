"""Migrations: from every past schema, by several programs at once, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facefind.errors import SchemaError, StoreError
from facefind.store.db import connect
from facefind.store.migrate import Migration, migrate, migrations, pending
from facefind.store.opening import open_store
from tests.stored import connected, finish, new_event, put, rows, start_python, vector

KNOWN = migrations()

_OPEN = """
import sys
from pathlib import Path
from facefind.store.opening import open_store
print("ready", flush=True)
sys.stdin.readline()
with open_store(Path(sys.argv[1]), sys.argv[2]) as store:
    print(len(store.events()))
"""

# Everything that makes up a schema, in one comparable list.
_SCHEMA = """
    SELECT 'column', table_name, column_name, data_type, is_nullable FROM information_schema.columns
    WHERE table_schema = 'public'
    UNION ALL
    SELECT 'index', tablename, indexname, indexdef, '' FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), ''
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), ''
    FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'view', '', viewname, definition, '' FROM pg_views WHERE schemaname = 'public'
    ORDER BY 1, 2, 3, 4
"""

pytestmark = pytest.mark.every_server


def schema(url: str) -> list[Any]:
    with connected(url) as connection:
        return rows(connection, _SCHEMA)


def migrated(url: str, known: list[Migration]) -> list[int]:
    connection = connect(url)
    try:
        return [m.version for m in migrate(connection, known)]
    finally:
        connection.close()


@pytest.mark.parametrize("past", range(len(KNOWN)))
def test_from_every_past_schema(
    empty_database_url: str, database_url: str, tmp_path: Path, past: int
) -> None:
    assert migrated(empty_database_url, KNOWN[:past]) == list(range(1, past + 1))
    assert migrated(empty_database_url, KNOWN) == list(range(past + 1, len(KNOWN) + 1))
    assert migrated(empty_database_url, KNOWN) == []
    assert schema(empty_database_url) == schema(database_url)
    with open_store(tmp_path, empty_database_url) as store:
        event = new_event(store)
        assert put(store, event, "/a.jpg", 0.5)
        assert len(store.search(vector(0), [event])) == 1


_OLD_FACES = """
    INSERT INTO events (name, pipeline, fingerprint, dimension) VALUES
        ('party', 'one', 'w', 3), ('copy', 'one', 'w', 3);
    INSERT INTO events (name, pipeline, fingerprint, dimension, replaces)
    VALUES ('party', 'two', 'w', 3, 1);
    INSERT INTO photos (sha256, size_bytes)
    SELECT sha256(n::text::bytea), 1 FROM generate_series(1, 3) n;
    INSERT INTO event_photos (event_id, photo_id, state)
    VALUES (1, 1, 'done'), (1, 2, 'done'), (2, 1, 'done'), (3, 1, 'done');
    INSERT INTO faces
        (event_photo_id, event_id, pipeline, dimension, x, y, w, h, score, lot, embedding)
    SELECT content, event, pipeline, 3, x, 1.5, 2, 2, 1, 0, '[1,2,3]'
    FROM (VALUES (1, 1, 'one', 10), (1, 1, 'one', 10), (1, 1, 'one', 50), (2, 1, 'one', 10),
                 (3, 2, 'one', 10), (3, 2, 'one', 10.5), (4, 3, 'two', 10))
         AS old (content, event, pipeline, x)
"""


def test_faces_of_before_there_were_sightings(empty_database_url: str, tmp_path: Path) -> None:
    assert len(migrated(empty_database_url, KNOWN[:8])) == 8
    with connected(empty_database_url) as connection:
        rows(connection, _OLD_FACES)
        migrated(empty_database_url, KNOWN)
        # The two of one event and one box are two; the other event's is the first of them.
        assert rows(connection, "SELECT id, sighting_id FROM faces ORDER BY id") == [
            (1, 1), (2, 2), (3, 4), (4, 5), (5, 1), (6, 3)
        ]  # fmt: skip
        placed = "SELECT photo_id, x FROM sightings ORDER BY id"
        assert rows(connection, placed) == [(1, 10), (1, 10), (1, 10.5), (1, 50), (2, 10)]
        assert rows(connection, "SELECT name FROM events ORDER BY id") == [("party",), ("copy",)]
    with open_store(tmp_path, empty_database_url) as store:
        assert put(store, new_event(store, "new"), "/a.jpg", 0.5)
        assert [face.sighting for face in store.seen_faces()] == [6]


def test_asking_what_is_pending_writes_nothing(empty_database_url: str) -> None:
    connection = connect(empty_database_url)
    assert pending(connection) == KNOWN
    connection.close()
    assert schema(empty_database_url) == []


def test_two_programs_at_once_on_an_empty_database(
    empty_database_url: str, database_url: str, tmp_path: Path
) -> None:
    both = [start_python(_OPEN, tmp_path, empty_database_url) for _ in range(3)]
    for process in both:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert finish(both) == [0, 0, 0]
    assert schema(empty_database_url) == schema(database_url)
    with connected(empty_database_url) as connection:
        assert rows(connection, "SELECT count(*) FROM schema_migrations") == [(len(KNOWN),)]


def test_a_newer_database_is_refused(database_url: str, tmp_path: Path) -> None:
    newer = replace(KNOWN[-1], version=len(KNOWN) + 1, name="future", sql="SELECT 1;")
    assert migrated(database_url, [*KNOWN, newer]) == [newer.version]
    with pytest.raises(SchemaError, match="update this one"), open_store(tmp_path, database_url):
        pass


def test_a_changed_migration_is_refused(database_url: str) -> None:
    changed = [replace(KNOWN[0], sha256="0" * 64), *KNOWN[1:]]
    with pytest.raises(SchemaError, match="0001_schema of the database is not the one"):
        migrated(database_url, changed)


def test_a_migration_that_fails_changes_nothing(database_url: str) -> None:
    before = schema(database_url)
    sql = "CREATE TABLE half (id int); SELECT 1 / 0;"
    broken = Migration(len(KNOWN) + 1, "broken", "0" * 64, sql)
    with pytest.raises(SchemaError, match="broken failed and changed nothing: division by zero"):
        migrated(database_url, [*KNOWN, broken])
    assert schema(database_url) == before
    assert migrated(database_url, KNOWN) == []


def test_a_database_with_tables_of_that_name_is_left_alone(empty_database_url: str) -> None:
    with connected(empty_database_url) as connection:
        rows(connection, "CREATE TABLE events (mine int)")
    with pytest.raises(SchemaError, match="database of its own"):
        migrated(empty_database_url, KNOWN)
    assert [row[1] for row in schema(empty_database_url)] == ["events"]


def test_a_pgvector_that_is_too_old_is_refused(database_url: str, sql: Any, tmp_path: Path) -> None:
    rows(sql, "UPDATE pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'")
    with pytest.raises(StoreError, match=r"pgvector 0\.6\.2; facefind needs 0\.7"):
        connect(database_url)


def test_a_user_without_rights_gets_the_statement_to_run(empty_database_url: str, sql: Any) -> None:
    rows(sql, "DROP ROLE IF EXISTS weak")
    rows(sql, "CREATE ROLE weak LOGIN")
    with connected(empty_database_url) as connection:
        rows(connection, "REVOKE ALL ON SCHEMA public FROM public")
    with pytest.raises(SchemaError, match="CREATE EXTENSION vector"):
        migrated(f"{empty_database_url} user=weak", KNOWN)
    rows(sql, "DROP ROLE weak")

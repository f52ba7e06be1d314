"""Brings a database's schema up to date with ``sql/NNNN_name.sql``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from facefind.errors import SchemaError
from facefind.resources import resource_dir
from facefind.store.db import require_vector, transaction
from facefind.store.queries import queries

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True)
class Migration:
    """One numbered file; ``sha256`` is of its text with Unix line ends."""

    version: int
    name: str
    sha256: str
    sql: str


def migrations(folder: Path | None = None) -> list[Migration]:
    """The migrations in ``folder`` (facefind's own by default), in order.

    Raises:
        SchemaError: Two have one number, or one is missing.
    """
    found = []
    for path in sorted((folder or resource_dir("sql")).glob("*.sql")):
        name = _FILE.fullmatch(path.name)
        if name is None:
            raise SchemaError(f"{path} is not named like a migration (0001_name.sql).")
        sql = path.read_text(encoding="utf-8")
        digest = hashlib.sha256(sql.encode()).hexdigest()
        found.append(Migration(int(name[1]), name[2], digest, sql))
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise SchemaError("The migrations in facefind's own files are not numbered 1, 2, 3, ...")
    return found


def pending(connection: Any, known: Sequence[Migration] | None = None) -> list[Migration]:
    """The migrations that the database does not have yet. Writes nothing.

    Raises:
        SchemaError: The database was made by a newer facefind, or a migration that it has is
            not the one this program has.
        StoreError: It cannot be read.
    """
    with transaction(connection, "reading its schema's version") as cursor:
        return _pending(cursor, migrations() if known is None else known)


def migrate(connection: Any, known: Sequence[Migration] | None = None) -> list[Migration]:
    """Applies what is pending and returns it: each file in one transaction with its record.

    Several programs may do so at once: each takes a lock, looks again, and applies one.

    Raises:
        SchemaError: As :func:`pending`; or a migration failed, which changes nothing.
        StoreError: The database cannot be read, or has no usable pgvector.
    """
    known = migrations() if known is None else known
    applied: list[Migration] = []
    if not pending(connection, known):
        return applied
    with transaction(connection, "looking for pgvector"):
        require_vector(connection)
    while (migration := _apply_next(connection, known)) is not None:
        applied.append(migration)
    return applied


def _apply_next(connection: Any, known: Sequence[Migration]) -> Migration | None:
    named = queries("schema")
    with transaction(connection, "migrating its schema") as cursor:
        cursor.execute(named["migration_lock"])
        todo = _pending(cursor, known)
        if not todo:
            return None
        _execute(cursor, todo[0])
        cursor.execute(named["create_migrations_table"])
        cursor.execute(named["record_migration"], vars(todo[0]))
        return todo[0]


def _execute(cursor: Any, migration: Migration) -> None:
    try:
        cursor.execute(migration.sql)
    except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.InvalidSchemaName) as error:
        raise SchemaError(
            f"The database's user may not set up facefind's tables: {str(error).splitlines()[0]}.",
            "Ask its administrator to run CREATE EXTENSION vector in this database and to grant "
            "CREATE on its schema public.",
        ) from error
    except psycopg2.Error as error:
        raise SchemaError(
            f"Migration {migration.version:04}_{migration.name} failed and changed nothing: "
            f"{str(error).splitlines()[0]}.",
            "Give facefind a database of its own.",
        ) from error


def _pending(cursor: Any, known: Sequence[Migration]) -> list[Migration]:
    named = queries("schema")
    cursor.execute(named["migrations_table"])
    applied: Mapping[int, tuple[str, str]] = {}
    if cursor.fetchone()[0]:
        cursor.execute(named["applied_migrations"])
        applied = {version: (name, sha256) for version, name, sha256 in cursor.fetchall()}
    _check(applied, {m.version: m for m in known})
    return [m for m in known if m.version not in applied]


def _check(applied: Mapping[int, tuple[str, str]], known: Mapping[int, Migration]) -> None:
    newer = sorted(set(applied) - set(known))
    if newer:
        raise SchemaError(
            f"The database's schema is version {newer[-1]}, this facefind knows {len(known)}.",
            "A newer facefind has used it: update this one.",
        )
    for version, (name, sha256) in applied.items():
        if known[version].sha256 != sha256:
            raise SchemaError(
                f"Migration {version:04}_{name} of the database is not the one that this facefind "
                "has.",
                "Use the facefind that made the database, or restore a backup into an empty one.",
            )

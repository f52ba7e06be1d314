"""A whole database into one file and back, by PostgreSQL's own pg_dump and pg_restore."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Literal

from psycopg2.extensions import make_dsn, parse_dsn

from facefind.errors import OutputError, StoreError, UsageError
from facefind.store.binaries import postgres_binaries, run_tool
from facefind.store.db import connect, describe, require_vector, transaction
from facefind.store.queries import queries


def backup(url: str, file: Path) -> None:
    """Writes everything in the database to ``file``, readable by this user alone.

    The file appears when it is complete; an older one is replaced then.

    Raises:
        OutputError: The file cannot be written.
        StoreError: The database cannot be reached, or pg_dump fails.
    """
    connect(url).close()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}.") from error
    part = Path(name)
    try:
        # The extension is left out: only an administrator could restore it on some servers.
        _run(url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges",
             "--exclude-extension=vector", f"--file={part}")  # fmt: skip
        _put(part, file)
    finally:
        part.unlink(missing_ok=True)


def restore(url: str, file: Path, *, replace: bool = False) -> None:
    """Loads a file that :func:`backup` made: all of it, or nothing.

    Args:
        url: The database to load it into.
        file: The backup.
        replace: Also where the database holds events already; they are deleted first.

    Raises:
        UsageError: The file does not exist, or the database is not empty.
        StoreError: The database cannot be reached, or pg_restore fails.
    """
    if not file.is_file():
        raise UsageError(f"There is no backup {file}.")
    tables = _tables(url)
    if tables == "in use" and not replace:
        raise UsageError(
            f"The database {describe(url)} is not empty, so nothing was restored.",
            "Give another database, or replace what is in it with --replace.",
        )
    clean = [] if tables == "none" else ["--clean", "--if-exists"]
    _run(url, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner",
         "--no-privileges", *clean, str(file))  # fmt: skip


def _tables(url: str) -> Literal["none", "unused", "in use"]:
    """What a restore would overwrite; makes sure of pgvector, which the file needs."""
    named = queries("schema")
    connection = connect(url)
    try:
        with transaction(connection, "looking whether it is empty") as cursor:
            if not require_vector(connection):
                cursor.execute(named["create_extension"])
            cursor.execute(named["tables"])
            count, ours = cursor.fetchone()
            if count == 0:
                return "none"
            if not ours:
                return "in use"
            cursor.execute(named["holds_events"])
            return "in use" if cursor.fetchone()[0] else "unused"
    finally:
        connection.close()


def _run(url: str, program: str, *arguments: str) -> None:
    """Runs pg_dump or pg_restore; the password goes by the environment, not the command line."""
    parts = parse_dsn(url)
    env = dict(os.environ)
    password = parts.pop("password", None)
    if password is not None:
        env["PGPASSWORD"] = password
    dsn = make_dsn(**parts)
    done = run_tool([postgres_binaries() / program, f"--dbname={dsn}", *arguments], env)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if "error:" in line), lines[0])
        raise StoreError(f"{program} failed for {describe(url)}: {reason.strip()}.")


def _put(part: Path, file: Path) -> None:
    try:
        with part.open("rb") as complete:
            os.fsync(complete.fileno())
        part.replace(file)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}.") from error

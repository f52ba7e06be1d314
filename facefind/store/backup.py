"""A whole database into one file and back, by PostgreSQL's own pg_dump, pg_restore and psql."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Literal

from psycopg2.extensions import make_dsn, parse_dsn

from facefind.errors import OutputError, StoreError, UsageError
from facefind.store.binaries import postgres_binaries, run_tool
from facefind.store.db import connect, describe, require_vector, transaction
from facefind.store.queries import queries

_UNKNOWN_BEFORE_17 = b"SET transaction_timeout"


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
        _dump(url, "--format=custom", "--no-owner", "--no-privileges",
             "--exclude-extension=vector", f"--file={part}")  # fmt: skip
        _put(part, file)
    finally:
        # In a folder that is gone or read-only by now; the error that matters is on its way.
        with suppress(OSError):
            part.unlink(missing_ok=True)


def restore(url: str, file: Path, *, replace: bool = False) -> None:
    """Loads a file that :func:`backup` made: all of it, or nothing.

    Args:
        url: The database to load it into.
        file: The backup.
        replace: Also where the database holds events already; they are deleted first.

    Raises:
        UsageError: The file does not exist, or the database is not empty.
        StoreError: The database cannot be reached, or refuses a statement.
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
    _load(url, ["--no-owner", "--no-privileges", *clean, str(file)])


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


def _dump(url: str, *arguments: str) -> None:
    dsn, env = _address(url)
    done = run_tool([postgres_binaries() / "pg_dump", f"--dbname={dsn}", *arguments], env)
    if done.returncode != 0:
        raise _failure("pg_dump", url, done.stderr)


def _load(url: str, arguments: Sequence[str]) -> None:
    """Pipes pg_restore's statements into psql, in one transaction.

    Not pg_restore alone: it sends settings that only the newest servers know.
    """
    dsn, env = _address(url)
    programs = postgres_binaries()
    reader_command = [str(programs / "pg_restore"), "--file=-", *arguments]
    writer_command = [
        str(programs / "psql"),
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "-d",
        dsn,
    ]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(reader_command, stdout=PIPE, stderr=complaints) as reader,
        subprocess.Popen(
            writer_command, stdin=PIPE, stdout=DEVNULL, stderr=complaints, env=env
        ) as writer,
    ):
        _pipe(reader, writer)
        if reader.wait() or writer.wait():
            complaints.seek(0)
            raise _failure("Restoring", url, complaints.read().decode(errors="replace"))


def _pipe(reader: Popen[bytes], writer: Popen[bytes]) -> None:
    """Sends what the reader says, and COMMIT only if it came to its end."""
    assert reader.stdout is not None
    assert writer.stdin is not None
    try:
        writer.stdin.write(b"BEGIN;\n")
        for line in reader.stdout:
            if not line.startswith(_UNKNOWN_BEFORE_17):
                writer.stdin.write(line)
        if reader.wait() == 0:
            writer.stdin.write(b"COMMIT;\n")
        writer.stdin.close()
    except BrokenPipeError:
        # The writer has stopped at an error; its exit code and its words say which.
        reader.kill()
        with suppress(BrokenPipeError):
            writer.stdin.close()


def _address(url: str) -> tuple[str, dict[str, str]]:
    """The connection string, and an environment that holds its password: others see arguments."""
    parts = parse_dsn(url)
    password = parts.pop("password", None)
    env = dict(os.environ) if password is None else {**os.environ, "PGPASSWORD": password}
    return make_dsn(**parts), env


def _failure(what: str, url: str, said: str) -> StoreError:
    lines = said.strip().splitlines() or ["no reason given"]
    reason = next((line for line in lines if "error:" in line.lower()), lines[0])
    return StoreError(f"{what} failed for {describe(url)}: {reason.strip()}.")


def _put(part: Path, file: Path) -> None:
    try:
        with part.open("rb") as complete:
            os.fsync(complete.fileno())
        part.replace(file)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}.") from error

"""Connections: to the embedded server or to a given one. The driver's errors end here."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from pgvector.psycopg2 import register_vector
from psycopg2 import errors
from psycopg2.extensions import parse_dsn

from facefind.errors import StoreError
from facefind.store.queries import queries

MINIMUM_SERVER = 140000
MINIMUM_VECTOR = (0, 7)
CONNECT_SECONDS = 10
"""For a server that does not answer; the URL or PGCONNECT_TIMEOUT may say otherwise."""
RECOVERY_SECONDS = 60.0
CRASH_SECONDS = 5.0
"""A server that lost one of its processes drops all connections and is back within a second."""
_POLL_SECONDS = 0.02

# The causes a user can do something about; the server's own words follow.
_HINTS: tuple[tuple[type[Exception], str], ...] = (
    (errors.DiskFull, "Free some space on the database's disk and run the command again."),
    (errors.OutOfMemory, "The database ran out of memory; close other programs and try again."),
    (errors.InsufficientPrivilege, "Ask the database's administrator for the right to do this."),
    (errors.ReadOnlySqlTransaction, "The database only allows reading; give one that is writable."),
    (errors.UndefinedTable, "Its tables are not facefind's; give facefind a database of its own."),
    (psycopg2.OperationalError, "The connection was lost; run the command again."),
)


@contextmanager
def driver_errors(doing: str) -> Iterator[None]:
    """Turns the driver's errors inside the block into a StoreError.

    Args:
        doing: What the block does, for the message: "reading the event".
    """
    try:
        yield
    except psycopg2.Error as error:
        hint = next((text for kind, text in _HINTS if isinstance(error, kind)), "")
        reason = _first_line(error)
        raise StoreError(f"The database failed while {doing}: {reason}.", hint) from error


@contextmanager
def transaction(connection: Any, doing: str) -> Iterator[Any]:
    """A cursor in a transaction of its own: committed at the end, rolled back on any error.

    Raises:
        StoreError: The database refused or was lost.
    """
    with driver_errors(doing):
        try:
            with connection.cursor() as cursor:
                yield cursor
            connection.commit()
        except BaseException:
            if not connection.closed:
                connection.rollback()
            raise


def connect(url: str) -> Any:
    """A psycopg2 connection, in UTC, that carries vectors where the database has them already.

    Waits up to a minute for a server that is recovering from a crash, and ten seconds for one that
    does not answer at all, unless the URL sets another ``connect_timeout``.

    Args:
        url: A libpq URL or ``key=value`` string.

    Raises:
        StoreError: The URL makes no sense, the server cannot be reached, or it or its pgvector is
            too old. No message contains the password.
    """
    server = describe(url)
    started = time.monotonic()
    while True:
        try:
            return _connect_once(url)
        except psycopg2.Error as error:
            reason = _without_password(_first_line(error), url)
            if time.monotonic() - started > _patience(reason):
                raise StoreError(
                    f"The database {server} cannot be reached: {reason}.",
                    "Check the URL and that the server runs.",
                ) from error
        time.sleep(_POLL_SECONDS)


def describe(url: str) -> str:
    """The server and database that ``url`` names, without user and password, for messages.

    Raises:
        StoreError: It is neither a libpq URL nor a ``key=value`` string.
    """
    parts = _parse(url)
    place = parts.get("host") or parts.get("hostaddr") or "the local socket"
    port = f":{parts['port']}" if "port" in parts else ""
    return f"{parts.get('dbname', '(default)')} at {place}{port}"


def register_vectors(connection: Any) -> None:
    """Lets the connection carry vectors as numpy arrays; the extension must exist by now.

    Raises:
        StoreError: The database's pgvector is missing or too old.
    """
    with transaction(connection, "looking for pgvector"):
        require_vector(connection)
        register_vector(connection)


def require_vector(connection: Any) -> bool:
    """Checks pgvector; True where it is created in this database, False where it could be.

    Raises:
        StoreError: The server has none, or it is older than 0.7.
    """
    with connection.cursor() as cursor:
        cursor.execute(queries("schema")["vector_versions"])
        created, available = cursor.fetchone()
    version = created or available
    if version is None:
        raise StoreError(
            "This PostgreSQL server has no pgvector.",
            "Install it on the server (Debian: postgresql-NN-pgvector), version 0.7 or later.",
        )
    if tuple(int(part) for part in version.split(".")[:2]) < MINIMUM_VECTOR:
        raise StoreError(
            f"This database has pgvector {version}; facefind needs 0.7 or later.",
            "Install a newer pgvector on the server, then run: ALTER EXTENSION vector UPDATE.",
        )
    return created is not None


def _connect_once(url: str) -> Any:
    timeout: dict[str, int] = {}
    if "connect_timeout" not in _parse(url) and "PGCONNECT_TIMEOUT" not in os.environ:
        timeout["connect_timeout"] = CONNECT_SECONDS
    connection = psycopg2.connect(url, application_name="facefind", **timeout)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _patience(reason: str) -> float:
    """For how many seconds to try again after this refusal; the driver gives no error code."""
    if "the database system is" in reason:  # starting up, in recovery, shutting down
        return RECOVERY_SECONDS
    if "server closed the connection" in reason or "terminating connection" in reason:
        return CRASH_SECONDS
    return 0


def _prepare(connection: Any) -> None:
    with connection.cursor() as cursor:
        connection.set_client_encoding("UTF8")
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute(queries("schema")["server_version"])
        number, version = cursor.fetchone()
        if number < MINIMUM_SERVER:
            raise StoreError(f"This server is PostgreSQL {version}; facefind needs 14 or later.")
        if require_vector(connection):
            register_vector(connection)
    connection.commit()


def _parse(url: str) -> dict[str, str]:
    try:
        parts: dict[str, str] = parse_dsn(url)
    except (psycopg2.ProgrammingError, UnicodeError):  # the command line need not be UTF-8
        parts = {}
    # An unescaped @ or / in the password moves a part of it into the host or the port.
    torn = "@" in parts.get("host", "") or not re.fullmatch(r"[\d,]*", parts.get("port", ""))
    if not parts or torn:
        # The driver's words repeat a part of the URL, which may be the password: leave them out.
        raise StoreError(
            "The database URL cannot be understood.",
            "It looks like postgresql://user:password@host:5432/name; in the password write @ "
            "as %40, : as %3A, / as %2F and % as %25.",
        ) from None
    return parts


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")


def _without_password(text: str, url: str) -> str:
    password = _parse(url).get("password")
    return text.replace(password, "***") if password else text

"""Faces, photos and servers for the tests of the store."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from facefind.store import nearest
from facefind.store.queries import queries
from facefind.store.records import FailedFile, FoundCopy, FoundPhoto
from facefind.store.repository import Repository
from facefind.types import Box, Detection, Event, Face, FileStamp, FloatArray, PhotoInfo

REPO = Path(__file__).parent.parent
DIMENSION = 128
STAMP = FileStamp(1000, 1_700_000_000_000_000_000)
JPEG = PhotoInfo("JPEG", 400, 300)

_numbers = itertools.count(1)


def search_statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the search statements that are used from now on."""
    used: list[str] = []

    class Noting(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            used.append(name)
            return super().__getitem__(name)

    noting = Noting(queries("search"))
    monkeypatch.setattr(
        nearest, "queries", lambda file: noting if file == "search" else queries(file)
    )
    return used


_HOLD = """
import sys
from pathlib import Path
from facefind.store.embedded import embedded_server
with embedded_server(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def digest(content: str) -> str:
    """The sha256 of a made-up content."""
    return hashlib.sha256(content.encode()).hexdigest()


def vector(distance: float, dimension: int = DIMENSION) -> FloatArray:
    """The embedding at this L2 distance from ``vector(0)``, which is the origin."""
    found = np.zeros(dimension, np.float32)
    found[0] = distance
    return found


def face(distance: float, x: float = 10, dimension: int = DIMENSION) -> Face:
    """A face with that embedding, whose box starts at ``x``."""
    landmarks = np.arange(10, dtype=np.float32).reshape(5, 2)
    return Face(Detection(Box(x, 20, 30, 40), 0.5, landmarks), vector(distance, dimension))


def new_event(store: Repository, name: str = "party", pipeline: str = "dlib") -> Event:
    """An event of a pipeline with 128 dimensions."""
    return store.ensure_event(name, pipeline, "weights-1", DIMENSION, {})


def put(
    store: Repository,
    event: Event,
    path: str,
    *distances: float,
    content: str | None = None,
    info: PhotoInfo = JPEG,
) -> bool:
    """Records a photo at ``path`` with a face for each distance; its content is the path's text."""
    faces = [face(distance) for distance in distances]
    return record_photo(
        store, event, os.fsencode(path), STAMP, digest(content or path), info, faces
    )


def record_photo(
    store: Repository,
    event: Event,
    path: bytes,
    stamp: FileStamp,
    sha256: str,
    info: PhotoInfo,
    faces: Sequence[Face],
) -> bool:
    """Stores one photo; False where the event has its content already."""
    (is_new,) = store.record(event, [FoundPhoto(path, stamp, sha256, info, faces)])
    return is_new


def record_failure(
    store: Repository,
    event: Event,
    path: bytes,
    stamp: FileStamp | None,
    sha256: str | None,
    reason: str,
) -> None:
    """Stores one file that could not be used."""
    store.record(event, [FailedFile(path, stamp, sha256, reason)])


def record_path(
    store: Repository, event: Event, path: bytes, stamp: FileStamp, sha256: str
) -> bool:
    """Stores that a content is (also) at this path; False where the event does not have it."""
    (is_there,) = store.record(event, [FoundCopy(path, stamp, sha256)])
    return is_there


def rows(connection: Any, sql: str, *values: Any) -> list[Any]:
    """What a statement of the test's own answers; committed."""
    with connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A plain connection of the driver, in autocommit."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def database(server: str, template: str) -> Iterator[str]:
    """The URL of a database for the block: a copy of one that nobody is connected to."""
    name = f"test_{next(_numbers)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield make_dsn(server, dbname=name)
    finally:
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: str, statement: str) -> None:
    """Runs a statement in no transaction."""
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def start_python(code: str, *arguments: object, user: str | None = None) -> subprocess.Popen[str]:
    """Another process with facefind on its path, its stdin and stdout piped."""
    return subprocess.Popen(
        [python_of(user), "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPO), *sys.path[1:]])},
        user=user,
        extra_groups=None if user is None else (),
    )


def python_of(user: str | None) -> str:
    """A Python that the user may run; skips the test where this one's folder is closed to them."""
    if user is None:
        return sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}"):
        try:
            subprocess.run([python, "-c", ""], user=user, extra_groups=(), check=True, cwd="/")
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip(f"{user} may not run {sys.executable}")


def hold_server(home: Path, *, user: str | None = None) -> subprocess.Popen[str]:
    """A process that uses the embedded server in ``home`` until its stdin is closed."""
    return start_python(_HOLD, home, user=user)


def first_line(process: subprocess.Popen[str]) -> str:
    """What the process says first; fails with its errors where it says nothing."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        _, errors = process.communicate()
        raise AssertionError(errors)
    return line


def finish(processes: Sequence[subprocess.Popen[str]]) -> list[int]:
    """Closes their stdin, waits, and answers with their exit codes."""
    codes = []
    for process in processes:
        _, errors = process.communicate(timeout=120)
        codes.append(process.returncode)
        print(errors)
    return codes


def counts(sql: Any) -> dict[str, int]:
    """Rows in each table."""
    tables = ("photos", "event_photos", "event_paths", "faces")
    return {table: rows(sql, f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def found(store: Repository, *events: Event) -> list[tuple[str, float]]:
    """All photos of the events, with their distances to the origin."""
    matches = store.search(vector(0), events)
    return [(str(match.photo), round(match.distance, 4)) for match in matches]

"""Databases for the tests: each a clone of a migrated template, on a server of the session's own.

Tests marked ``every_server`` run on each server that this machine has: the embedded one, the
PostgreSQL 16 of the same wheel, and the system's where it has pgvector.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import make_dsn

from facefind.errors import SetupError
from facefind.store.binaries import postgres_binaries
from facefind.store.db import MINIMUM_VECTOR, connect
from facefind.store.embedded import embedded_server
from facefind.store.migrate import migrate
from facefind.store.opening import open_store
from facefind.store.repository import Repository
from facefind.types import Event
from tests.moving import NARROW, FakePipeline, fill, the_event, write_photos
from tests.stored import connected, database, execute, new_event

SYSTEM_SERVERS = Path("/usr/lib/postgresql")
SYSTEM_SHARE = Path("/usr/share/postgresql")
TEMPLATE = "facefind_template"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_server: runs on each PostgreSQL that is installed")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        everywhere = metafunc.definition.get_closest_marker("every_server") is not None
        chosen = list(installed_servers()) if everywhere else ["embedded"]
        metafunc.parametrize("server", chosen, indirect=True, scope="session")


def installed_servers() -> dict[str, Path]:
    """The folders of the programs of each server on this machine that facefind works with."""
    found = {"embedded": postgres_binaries()}
    with suppress(SetupError):
        found["postgres16"] = postgres_binaries(16)
    for control in sorted(SYSTEM_SHARE.glob("*/extension/vector.control")):
        binaries = SYSTEM_SERVERS / control.parts[-3] / "bin"
        if (binaries / "postgres").exists() and _version(control) >= MINIMUM_VECTOR:
            found["system"] = binaries
    return found


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a running server."""
    binaries = installed_servers()[request.param]
    with _folder() as home, embedded_server(home, binaries) as url:
        yield url


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the test's own for embedded servers.

    Not tmp_path: each pytest that starts closes the folder above those of all others, which cuts
    off a server that does not run as this user.
    """
    with _folder() as made:
        yield made


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="facefind-") as made:
        yield Path(made)


def _version(control: Path) -> tuple[int, ...]:
    line = next(x for x in control.read_text().splitlines() if x.startswith("default_version"))
    return tuple(int(part) for part in line.split("'")[1].split("."))


@pytest.fixture(scope="session")
def servers() -> dict[str, Path]:
    """The servers that ``every_server`` stands for here."""
    return installed_servers()


@pytest.fixture(scope="session")
def template(server: str) -> str:
    """The name of a migrated database that nobody is connected to."""
    execute(server, f"CREATE DATABASE {TEMPLATE}")
    connection = connect(make_dsn(server, dbname=TEMPLATE))
    migrate(connection)
    connection.close()
    return TEMPLATE


@pytest.fixture
def database_url(server: str, template: str) -> Iterator[str]:
    """A database of the test's own, its schema up to date."""
    with database(server, template) as url:
        yield url


@pytest.fixture
def empty_database_url(server: str) -> Iterator[str]:
    """A database of the test's own without anything in it."""
    with database(server, "template1") as url:
        yield url


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Repository]:
    """A repository on ``database_url``."""
    with open_store(tmp_path, database_url) as repository:
        yield repository


@pytest.fixture
def sql(database_url: str) -> Iterator[Any]:
    """A plain connection to ``database_url``, to look and to tamper."""
    with connected(database_url) as connection:
        yield connection


@pytest.fixture
def event(store: Repository) -> Event:
    """An event without photos."""
    return new_event(store)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "party"
    write_photos(folder)
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    (folder / "broken.png").write_bytes((folder / "2.png").read_bytes()[:90])
    return folder


@pytest.fixture
def party(store: Repository, photos: Path) -> Event:
    """An event of the narrow pipeline: four photos with seven faces, one twice; one broken."""
    report = fill(store, photos, FakePipeline(NARROW))
    assert (report.photos, report.faces, len(report.failed)) == (4, 7, 1)
    return the_event(store)

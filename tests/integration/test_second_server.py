"""Connecting to a given server: URLs of both kinds, and what cannot be reached."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from facefind.errors import StoreError
from facefind.store.db import connect, describe, register_vectors
from facefind.store.opening import open_store
from facefind.store.queries import queries
from tests.stored import new_event, put, rows, vector

PASSWORD = "s3cr3t-pass"


def test_the_suite_runs_on_the_system_s_server_too(servers: dict[str, Path]) -> None:
    if "system" not in servers:
        pytest.skip("no Debian packages postgresql and postgresql-*-pgvector (0.7 or later)")
    assert (servers["system"] / "postgres").exists()


@pytest.mark.every_server
def test_open_store_by_url_and_by_key_value(database_url: str, tmp_path: Path) -> None:
    parts = parse_dsn(database_url)
    place = f"host={parts['host']}&port={parts['port']}&user={parts['user']}"
    url = f"postgresql:///{parts['dbname']}?{place}"
    with open_store(tmp_path, url) as store:
        put(store, new_event(store), "/a.jpg", 0.1)
    with open_store(tmp_path, database_url) as store:
        assert len(store.search(vector(0), store.events())) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.every_server
def test_the_connection_says_who_it_is_and_speaks_utc(database_url: str) -> None:
    connection = connect(database_url)
    assert rows(connection, "SHOW application_name") == [("facefind",)]
    assert rows(connection, "SHOW timezone") == [("UTC",)]
    connection.close()


def test_the_embedded_server_is_used_without_a_url(folder: Path) -> None:
    with open_store(folder / "home", None) as store:
        put(store, new_event(store), "/a.jpg", 0.1)
    with open_store(folder / "home", None) as store:
        assert len(store.search(vector(0), store.events())) == 1


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{PASSWORD}@127.0.0.1:1/photos",
        f"host=127.0.0.1 port=1 user=ann password={PASSWORD} dbname=photos",
        f"postgresql://ann:{PASSWORD}@host.invalid/photos",
    ],
)
def test_a_server_that_cannot_be_reached(url: str) -> None:
    with pytest.raises(StoreError, match=r"photos at .* cannot be reached") as caught:
        connect(url)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{PASSWORD}@home@127.0.0.1/photos",
        f"{PASSWORD}",
        f"mysql://ann:{PASSWORD}@127.0.0.1/photos",
        f"postgresql://ann:{PASSWORD}/x@127.0.0.1/photos",
        f"postgresql://ann:{PASSWORD}@127.0.0.1/photos\udcff",
        f"postgresql://ann:{PASSWORD}@127.0.0.1/photos%FF",
    ],
)
def test_a_url_that_makes_no_sense_is_not_repeated(url: str) -> None:
    with pytest.raises(StoreError, match="cannot be understood") as caught:
        connect(url)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_database_that_does_not_exist(server: str) -> None:
    with pytest.raises(StoreError, match='database "absent" does not exist'):
        connect(server.replace("/postgres?", "/absent?"))


@pytest.fixture
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        # Without a timeout the client would wait until this resets its connection.
        rescue = threading.Timer(60, listening.shutdown, [socket.SHUT_RDWR])
        rescue.start()
        yield f"host=127.0.0.1 port={listening.getsockname()[1]} sslmode=disable user=x dbname=x"
        rescue.cancel()


def test_a_server_that_never_answers_is_given_up(
    silent_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facefind.store import db

    monkeypatch.setattr(db, "CONNECT_SECONDS", 2)
    with pytest.raises(StoreError, match=r"cannot be reached: .*timeout expired"):
        connect(silent_server)


def test_how_long_to_wait_for_an_answer(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(url: str) -> str | None:
        connection = connect(url)
        connection.close()
        found: str | None = parse_dsn(connection.dsn).get("connect_timeout")
        return found

    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    assert seconds(server) == "10"
    assert seconds(f"{server}&connect_timeout=3") == "3"
    assert seconds(make_dsn(server, connect_timeout=3)) == "3"
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    assert seconds(server) is None


def test_describe_leaves_out_the_user(server: str) -> None:
    assert describe(f"postgresql://ann:{PASSWORD}@db:99/photos") == "photos at db:99"
    assert describe("dbname=photos") == "photos at the local socket"


def test_a_database_without_pgvector_carries_no_vectors(empty_database_url: str) -> None:
    connection = connect(empty_database_url)
    with pytest.raises(StoreError, match="vector type not found"):
        register_vectors(connection)
    connection.close()


def test_a_server_without_pgvector_is_refused(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facefind.store import db

    def without(file: str) -> Any:
        return {**queries(file), "vector_versions": "SELECT NULL, NULL"}

    monkeypatch.setattr(db, "queries", without)
    with pytest.raises(StoreError, match="has no pgvector"):
        connect(empty_database_url)


def test_a_server_that_is_too_old_is_refused(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facefind.store import db

    monkeypatch.setattr(db, "MINIMUM_SERVER", 990000)
    with pytest.raises(StoreError, match="facefind needs 14 or later"):
        connect(empty_database_url)

"""What is prepared while the database starts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from facefind.errors import StoreError
from facefind.store import opening
from facefind.store.opening import _Preparing, open_store

NOWHERE = "host=127.0.0.1 port=1 connect_timeout=1"
SECONDS = 30.0


def test_what_cannot_be_prepared_is_left_for_the_command_to_meet(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = threading.Event()

    def fail() -> None:
        raise OSError("libcudart.so.12 cannot be opened")

    @contextmanager
    def slow_server(_home: Path) -> Iterator[str]:
        assert prepared.wait(SECONDS)
        yield NOWHERE

    monkeypatch.setattr(opening, "embedded_server", slow_server)
    caplog.set_level(logging.DEBUG, "facefind.store.opening")
    with (
        pytest.raises(StoreError, match="cannot be reached"),
        open_store(tmp_path, None, [fail, prepared.set]),
    ):
        pass
    assert capsys.readouterr().err == ""
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert "libcudart" in caplog.text


def test_nothing_more_is_begun_once_the_server_runs() -> None:
    done: list[str] = []
    started, go_on = threading.Event(), threading.Event()

    def first() -> None:
        started.set()
        assert go_on.wait(SECONDS)
        done.append("first")

    preparing = _Preparing([first, lambda: done.append("second")])
    with preparing:
        assert started.wait(SECONDS)
        threading.Timer(0.05, go_on.set).start()
        preparing.finish()
        assert done == ["first"]
    assert done == ["first"]


def test_the_store_is_imported_before_anything_else_is_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr(opening, "_import_store", lambda: done.append("store"))
    waiting = threading.Event()
    with _Preparing([lambda: done.append("more"), waiting.set]):
        assert waiting.wait(SECONDS)
    assert done == ["store", "more"]

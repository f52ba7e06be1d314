"""What is prepared while the database starts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from facefind.errors import StoreError
from facefind.store.opening import open_store

NOWHERE = "host=127.0.0.1 port=1 connect_timeout=1"


def test_what_cannot_be_prepared_is_left_for_the_command_to_meet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def prepare() -> None:
        raise OSError("libcudart.so.12 cannot be opened")

    caplog.set_level(logging.DEBUG, "facefind.store.opening")
    with (
        pytest.raises(StoreError, match="cannot be reached"),
        open_store(tmp_path, NOWHERE, prepare),
    ):
        pass
    assert capsys.readouterr().err == ""
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert "libcudart" in caplog.text

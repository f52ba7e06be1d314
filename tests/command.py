"""Runs facefind in the test's own process, as its command line does."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from facefind.cli.main import run


class Result(NamedTuple):
    """What a command left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, whatever its exit code."""
        return json.loads(self.out)

    @property
    def done(self) -> Result:
        """The same, of a command that has done all."""
        assert self.code == 0, self.err
        return self


def call_facefind(capsys: pytest.CaptureFixture[str], *arguments: object) -> Result:
    """Runs a command to its end; every argument as text."""
    with pytest.raises(SystemExit) as stopped:
        run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert isinstance(stopped.value.code, int)
    return Result(stopped.value.code, captured.out, captured.err)

"""Runs the facefind program as a user does: another process, its own home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parent.parent

TIME_LIMIT = 300
"""Seconds after which a command counts as hung."""


@dataclass(frozen=True)
class Program:
    """facefind with one home folder.

    Attributes:
        python: The interpreter whose installation is run.
    """

    home: Path
    python: str = sys.executable

    def __call__(
        self, *arguments: object, stdin: str = "", cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, whatever its exit code."""
        return self._run(self.command(*arguments), stdin, cwd)

    def stopping(
        self, counted: str, stop: str, *arguments: object
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command that stops itself; see `tests.facefind_child`."""
        child = [self.python, "-m", "tests.facefind_child", counted, stop]
        return self._run([*child, *map(str, arguments)], "", REPO)

    def statements(self, *arguments: object) -> int:
        """Runs a command to its end; how many statements it sends to the database."""
        return int(self.stopping("statements", "", *arguments).stderr.splitlines()[-1])

    def _run(
        self, command: list[str], stdin: str, cwd: Path | None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            cwd=cwd,
            env=self.environment(),
            check=False,
        )

    def json(self, *arguments: object) -> dict[str, Any]:
        """Runs a command with --json that must succeed."""
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        value: dict[str, Any] = json.loads(done.stdout)
        return value

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        """Starts a command and does not wait for it."""
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment(),
        )

    def command(self, *arguments: object) -> list[str]:
        """The command line, every argument as text."""
        return [self.python, "-m", "facefind", *(str(argument) for argument in arguments)]

    def environment(self) -> dict[str, str]:
        """This process's, with the home set and no other database."""
        env = {k: v for k, v in os.environ.items() if k != "FACEFIND_DATABASE_URL"}
        return {**env, "FACEFIND_HOME": str(self.home)}

"""One embedded PostgreSQL server: its files, its start, its stop. Who may use it is not known here.

The server and all its children hold ``server.lock``, inherited when they start. Nothing else
tells for sure, after any crash, whether one of them is still alive: process numbers are reused,
and a killed server leaves its ``postmaster.pid`` behind.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facefind.errors import SchemaError, StoreError
from facefind.store.account import Account, let_reach, let_use, server_account
from facefind.store.binaries import environment, run_tool
from facefind.store.configuration import made_by, write_configuration
from facefind.store.locks import open_lock, try_alone
from facefind.store.sockets import SOCKET_NAME, USER, answers, socket_folder, socket_url

POLL_SECONDS = 0.01
START_SECONDS = 300.0
"""After a power cut the server first replays its log; else it starts in a tenth of a second."""
STOP_SECONDS = 60.0
_LOG_LIMIT = 1_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Pidfile:
    """What a server says of itself in ``postmaster.pid``."""

    pid: int
    sockets: Path
    ready: bool


@dataclass(frozen=True)
class Cluster:
    """A server whose files are in ``folder``, run by the programs in ``binaries``.

    The caller holds a lock while it starts or stops: one process at a time.
    """

    folder: Path
    binaries: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server and its set-up say."""
        return self.folder / "server.log"

    def url(self) -> str | None:
        """The URL of the running server, or None. Writes nothing."""
        found = self._pidfile()
        if found is None or not found.ready or not answers(found.sockets):
            return None
        return socket_url(found.sockets)

    def start(self) -> str:
        """Starts the server unless it runs, waits until it answers, and returns its URL.

        Raises:
            StoreError: It does not start: no space, no permission, damaged files.
            SchemaError: Another major version of PostgreSQL made the data.
        """
        deadline = time.monotonic() + START_SECONDS
        launched = False
        while (url := self.url()) is None:
            lock = open_lock(self.folder / "server.lock")
            try:
                if try_alone(lock):
                    if launched:
                        raise self._not_started()
                    self._launch(lock)
                    launched = True
            finally:
                os.close(lock)
            if time.monotonic() > deadline:
                raise self._failure(f"The embedded database is not ready after {START_SECONDS} s")
            time.sleep(POLL_SECONDS)
        return url

    def stop(self) -> bool:
        """Stops the server; clients still connected are disconnected. False if none ran.

        Raises:
            StoreError: It does not stop, or belongs to another user.
        """
        found = self._pidfile()
        if found is None or not answers(found.sockets):
            return False
        # A server that answers is the one that wrote the file, so the number is still its own.
        for how in (signal.SIGINT, signal.SIGQUIT):
            try:
                os.kill(found.pid, how)
            except ProcessLookupError:
                return True
            except OSError as error:
                raise StoreError(
                    f"The embedded database cannot be stopped: {error.strerror}."
                ) from error
            if self._wait_until_gone():
                _remove_sockets(found.sockets, self.data)
                return True
        raise self._failure("The embedded database does not stop")

    def _wait_until_gone(self) -> bool:
        deadline = time.monotonic() + STOP_SECONDS
        lock = open_lock(self.folder / "server.lock")
        try:
            while not (gone := try_alone(lock)) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        finally:
            os.close(lock)
        return gone

    def _launch(self, lock: int) -> None:
        """Starts the server process, which inherits ``lock``, held alone: no other one lives."""
        account = let_use(server_account(self.folder), self.binaries)
        account = let_reach(account, [self.data])
        try:
            if not self.data.exists():
                self._create(account, lock)
            sockets = socket_folder(self.data, account)
            for stale in (self.data / "postmaster.pid", sockets / f"{SOCKET_NAME}.lock"):
                stale.unlink(missing_ok=True)
            write_configuration(self.data, sockets, account)
        except OSError as error:
            raise self._refused(error) from error
        # In the background of a shell that ends at once: nobody's child, so nobody's zombie.
        server = [str(self.binaries / "postgres"), "-D", str(self.data)]
        if self._run(["/bin/sh", "-c", 'exec "$0" "$@" &', *server], account, lock) != 0:
            raise self._failure("The embedded database does not start")

    def _create(self, account: Account, lock: int) -> None:
        """Makes the data folder under another name first, so that a half-made one never counts."""
        for leftover in self.folder.glob("data.new-*"):
            shutil.rmtree(leftover)
        half_made = Path(tempfile.mkdtemp(prefix="data.new-", dir=self.folder))
        account.give(half_made)
        command = [
            str(self.binaries / "initdb"), "--pgdata", str(half_made),
            "--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C",
            "--data-checksums", "--no-instructions",
        ]  # fmt: skip
        if self._run(command, account, lock) != 0:
            # The next start removes what is left; the error that matters is initdb's.
            shutil.rmtree(half_made, ignore_errors=True)
            raise self._failure("The embedded database cannot be created")
        half_made.rename(self.data)
        _sync(self.folder)

    def _not_started(self) -> StoreError:
        """Why a server that was launched is gone again.

        It is a `SchemaError` where another major version of PostgreSQL made the data.
        """
        answer = run_tool([self.binaries / "postgres", "--version"], environment())
        if answer.returncode != 0:
            reason = answer.stderr.strip()
            return StoreError(f"The embedded PostgreSQL does not run here: {reason}.")
        # "postgres (PostgreSQL) 18.1", to which distributions add words of their own.
        runs = answer.stdout.split()[2]
        version = made_by(self.data)
        if version is None or str(version) == runs.split(".")[0]:
            return self._failure("The embedded database stopped while starting")
        return SchemaError(
            f"The data in {self.data} was made by PostgreSQL {version}, this program brings "
            f"{runs}.",
            "Save it with `facefind db backup` of the version of facefind that made it, move the "
            "folder away, and load it with `facefind db restore`.",
        )

    def _run(self, command: Sequence[str], account: Account, lock: int) -> int:
        """Runs a program as ``account``, out of Ctrl-C's reach; its output goes to the log."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        output = open_lock(self.log)
        try:
            os.lseek(output, 0, os.SEEK_END)
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=[lock],
                env=environment(), cwd="/", umask=0o077, check=False,
                start_new_session=True, **account.popen(),
            ).returncode  # fmt: skip
        except OSError as error:
            raise self._refused(error) from error
        finally:
            os.close(output)

    def _pidfile(self) -> _Pidfile | None:
        try:
            lines = (self.data / "postmaster.pid").read_bytes().split(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(error) from error
        if len(lines) < 8:  # being written
            return None
        sockets = Path(os.fsdecode(lines[4]))
        return _Pidfile(int(lines[0]), sockets, lines[7].strip() == b"ready")

    def _refused(self, error: OSError) -> StoreError:
        return StoreError(
            f"The embedded database in {self.folder} cannot be used: {error.strerror}.",
            "Choose another folder with --home, or give a server with --database-url.",
        )

    def _failure(self, what: str) -> StoreError:
        """The error ``what``, with the log's last complaint."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        words = ("FATAL:", "PANIC:", "error:", "could not", "sh: ")
        complaints = [line for line in lines[-50:] if any(word in line for word in words)]
        reason = f": {complaints[-1].strip()}" if complaints else ""
        return StoreError(f"{what}{reason}.", f"The server's log is {self.log}.")


def _remove_sockets(folder: Path, data: Path) -> None:
    """Removes a socket folder of its own; one that cannot be is used again by the next start."""
    if folder == data:
        return
    try:
        folder.rmdir()
    except OSError as error:
        _log.info("%s was left: %s", folder, error.strerror)


def _sync(folder: Path) -> None:
    """Makes the names in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

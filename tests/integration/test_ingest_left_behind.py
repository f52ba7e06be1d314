"""An ingest stopped at once while its threads are in the midst of a photo, as a user's process."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from facefind.store.embedded import server_url
from tests.moving import write_photos
from tests.program import TIME_LIMIT
from tests.stored import first_line, start_python

_INGEST = """
import os, sys, time, types
import cv2
from facefind.cli.context import App
from facefind.cli.main import run
from tests.moving import FakePipeline

pipe, *arguments = sys.argv[1:]


class Asleep(FakePipeline):
    def see(self, photo, stages=None):
        # As in a network: in the midst of C++, here until somebody writes into the pipe.
        os.write(1, b"asleep\\n")  # At once: two threads' prints may mix.
        cv2.imread(pipe)


class TakenDown:
    # Called when Python takes its modules down: then the photos are finished.
    def __del__(self, os=os, time=time):
        os.write(1, b"taken down")
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        time.sleep(1)


App.pipeline = lambda self, name, settings, threads: Asleep(name, settings=settings)
last = sys.modules["last"] = types.ModuleType("last")
last.object = TakenDown()
del last
run(arguments)
"""


@pytest.fixture
def asleep(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """An ingest all of whose threads are at a photo that nobody finishes."""
    write_photos(folder / "party")
    os.mkfifo(folder / "pipe")
    home = folder / "home"
    process = start_python(_INGEST, folder / "pipe", "--home", home, "ingest", folder / "party")
    try:
        assert first_line(process) == "asleep"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_ctrl_c_ends_the_program_although_its_threads_are_busy(
    asleep: subprocess.Popen[str], folder: Path
) -> None:
    assert server_url(folder / "home") is not None
    assert asleep.stderr is not None
    asleep.send_signal(signal.SIGINT)
    while "Finishing the photos at hand" not in asleep.stderr.readline():
        assert asleep.poll() is None
    asleep.send_signal(signal.SIGINT)
    out, err = asleep.communicate(timeout=TIME_LIMIT)
    assert (asleep.returncode, "taken down" in out) == (130, False)
    assert err == "\nStopped. What is stored stays; run the same command again to go on.\n"
    assert server_url(folder / "home") is None

"""A server on this machine that behaves as badly as it is told, and a folder to download into."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from facefind.errors import WeightsError
from facefind.inference import weights
from facefind.inference.download import Patience

DATA = bytes(range(256)) * 4096
"""A megabyte."""

SHA256 = hashlib.sha256(DATA).hexdigest()
OTHER = DATA[::-1]
HURRIED = Patience(timeout=0.3, attempts=3, pause=0.01)


@dataclass
class Script:
    """What the server does: each of the lists gives one entry per request, the last one for good.

    Attributes:
        data: The file it serves.
        cuts: After how many bytes it hangs up; None sends all.
        statuses: What it answers instead of the file; None serves it.
    """

    data: bytes = DATA
    etag: str = '"v1"'
    cuts: list[int | None] = field(default_factory=lambda: [None])
    statuses: list[int | None] = field(default_factory=lambda: [None])
    linked: str = ""
    redirect: bool = False
    ranges: bool = True
    stall: threading.Event | None = None
    hides_size: bool = False
    asked: list[str | None] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, range_asked: str | None) -> tuple[int | None, int | None]:
        with self.lock:
            self.asked.append(range_asked)
            turn = len(self.asked) - 1
            status = self.statuses[min(turn, len(self.statuses) - 1)]
            return status, self.cuts[min(turn, len(self.cuts) - 1)]


class Handler(BaseHTTPRequestHandler):
    script: Script

    def do_GET(self) -> None:
        script = self.script
        if script.redirect and self.path != "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("X-Linked-ETag", script.linked)
            self.end_headers()
            return
        status, cut = script.next(self.headers.get("Range"))
        if status:
            self.send_error(status)
            return
        self.answer(script, cut)

    def answer(self, script: Script, cut: int | None) -> None:
        start = self.start(script)
        self.send_response(206 if start else 200)
        if start:
            span = f"bytes {start}-{len(script.data) - 1}/{len(script.data)}"
            self.send_header("Content-Range", span)
        if not script.hides_size:
            self.send_header("Content-Length", str(len(script.data) - start))
        if script.etag:
            self.send_header("ETag", script.etag)
        if script.linked and not script.redirect:
            self.send_header("X-Linked-ETag", script.linked)
        self.end_headers()
        self.wfile.write(script.data[start:] if cut is None else script.data[start : start + cut])
        if script.stall and cut is not None:
            self.wfile.flush()
            script.stall.wait(10)

    def start(self, script: Script) -> int:
        asked = self.headers.get("Range")
        if not (asked and script.ranges and self.headers.get("If-Range") == script.etag):
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        pass


@contextmanager
def served(script: Script) -> Iterator[str]:
    """A server that does as the script says; its address."""
    handler = type("ScriptedHandler", (Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Site:
    """A running server, and a models folder to download into."""

    script: Script
    url: str
    models_dir: Path
    record: Callable[[str], None]

    @property
    def target(self) -> Path:
        return self.models_dir / "net.onnx"

    def pull(self, patience: Patience = HURRIED) -> Path:
        return weights.pull("net", self.models_dir, patience=patience)

    def error(self, patience: Patience = HURRIED) -> str:
        """What pulling fails with; always one line that names URL and path."""
        with pytest.raises(WeightsError) as caught:
            self.pull(patience)
        message = str(caught.value)
        assert "\n" not in message
        assert f"{self.url}/net.onnx" in message
        assert str(self.target) in message
        assert not self.target.exists()
        return message

    @property
    def left(self) -> set[str]:
        return {path.name for path in self.models_dir.iterdir()} - {".net.onnx.lock"}

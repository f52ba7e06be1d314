"""Downloads one file over HTTP: resumed where it was cut, verified, placed whole or not at all.

While a file arrives it is called ``<name>.part``, and ``<name>.part.etag`` holds the server's name
for that version of it, so that a download is only ever continued with the same bytes. Processes
that want the same file at once wait for each other.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

from facefind.errors import WeightsError
from facefind.inference.digest import file_sha256

Progress: TypeAlias = Callable[[int, "int | None"], None]
"""Takes the bytes that have come so far and the file's size, None where the server hides it."""

_CHUNK = 1 << 18
_TRANSIENT = (408, 416, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to bear with a server.

    Attributes:
        timeout: Seconds without a single byte after which a connection counts as dead.
        attempts: How often to connect before giving up.
        pause: Seconds before the second attempt; doubled for each one after.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to download.

    Attributes:
        url: Where it is; http or https.
        target: Where it shall be.
        sha256: What it must be, in hex; None leaves the word to the server.
        size: Its bytes, where known.
        hint: What the user can do where the download fails.
    """

    url: str
    target: Path
    sha256: str | None
    size: int | None
    hint: str

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def tag(self) -> Path:
        return self.target.with_name(self.target.name + ".part.etag")

    def error(self, reason: str) -> WeightsError:
        return WeightsError(
            f"{self.target.name} cannot be downloaded from {self.url}: {reason}.", self.hint
        )


class _Offer(NamedTuple):
    """What a server said it would send: from which byte, of how many, of which version."""

    start: int
    size: int | None
    etag: str
    sha256: str | None


class _Interrupted(Exception):
    """The connection failed in a way that may pass."""


def download(wanted: Wanted, progress: Progress, patience: Patience) -> str:
    """Brings the file to ``wanted.target`` and returns its sha256 in hex.

    Without ``wanted.sha256`` the hub's own word counts, its header ``X-Linked-ETag``.

    Raises:
        WeightsError: The server cannot be reached, does not have the file, offers another one or
            none that can be verified; the connection kept breaking; the bytes that came are wrong;
            or they cannot be written.
    """
    sha256 = _attempts(wanted, progress, patience)
    try:
        digest = file_sha256(wanted.part)
        if digest != sha256:
            # What stays here because it cannot be removed is refused again by the next download.
            with suppress(WeightsError):
                _discard(wanted)
            raise wanted.error(f"sha256 of what came is {digest}, expected {sha256}")
        _place(wanted)
    except OSError as error:
        raise wanted.error(f"{wanted.target} cannot be written: {error}") from error
    return digest


@contextmanager
def only_one(wanted: Wanted) -> Iterator[None]:
    """Holds back other processes and threads that download the same file.

    Raises:
        WeightsError: The folder cannot be made or written.
    """
    lock = wanted.target.with_name(f".{wanted.target.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        stream = lock.open("a")
    except OSError as error:
        raise wanted.error(f"{lock.parent} cannot be written: {error}") from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _attempts(wanted: Wanted, progress: Progress, patience: Patience) -> str:
    """Connects until the part file is complete; returns the sha256 that it must have."""
    for attempt in range(patience.attempts):
        if attempt:
            time.sleep(patience.pause * 2 ** (attempt - 1))
        try:
            return _attempt(wanted, progress, patience.timeout)
        except _Interrupted as error:
            last = error
    raise wanted.error(f"{last} ({patience.attempts} attempts)") from last.__cause__


def _attempt(wanted: Wanted, progress: Progress, timeout: float) -> str:
    have, tag = _writing(wanted, lambda: _kept(wanted))
    said: dict[str, str] = {}
    opener = urllib.request.build_opener(_RememberingRedirects(said))
    try:
        request = urllib.request.Request(wanted.url, headers=_headers(have, tag))
    except ValueError as error:
        raise wanted.error(f"the address cannot be used: {error}") from error
    try:
        with opener.open(request, timeout=timeout) as response:
            offer = _offer(response.status, {**said, **_lower(response.headers)})
            sha256 = _agreed(wanted, offer, have, tag)
            _receive(wanted, offer, response, progress)
    except urllib.error.HTTPError as error:
        raise _refusal(wanted, error) from error
    except urllib.error.URLError as error:
        raise _unreachable(wanted, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"the connection broke: {_words(error)}") from error
    return sha256


def _kept(wanted: Wanted) -> tuple[int, str]:
    """The bytes of the part file and the version they are of; none where that is not known."""
    if not (wanted.part.exists() and wanted.tag.exists()):
        return 0, ""
    tag = wanted.tag.read_text("utf-8")
    return (wanted.part.stat().st_size if tag else 0), tag


def _headers(have: int, tag: str) -> dict[str, str]:
    headers = {"User-Agent": "facefind", "Accept-Encoding": "identity"}
    if have:
        # If-Range: a file that has changed meanwhile is sent from its beginning.
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    return headers


class _RememberingRedirects(urllib.request.HTTPRedirectHandler):
    """Keeps what the hub says of a file when it sends us on to where the file lies."""

    def __init__(self, said: dict[str, str]) -> None:
        self.said = said

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        kept = {name: value for name, value in _lower(headers).items() if name == _LINKED}
        self.said.update(kept)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_LINKED = "x-linked-etag"


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _offer(status: int, headers: Mapping[str, str]) -> _Offer:
    """Reads a response's headers, names in lower case."""
    start, size = 0, headers.get("content-length", "")
    if status == 206:
        span, _, size = headers.get("content-range", "").removeprefix("bytes ").partition("/")
        first = span.partition("-")[0]
        start = int(first) if first.isdigit() else -1
    linked = headers.get(_LINKED, "").removeprefix("W/").strip('"').lower()
    etag = headers.get("etag", "")
    return _Offer(
        start,
        int(size) if size.isdigit() else None,
        "" if etag.startswith("W/") else etag,  # a weak one does not promise the same bytes
        linked if _is_sha256(linked) else None,
    )


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")


def _agreed(wanted: Wanted, offer: _Offer, have: int, tag: str) -> str:
    """The sha256 to check against, once the offer fits what is wanted and what is here."""
    if offer.start and (offer.start, offer.etag) != (have, tag):
        _discard(wanted)
        raise _Interrupted("the server continued another file, or at the wrong byte")
    if wanted.sha256 and offer.sha256 and offer.sha256 != wanted.sha256:
        raise wanted.error(
            f"the file has changed there: its sha256 is {offer.sha256}, expected {wanted.sha256}"
        )
    if wanted.size and offer.size and offer.size != wanted.size:
        raise wanted.error(f"the file there has {offer.size} bytes, expected {wanted.size}")
    sha256 = wanted.sha256 or offer.sha256
    if not sha256:
        raise wanted.error("the server does not say the file's sha256, so it cannot be verified")
    return sha256


def _receive(wanted: Wanted, offer: _Offer, response: Any, progress: Progress) -> None:
    """Appends to the part file what the server sends, and makes sure that nothing is missing."""
    if offer.start == 0:
        _discard(wanted)
        _writing(wanted, lambda: wanted.tag.write_text(offer.etag, "utf-8"))
    done = offer.start
    stream = _writing(wanted, lambda: wanted.part.open("ab"))
    with stream:
        progress(done, offer.size)
        while chunk := response.read1(_CHUNK):
            _writing(wanted, partial(stream.write, chunk))
            done += len(chunk)
            progress(done, offer.size)
    if offer.size is not None and done < offer.size:
        raise _Interrupted(f"the connection broke after {done} of {offer.size} bytes")


def _writing(wanted: Wanted, write: Callable[[], Any]) -> Any:
    """Tells a full disk from a broken connection: both are OSErrors."""
    try:
        return write()
    except OSError as error:
        raise wanted.error(f"{wanted.part} cannot be written: {error}") from error


def _discard(wanted: Wanted) -> None:
    for path in (wanted.part, wanted.tag):
        _writing(wanted, partial(path.unlink, missing_ok=True))


def _refusal(wanted: Wanted, error: urllib.error.HTTPError) -> Exception:
    error.close()
    if error.code == 416:
        _discard(wanted)  # what is here does not belong to what is there
    reason = f"the server answers {error.code} {error.reason}"
    return _Interrupted(reason) if error.code in _TRANSIENT else wanted.error(reason)


def _unreachable(wanted: Wanted, error: urllib.error.URLError) -> Exception:
    """A host that does not answer in time may come back; one that is not there will not."""
    if isinstance(error.reason, TimeoutError):
        return _Interrupted("the server does not answer")
    return wanted.error(f"the server cannot be reached: {_words(error.reason)}")


def _words(error: object) -> str:
    return str(error) or type(error).__name__


def _place(wanted: Wanted) -> None:
    with wanted.part.open("rb") as stream:
        os.fsync(stream.fileno())
    wanted.part.replace(wanted.target)
    # Without its part file a tag means nothing, so one that cannot be removed does no harm.
    with suppress(OSError):
        wanted.tag.unlink()
    folder = os.open(wanted.target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

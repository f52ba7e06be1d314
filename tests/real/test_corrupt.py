"""Broken and hostile files: each gives a photo or a plain reason, never a crash, hang or flood.

The files are decoded in a child process with a memory limit, so that a crash fails one test and
not the whole run.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pytest

from facefind.errors import PhotoError
from facefind.images import decode, read_file

REPO = Path(__file__).parent.parent.parent
EVENTS = Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data")) / "events"
INDEX = EVENTS / "corrupt.jsonl"
FILES: list[str] = (
    [json.loads(line)["file"] for line in INDEX.read_text("utf-8").splitlines()]
    if INDEX.exists()
    else []
)

SECONDS = 60
"""Far more than any file takes (0.3 s), far less than a hang."""
MEMORY = 3 * 1024**3

FORMAT = "(AVIF|BMP|GIF|HEIF|JPEG|JPEG2000|PNG|PSD|TIFF|WEBP)"
REASONS = re.compile(
    f"the {FORMAT} picture is (truncated|damaged, or of a kind that cannot be read)"
    "|not a picture in a format that facefind reads"
    "|a lossless JPEG, or one of more than 8 bits per colour, which cannot be read"
    "|the file is empty"
    "|(\\d+ x \\d+ pixels, )?more than the limit of 200 megapixels"
    "|more than the 179 megapixels that Pillow reads of a (GIF|ICO|WEBP) picture"
)

DECODES = (
    "dev_missing_eoi.jpg dev_double.jpg dev_seg_len0.jpg dev_exif_loop.jpg dev_exif_offset.jpg"
    " dev_flips0.jpg dev_gif_loop_frames.gif pil_apng_chunk_no_actl.png pil_broken_exif_dpi.jpg"
    " pil_exif_typeerror.jpg pil_invalid-exif-without-x-resolution.jpg pil_truncated_exif_dpi.jpg"
)
NO_PICTURE = (
    "dev_one_byte.jpg dev_soi_only.jpg dev_text.jpg dev_html.jpg dev_script.svg dev_zip.png"
    " dev_nulls.heic dev_random.jpg dev_mp4.jpg dev_tail_of_jpeg.jpg"
)
IS_TRUNCATED = "dev_trunc03.jpg dev_trunc25.jpg dev_trunc50.jpg dev_trunc90.jpg dev_trunc99.jpg"
IS_TOO_LARGE = (
    "dev_bomb_30000x30000_1bit.png dev_huge_claim.png dev_huge_claim.jpg dev_tif_bomb.tif"
    " pil_decompression_bomb.gif pil_decompression_bomb.ico sharp_65536-uint32-limit.png"
)


class Outcome(NamedTuple):
    """``kind`` is "Photo" or the error's class; ``text`` the shape or the reason."""

    kind: str
    text: str


def _decode_in_child(connection: Connection) -> None:
    if sys.platform.startswith("linux"):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    while path := connection.recv():
        try:
            photo = decode(read_file(Path(path)).data)
        except PhotoError as error:
            connection.send(Outcome(type(error).__name__, error.message))
        else:
            assert photo.pixels.shape == (photo.info.height, photo.info.width, 3)
            assert photo.pixels.size
            connection.send(Outcome("Photo", str(photo.pixels.shape)))


class Child:
    """A process that decodes one file after another; started again after a crash or a hang."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_decode_in_child, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def decode(self, path: Path) -> Outcome:
        self._connection.send(str(path))
        if not self._connection.poll(SECONDS):
            self._restart()
            pytest.fail(f"{path.name}: not decoded in {SECONDS} s")
        try:
            outcome = self._connection.recv()
        except EOFError:
            self._restart()
            pytest.fail(f"{path.name}: the decoding process died")
        assert isinstance(outcome, Outcome)
        return outcome

    def _restart(self) -> None:
        self.stop()
        self._start()

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()


@pytest.fixture(scope="module")
def child(test_data: Path) -> Iterator[Child]:
    process = Child()
    yield process
    process.stop()


def test_the_index_is_read_whole(test_data: Path) -> None:
    assert len(FILES) >= 186
    names = {Path(file).name for file in FILES}
    assert names >= set(f"{DECODES} {NO_PICTURE} {IS_TRUNCATED} {IS_TOO_LARGE}".split())


@pytest.mark.parametrize("file", FILES)
def test_file_gives_a_photo_or_a_plain_reason(child: Child, file: str) -> None:
    kind, text = child.decode(EVENTS / file)
    if kind != "Photo":
        assert kind in ("UnreadablePhoto", "PhotoTooLarge")
        assert REASONS.fullmatch(text), text


@pytest.mark.parametrize("name", DECODES.split())
def test_harmless_damage_is_overlooked(child: Child, name: str) -> None:
    assert child.decode(EVENTS / "corrupt" / name).kind == "Photo"


@pytest.mark.parametrize("name", NO_PICTURE.split())
def test_what_is_no_picture_is_refused_as_such(child: Child, name: str) -> None:
    outcome = child.decode(EVENTS / "corrupt" / name)
    assert outcome == ("UnreadablePhoto", "not a picture in a format that facefind reads")


@pytest.mark.parametrize("name", IS_TRUNCATED.split())
def test_truncated_jpegs_are_refused_as_such(child: Child, name: str) -> None:
    outcome = child.decode(EVENTS / "corrupt" / name)
    assert outcome == ("UnreadablePhoto", "the JPEG picture is truncated")


@pytest.mark.parametrize("name", IS_TOO_LARGE.split())
def test_bombs_are_too_large(child: Child, name: str) -> None:
    assert child.decode(EVENTS / "corrupt" / name).kind == "PhotoTooLarge"


def test_an_empty_file_is_called_empty(child: Child) -> None:
    outcome = child.decode(EVENTS / "corrupt" / "dev_empty.jpg")
    assert outcome == ("UnreadablePhoto", "the file is empty")

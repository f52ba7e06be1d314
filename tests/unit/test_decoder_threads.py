"""How many threads the decoders of HEIC and AVIF bring."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import AvifImagePlugin

from facefind.errors import UnreadablePhoto
from facefind.images import OpenedPhoto, decode, one_thread_each
from facefind.looking import set_up_for_many
from tests.heif import encode_heif
from tests.pictures import encode

TASKS = Path("/proc/self/task")

Counts = list[tuple[str, int]]


def file_of(format_: str, side: int) -> bytes:
    """A square picture as a file; a HEIC in tiles, as phones write it."""
    noise = np.random.default_rng(7).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    pixels = np.asarray(cv2.resize(noise, (side, side)), np.uint8)
    if format_ == "HEIF":
        return encode_heif(pixels, tile_size=side // 4)
    return encode(pixels, format_, speed=10)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {format_: file_of(format_, 512) for format_ in ("HEIF", "AVIF")}


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """The threads that the libraries are asked for, picture by picture."""
    asked: Counts = []
    libheif, libavif = import_module("_pillow_heif"), import_module("PIL._avif")
    load, decoder = libheif.load_file, libavif.AvifDecoder

    def load_file(data: bytes, threads: int, *options: Any) -> Any:
        asked.append(("HEIF", threads))
        return load(data, threads, *options)

    def avif_decoder(data: bytes, codec: str, threads: int) -> Any:
        asked.append(("AVIF", threads))
        return decoder(data, codec, threads)

    monkeypatch.setattr(libheif, "load_file", load_file)
    monkeypatch.setattr(libavif, "AvifDecoder", avif_decoder)
    monkeypatch.setattr(pillow_heif.options, "DECODE_THREADS", 5)
    monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", 6)
    return asked


MANY, SINGLE = [("HEIF", 5), ("AVIF", 6)], [("HEIF", 0), ("AVIF", 1)]


def asked_for(counts: Counts, files: dict[str, bytes]) -> Counts:
    """What both are asked for now: when the header is read, and again when pixels are wanted."""
    counts.clear()
    for data in files.values():
        decode(data)
    assert counts[::2] == counts[1::2]
    return counts[::2]


def test_decoders_have_one_thread_while_many_photos_are_looked_at(
    counts: Counts, files: dict[str, bytes]
) -> None:
    assert asked_for(counts, files) == MANY
    with set_up_for_many():
        assert asked_for(counts, files) == SINGLE
        with one_thread_each():
            assert asked_for(counts, files) == SINGLE
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(asked_for, counts, files).result() == SINGLE
    assert asked_for(counts, files) == MANY


def test_the_plugins_own_numbers_are_as_before_also_after_a_damaged_file(
    counts: Counts, files: dict[str, bytes]
) -> None:
    with one_thread_each():
        for data in files.values():
            with pytest.raises(UnreadablePhoto):
                OpenedPhoto(data[:100])
            assert pillow_heif.options.DECODE_THREADS == 5
            assert AvifImagePlugin.DEFAULT_MAX_THREADS == 6


def threads_during(work: Callable[[], object]) -> int:
    """The most threads that were seen beside those that were there."""
    known, most = len(list(TASKS.iterdir())) + 1, 0
    done = threading.Event()

    def count() -> None:
        nonlocal most
        while not done.wait(0.0005):
            most = max(most, len(list(TASKS.iterdir())) - known)

    counter = threading.Thread(target=count)
    counter.start()
    try:
        work()
    finally:
        done.set()
        counter.join()
    return most


@pytest.mark.skipif(not TASKS.exists(), reason="threads are counted in /proc")
@pytest.mark.parametrize(("format_", "most"), [("HEIF", 1), ("AVIF", 0)])
def test_no_more_native_threads_are_at_work(
    format_: str, most: int, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its single core would be all that the plugin would use of this machine.
    monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", 4)
    data = files[format_]
    with one_thread_each():
        # libde265 decodes in a thread of its own, for which the caller's waits.
        assert threads_during(lambda: decode(data)) <= most

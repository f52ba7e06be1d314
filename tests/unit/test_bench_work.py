"""What the benchmarks count while photos are looked at, and how those are shared among threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefind.inference.batches import PHOTOS, batch_of
from facefind.inference.protocols import PhotoPixels, Seen
from facefind.stages import Stages, untimed
from facefind.types import Image
from scripts.benchmarks import alone, ingest, watching, work


class Photo:
    """6 by 4 pixels, decoded at half of that or in full; and kept, as photos keep theirs."""

    size = (6, 4)

    def __init__(self) -> None:
        self.kept: dict[int, Image] = {}

    def at(self, scale: float) -> Image:
        step = 2 if scale <= 0.5 else 1
        return self.kept.setdefault(step, np.zeros((4 // step, 6 // step, 3), np.uint8))


class Finder:
    """Sees as many chips in a photo as it is told to, after looking at it at some scales."""

    batch = batch_of(0, 2, on_gpu=False)

    def __init__(self, chips: Sequence[int], scales: Sequence[float] = (0.5,)) -> None:
        self.chips, self.scales = iter(chips), scales
        self.together: list[int] = []

    def see(self, photo: PhotoPixels, stages: Stages = untimed) -> Seen:
        for scale in self.scales:
            photo.at(scale)
        chip: Image = np.zeros((1, 1, 3), np.uint8)
        return Seen([], [chip] * next(self.chips))

    def recognise(self, seen: Sequence[Seen]) -> list[list[Any]]:
        self.together.append(len(seen))
        return [list(one.chips) for one in seen]


def test_pixels_are_counted_once_for_each_decoding() -> None:
    finder: Any = Finder([2, 0, 1], scales=(0.5, 0.25, 1.0, 1.0))
    counting = work._Counting(finder)
    for _ in range(3):
        counting.see(Photo())
    assert (counting.pixels, counting.decoded) == (3 * 24, 3 * (6 + 24))
    assert (counting.faces, counting.peopled) == (3, 2)
    counting.clear()
    assert (counting.pixels, counting.decoded, counting.faces, counting.peopled) == (0, 0, 0, 0)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Twenty files, whatever is in them opened as a `Photo`."""
    monkeypatch.setattr(alone, "OpenedPhoto", lambda _: Photo())
    made = [tmp_path / f"{number}.jpg" for number in range(20)]
    for path in made:
        path.write_bytes(b"photo")
    return made


@pytest.mark.parametrize(
    ("chips", "together"),
    [
        (5, [4, 4, 4, 4, 4, 0]),
        (0, [PHOTOS, PHOTOS, 20 - 2 * PHOTOS]),
        (16, [1] * 20 + [0]),
    ],
)
def test_faces_are_embedded_as_many_at_a_time_as_by_ingest(
    paths: list[Path], chips: int, together: list[int]
) -> None:
    finder: Any = Finder([chips] * 20)
    assert alone._faces(finder, iter(paths)) == 20 * chips
    assert finder.together == together


def watched(seconds: float, cpu: float, photos: int, faces: int) -> watching.Watch:
    answer = {"photos": photos, "failed": [], "faces": faces, "profile": {"stages": {}}}
    return watching.Watch(seconds, [watching.Sample(0.0, 4 * 10**8, 10**8)], cpu, answer)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What ingests and the networks alone answer with: 11 photos, and the first of them."""
    answers: dict[str, Any] = {
        "ingests": iter([watched(3.0, 4.0, 1, 5), watched(5.0, 7.0, 11, 50)]),
        "alone": {"rate": 8.0, "cpu_seconds": 2.2, "photos": 11, "faces": 50},
    }
    monkeypatch.setattr(ingest, "run", lambda *_: next(answers["ingests"]))
    monkeypatch.setattr(ingest, "measured", lambda *_, **__: answers["alone"])
    return answers


def test_the_start_is_left_out_by_one_photo_s_run(runs: dict[str, Any]) -> None:
    once = ingest._once([Path(f"{n}.jpg") for n in range(11)], 2, (), 1)
    assert once["after_start"] == pytest.approx(10 / 2)
    assert once["cpu"] == pytest.approx(0.3)
    assert once["cpu_alone"] == pytest.approx(0.2)
    assert once["peak"] == 5 * 10**8


def test_ingest_is_not_compared_with_other_work(runs: dict[str, Any]) -> None:
    runs["alone"]["faces"] = 49
    with pytest.raises(RuntimeError, match="49 faces"):
        ingest._once([Path(f"{n}.jpg") for n in range(11)], 2, (), 1)

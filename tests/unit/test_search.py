"""Search: choosing the face of a portrait, combining portraits, asking the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefind.errors import NoFaceInPortrait, UnreadablePhoto, UsageError
from facefind.search import (
    UNCALIBRATED_LIMIT,
    Portrait,
    combine,
    events_to_search,
    read_portrait,
    read_portraits,
    who,
)
from facefind.types import Box, Detection, Event, Face, Image
from tests.fakes import BLUE, GREY, RED, ColourFinder, ListedStore, write_photo


class OnlyWhen:
    """Finds one face, in the top left quarter, in pictures that satisfy a condition."""

    def __init__(self, condition: str) -> None:
        self.condition = condition

    def find_faces(self, image: Image) -> list[Face]:
        height, width = image.shape[:2]
        if not eval(self.condition, {"w": width, "h": height}):
            return []
        box = Box(0.0, 0.0, width / 2, height / 2)
        return [Face(Detection(box, 1.0), np.ones(3, dtype=np.float32))]


def portrait(*values: float) -> Portrait:
    vector = np.array(values, dtype=np.float32)
    return Portrait(Path("p.jpg"), Box(0, 0, 1, 1), 1, 1, "", vector)


def event(name: str, pipeline: str = "dlib", fingerprint: str = "f00d") -> Event:
    return Event(hash(name), name, pipeline, fingerprint)


def test_most_prominent_face_is_chosen_and_counted(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "two.png", RED, BLUE, BLUE)
    found = read_portrait(photo, ColourFinder())
    assert (found.faces, found.number, found.how) == (2, 2, "")
    assert found.embedding.tolist() == [0, 0, 1]


def test_face_can_be_chosen_from_the_left(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "two.png", BLUE, RED, RED)
    assert read_portrait(photo, ColourFinder(), face=1).embedding.tolist() == [0, 0, 1]
    with pytest.raises(UsageError, match="shows 2 faces, so --face 3"):
        read_portrait(photo, ColourFinder(), face=3)


def test_portrait_without_a_face_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoFaceInPortrait, match="No face was found"):
        read_portrait(write_photo(tmp_path / "none.png", GREY), ColourFinder())


def test_portrait_that_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    path.write_bytes(b"hello")
    with pytest.raises(UnreadablePhoto, match=r"p\.jpg: "):
        read_portrait(path, ColourFinder())


@pytest.mark.parametrize(
    ("condition", "how", "box"),
    [
        # A 90 x 60 picture: the border is 45, so the padded one is 180 x 150.
        ("w == 180 and h == 150", "with a border around it", (-45, -45, 90, 75)),
        # Turned a quarter to the left: its top left quarter was the top right one.
        ("w == 60 and h == 90", "turned by 90 degrees", (45, 0, 45, 30)),
        ("w == 180 and h == 120", "enlarged", (0, 0, 45, 30)),
    ],
)
def test_hidden_face_is_found_and_its_box_mapped_back(
    tmp_path: Path, condition: str, how: str, box: tuple[float, ...]
) -> None:
    found = read_portrait(write_photo(tmp_path / "p.png", RED), OnlyWhen(condition))
    assert found.how == how
    assert tuple(found.box) == pytest.approx(box)


def test_large_portrait_is_shrunk_before_it_is_turned(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "p.png", RED, size=(4096, 2048))
    found = read_portrait(photo, OnlyWhen("w == 1024 and h == 2048"))
    assert found.how == "turned by 90 degrees"
    assert tuple(found.box) == pytest.approx((2048, 0, 2048, 1024))


def test_portraits_that_fail_are_told_from_those_that_do_not(tmp_path: Path) -> None:
    good = write_photo(tmp_path / "good.png", RED)
    empty = write_photo(tmp_path / "empty.png", GREY)
    portraits, failed = read_portraits([empty, good], ColourFinder())
    assert [portrait.path for portrait in portraits] == [good]
    assert [portrait.path for portrait in failed] == [empty]
    assert "No face was found" in failed[0].reason


def test_several_portraits_are_one_probe_of_unit_length() -> None:
    probe = combine([portrait(1, 0), portrait(0, 1)])
    assert probe == pytest.approx([2**-0.5, 2**-0.5])
    assert probe.dtype == np.float32


def test_raw_embeddings_keep_their_length() -> None:
    assert combine([portrait(4, 0), portrait(0, 2)]) == pytest.approx([2, 1])


def test_without_a_threshold_the_nearest_few_are_shown() -> None:
    store = ListedStore([])
    who(np.ones(2, np.float32), store=store, events=[event("a")], max_distance=None)
    assert store.asked["limit"] == UNCALIBRATED_LIMIT
    who(np.ones(2, np.float32), store=store, events=[event("a")], max_distance=None, limit=0)
    assert store.asked["limit"] == 0
    who(np.ones(2, np.float32), store=store, events=[event("a")], max_distance=0.5)
    assert store.asked["limit"] == 0


def test_events_to_search() -> None:
    a, b, c = event("a"), event("b"), event("c", pipeline="clip")
    assert events_to_search([a, b], None) == [a, b]
    assert events_to_search([a, b, c], "c") == [c]
    with pytest.raises(UsageError, match="Nothing has been ingested"):
        events_to_search([], "a")
    with pytest.raises(UsageError, match='no event "d"'):
        events_to_search([a], "d")
    with pytest.raises(UsageError, match="different pipelines"):
        events_to_search([a, c], None)

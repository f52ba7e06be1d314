"""Portraits: choosing the face asked about, however the picture lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facefind.errors import NoFaceInPortrait, UnreadablePhoto, UsageError
from facefind.portraits import read_portrait, read_portraits
from facefind.types import Box, Detection, Face, Image
from tests.fakes import BLUE, GREY, RED, ColourFinder, write_photo


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
        read_portrait(write_photo(tmp_path / "none.png", (90, 80, 0), GREY), ColourFinder())


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
    empty = write_photo(tmp_path / "empty.png", (90, 80, 0), GREY)
    portraits, failed = read_portraits([empty, good], ColourFinder())
    assert [portrait.path for portrait in portraits] == [good]
    assert [portrait.path for portrait in failed] == [empty]
    assert "No face was found" in failed[0].reason


def test_a_tiny_or_plain_picture_is_told_from_one_without_a_face(tmp_path: Path) -> None:
    tiny = write_photo(tmp_path / "tiny.png", GREY, size=(20, 20))
    with pytest.raises(NoFaceInPortrait, match="only 20 x 20 pixels, too few"):
        read_portrait(tiny, ColourFinder())
    with pytest.raises(NoFaceInPortrait, match="all of one colour"):
        read_portrait(write_photo(tmp_path / "plain.png", GREY), ColourFinder())


def test_an_animation_is_known_by_its_first_picture(tmp_path: Path) -> None:
    red, grey = (PillowImage.new("RGB", (60, 60), colour) for colour in (RED, GREY))
    face_first, face_later = tmp_path / "first.webp", tmp_path / "later.webp"
    red.save(face_first, save_all=True, append_images=[grey], lossless=True)
    striped = PillowImage.effect_noise((60, 60), 90).convert("RGB")
    striped.save(face_later, save_all=True, append_images=[red], lossless=True)
    assert read_portrait(face_first, ColourFinder()).animated
    with pytest.raises(NoFaceInPortrait, match="in the first picture of the animation"):
        read_portrait(face_later, ColourFinder())
    still = write_photo(tmp_path / "still.png", RED)
    assert not read_portrait(still, ColourFinder()).animated

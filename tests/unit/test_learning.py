"""What a folder of portraits teaches, before anything is compared with the library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefind.errors import UsageError
from facefind.people.lessons import Lesson, Refused, agreeing, find_pupils, read_lesson, read_names
from facefind.portraits import Portrait
from facefind.types import Box, Face, Image, Quality
from tests.fakes import BLUE, GREEN, GREY, RED, ColourFinder, write_photo


class Judged(ColourFinder):
    """Finds colours and calls blue ones poor."""

    def find_faces(self, image: Image) -> list[Face]:
        return [
            Face(
                face.detection,
                face.embedding,
                quality=Quality(0.4 if face.embedding[2] else 0.95, 1, 0, 0, 0),
            )
            for face in super().find_faces(image)
        ]


def lesson(name: str, *vector: float) -> Lesson:
    path = Path(f"/p/{name}.jpg")
    embedding = np.array(vector, np.float32)
    return Lesson(Portrait(path, Box(0, 0, 9, 9), 1, 1, "", embedding), sha256=f"{name:0>64}")


def test_names_are_those_of_files_and_folders(tmp_path: Path) -> None:
    write_photo(tmp_path / "Anna Berg.png", RED)
    write_photo(tmp_path / "anna_maria-smith.png", RED)
    write_photo(tmp_path / "Bo" / "1.png", RED)
    write_photo(tmp_path / "BO.png", RED)
    write_photo(tmp_path / "Zoe\u0308.png", RED)
    pupils, refused = find_pupils(tmp_path, {})
    assert [(one.name, len(one.pictures)) for one in pupils] == [
        ("Anna Berg", 1), ("BO", 2), ("Zo\u00eb", 1), ("anna_maria-smith", 1),
    ]  # fmt: skip
    assert refused == []


def test_what_cannot_be_a_name_or_holds_nothing_is_told(tmp_path: Path) -> None:
    write_photo(tmp_path / "Anna.png", RED)
    write_photo(tmp_path / "12.png", RED)
    (tmp_path / "Nobody").mkdir()
    pupils, refused = find_pupils(tmp_path, {})
    assert [one.name for one in pupils] == ["Anna"]
    assert [(one.about, one.reason[:24]) for one in refused] == [
        (str(tmp_path / "Nobody"), "it holds no pictures"),
        ("12", '"12" cannot be a name: i'),
    ]


def test_a_table_gives_names(tmp_path: Path) -> None:
    write_photo(tmp_path / "U012AB.png", RED)
    write_photo(tmp_path / "U34.png", RED)
    table = tmp_path / "names.csv"
    table.write_text('\ufefffile,name\nu012ab.png,"Berg, Anna"\n\nU34,Bo\n', encoding="utf-8")
    pupils, _ = find_pupils(tmp_path, read_names(table))
    assert [one.name for one in pupils] == ["Berg, Anna", "Bo"]


@pytest.mark.parametrize("text", ["", "U012.png\n", "\udcff"])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    table = tmp_path / "names.csv"
    table.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match="table"):
        read_names(table)


def test_a_picture_with_one_face_teaches(tmp_path: Path) -> None:
    found = read_lesson(write_photo(tmp_path / "a.png", RED), ColourFinder())
    assert isinstance(found, Lesson)
    assert (found.portrait.faces, len(found.sha256)) == (1, 64)


def test_a_bystander_does_no_harm(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.png", RED, RED, RED, BLUE)
    assert isinstance(read_lesson(photo, ColourFinder()), Lesson)


def test_a_group_picture_is_refused(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.png", RED, GREEN)
    found = read_lesson(photo, ColourFinder())
    assert isinstance(found, Refused)
    assert found.about == str(photo)
    assert found.reason.startswith("it shows 2 faces of about the same size. Crop it")


def test_what_is_hardly_a_face_is_no_rival(tmp_path: Path) -> None:
    assert isinstance(read_lesson(write_photo(tmp_path / "a.png", RED, BLUE), Judged()), Lesson)


def test_a_poor_portrait_is_refused(tmp_path: Path) -> None:
    found = read_lesson(write_photo(tmp_path / "a.png", BLUE), Judged())
    assert isinstance(found, Refused)
    assert "hardly be told from others" in found.reason


def test_a_picture_without_a_face_or_of_nothing_is_told_without_its_path(tmp_path: Path) -> None:
    empty = read_lesson(write_photo(tmp_path / "a.png", (90, 80, 0), GREY), ColourFinder())
    assert isinstance(empty, Refused)
    assert empty.reason.startswith("no face was found in it")
    (tmp_path / "b.jpg").write_bytes(b"hello")
    broken = read_lesson(tmp_path / "b.jpg", ColourFinder())
    assert isinstance(broken, Refused)
    assert str(tmp_path) not in broken.reason


def test_portraits_that_agree_all_stay() -> None:
    some = [lesson("a", 1, 0), lesson("b", 1, 0.1), lesson("c", 1, 0.2)]
    assert agreeing(some, 0.5) == (some, [])


def test_the_odd_one_out_is_refused() -> None:
    some = [lesson("a", 1, 0), lesson("b", 1, 0.1), lesson("c", 0, 1)]
    left, refused = agreeing(some, 0.5)
    assert left == some[:2]
    assert [one.about for one in refused] == ["/p/c.jpg"]
    assert "the person in /p/a.jpg (distance 1.41)" in refused[0].reason


def test_of_two_who_disagree_neither_teaches() -> None:
    left, refused = agreeing([lesson("a", 1, 0), lesson("b", 0, 1)], 0.5)
    assert left == []
    assert sorted(one.about for one in refused) == ["/p/a.jpg", "/p/b.jpg"]


def test_a_copy_counts_once() -> None:
    copy = lesson("a", 1, 0)
    left, refused = agreeing([lesson("a", 1, 0), copy, lesson("b", 0, 1)], 0.5)
    assert left == []
    assert len(refused) == 2


def test_lengths_of_embeddings_do_not_matter() -> None:
    left, refused = agreeing([lesson("a", 1, 0), lesson("b", 9, 0)], 0.5)
    assert (len(left), refused) == (2, [])

"""Names that every file system takes, and that do not clash on any."""

from __future__ import annotations

import os
import unicodedata

import pytest

from facefind import filenames
from facefind.filenames import FOLDER_BYTES, Taken, is_numbered, numbered, safe_file, safe_folder


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Anna", "Anna"),
        ("Zoë Müller-Šimić", "Zoë Müller-Šimić"),
        ("a/b\\c", "a_b_c"),
        ('<what>: "who?" | *', "_what__ _who__ _ _"),
        ("tab\tnewline\nnull\0", "tab_newline_null_"),
        ("  Anna.  ", "Anna"),
        ("Anna . .", "Anna"),
        ("..", ""),
        (".hidden", "hidden"),
        ("... Anna", "Anna"),
        ("   ", ""),
        ("CON", "CON_"),
        ("nul", "nul_"),
        ("LPT1.txt", "LPT1_.txt"),
        ("com¹.tar.gz", "com¹_.tar.gz"),
        ("Aux .x", "Aux_.x"),
        (".con", "con_"),
        ("Connie", "Connie"),
        ("COM10", "COM10"),
        ("👩‍🚀 Sally", "👩‍🚀 Sally"),
        ("Andre\u0301", "André"),
        ("\udce4 bytes", "_ bytes"),
    ],
)
def test_folders_have_names_that_every_system_takes(text: str, name: str) -> None:
    assert safe_folder(text) == name


def test_a_made_safe_name_is_safe() -> None:
    awkward = ["CON.", "NUL ", "a" * 119 + ". b", "x/" * 100, "é" * 300, "\u0301" * 100]
    once = [safe_folder(text) for text in awkward]
    assert [safe_folder(name) for name in once] == once
    assert all(0 < len(name.encode()) <= FOLDER_BYTES for name in once)


@pytest.mark.parametrize(
    ("character", "size"),
    [("a", 1), ("ä", 2), ("字", 3), ("👩", 4), ("a\u0323\u0302", 5), ("👩‍🚀", 11), ("👍🏽", 8)],
)
def test_long_names_are_cut_between_characters(character: str, size: int) -> None:
    name = safe_folder("x" + character * 300)
    whole = unicodedata.normalize("NFC", character)
    assert name == "x" + whole * ((FOLDER_BYTES - 1) // len(whole.encode()))
    assert len(character.encode()) == size


def test_a_name_cut_at_a_space_has_none_at_its_end() -> None:
    assert safe_folder("a" * (FOLDER_BYTES - 1) + " b") == "a" * (FOLDER_BYTES - 1)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("IMG_1.jpg", "IMG_1.jpg"),
        ("photo:1?.jpg", "photo_1_.jpg"),
        ("con.jpg", "con_.jpg"),
        ("x.jpg.", "x.jpg"),
        ("Andre\u0301.jpg", "Andre\u0301.jpg"),
        ("\udce4.jpg", "\udce4.jpg"),
        ("...", "_"),
    ],
)
def test_photos_keep_their_names_but_for_what_windows_refuses(name: str, safe: str) -> None:
    assert safe_file(name) == safe


def test_names_in_archives_are_text() -> None:
    assert filenames.safe_member("\udce4:.jpg") == "__.jpg"


def test_numbers_go_before_the_suffix() -> None:
    names = numbered(*filenames.split("a.jpg"))
    assert [next(names) for _ in range(3)] == ["a.jpg", "a (2).jpg", "a (3).jpg"]
    assert filenames.split("Dr. No and the longest of all suffixes") == (
        "Dr. No and the longest of all suffixes",
        "",
    )


def test_numbered_names_stay_within_what_file_systems_allow() -> None:
    taken = Taken()
    names = [taken.take("ä" * 125, ".jpg") for _ in range(12)]
    assert len(set(names)) == 12
    assert all(len(os.fsencode(name)) <= 255 for name in names)
    assert names[-1].endswith(" (12).jpg")


@pytest.mark.parametrize(
    ("one", "other"),
    [("Anna", "ANNA"), ("Straße", "STRASSE"), ("é", "e\u0301"), ("ﬁn", "fin"), ("\uff21", "a")],
)
def test_names_that_some_system_takes_for_one_clash(one: str, other: str) -> None:
    assert Taken([one]).take(other) == f"{other} (2)"


def test_what_was_numbered_is_known_again() -> None:
    assert is_numbered("Anna", "Anna")
    assert is_numbered("Anna (2)", "Anna")
    assert is_numbered("Anna (17).zip", "Anna", ".zip")
    assert is_numbered("Anna (2)", "Anna (2)")
    assert not is_numbered("Anna (1)", "Anna")
    assert not is_numbered("Anna (2)", "Ann")
    assert not is_numbered("Anna (2).zip", "Anna")
    long = "ä" * 59
    assert is_numbered(Taken([long]).take(long, limit=FOLDER_BYTES), long, limit=FOLDER_BYTES)

"""Suggestions as they are ranked and drawn, and trials as they are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facefind.errors import UsageError
from facefind.people.suggestion_sheet import describe, write_suggestions
from facefind.people.suggestions import Suggestion, _by_gap, _Hint, _ranked
from facefind.people.trial import _compared
from facefind.store.records import Person, SeenFace
from facefind.types import Box
from tests.fakes import RED, write_photo

ANNA = Person(1, "Anna", False, None, photos=9, faces=9)
NOBODY = Person(2, None, False, None, photos=5, faces=5)
SMALL = Person(3, None, False, None, photos=2, faces=2)
HIDDEN = Person(4, None, True, None, photos=4, faces=4)
PEOPLE = {one.id: one for one in (ANNA, NOBODY, SMALL, HIDDEN)}


def face(
    sighting: int, person: int | None, photo: Path = Path("/p/1.png"), **more: bool
) -> SeenFace:
    box = Box(10, 10, 30, 30)
    return SeenFace(
        sighting,
        person,
        photo,
        "party",
        box,
        None,
        sighting,
        0.9,
        None,
        more.get("confirmed", False),
    )


HERE = [face(10 + person, person) for person in PEOPLE] + [face(20, None)]


def ranked(*hints: _Hint, split: frozenset[frozenset[int]] = frozenset()) -> list[tuple[int, int]]:
    found = _ranked(hints, PEOPLE, HERE, split)
    return [(hint.person, hint.other) for hint, _ in found]


def same(one: int, other: int, probability: float, *, sure: bool = False) -> _Hint:
    return _Hint("same", one, other, probability, True, sure)


def test_many_photos_count_more_than_certainty() -> None:
    assert ranked(same(1, 3, 0.9), same(1, 2, 0.5)) == [(1, 2), (1, 3)]


def test_who_may_be_several_is_told_once() -> None:
    assert ranked(same(1, 3, 0.5), same(2, 3, 0.6)) == [(2, 3)]
    faces = [_Hint("face", person, 20, 0.4 + person / 10, True) for person in (1, 2)]
    assert ranked(*faces) == [(2, 20)]


def test_who_was_told_apart_is_left_out() -> None:
    assert ranked(same(1, 2, 0.9), split=frozenset({frozenset({1, 2})})) == []


def test_one_of_two_may_be_hidden() -> None:
    assert ranked(same(1, 4, 0.9)) == [(1, 4)]
    assert ranked(_Hint("face", 4, 20, 0.9, True)) == []


def test_two_names_need_certainty() -> None:
    people = {**PEOPLE, 2: Person(2, "Bea", False, None, photos=5, faces=5)}
    assert _ranked([same(1, 2, 0.9)], people, HERE, ()) == []
    assert len(_ranked([same(1, 2, 0.98, sure=True)], people, HERE, ())) == 1


def test_confirmed_faces_and_those_elsewhere_are_left_out() -> None:
    wrong = _Hint("wrong", 1, 11, 0.9, True)
    assert ranked(wrong) == [(1, 11)]
    assert _ranked([wrong], PEOPLE, [face(11, 1, confirmed=True)], ()) == []
    assert _ranked([wrong], PEOPLE, [], ()) == []


def test_nearer_is_likelier() -> None:
    assert [round(_by_gap(gap), 2) for gap in (-0.1, 0.0, 0.05, 1.0)] == [0.9, 0.9, 0.45, 0.0]


def suggestion(photo: Path) -> Suggestion:
    others = face(12, 2, photo), face(13, 2, Path("/gone"))
    return Suggestion(
        "same", ANNA, NOBODY, (face(11, 1, photo),), others,
        0.934, 5, "facefind people merge 1 2", "facefind people reject 12 1",
    )  # fmt: skip


def test_a_sheet_shows_both_sides(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.png", RED)
    failed = write_suggestions(tmp_path / "s.jpg", [suggestion(photo)] * 2)
    assert [path for path, _ in failed] == [Path("/gone")]
    with PillowImage.open(tmp_path / "s.jpg") as sheet:
        pixels = np.asarray(sheet).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1:] < 60).all(axis=-1)
    left, right = np.split(red, 2, axis=1)
    # Two rows of one face on the left and one on the right.
    assert left.sum() == pytest.approx(right.sum(), rel=0.1)
    assert red.sum() > 4 * 100 * 100


def test_a_page_holds_everything(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.png", RED)
    write_suggestions(tmp_path / "s.html", [suggestion(photo)])
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 2
    assert "Anna and Person 002 are one person, 93 %" in page
    assert "<title>1 suggestion</title>" in page
    assert "<code>facefind people merge 1 2</code>" in page
    assert 'src="/' not in page


def test_names_are_no_markup(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.png", RED)
    odd = Person(1, "<b>Anna</b>", False, None)
    one = suggestion(photo)
    changed = Suggestion("face", odd, None, one.faces, one.faces, None, 1, "x", "y")
    write_suggestions(tmp_path / "s.html", [changed])
    assert "<b>" not in (tmp_path / "s.html").read_text(encoding="utf-8")
    assert describe(changed) == "face 11 is <b>Anna</b>"


def test_a_sheet_is_no_photo(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.png", RED)
    with pytest.raises(UsageError, match="one of the photos"):
        write_suggestions(photo, [suggestion(photo)])
    with pytest.raises(UsageError, match="nothing to suggest"):
        write_suggestions(tmp_path / "s.jpg", [])


TITLES = {1: (False, "Person 001"), 2: (True, "Bea"), 3: (False, "Person 003")}


def compared(now: list[int], then: list[int]) -> tuple[list[int], list[int], list[int]]:
    trial = _compared([(np.array(now), np.array(then))], TITLES, {})
    parts = trial.joined, trial.split, trial.changed
    joined, split, changed = ([one.person for one in part] for part in parts)
    return joined, split, changed


def test_equal_groups_differ_in_nothing() -> None:
    assert compared([1, 1, 2, 0, -1, -1], [1, 1, 2, 0, -1, -1]) == ([], [], [])


def test_new_people_have_no_fixed_number() -> None:
    assert compared([-1, -1, -2, -2], [-2, -2, -1, -1]) == ([], [], [])


def test_who_is_taken_in_is_told_with_who_takes() -> None:
    assert compared([1, 1, 1, 3, 3], [1, 1, 1, 1, 1]) == ([1], [], [])


def test_who_falls_apart() -> None:
    assert compared([1, 1, 1, 1, 3], [1, 1, -1, -1, 3]) == ([], [1], [])


def test_single_faces_come_and_go() -> None:
    assert compared([1, 1, 1, 0, 2, 2], [1, 1, 0, 2, 2, 2]) == ([], [], [2, 1])

"""How answers are counted, and how the page of figures is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.evaluation import report
from scripts.evaluation.who import Score, _count, _rank, total


def photo(*people: str, complete: bool = True) -> dict[str, Any]:
    return {"file": "", "people": list(people), "people_complete": complete}


PHOTOS = {
    "ann.jpg": photo("ann"),
    "both.jpg": photo("ann", "bob"),
    "bob.jpg": photo("bob"),
    "crowd.jpg": photo("bob", complete=False),
    "missed.jpg": photo("ann"),
}


def answer(*names: str) -> dict[str, Any]:
    return {"matches": [{"photo": f"/event/{name}"} for name in names]}


def test_answers_are_counted_right_wrong_and_missed() -> None:
    score = Score("album")
    named = answer("ann.jpg", "bob.jpg", "crowd.jpg", "both.jpg")
    _count(score, {"people": ["ann"]}, PHOTOS, named)
    assert (score.right, score.wrong, score.missed) == (2, 1, 1)
    assert score.precision == pytest.approx(2 / 3)
    assert score.recall == pytest.approx(2 / 3)
    assert score.absent == 0


def test_an_absent_person_is_answered_with_nobody_or_not() -> None:
    score = Score("album")
    _count(score, {"people": ["eve"]}, PHOTOS, answer())
    _count(score, {"people": ["eve"]}, PHOTOS, answer("crowd.jpg"))
    assert (score.absent, score.absent_answered) == (2, 0)
    _count(score, {"people": ["eve"]}, PHOTOS, answer("ann.jpg"))
    assert (score.absent, score.absent_answered, score.wrong) == (3, 1, 1)


def test_a_portrait_cut_from_a_photo_is_not_asked_for_it() -> None:
    photos = {"ann.jpg": {**photo("ann"), "file": "events/ann.jpg"}}
    score = Score("album")
    cut = {"people": ["ann"], "derived_from": "events/ann.jpg"}
    _count(score, cut, photos, answer("ann.jpg"))
    assert (score.right, score.missed, score.absent) == (0, 0, 1)


def test_average_precision_counts_what_is_never_reached() -> None:
    score = Score("album")
    _rank(score, {"people": ["ann"]}, PHOTOS, answer("ann.jpg", "bob.jpg", "both.jpg"))
    assert score.as_json()["mean_average_precision"] == pytest.approx((1 + 2 / 3) / 3)
    _rank(score, {"people": ["ann"]}, PHOTOS, answer("ann.jpg", "crowd.jpg", "both.jpg"))
    assert score.as_json()["mean_average_precision"] == pytest.approx((5 / 9 + 2 / 3) / 2)


def test_albums_add_up() -> None:
    parts = [Score("a", photos=1, right=2), Score("b", photos=3, wrong=1)]
    both = total(parts, "both")
    assert (both.album, both.photos, both.right, both.wrong) == ("both", 4, 2, 1)


class Part:
    TITLE = "Whales"

    def render(self, figures: dict[str, Any]) -> str:
        return f"{figures['seen']} seen"


def test_a_part_is_stored_alone_and_the_page_made_of_all(tmp_path: Path) -> None:
    report.store(tmp_path, "whales", {"seen": 2})
    report.store(tmp_path, "ships", {"seen": 5})
    report.store(tmp_path, "whales", {"seen": 3, "at": 1})
    stored = json.loads((tmp_path / "accuracy.json").read_text())
    assert {name: part["figures"] for name, part in stored.items()} == {
        "ships": {"seen": 5},
        "whales": {"seen": 3, "at": 1},
    }
    assert list(stored["whales"]["figures"]) == ["seen", "at"]
    assert {"commit", "date", "cores", "weights"} <= stored["whales"]["measured_with"].keys()
    report.write(tmp_path, [("whales", Part()), ("absent", Part())])
    page = (tmp_path / "accuracy.md").read_text()
    assert page.count("## Whales") == 1
    assert "3 seen" in page
    assert "`scripts/evaluate whales`" in page

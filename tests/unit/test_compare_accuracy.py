"""`scripts/evaluate compare`: the figures of two made-up accuracy.json side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.evaluation import __main__ as evaluate
from scripts.evaluation import compare

AT = {"commit": "0123abcd", "date": "2026-01-02"}
LATER = {"commit": "4567cdef+", "date": "2026-03-04"}


def parts(measured_with: dict[str, str], **figures: Any) -> dict[str, Any]:
    return {name: {"measured_with": measured_with, "figures": of} for name, of in figures.items()}


def detection(recall: float, false: int, pipeline: str = "dlib") -> dict[str, Any]:
    group = {"group": "crowds", "recall": recall, "recall_small": None, "precision": 0.96714}
    return {"detectors": [{"pipeline": pipeline, "groups": [{**group, "invented": false}]}]}


def size(found: list[int]) -> dict[str, Any]:
    row = {"megapixels": 12, "faces": [4, 10, 0], "found": found, "invented": 1}
    ways = [{"name": name, "rows": [row]} for name in ("one look", "default")]
    return {"buckets": [40, 60, 100], "strategies": ways}


def answers(right: int, missed: int) -> list[dict[str, Any]]:
    counts = {"right": right, "wrong": 0, "missed": missed, "absent_answered": 0}
    return [{"album": "wedding", **counts}]


def lfw(accuracy: float, tar: float) -> dict[str, Any]:
    tars = [{"far": 0.01}, {"far": 0.001, "value": tar}]
    part = {"accuracy": {"value": accuracy}, "tar": tars}
    return {"pipeline": "dlib", "lfw": {"person": part}, "widths": [{"width": 40}]}


def line(page: str, start: str) -> str:
    (found,) = [each for each in page.splitlines() if each.startswith(start)]
    return found


def test_figures_of_both_stand_side_by_side_with_their_change() -> None:
    old = parts(AT, detection=detection(0.7071, 11), size=size([1, 5, 0]), recognition=lfw(1, 0.9))
    new = parts(
        LATER, detection=detection(0.7069, 9), size=size([1, 6, 0]), recognition=lfw(1, 0.9)
    )
    page = compare.render(old, new)
    assert line(page, "| detection | `dlib`, crowds: ").endswith(
        "| 0.707 / - / 0.967 / 11 | 0.707 / - / 0.967 / 9 | = / = / = / -2 |"
    )
    assert line(page, "| size | default, 12 MP: recall ").endswith(
        "of faces of 40-60 / 60-100 / 100 and more px "
        "| 0.250 / 0.500 / - | 0.250 / 0.600 / - | = / +0.100 / = |"
    )
    assert line(page, "| recognition | `dlib`, LFW, every person counts the same: ").endswith(
        ": accuracy / TAR at 0.1 % | 1 / 0.9000 | 1 / 0.9000 | = |"
    )
    assert "one look" not in page
    assert "None" not in page
    assert "Only" not in page
    assert "Not compared" not in page


def test_what_one_alone_has_is_named_and_nothing_else_is_lost() -> None:
    old = parts(AT, detection=detection(0.7, 1), grouping={"albums": {}}, quality={}, ships={})
    both = detection(0.7, 1)
    both["detectors"] += detection(0.8, 2, "clip")["detectors"]
    new = parts(LATER, detection=both, calibration={"sizes": {"tiny": {"error": 0.01}}}, quality={})
    new["quality"]["measured_with"] = AT
    page = compare.render(old, new)
    assert line(page, "| detection | `").startswith("| detection | `dlib`, crowds: ")
    assert line(page, "Not compared here") == (
        "Not compared here, as they are no main figures: quality."
    )
    assert line(page, "Only before") == "Only before: ships."
    assert line(page, "Only after") == (
        "Only after: detection: `clip`, crowds; calibration: tiny events."
    )
    assert "| detection | 0123abcd, 2026-01-02 | 4567cdef+, 2026-03-04 |" in page
    assert "| quality | 0123abcd, 2026-01-02 | the same, not measured again |" in page
    assert "| calibration | - | 4567cdef+, 2026-03-04 |" in page
    assert "| ships | 0123abcd, 2026-01-02 | - |" in page


def test_answers_from_before_there_were_people_are_those_by_face_alone() -> None:
    old = parts(AT, who={"albums": answers(78, 2)})
    now = {"albums": answers(80, 0), "without_people": answers(77, 3)}
    page = compare.render(old, parts(LATER, who=now))
    assert line(page, "| who | wedding, by face alone").endswith(
        "| 78 / 0 / 2 / 0 | 77 / 0 / 3 / 0 | -1 / = / +1 / = |"
    )
    assert line(page, "Only after") == "Only after: who: wedding, with people."


def test_sizes_of_events_are_compared_whatever_their_order() -> None:
    shares = {"small": {"r99a": 0.9}, "large": {"r99a": 0.5}}
    turned = dict(reversed(shares.items()))
    old, new = (parts(AT, simulated={"methods": {"**best**": sizes}}) for sizes in (shares, turned))
    page = compare.render(old, new)
    assert line(page, "| simulated | best").endswith(
        "best: R99a of small / large events | 0.900 / 0.500 | 0.900 / 0.500 | = |"
    )


def test_every_part_that_is_compared_is_one_of_the_page() -> None:
    in_order = [name for name in evaluate.COMMANDS if name in compare.ROWS]
    assert in_order == list(compare.ROWS)


def test_the_stored_figures_have_rows_of_every_part() -> None:
    """So that a changed form of the figures does not silently leave the table."""
    stored = compare.read(compare.STORED)
    page = compare.render(stored, stored)
    for part in compare.ROWS.keys() & stored.keys():
        lines = [each for each in page.splitlines() if each.startswith(f"| {part} | ")]
        assert len(lines) > 4, part
        assert all(each.endswith(" | = |") for each in lines[:-1])


def test_compare_needs_no_photos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEFIND_TEST_DATA", str(tmp_path / "nowhere"))
    old, new, none = tmp_path / "old.json", tmp_path / "new.json", tmp_path / "none.json"
    old.write_text(json.dumps(parts(AT, detection=detection(0.7, 1))))
    new.write_text(json.dumps(parts(LATER, detection=detection(0.8, 1))))
    assert evaluate.main(["compare", str(old), str(new)]) == 0
    assert "+0.100" in capsys.readouterr().out
    assert compare.read(new) == json.loads(new.read_text())
    for text in ("[]", '{"a": 1}', '{"a": {"b": 1}}', "nothing"):
        none.write_text(text)
        assert evaluate.main(["compare", str(old), str(none)]) == 2
    assert evaluate.main(["compare", str(tmp_path / "absent.json"), str(new)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "absent.json cannot be read" in said.err
    assert "none.json holds no figures" in said.err

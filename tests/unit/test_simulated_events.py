from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facefind import matching
from facefind.matching import load_calibration
from scripts.evaluation import calibration, fitting, simulated
from scripts.evaluation.drawn_events import (
    LARGEST_GROUP,
    MOST_PHOTOS,
    WRONG_LABELS,
    People,
    Size,
    by_photo,
    draw_event,
    everybody_once,
    folds,
    judge,
    people,
    probe_of,
    recall_at_absent,
    recall_at_precision,
)
from scripts.evaluation.fitting import Answers

PHOTOS = (8, 6, 5, 4, 3, 3, 2, 2, 2, 2)
"""Of the people with several; twenty more have one."""


@pytest.fixture(scope="module")
def everybody() -> People:
    """People drawn from the shipped density, their photos .25 from them."""
    fitted = load_calibration("dlib")
    assert fitted is not None
    random = np.random.RandomState(0)
    counts = [*PHOTOS, *[1] * 20]
    names = np.repeat([f"person {number:02}" for number in range(len(counts))], counts)
    persons = np.repeat(fitted.strangers[:: len(fitted.strangers) // 30][:30], counts, axis=0)
    vectors = persons + 0.25 / np.sqrt(128) * random.standard_normal(persons.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return people(vectors.astype(np.float32), names)


def test_an_event_holds_who_it_should(everybody: People) -> None:
    event = draw_event(everybody, Size(24, 6, 8), seed=3)
    who = everybody.numbers
    asked = [int(who[rows[0]]) for rows in event.portraits]
    assert len(event.faces) == 24
    assert len(set(asked)) == 14
    assert event.absent.tolist() == [False] * 6 + [True] * 8
    assert set(asked[6:]).isdisjoint(who[event.faces].tolist())
    portraits = np.concatenate(event.portraits)
    assert set(portraits.tolist()).isdisjoint(event.faces.tolist())
    for number, person in enumerate(asked[:6]):
        there = event.photos[who[event.faces] == person]
        assert 1 <= len(there) <= MOST_PHOTOS
        assert np.flatnonzero(event.shown[number]).tolist() == sorted(there.tolist())


def test_nobody_is_twice_in_a_photo(everybody: People) -> None:
    event = draw_event(everybody, Size(50, 8, 2), seed=1)
    pairs = list(zip(event.photos.tolist(), everybody.numbers[event.faces].tolist(), strict=True))
    assert len(set(pairs)) == len(pairs) > 30
    assert np.bincount(event.photos).max() <= LARGEST_GROUP
    assert np.bincount(event.photos).min() >= 1


def test_an_event_is_the_same_for_the_same_seed(everybody: People) -> None:
    first, second = (draw_event(everybody, Size(30, 6, 4), seed=5) for _ in range(2))
    other = draw_event(everybody, Size(30, 6, 4), seed=6)
    assert (first.faces == second.faces).all()
    assert first.faces.tolist() != other.faces.tolist()


def test_several_portraits_are_left_out_of_the_event(everybody: People) -> None:
    event = draw_event(everybody, Size(40, 4, 4), seed=2, portraits=2)
    assert [len(rows) for rows in event.portraits[:4]] == [2, 2, 2, 2]
    assert set(np.concatenate(event.portraits).tolist()).isdisjoint(event.faces.tolist())
    probe = probe_of(everybody, event.portraits[0])
    assert np.linalg.norm(probe) == pytest.approx(1, abs=1e-5)


def test_people_with_wrong_labels_are_left_out() -> None:
    names = np.array(["Ann", sorted(WRONG_LABELS)[0], "Bob", "Ann"])
    kept = people(np.eye(4, dtype=np.float32), names)
    assert kept.names.tolist() == ["Ann", "Bob", "Ann"]
    assert kept.numbers.tolist() == [0, 1, 0]
    assert len(WRONG_LABELS) == 8


def test_folds_deal_people_and_not_photos(everybody: People) -> None:
    dealt = folds(everybody, 3)
    assert set(dealt.tolist()) == {0, 1, 2}
    for number in range(len(PHOTOS)):
        assert len(set(dealt[everybody.numbers == number].tolist())) == 1
    part = everybody.part(dealt == 1)
    assert folds(part, 3).tolist() == [1] * len(part.names)


def test_everybody_once_counts_who_can_be_asked_about(everybody: People) -> None:
    assert everybody_once(everybody) == Size(sum(PHOTOS) + 20, 6, 4)


def test_recall_at_precision_counts_answers_to_absent_people() -> None:
    scores = np.array([[0.9, 0.8, 0.1], [0.7, 0.2, 0.1]])
    right = np.array([[True, True, False], [False, False, False]])
    assert recall_at_precision(scores, right) == 1
    scores[1, 0] = 0.85
    assert recall_at_precision(scores, right) == 0.5
    assert recall_at_precision(scores, right, 0.6) == 1
    scores[1, 0] = 0.95
    assert recall_at_precision(scores, right) == 0


def test_equal_scores_are_answered_together() -> None:
    scores = np.array([[0.9, 0.5, 0.5, -np.inf]])
    right = np.array([[True, True, False, True]])
    assert recall_at_precision(scores, right) == pytest.approx(1 / 3)


def test_recall_where_few_absent_people_are_answered() -> None:
    scores = np.full((101, 1), 0.2)
    right = np.zeros((101, 1), bool)
    right[0] = True
    scores[:3, 0] = 0.7, 0.9, 0.6
    assert recall_at_absent(scores, right) == 1
    scores[2] = 0.8
    assert recall_at_absent(scores, right) == 0


def test_the_best_face_is_the_photos_score() -> None:
    best = by_photo(np.array([[0.1, 0.7, 0.3]]), np.array([0, 0, 2]))
    assert best.tolist() == [[0.7, -np.inf, 0.3]]


def test_what_is_judged_is_what_the_product_answers(everybody: People) -> None:
    fitted = load_calibration("dlib")
    assert fitted is not None
    event = draw_event(everybody, Size(40, 6, 4), seed=4)
    vectors = everybody.vectors[event.faces]
    judged = judge(everybody, event, fitted)
    for number, rows in enumerate(event.portraits):
        probe = probe_of(everybody, rows)
        near = np.flatnonzero(np.linalg.norm(vectors - probe, axis=1) <= fitted.radius)
        asked = matching.rescore(
            probe,
            matching.Candidates(vectors[near], event.photos[near]),
            vectors,
            faces_in_scope=len(vectors),
            portraits=len(rows),
            calibration=fitted,
        )
        assert judged[number, near] == pytest.approx(asked, abs=1e-5)
        assert judged[number].sum() == pytest.approx(asked.sum(), abs=1e-4)


def test_logistic_regression_finds_the_odds_that_made_the_data() -> None:
    random = np.random.RandomState(0)
    x = random.standard_normal(40_000)
    prior = random.choice([-1.0, -4.0], len(x))
    right = random.random_sample(len(x)) < 1 / (1 + np.exp(-(0.5 + 2 * x + prior)))
    rows = fitting._Rows(np.stack([np.ones(len(x)), x], axis=1), right, np.ones(len(x)), prior)
    constant, slope = fitting.logistic([rows])
    assert constant == pytest.approx(0.5, abs=0.1)
    assert slope == pytest.approx(2, abs=0.1)


def test_thresholds_hold_their_targets() -> None:
    probabilities = np.array([[0.99, 0.9, 0.6, 0.01]] * 100 + [[0.3, 0.0, 0.0, 0.0]] * 100)
    shown = np.zeros((200, 4), bool)
    shown[:100, :2] = True
    probabilities[100, 0] = 0.8
    answers = Answers([probabilities], [shown])
    assert answers.counts(0.85) == (200, 0, 0, 100, 0)
    assert answers.counts(0.7) == (200, 1, 0, 100, 1)
    assert answers.counts(0.2) == (200, 200, 0, 100, 100)
    chosen = fitting.thresholds([answers])
    assert chosen == {"default": 0.81, "strict": 0.81, "loose": 0.61}
    two = fitting.joined([answers, answers])
    assert two.counts(0.7) == (400, 2, 0, 200, 2)


def test_a_fit_can_be_written_and_read(
    everybody: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = load_calibration("dlib")
    assert shipped is not None
    random = np.random.RandomState(1)
    names = np.array([f"{number}" for number in range(600)])
    vectors = shipped.strangers[random.permutation(len(shipped.strangers))[:600]]
    density = fitting.fit_density(people(vectors, names), parts=4)
    assert len(density.means) <= 4
    assert (density.shares * 600 >= fitting.SMALLEST_PART - 1).all()
    fitted = replace(shipped, strangers=density.draw(fitting.DRAWN))
    fitting.write(tmp_path, fitted, density, "a test")
    monkeypatch.setattr(matching, "resource_dir", lambda _: tmp_path)
    read = load_calibration("dlib")
    assert read is not None
    assert (read.strangers == fitted.strangers).all()
    assert read.group == pytest.approx(fitted.group, abs=1e-4)
    assert read.enough(-3.0) == pytest.approx(fitted.enough(-3.0), abs=1e-3)
    assert (read.default, read.floor, read.means) == (fitted.default, fitted.floor, fitted.means)


def test_the_figures_are_rendered() -> None:
    cell = {"events": 4, "r99a": 0.8512, "deviation": 0.02, "recall_at_absent": 0.83}
    by_size = dict.fromkeys(simulated.EVENTS, cell)
    by_count = dict.fromkeys("123", cell)
    text = simulated.render(
        {
            "methods": dict.fromkeys(simulated.METHODS, by_size),
            "portraits": {simulated.UNIT: by_count},
            "costs": [{"candidates": 400, "cohort": 2000, "ms": 61.2}],
        }
    )
    assert text.count("0.851 ± 0.020 (0.830)") == 3 * len(simulated.METHODS) + 3
    assert "400 candidates with a cohort of 2000: 61 ms" in text
    rates = {"precision": 0.99, "recall": 0.9, "absent": 100, "absent_answered": 1}
    size = {
        "events": 3,
        "error": 0.02,
        "error_of_all_photos": 0.0001,
        "curve": [[5, 0.5, 0.4]],
        "at": {"0.5": rates},
        "named": dict.fromkeys(fitting.TARGETS, rates),
    }
    thresholds = {"default": 0.9, "strict": 0.95, "loose": 0.4}
    text = calibration.render({"thresholds": thresholds, "sizes": {"small": size}})
    assert "| small | 64 | 3 | 0.020 (0.0001) |" in text
    assert "| **default, 0.9** | 0.990, 0.900, 0.010 |" in text

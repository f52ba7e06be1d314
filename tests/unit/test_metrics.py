"""Measures of verification, retrieval and calibration, against plain loops and cases by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from facefind import metrics
from facefind.metrics import (
    FEWEST_FALSE,
    Pairs,
    accuracy_by_folds,
    all_pairs,
    average_precision,
    calibration,
    equal_error,
    tar_at_far,
    threshold_at_far,
)
from facefind.resampling import bootstrap_mean, bootstrap_tar


def crowd(people: int = 60, spread: float = 0.6, seed: int = 0) -> Pairs:
    """People with one to six photos each, somewhat mixed up."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 7, size=people)
    owners = np.repeat(np.arange(people), sizes)
    centres = random.normal(size=(people, 8))
    vectors = centres[owners] + spread * random.normal(size=(len(owners), 8))
    return all_pairs(vectors, owners.tolist())


def line(people: dict[str, list[float]]) -> Pairs:
    """Photos on a line, so that distances can be read off."""
    photos = [(place, name) for name, places in people.items() for place in places]
    return all_pairs([[place] for place, _ in photos], [name for _, name in photos])


# Pairs


def test_pairs_are_those_of_two_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BLOCK", 40)  # several blocks of few rows
    random = np.random.default_rng(1)
    vectors = random.normal(size=(17, 4))
    people = random.integers(0, 5, size=17).tolist()
    pairs = all_pairs(vectors, people)
    expected: dict[bool, list[float]] = {True: [], False: []}
    for i, j in itertools.combinations(range(17), 2):
        distance = float(np.linalg.norm(vectors[i] - vectors[j]))
        expected[people[i] == people[j]].append(distance)
    assert len(expected[True]) > 5
    np.testing.assert_allclose(pairs.genuine, sorted(expected[True]), atol=1e-6)
    np.testing.assert_allclose(pairs.impostor, sorted(expected[False]), atol=1e-6)
    assert pairs.impostors == len(expected[False])
    for distances, photos in (
        (pairs.genuine, pairs.genuine_photos),
        (pairs.impostor, pairs.impostor_photos),
    ):
        a, b = photos.T
        np.testing.assert_allclose(
            np.linalg.norm(vectors[a] - vectors[b], axis=1), distances, atol=1e-6
        )


def test_every_person_weighs_the_same_unless_pairs_are_to() -> None:
    pairs = line({"often": [0.0, 0.1, 0.2, 0.3], "twice": [10.0, 15.0], "once": [20.0]})
    assert len(pairs.genuine) == 7
    assert pairs.tar(1.0) == pytest.approx(1 / 2)
    assert pairs.with_equal_pairs().tar(1.0) == pytest.approx(6 / 7)


def test_only_the_nearest_strangers_are_kept_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "BLOCK", 200)
    random = np.random.default_rng(2)
    vectors, people = random.normal(size=(60, 3)), list(range(30)) * 2
    whole, part = all_pairs(vectors, people), all_pairs(vectors, people, kept=300)
    assert (part.impostors, len(part.impostor)) == (whole.impostors, 300)
    assert np.array_equal(part.impostor, whole.impostor[:300])
    assert np.array_equal(part.genuine, whole.genuine)
    assert threshold_at_far(part, 0.1) == threshold_at_far(whole, 0.1)
    assert threshold_at_far(whole, 0.5) is not None
    assert threshold_at_far(part, 0.5) is None  # not kept, so not known


def test_photos_without_a_face_are_refused() -> None:
    pairs = all_pairs([[0.0], [1.0], [np.nan], [9.0]], ["a", "a", "a", "b"])
    assert pairs.genuine.tolist() == [1.0, math.inf, math.inf]
    assert pairs.tar(1e9) == pytest.approx(1 / 3)
    assert pairs.impostors == 3
    assert pairs.far(1e9) == pytest.approx(2 / 3)


def test_people_and_vectors_must_match() -> None:
    with pytest.raises(ValueError, match="2 people"):
        all_pairs(np.zeros((3, 2)), ["a", "b"])


# Thresholds and rates


def test_threshold_at_far_accepts_no_more_than_asked() -> None:
    pairs = crowd()
    for far in (0.01, 0.05, 0.3):
        threshold = threshold_at_far(pairs, far)
        assert threshold is not None
        assert pairs.far(threshold) <= far < pairs.far(threshold) + 1.5 / pairs.impostors
        assert tar_at_far(pairs, far) == pairs.tar(threshold)


def test_strangers_at_the_threshold_are_refused_together() -> None:
    places = {str(n): [float(n)] for n in range(30)}  # many pairs at distance 1
    pairs = line(places)
    threshold = threshold_at_far(pairs, 10 / pairs.impostors)
    assert threshold is not None
    assert threshold < 1.0
    assert pairs.far(threshold) == 0.0


def test_rates_that_too_few_pairs_stand_behind_are_not_told() -> None:
    pairs = crowd()
    assert pairs.measurable_far == FEWEST_FALSE / pairs.impostors
    assert threshold_at_far(pairs, pairs.measurable_far) is not None
    assert threshold_at_far(pairs, 0.99 * pairs.measurable_far) is None
    assert tar_at_far(pairs, 0.99 * pairs.measurable_far) is None


def test_a_limit_below_every_distance_is_none() -> None:
    # 66 pairs of strangers, all at distance 0: none but all can be let in.
    pairs = line({str(n): [0.0] for n in range(12)})
    assert threshold_at_far(pairs, 0.5) is None
    assert tar_at_far(pairs, 0.5) is None


def test_equal_error_is_where_the_rates_cross() -> None:
    pairs = crowd()
    found = equal_error(pairs)
    assert found is not None
    limits = np.concatenate([pairs.genuine, pairs.impostor])
    gaps = [abs(pairs.far(t) - 1 + pairs.tar(t)) for t in limits]
    best = limits[int(np.argmin(gaps))]
    assert 0.01 < found.rate < 0.5
    assert abs(pairs.far(found.threshold) - 1 + pairs.tar(found.threshold)) <= min(gaps) + 1e-12
    assert found.rate == pytest.approx((pairs.far(best) + 1 - pairs.tar(best)) / 2)


def test_equal_error_of_people_who_are_told_apart_is_none_at_all() -> None:
    apart = equal_error(line({"a": [0, 1], "b": [10, 11], "c": [20, 21]}))
    assert apart is not None
    assert apart.rate == 0.0
    assert 1 <= apart.threshold < 9


def test_nothing_is_measured_without_mates_or_strangers() -> None:
    alone, strangers = line({"a": [0, 1, 2]}), line({"a": [0], "b": [1], "c": [2]})
    assert equal_error(alone) is equal_error(strangers) is None
    assert accuracy_by_folds(alone) is accuracy_by_folds(strangers) is None
    assert math.isnan(alone.far(1))
    assert math.isnan(strangers.tar(1))
    assert bootstrap_tar(alone, [0.1]) == [None]


# Accuracy


def test_accuracy_of_people_who_are_told_apart_is_whole() -> None:
    found = accuracy_by_folds(line({str(n): [10.0 * n, 10.0 * n + 1] for n in range(8)}))
    assert found is not None
    assert (found.value, found.folds) == (1.0, 8)
    assert 1 < found.threshold < 9


def test_the_threshold_is_chosen_on_other_people() -> None:
    # Whoever is left out, the others' mates are 1 apart: "wide" is never recognised. A threshold
    # chosen with "wide" among the people would recognise all.
    people = {str(n): [100.0 * n, 100.0 * n + 1] for n in range(4)}
    found = accuracy_by_folds(line({**people, "wide": [1000.0, 1060.0]}), folds=5)
    assert found is not None
    assert found.value == pytest.approx((4 / 5 + 1) / 2)


def test_accuracy_repeats_and_is_near_the_best_there_is() -> None:
    pairs = crowd()
    found = accuracy_by_folds(pairs)
    assert found is not None
    assert found == accuracy_by_folds(pairs)
    best = max((pairs.tar(t) + 1 - pairs.far(t)) / 2 for t in pairs.genuine)
    assert best - 0.03 < found.value <= best
    assert found.folds == 10


def test_strangers_that_are_not_kept_count_as_refused() -> None:
    random = np.random.default_rng(5)
    owners = np.repeat(np.arange(40), 3)
    vectors = random.normal(size=(40, 8))[owners] + 0.3 * random.normal(size=(120, 8))
    whole = all_pairs(vectors, owners.tolist())
    part = all_pairs(vectors, owners.tolist(), kept=2000)
    assert accuracy_by_folds(part) == accuracy_by_folds(whole)
    assert equal_error(part) == equal_error(whole)


def test_accuracy_beyond_the_strangers_that_are_kept_is_not_known() -> None:
    random = np.random.default_rng(5)
    owners = np.repeat(np.arange(100), 4)
    vectors = random.normal(size=(100, 8))[owners] + 0.9 * random.normal(size=(400, 8))
    whole = accuracy_by_folds(all_pairs(vectors, owners.tolist()))
    part = all_pairs(vectors, owners.tolist(), kept=8000)
    assert whole is not None
    assert whole.threshold > part.impostor[-1]
    assert accuracy_by_folds(part) is None
    assert part.keeps_all_within(float(part.impostor[-2]))
    assert not part.keeps_all_within(whole.threshold)


# Intervals


def test_bootstrap_weights_equal_drawing_photos_anew() -> None:
    """A round of the bootstrap, done the long way: copy the photos and compare them all."""
    random = np.random.default_rng(3)
    owners = np.repeat(np.arange(12), 3)
    vectors = random.normal(size=(12, 4))[owners] + 0.5 * random.normal(size=(36, 4))
    pairs = all_pairs(vectors, owners.tolist())
    (found,) = bootstrap_tar(pairs, [0.1], rounds=1, seed=4)
    drawn = np.random.default_rng(4).integers(12, size=12)
    strangers = [
        np.linalg.norm(vectors[i] - vectors[j])
        for a, b in itertools.combinations(drawn, 2)
        if a != b
        for i in np.flatnonzero(owners == a)
        for j in np.flatnonzero(owners == b)
    ]
    limit = sorted(strangers)[int(0.1 * len(strangers))]
    mates = [
        np.linalg.norm(vectors[i] - vectors[j])
        for a in drawn
        for i, j in itertools.combinations(np.flatnonzero(owners == a), 2)
    ]
    expected = float((np.array(mates) < limit * (1 - 1e-6)).mean())
    assert found is not None
    assert 0.1 < expected < 1
    assert found.low == found.high == pytest.approx(expected)
    assert found.value == tar_at_far(pairs, 0.1)


def test_bootstrap_repeats_and_surrounds_the_value() -> None:
    pairs = crowd()
    found = bootstrap_tar(pairs, [0.01, 1e-9, 0.1], rounds=200)
    assert found == bootstrap_tar(pairs, [0.01, 1e-9, 0.1], rounds=200)
    one, nothing, ten = found
    assert nothing is None
    assert one is not None
    assert ten is not None
    assert one.low < one.value < one.high
    assert 0.02 < one.high - one.low < 0.5
    assert one.value < ten.value


def test_more_people_make_the_interval_narrower() -> None:
    widths = []
    for people in (30, 480):
        (found,) = bootstrap_tar(crowd(people), [0.05], rounds=200)
        assert found is not None
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


def test_two_people_have_an_interval_although_some_draws_have_no_strangers() -> None:
    random = np.random.default_rng(6)
    pairs = all_pairs(random.normal(size=(20, 3)), ["a"] * 10 + ["b"] * 10)
    (found,) = bootstrap_tar(pairs, [0.5], rounds=50)
    assert found is not None
    assert 0 <= found.low <= found.high < 1  # a draw of one person alone says nothing


def test_means_are_drawn_by_person() -> None:
    values, people = [1.0] * 50 + [0.0, 0.0], ["a"] * 50 + ["b", "c"]
    by_person = bootstrap_mean(values, people, rounds=500)
    by_value = bootstrap_mean(values, range(52), rounds=500)
    assert by_person.value == by_value.value == pytest.approx(50 / 52)
    assert by_person.low == 0.0
    assert by_value.low > 0.8
    assert by_person == bootstrap_mean(values, people, rounds=500)


# Retrieval and calibration


def test_average_precision_by_hand() -> None:
    assert average_precision([True, False, True]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([False, True], expected=2) == pytest.approx(0.25)
    assert average_precision([]) != average_precision([])  # nothing to be found
    assert average_precision([False], expected=1) == 0.0


def test_calibration_by_hand() -> None:
    found = calibration([0.9, 0.1, 0.2, 0.8], [True, False, True, True], bins=2)
    assert [tuple(b) for b in found.bins] == [
        pytest.approx((2, 0.15, 0.5)),
        pytest.approx((2, 0.85, 1.0)),
    ]
    assert found.error == pytest.approx((0.35 + 0.15) / 2)


def test_probabilities_that_hold_have_a_small_error() -> None:
    random = np.random.default_rng(7)
    probability = random.random(20_000)
    right = random.random(20_000) < probability
    assert calibration(probability, right).error < 0.02
    assert calibration(probability**3, right).error > 0.1
    assert math.isnan(calibration([], []).error)
    with pytest.raises(ValueError, match="answers"):
        calibration([0.5], [True, False])

"""Grouping: who joins whom, what users decided, and that neither order nor chance matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.errors import UsageError
from facefind.grouping import (
    Faces,
    GroupingSettings,
    group,
    linkage,
    load_grouping,
    misfits,
    near_joins,
    neighbours,
)

SETTINGS = GroupingSettings(
    join=0.3,
    gain=0.06,
    large=64,
    people=100,
    fall=0.0,
    lowest=0.1,
    fewest=10,
    most_faces=16,
    strangers=0.42,
    same_photo=0.3,
    low_quality=0.5,
)


def unit(rows: Any) -> NDArray[np.float32]:
    vectors = np.asarray(rows, np.float64)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def on_circle(*degrees: float) -> NDArray[np.float32]:
    """Faces on a circle: 17.25 degrees are .3 apart."""
    angles = np.radians(degrees)
    return unit(np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1))


def people(
    count: int, each: int, *, spread: float = 0.15, dimension: int = 64, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """So many people with so many faces, and who each is; no two people are near."""
    random = np.random.RandomState(seed)
    who = np.repeat(np.arange(count), each)
    noise = random.standard_normal((len(who), dimension)) * spread / np.sqrt(dimension)
    return unit(unit(random.standard_normal((count, dimension)))[who] + noise), who


def faces(
    vectors: NDArray[np.float32],
    *,
    photos: Sequence[int] | None = None,
    qualities: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    rejected: Sequence[tuple[int, int]] = (),
    groups: Sequence[int] | NDArray[np.int64] | None = None,
) -> Faces:
    count = len(vectors)
    return Faces(
        vectors,
        np.arange(count) if photos is None else np.array(photos, np.int64),
        np.ones(count, np.float32) if qualities is None else np.array(qualities, np.float32),
        np.zeros(count, np.int64) if seeds is None else np.array(seeds, np.int64),
        rejected,
        None if groups is None else np.array(groups, np.int64),
    )


def alike(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two groupings are the same but for the names of the groups."""
    pairs = {(int(x), int(y)) for x, y in zip(a, b, strict=True)}
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs})


def shuffled(some: Faces, order: NDArray[np.int64]) -> Faces:
    """In another order, and with other numbers of photos, as after another order of ingest."""
    moved = some.at(order)
    renamed = np.random.RandomState(len(order)).permutation(int(some.photos.max()) + 1)
    return replace(moved, photos=renamed[moved.photos])


# --- who joins whom ------------------------------------------------------------------------------


def test_people_become_groups_and_the_largest_goes_first() -> None:
    vectors, who = people(20, 5)
    vectors, who = vectors[3:], who[3:]
    labels = group(faces(vectors), SETTINGS)
    assert alike(labels, who)
    assert (np.diff(np.bincount(labels)) <= 0).all()


@pytest.mark.parametrize(("degrees", "groups"), [(17.0, 1), (17.5, 2)])
def test_two_lone_faces_join_below_the_threshold(degrees: float, groups: int) -> None:
    assert group(faces(on_circle(0, degrees)), SETTINGS).max() + 1 == groups


def test_large_groups_join_where_two_lone_faces_would_not() -> None:
    vectors = on_circle(*[0.0] * 30, *[19.0] * 30)
    assert group(faces(vectors), SETTINGS).max() == 0
    assert group(faces(vectors), replace(SETTINGS, gain=0.0)).max() == 1


def test_what_counts_is_the_mean_and_not_the_nearest_pair() -> None:
    chain = on_circle(*range(0, 90, 9))
    assert group(faces(chain), SETTINGS).max() > 0


def test_the_threshold_falls_with_the_number_of_people() -> None:
    settings = replace(SETTINGS, people=2, fewest=2, fall=0.02, gain=0.0)
    pair = on_circle(0, 16.5)
    crowd = people(62, 1, dimension=64)[0]
    both = np.zeros((64, 67), np.float32)
    both[:2, :3], both[2:, 3:] = pair, crowd
    assert group(faces(pair), settings).tolist() == [0, 0]
    labels = group(faces(both), replace(settings, most_faces=1))
    assert labels[0] != labels[1]


def test_the_number_of_people_is_learnt_while_grouping() -> None:
    """Two faces that are too far apart for as many people as there are faces."""
    vectors, who = people(4, 32, spread=0.02, dimension=8)
    far = np.zeros((2, 10), np.float32)
    far[:, 8:] = on_circle(0, 16.5)[:, :2]
    both = np.concatenate([np.pad(vectors, ((0, 0), (0, 2))), far])
    settings = replace(SETTINGS, people=6, fewest=6, fall=0.02, gain=0.0, most_faces=64)
    assert settings.join_among(len(both), len(both)) < 0.25
    assert alike(group(faces(both), settings), np.append(who, [4, 4]))


def test_two_faces_of_one_photo_are_two_people_unless_they_are_very_near() -> None:
    near, very_near = on_circle(0, 14), on_circle(0, 1)
    settings = replace(SETTINGS, same_photo=0.05)
    assert group(faces(near), settings).tolist() == [0, 0]
    assert group(faces(near, photos=[7, 7]), settings).tolist() in ([0, 1], [1, 0])
    assert group(faces(very_near, photos=[7, 7]), settings).tolist() == [0, 0]


def test_the_penalty_is_by_the_share_of_pairs_in_one_photo() -> None:
    vectors = on_circle(0, 0, 0, 0, 12, 12, 12, 12)
    settings = replace(SETTINGS, same_photo=0.3)
    apart = [1, 1, 1, 1, 1, 1, 1, 1]
    once = [1, 2, 3, 4, 1, 5, 6, 7]
    assert group(faces(vectors, photos=apart), replace(settings, join=0.25)).max() > 0
    assert group(faces(vectors, photos=once), replace(settings, join=0.25)).max() == 0


def test_where_people_of_one_photo_are_alike_thresholds_fall() -> None:
    vectors, _ = people(24, 1, dimension=2000)
    alike_people = unit(vectors + 20 * vectors.mean(axis=0))
    photos = np.repeat(np.arange(4), 6).tolist()
    state = linkage.Groups(faces(alike_people, photos=photos), np.arange(24), SETTINGS)
    usual = linkage.Groups(faces(vectors, photos=photos), np.arange(24), SETTINGS)
    assert usual.reach == pytest.approx(SETTINGS.join + SETTINGS.gain)
    assert state.reach < usual.reach
    one = np.ones(1, np.float32)
    assert state.threshold(one, one) < usual.threshold(one, one) == pytest.approx(SETTINGS.join)


def test_photos_that_show_people_several_times_do_not_make_them_strangers() -> None:
    """Strips of a photo booth: four times the same person, some of them not very near."""
    vectors, who = people(40, 4, spread=0.22, dimension=8)
    state = linkage.Groups(faces(vectors, photos=who.tolist()), np.arange(160), SETTINGS)
    distances = np.linalg.norm(vectors[::4] - vectors[1::4], axis=1)
    assert (distances < SETTINGS.join).any()
    assert ((SETTINGS.join < distances) & (distances < SETTINGS.strangers)).any()
    assert state.reach == pytest.approx(SETTINGS.join + SETTINGS.gain)


# --- what users decided --------------------------------------------------------------------------


def test_faces_of_one_seed_stay_together_however_far_apart() -> None:
    labels = group(faces(on_circle(0, 90, 180), seeds=[5, 5, 0]), SETTINGS)
    assert labels[0] == labels[1] != labels[2]


def test_two_seeds_never_join_even_with_the_same_face() -> None:
    labels = group(faces(on_circle(0, 0, 0, 0), seeds=[5, 6, 0, 0]), SETTINGS)
    assert labels[0] != labels[1]
    assert labels[2] == labels[3]


def test_a_rejected_face_is_never_with_that_person() -> None:
    vectors = on_circle(0, 0, 0, 0, 0)
    labels = group(faces(vectors, seeds=[5, 0, 0, 0, 0], rejected=[(3, 5)]), SETTINGS)
    assert labels[3] != labels[0]


def test_decisions_hold_among_many_that_contradict_the_distances() -> None:
    vectors, _ = people(12, 12, spread=0.2)
    random = np.random.RandomState(3)
    seeds = np.where(random.rand(len(vectors)) < 0.2, random.randint(1, 9, len(vectors)), 0)
    free = np.flatnonzero(seeds == 0)
    rejected = [(int(row), int(random.randint(1, 9))) for row in free[:60]]
    labels = group(faces(vectors, seeds=seeds.tolist(), rejected=rejected), SETTINGS)
    of_seed = {int(s): set(labels[seeds == s].tolist()) for s in np.unique(seeds[seeds > 0])}
    assert [len(labels_of) for labels_of in of_seed.values()] == [1] * 7
    assert len(set.union(*of_seed.values())) == 7
    assert [row for row, seed in rejected if labels[row] in of_seed.get(seed, ())] == []


def test_a_pinned_face_cannot_be_rejected_by_its_own_person() -> None:
    with pytest.raises(ValueError, match="pinned"):
        faces(on_circle(0, 1), seeds=[5, 0], rejected=[(0, 5)])


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="columns"):
        faces(on_circle(0, 1), photos=[1])


# --- order and chance ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_faces_does_not_matter(seed: int) -> None:
    vectors, _ = people(40, 6, spread=0.2, seed=seed)
    vectors = np.concatenate([vectors, vectors[:9]])
    random = np.random.RandomState(seed)
    count = len(vectors)
    some = faces(
        vectors,
        photos=random.randint(0, 60, count).tolist(),
        qualities=(0.4 + random.rand(count)).tolist(),
        seeds=np.where(random.rand(count) < 0.05, 1 + random.randint(0, 3, count), 0).tolist(),
    )
    expected = group(some, SETTINGS)
    assert 20 < expected.max() < 200
    for _ in range(3):
        order = random.permutation(count)
        assert alike(group(shuffled(some, order), SETTINGS), expected[order])


def test_of_two_faces_that_are_as_near_the_same_joins_in_any_order() -> None:
    """In each triple the middle face is as near to one side as to the other, to the last bit."""
    near, side = np.sqrt(1 - 0.0392), np.sqrt(0.0392)
    vectors = np.zeros((60, 60), np.float32)
    for first in range(0, 60, 3):
        vectors[first : first + 3, first : first + 3] = (
            (near, side, 0),
            (near, 0, side),
            (near, -side, 0),
        )
    some, settings = faces(vectors), replace(SETTINGS, gain=0.0)
    expected = group(some, settings)
    assert np.bincount(expected).tolist() == [2] * 20 + [1] * 20
    orders = [np.random.RandomState(seed).permutation(60) for seed in range(5)]
    again = [alike(group(shuffled(some, order), settings), expected[order]) for order in orders]
    assert again == [True] * 5


def test_equal_questions_get_equal_answers() -> None:
    some = faces(people(30, 5, spread=0.35)[0])
    assert group(some, SETTINGS).tolist() == group(some, SETTINGS).tolist()


# --- new faces -----------------------------------------------------------------------------------


def test_new_faces_join_the_groups_that_are_there() -> None:
    vectors, who = people(20, 8)
    random = np.random.RandomState(1)
    new = random.rand(len(who)) < 0.2
    labels = group(faces(vectors, groups=np.where(new, 0, 100 + who)), SETTINGS)
    assert alike(labels, who)


def test_groups_start_as_they_are() -> None:
    vectors = on_circle(0, 90, 1)
    labels = group(faces(vectors, groups=[3, 3, 0]), replace(SETTINGS, join=0.1))
    assert labels[0] == labels[1] != labels[2]


def test_old_groups_are_not_compared_with_one_another() -> None:
    vectors = on_circle(0, 1, 90)
    assert group(faces(vectors, groups=[3, 4, 0]), SETTINGS).max() == 2


def test_decisions_come_before_given_groups() -> None:
    vectors = on_circle(0, 0, 0, 0, 0)
    some = faces(vectors, seeds=[5, 6, 0, 0, 0], rejected=[(3, 5)], groups=[1, 1, 1, 2, 2])
    labels = group(some, SETTINGS)
    assert labels[0] != labels[1]
    some = faces(vectors, seeds=[5, 0, 0, 0, 0], rejected=[(3, 5)], groups=[1, 1, 1, 1, 0])
    labels = group(some, SETTINGS)
    assert labels[0] == labels[1] == labels[2] != labels[3]


# --- low quality ---------------------------------------------------------------------------------


def test_a_poor_face_does_not_bridge_two_groups_but_joins_one() -> None:
    vectors = on_circle(0, 0, 12, 24.5, 24.5, 24.5)
    poor = [1.0, 1.0, 0.2, 1.0, 1.0, 1.0]
    labels = group(faces(vectors, qualities=poor), replace(SETTINGS, gain=0.0))
    assert labels[0] != labels[3]
    assert labels[2] in (labels[0], labels[3])


def test_poor_faces_alone_are_nobody() -> None:
    assert group(faces(on_circle(0, 0, 0), qualities=[0.1] * 3), SETTINGS).max() == 2


def test_poor_faces_do_not_move_their_group() -> None:
    some = faces(on_circle(0, 0, 10, 10, 10), qualities=[1, 1, 0.1, 0.1, 0.1])
    state = linkage.Groups(some, np.zeros(5, np.intp), SETTINGS)
    assert state.sums[0] == pytest.approx(2 * some.vectors[0])
    assert (state.counts[0], state.members[0]) == (2, 5)


def test_poor_faces_that_are_pinned_stay_and_count_where_there_are_no_others() -> None:
    some = faces(on_circle(0, 0, 5), qualities=[0.1, 0.1, 1.0], seeds=[5, 5, 0])
    assert group(some, SETTINGS).max() == 0


# --- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 3, 128, 512])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_faces(count: int, dimension: int) -> None:
    vectors = unit(np.ones((count, dimension))) if count else np.empty((0, dimension), np.float32)
    labels = group(faces(vectors), SETTINGS)
    assert labels.dtype == np.int64
    assert labels.tolist() == [0] * count


def test_a_thousand_times_the_same_face_is_one_person() -> None:
    assert group(faces(np.tile(on_circle(33), (1000, 1))), SETTINGS).max() == 0


# --- suggestions ---------------------------------------------------------------------------------


def test_near_joins_are_the_groups_that_nearly_joined() -> None:
    vectors = on_circle(0, 0, 21, 21, 80, 80, 140)
    some, labels = faces(vectors), np.array([0, 0, 1, 1, 2, 2, 3])
    (join,) = near_joins(some, labels, replace(SETTINGS, gain=0.0), 5)
    assert (join.a, join.b) == (0, 1)
    assert join.gap == pytest.approx(2 * np.sin(np.radians(10.5)) - 0.3, abs=1e-4)


def test_near_joins_are_the_nearest_first_and_no_more_than_asked_for() -> None:
    vectors = on_circle(0, 0, 18, 60, 60, 79, 120, 120, 140)
    some, labels = faces(vectors), np.array([0, 0, 1, 2, 2, 3, 4, 4, 5])
    found = near_joins(some, labels, replace(SETTINGS, gain=0.0), 2)
    assert [(join.a, join.b) for join in found] == [(0, 1), (2, 3)]


def test_near_joins_leave_out_what_was_decided() -> None:
    vectors, labels = on_circle(0, 0, 20, 20), np.array([0, 0, 1, 1])
    decided = faces(vectors, seeds=[5, 0, 6, 0])
    assert near_joins(decided, labels, SETTINGS, 5) == []
    assert len(near_joins(decided, labels, SETTINGS, 5, decided=True)) == 1
    rejected = faces(vectors, seeds=[5, 0, 0, 0], rejected=[(2, 5)])
    assert near_joins(rejected, labels, SETTINGS, 5) == []


def test_two_lone_faces_are_no_near_join() -> None:
    labels = np.array([0, 1])
    assert near_joins(faces(on_circle(0, 19)), labels, SETTINGS, 5) == []


def test_misfits_are_the_faces_that_fit_their_group_least() -> None:
    some = faces(on_circle(0, 1, 2, 3, 4, 5, 25, 90, 91))
    found = misfits(some, np.array([0, 0, 0, 0, 0, 0, 0, 1, 1]), SETTINGS, 2)
    assert (found[0].row, found[0].label) == (6, 0)
    assert found[0].gap > 0 > found[1].gap
    assert len(found) == 2


# --- settings ------------------------------------------------------------------------------------


def test_settings_are_changed_by_name() -> None:
    changed = SETTINGS.with_settings({"join": "0.25", "large": 8})
    assert (changed.join, changed.large) == (0.25, 8)
    assert replace(changed, join=0.3, large=64) == SETTINGS


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("joint", 1, "join, gain"),
        ("join", "far", "join cannot be 'far'"),
        ("join", -1, "at least 0"),
        ("join", "nan", "at least 0"),
        ("large", 2.5, "large cannot be 2.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(key: str, value: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        SETTINGS.with_settings({key: value})


def test_the_settings_that_ship_are_scaled_for_other_embedders() -> None:
    own = load_grouping("dlib")
    derived = load_grouping("sface", 2 * 0.38)
    assert own is not None
    assert derived is not None
    assert derived.join == pytest.approx(2 * own.join)
    assert derived.same_photo == pytest.approx(4 * own.same_photo)
    assert derived.people == own.people
    assert load_grouping("clip") is None


# --- pairs of near faces -------------------------------------------------------------------------


def expected_pairs(vectors: NDArray[np.float32], reach: float) -> set[tuple[int, int]]:
    distances = np.linalg.norm(vectors[:, None].astype(float) - vectors[None], axis=2)
    a, b = np.nonzero(np.triu(distances < reach, 1))
    return set(zip(a.tolist(), b.tolist(), strict=True))


def found_pairs(pairs: neighbours.Pairs) -> set[tuple[int, int]]:
    found = list(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True))
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("flat", [False, True])
def test_all_near_pairs_are_found_once(monkeypatch: pytest.MonkeyPatch, flat: bool) -> None:
    monkeypatch.setattr(neighbours, "TILE", (16, 32))
    vectors, _ = people(25, 4, spread=0.5)
    if flat:
        vectors = unit(vectors * np.where(np.arange(64) < 20, 1, 0.1))
    assert (neighbours.shortened(vectors).shape[1] < 64) == flat
    expected = expected_pairs(vectors, 0.6)
    assert len(expected) > 20
    pairs = neighbours.near_pairs(vectors, 0.6, nearest=99, exact_up_to=1000)
    assert found_pairs(pairs) == expected


def test_new_faces_are_compared_with_all() -> None:
    vectors, _ = people(25, 4, spread=0.5)
    new = np.arange(100) % 10 == 0
    pairs = neighbours.near_pairs(vectors, 0.6, nearest=99, new=new, exact_up_to=1000)
    expected = {(a, b) for a, b in expected_pairs(vectors, 0.6) if new[a] or new[b]}
    assert len(expected) > 5
    assert found_pairs(pairs) == expected


def test_nearly_all_pairs_are_found_in_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "CELL", 50)
    vectors, _ = people(200, 5, spread=0.4)
    expected = expected_pairs(vectors, 0.6)
    found = found_pairs(neighbours.near_pairs(vectors, 0.6, nearest=99, exact_up_to=10))
    assert found <= expected
    assert len(found) > 0.98 * len(expected) > 1000


def test_of_too_many_pairs_the_nearest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "MOST_PAIRS", 1000)
    monkeypatch.setattr(neighbours, "TILE", (50, 50))
    vectors, _ = people(2, 100, spread=0.3)
    pairs = neighbours.near_pairs(vectors, 0.7, nearest=5, exact_up_to=1000)
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2) + 9 * np.eye(200)
    nearest = {tuple(sorted((row, int(distances[row].argmin())))) for row in range(200)}
    assert len(pairs.a) < len(expected_pairs(vectors, 0.7)) / 2
    assert nearest <= found_pairs(pairs)


def test_a_grouping_in_cells_is_that_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "CELL", 100)
    vectors, who = people(100, 10)
    assert alike(group(faces(vectors), replace(SETTINGS, exact_up_to=100)), who)

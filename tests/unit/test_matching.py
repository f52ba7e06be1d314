from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind import matching
from facefind.errors import SetupError
from facefind.matching import (
    Calibration,
    Candidates,
    Density,
    Question,
    each_person_once,
    load_calibration,
    rescore,
    surroundings,
)
from facefind.scoring import MOST_NEIGHBOURS
from facefind.types import FloatArray

NOBODY = np.empty((0, 128), np.float32)
ALIKE = 0.25
"""L2 distance from a person to each of their photos here; two photos are sqrt(2) times as far."""


@pytest.fixture(scope="module")
def shipped() -> Calibration:
    found = load_calibration("dlib")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def fitted(shipped: Calibration) -> Calibration:
    """As it ships, without the strangers that serve as people here."""
    return replace(shipped, strangers=shipped.strangers[::2])


@pytest.fixture(scope="module")
def people(shipped: Calibration) -> FloatArray:
    """(1000, 128) people who are as far from each other as people are."""
    rows = np.random.RandomState(0).permutation(len(shipped.strangers) // 2)
    return shipped.strangers[1::2][rows]


def photos_of(person: FloatArray, count: int, seed: int = 0) -> FloatArray:
    """Unit vectors at the distance `ALIKE` from a person, in random directions."""
    aside = np.random.RandomState(seed).standard_normal((count, len(person)))
    aside -= (aside @ person)[:, None] * person
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    cosine = 1 - ALIKE**2 / 2
    return np.asarray(cosine * person + np.sqrt(1 - cosine**2) * aside, np.float32)


def ask(
    probe: FloatArray,
    faces: FloatArray,
    fitted: Calibration,
    cohort: FloatArray | None = None,
    scope: int | None = None,
    photos: list[int] | None = None,
) -> FloatArray:
    """Probabilities of an event's faces, each in a photo of its own."""
    numbers = np.array(range(len(faces)) if photos is None else photos, np.int64)
    return rescore(
        probe,
        Candidates(faces, numbers),
        faces if cohort is None else cohort,
        faces_in_scope=len(faces) if scope is None else scope,
        calibration=fitted,
    )


def test_no_candidates_no_probabilities(fitted: Calibration, people: FloatArray) -> None:
    assert ask(people[0], NOBODY, fitted).shape == (0,)


def test_an_event_of_one_face(fitted: Calibration, people: FloatArray) -> None:
    mine, other = photos_of(people[0], 1), people[1:2]
    for cohort in (NOBODY, None):
        assert ask(people[0], mine, fitted, cohort)[0] > fitted.default
        assert ask(people[0], other, fitted, cohort)[0] < 0.01


def test_an_event_of_five_people(fitted: Calibration, people: FloatArray) -> None:
    faces = np.concatenate([photos_of(person, 1) for person in people[:5]])
    answers = np.stack([ask(person, faces, fitted) for person in people[:6]])
    assert (answers[:5].diagonal() > fitted.default).all()
    assert (answers >= fitted.default).sum() == 5


def test_an_event_of_one_person(fitted: Calibration, people: FloatArray) -> None:
    faces = photos_of(people[0], 80)
    assert (ask(people[0], faces, fitted) > fitted.default).all()
    for absent in people[1:50]:
        assert (ask(absent, faces, fitted) < fitted.default).all()


def test_eighty_photos_of_two_people(fitted: Calibration, people: FloatArray) -> None:
    faces = np.concatenate([photos_of(people[0], 40), photos_of(people[1], 40, seed=1)])
    first, second = (ask(person, faces, fitted) >= fitted.default for person in people[:2])
    assert first[:40].all()
    assert second[40:].all()
    assert not first[40:].any()
    assert not second[:40].any()


def test_siblings_each_get_their_own_photos(fitted: Calibration, people: FloatArray) -> None:
    one = people[0]
    towards = people[1] - (people[1] @ one) * one
    towards /= np.linalg.norm(towards)
    distance = 0.4
    cosine = 1 - distance**2 / 2
    other = np.asarray(cosine * one + np.sqrt(1 - cosine**2) * towards, np.float32)
    faces = np.concatenate([photos_of(one, 4), photos_of(other, 4, seed=1)])
    mine, theirs = ask(one, faces, fitted), ask(other, faces, fitted)
    assert mine[:4].min() > mine[4:].max()
    assert theirs[4:].min() > theirs[:4].max()


def test_faces_that_agree_help_one_that_is_far(fitted: Calibration, people: FloatArray) -> None:
    me = people[0]
    near = photos_of(me, 6)
    aside = near[0] - (near[0] @ me) * me
    aside /= np.linalg.norm(aside)
    cosine = 1 - 0.4**2 / 2
    far = np.asarray(cosine * me + np.sqrt(1 - cosine**2) * aside, np.float32)[None]
    alone = ask(me, far, fitted, NOBODY, scope=500)
    helped = ask(me, np.concatenate([far, near]), fitted, NOBODY, scope=500)
    assert helped[0] > alone[0] + 0.1


def test_a_probability_means_the_same_in_every_event(
    fitted: Calibration, people: FloatArray
) -> None:
    probe, face = people[0], photos_of(people[0], 1)
    odds = []
    for faces in (100, 1000, 50_000):
        (probability,) = ask(probe, face, replace(fitted, sure=100.0), NOBODY, scope=faces)
        odds.append(float(probability) / (1 - float(probability)))
    assert odds[0] / odds[1] == pytest.approx(10, rel=0.05)
    assert odds[1] / odds[2] == pytest.approx(50, rel=0.05)


def test_the_cohort_may_hold_the_probe_and_the_candidates(
    fitted: Calibration, people: FloatArray
) -> None:
    faces = np.concatenate([photos_of(people[0], 3), people[10:14]])
    strangers = people[100:300]
    without = ask(people[0], faces, fitted, strangers)
    mixed = np.concatenate([people[:1], faces[:3], faces[:3], strangers])
    assert ask(people[0], faces, fitted, mixed) == pytest.approx(without, abs=1e-4)


def test_a_person_in_many_photos_is_one_stranger(people: FloatArray) -> None:
    cohort = np.concatenate([photos_of(people[0], 30), people[1:4]])
    once = each_person_once(cohort, 0.45)
    assert len(once) == 4
    assert once[0] == pytest.approx(cohort[0])
    assert each_person_once(NOBODY, 0.45).shape == (0, 128)


def test_lookalikes_around_make_a_match_less_likely(
    fitted: Calibration, people: FloatArray
) -> None:
    def at(distance: float, count: int) -> FloatArray:
        cosine = 1 - distance**2 / 2
        aside = photos_of(people[0], count, seed=3) - (1 - ALIKE**2 / 2) * people[0]
        aside /= np.linalg.norm(aside, axis=1, keepdims=True)
        return np.asarray(cosine * people[0] + np.sqrt(1 - cosine**2) * aside, np.float32)

    face = at(0.33, 1)
    crowd = at(0.36, 150)
    apart = replace(fitted, floor=0.345)
    alone = ask(people[0], face, apart, NOBODY, scope=300)
    crowded = ask(people[0], face, apart, crowd, scope=300)
    assert crowded[0] < alone[0] / 2


def test_what_is_no_usual_face_is_not_unmistakable(fitted: Calibration) -> None:
    probe = np.zeros(128, np.float32)
    probe[0] = 1
    for distance in (0.45, 0.6, 1.3):
        cosine = 1 - distance**2 / 2
        face = np.zeros((1, 128), np.float32)
        face[0, :2] = cosine, np.sqrt(1 - cosine**2)
        assert ask(probe, face, fitted, scope=100)[0] < fitted.loose


def test_beyond_the_radius_nobody_is_answered(shipped: Calibration, people: FloatArray) -> None:
    faces = people[1:800]
    distances = np.linalg.norm(faces - people[0], axis=1)
    beyond = distances > shipped.radius
    assert beyond.sum() > 100
    assert ask(people[0], faces, shipped, scope=20)[beyond].max() < shipped.loose


def test_order_and_blocks_change_nothing(
    fitted: Calibration, people: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = np.concatenate([photos_of(people[0], 30), people[1:100]])
    order = np.random.RandomState(1).permutation(len(faces))
    asked = ask(people[0], faces, fitted, people[100:400])
    shuffled = ask(people[0], faces[order], fitted, people[100:400])
    assert shuffled == pytest.approx(asked[order], abs=1e-5)
    monkeypatch.setattr(matching, "BLOCK", 7)
    assert ask(people[0], faces, fitted, people[100:400]) == pytest.approx(asked, abs=1e-5)


def test_equal_questions_get_equal_answers(fitted: Calibration, people: FloatArray) -> None:
    faces = np.concatenate([photos_of(people[0], 5), people[1:50]])
    assert (ask(people[0], faces, fitted) == ask(people[0], faces, fitted)).all()


def by_definition(
    probe: FloatArray, candidates: Candidates, cohort: FloatArray, fitted: Calibration, scope: int
) -> NDArray[np.float64]:
    """What `rescore` answers, of every pair and with twice the digits."""
    faces, strangers = candidates.vectors.astype(float), fitted.strangers.astype(float)

    def distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sqrt(np.maximum(2 - 2 * a @ b.T, 0)))

    library = cohort[:0].astype(float)
    for face in cohort.astype(float):
        if not (distances(face[None], library) < fitted.floor).any():
            library = np.vstack([library, face])

    def around(some: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        real = distances(some, library)
        real[real < fitted.floor] = np.inf
        near = np.sort(np.hstack([real, distances(some, strangers)]))[:, : fitted.nearest]
        return (
            near.mean(axis=1).clip(*fitted.means)[:, None],
            near.std(axis=1).clip(*fitted.deviations)[:, None],
        )

    def scores(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        (m, s), (n, t), d = around(a), around(b), distances(a, b)
        return np.asarray(np.minimum(((d - m) / s + (d - n.T) / t.T) / -2, 12))

    prior = -np.log(scope)
    enough = (fitted.sure - fitted.pair[0] - prior) / fitted.pair[1]
    first, pairs = scores(probe.astype(float)[None], faces)[0], scores(faces, faces)
    sure = [row for row in np.argsort(-first)[: matching.MOST_SURE] if first[row] >= enough]
    heard = pairs[sure]
    heard[range(len(sure)), sure] = 0
    spoke = len(sure) - np.isin(range(len(faces)), sure)
    means = (2 * first + heard.sum(axis=0)) / (2 + spoke) if sure else first
    pairs[candidates.photos[:, None] == candidates.photos] = -np.inf
    pairs[:, np.argsort(-first)[matching.MOST_WITNESSES :]] = -np.inf
    speaks = pairs >= np.maximum(enough, np.sort(pairs)[:, -MOST_NEIGHBOURS, None])
    expanded = (means + speaks @ means) / (1 + speaks.sum(axis=1))
    rows = np.stack([first * 0 + 1, expanded, np.log1p(spoke), first * 0, distances(
        probe.astype(float)[None], faces)[0]], axis=1)  # fmt: skip
    return np.asarray(1 / (1 + np.exp(-(rows @ np.array(fitted.group) + prior))))


@pytest.mark.parametrize("mates", [10, 60, 250])
@pytest.mark.parametrize("scope", [20, 300, 3000])
def test_what_is_left_out_and_done_in_parts_changes_nothing(
    mates: int, scope: int, fitted: Calibration, people: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MOST_WITNESSES", 200)
    strangers = people[1:600]
    near = strangers[np.argsort(-(strangers @ people[0]))][: 300 - mates]
    faces = np.concatenate([photos_of(people[0], mates), near])
    random = np.random.RandomState(mates)
    candidates = Candidates(faces, random.randint(0, 200, len(faces)))
    cohort = np.concatenate([faces[::7], people[300:900]])
    answered = rescore(people[0], candidates, cohort, faces_in_scope=scope, calibration=fitted)
    expected = by_definition(people[0], candidates, cohort, fitted, scope)
    assert answered == pytest.approx(expected, abs=1e-5)
    assert (expected > fitted.default).sum() >= min(mates, 10)
    assert (expected < 0.01).sum() >= 20


def test_a_face_in_the_same_photo_does_not_speak(fitted: Calibration, people: FloatArray) -> None:
    faces = photos_of(people[0], 4)
    low = replace(fitted, sure=-100.0)
    apart = ask(people[0], faces, low, scope=500)
    together = ask(people[0], faces, low, scope=500, photos=[0, 0, 0, 0])
    assert np.abs(apart - together).max() > 0


def test_the_best_face_speaks_and_not_for_itself(
    fitted: Calibration, people: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MOST_SURE", 1)
    faces = np.concatenate([people[1:4], photos_of(people[0], 1), people[4:6]])
    question = Question(
        Candidates(faces, np.zeros(len(faces), np.int64)),
        surroundings(faces, NOBODY, fitted),
        people[0],
        surroundings(people[:1], NOBODY, fitted),
    )
    expanded = question.expanded(-100.0)
    assert expanded.for_probe.tolist() == [1, 1, 1, 0, 1, 1]
    assert expanded.scores[3] == question.scores[3]
    assert (expanded.scores != question.scores).sum() == 5
    nobody = question.expanded(100.0)
    assert (nobody.scores == question.scores).all()
    assert not nobody.for_probe.any()


def test_the_thresholds_are_in_order(shipped: Calibration) -> None:
    assert 0 < shipped.loose < shipped.default < shipped.strict < 1
    assert shipped.strangers.shape[1] == 128
    assert np.linalg.norm(shipped.strangers, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_density_draws_the_same_faces_always() -> None:
    density = Density(
        shares=np.array([0.75, 0.25], np.float32),
        means=np.array([[1, 0, 0], [0, 1, 0]], np.float32),
        factor=np.zeros((3, 1), np.float32),
        rest=np.full(3, 1e-4, np.float32),
    )
    drawn = density.draw(400)
    assert (drawn == density.draw(400)).all()
    assert (drawn[:, 0] > 0.9).sum() == 300
    assert (drawn[:, 1] > 0.9).sum() == 100


def test_a_pipeline_without_a_calibration() -> None:
    assert load_calibration("clip") is None


def test_a_damaged_calibration_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "resource_dir", lambda _: tmp_path)
    (tmp_path / "dlib.json").write_text(json.dumps({"radius": 0.5}))
    with pytest.raises(SetupError, match="damaged"):
        load_calibration("dlib")

"""Which way up a photo is, told by its faces; and detections carried between pictures."""

from __future__ import annotations

import numpy as np
import pytest

from facefind.geometry import mirror_detection, shift_detection, turn, unturn_detection
from facefind.inference.turned import asked, quarter_turns, roll, shows_upright, votes, wanted_turns
from facefind.types import Box, Detection, FloatArray

UPRIGHT: FloatArray = np.array([(30, 40), (70, 40), (50, 60), (35, 80), (65, 80)], np.float32)


def face(turns: int, score: float = 0.9) -> Detection:
    """As seen in a picture of 100 by 100 pixels after `turns` anticlockwise quarter turns."""
    upright = Detection(Box(10, 20, 80, 70), score, UPRIGHT)
    return unturn_detection(upright, -turns % 4, 100, 100)


@pytest.mark.parametrize(("turns", "degrees"), [(0, 0), (1, -90), (2, 180), (3, 90)])
def test_roll_is_clockwise(turns: int, degrees: float) -> None:
    landmarks = face(turns).landmarks
    assert landmarks is not None
    assert abs(roll(landmarks)) == pytest.approx(abs(degrees))
    assert turns == 2 or roll(landmarks) == pytest.approx(degrees)


def test_roll_of_a_slight_tilt() -> None:
    angle = np.radians(20)
    clockwise = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    assert roll((UPRIGHT @ clockwise.T).astype(np.float32)) == pytest.approx(20, abs=1e-3)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_undo_those_of_the_picture(turns: int) -> None:
    image = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    undone = quarter_turns(face(turns))
    assert (turn(turn(image, turns), undone) == image).all()


def test_a_face_without_landmarks_is_taken_as_it_is() -> None:
    assert quarter_turns(Detection(Box(0, 0, 1, 1), 0.9)) == 0


def test_one_clear_face_outweighs_a_few_hints_and_the_faintest_do_not_count() -> None:
    weights = votes([face(1, 0.8), face(0, 0.4), face(0, 0.5), *[face(2, 0.2)] * 50])
    assert weights == pytest.approx([0.41, 0, 0, 0.64])


def test_mirroring_swaps_the_sides_of_a_face() -> None:
    mirrored = mirror_detection(Detection(Box(10, 20, 30, 40), 0.5, UPRIGHT), 200)
    assert mirrored.box == Box(160, 20, 30, 40)
    assert mirrored.landmarks is not None
    assert mirrored.landmarks.dtype == np.float32
    expected = np.array([(130, 40), (170, 40), (150, 60), (135, 80), (165, 80)])
    assert mirrored.landmarks == pytest.approx(expected)
    assert mirror_detection(mirrored, 200).landmarks == pytest.approx(UPRIGHT)


def test_shifting_moves_box_and_landmarks() -> None:
    moved = shift_detection(Detection(Box(1, 2, 3, 4), 0.5, UPRIGHT), 100, 200)
    assert moved.box == Box(101, 202, 3, 4)
    assert moved.landmarks == pytest.approx(UPRIGHT + np.array((100, 200)))
    assert shift_detection(Detection(Box(1, 2, 3, 4), 0.5), 1, 1).landmarks is None


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ([], 0),
        ([face(0, 0.9)], 0),
        ([face(0, 0.5)], 2),
        ([face(0, 0.15)], 0),
        ([face(1, 0.5)], 3),
        ([face(1, 0.5), face(0, 0.9)], 0),
    ],
)
def test_what_the_faces_ask_for(seen: list[Detection], wanted: int) -> None:
    assert wanted_turns(seen) == wanted


def test_only_an_upright_face_shows_that_a_picture_is_upright() -> None:
    assert shows_upright([face(1, 0.9), face(0, 0.7)], 0.7)
    assert not shows_upright([face(1, 0.9), face(0, 0.6)], 0.7)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_best_faces_are_asked_where_they_are_in_the_turned_picture(turns: int) -> None:
    seen = [face(-turns % 4, score / 10) for score in (3, 9, 5, 4, 8)]
    found = asked(seen, turns, 100, 100)
    assert [each.score for each in found] == [0.9, 0.8, 0.5, 0.4]
    assert found[0].box == pytest.approx(face(0).box)
    assert quarter_turns(found[0]) == 0

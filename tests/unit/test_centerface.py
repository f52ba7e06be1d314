"""CenterFace's decode and scaling, against cases worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.inference.centerface_heat import decode
from facefind.inference.detectors.centerface import (
    THOROUGH,
    CenterFaceDetector,
    CenterFaceSettings,
)
from facefind.inference.options import described, resolve
from facefind.types import Box, FloatArray


class Planes:
    """The network's outputs, (h, w), to be filled in cell by cell."""

    def __init__(self, height: int, width: int) -> None:
        self.heat: FloatArray = np.zeros((1, height, width), np.float32)
        self.log_size: FloatArray = np.zeros((2, height, width), np.float32)
        self.offset: FloatArray = np.zeros((2, height, width), np.float32)
        self.points: FloatArray = np.zeros((10, height, width), np.float32)

    def put(self, row: int, column: int, heat: float, height: float, width: float) -> None:
        self.heat[0, row, column] = heat
        self.log_size[:, row, column] = np.log((height / 4, width / 4))

    @property
    def outputs(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        return self.heat, self.log_size, self.offset, self.points


class FakeNetwork:
    """Answers with given planes, or with none of a face, and remembers its inputs.

    Attributes:
        planes: By the input's width.
    """

    def __init__(self, planes: dict[int, Planes] | None = None) -> None:
        self.planes = planes or {}
        self.blobs: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        blob = feeds["input.1"]
        self.blobs.append(blob)
        planes = self.planes.get(blob.shape[3], Planes(blob.shape[2] // 4, blob.shape[3] // 4))
        return [output[np.newaxis] for output in planes.outputs]


def test_decode_one_cell() -> None:
    planes = Planes(8, 8)
    planes.put(row=5, column=2, heat=0.75, height=16, width=8)
    planes.offset[:, 5, 2] = (0.25, -0.5)
    planes.points[:, 5, 2] = (0.25, 0.25, 0.25, 0.75, 0.5, 0.5, 0.75, 0.25, 0.75, 1.0)
    (face,) = decode(*planes.outputs, threshold=0.5, iou=0.3)
    # Centre: y = (5 + .25 + .5) * 4 = 23, x = (2 - .5 + .5) * 4 = 8.
    assert face.box == pytest.approx(Box(4, 15, 8, 16))
    assert face.score == 0.75
    assert face.landmarks is not None
    assert face.landmarks.dtype == np.float32
    expected = np.array([(6, 19), (10, 19), (8, 23), (6, 27), (12, 27)])
    assert face.landmarks == pytest.approx(expected)


def test_decode_of_an_empty_heat_map() -> None:
    assert decode(*Planes(8, 8).outputs, threshold=0.5, iou=0.3) == []


def test_decode_takes_scores_above_the_threshold_only() -> None:
    planes = Planes(8, 8)
    planes.put(row=1, column=1, heat=0.5, height=4, width=4)
    planes.put(row=6, column=6, heat=0.5625, height=4, width=4)
    assert [face.score for face in decode(*planes.outputs, threshold=0.5, iou=0.3)] == [0.5625]


def test_decode_keeps_the_better_of_two_overlapping_faces_and_sorts_by_score() -> None:
    planes = Planes(16, 16)
    planes.put(row=2, column=2, heat=0.6875, height=16, width=16)
    planes.put(row=2, column=3, heat=0.8125, height=16, width=16)  # IoU 12 / 20
    planes.put(row=12, column=12, heat=0.9375, height=16, width=16)
    found = decode(*planes.outputs, threshold=0.5, iou=0.3)
    assert [face.score for face in found] == [0.9375, 0.8125]
    assert len(decode(*planes.outputs, threshold=0.5, iou=0.61)) == 3


def test_detect_maps_boxes_and_landmarks_back_to_the_photo() -> None:
    planes = Planes(16, 32)
    planes.put(row=7, column=11, heat=0.9, height=8, width=16)
    planes.points[:, 7, 11] = 0.5
    settings = CenterFaceSettings(working_size=128, closer_look=0)
    detector = CenterFaceDetector(FakeNetwork({128: planes}), settings)
    # 512 wide becomes 128, so a quarter; the face's middle at (46, 30) lay at (184, 120).
    (face,) = detector.detect(np.zeros((256, 512, 3), np.uint8))
    assert face.box == pytest.approx(Box(152, 104, 64, 32))
    assert face.landmarks == pytest.approx(np.array([(184, 120)] * 5))


def test_detect_feeds_rgb_unscaled_and_pads_right_and_below_with_black() -> None:
    network = FakeNetwork()
    image = np.full((100, 200, 3), (10, 20, 30), np.uint8)
    CenterFaceDetector(network, CenterFaceSettings(working_size=200)).detect(image)
    (blob,) = network.blobs
    assert blob.shape == (1, 3, 128, 224)
    assert blob.dtype == np.float32
    assert (blob[0, :, :100, :200] == np.array((10, 20, 30))[:, None, None]).all()
    assert not blob[0, :, 100:].any()
    assert not blob[0, :, :, 200:].any()


@pytest.mark.parametrize(
    ("height", "width", "inputs"),
    [
        (8, 20_000, 2 * [(32, 3360)]),
        (20_000, 8, 2 * [(3360, 32)] + 2 * [(32, 3360)]),
        (1, 1, [(32, 32)]),
        (3, 2, [(32, 32)]),
        (1365, 2047, [(704, 1024), (192, 256)]),
        (1365, 2048, 2 * [(448, 640)]),
        (3000, 4000, 2 * [(512, 672)]),
        (4000, 6000, 2 * [(672, 1024)]),
        (512, 512, [(1024, 1024), (256, 256)]),
        (128, 128, [(256, 256)]),
    ],
)
def test_detect_bounds_the_inputs_whatever_the_photos_shape(
    height: int, width: int, inputs: list[tuple[int, int]]
) -> None:
    network = FakeNetwork()
    detector = CenterFaceDetector(network, CenterFaceSettings())
    assert detector.detect(np.zeros((height, width, 3), np.uint8)) == []
    assert [blob.shape for blob in network.blobs] == [(1, 3, *shape) for shape in inputs]


def test_a_small_photo_is_enlarged_up_to_the_limit() -> None:
    network = FakeNetwork()
    settings = CenterFaceSettings(working_size=1024, close_up_size=0, max_enlargement=2)
    CenterFaceDetector(network, settings).detect(np.full((64, 100, 3), 9, np.uint8))
    (blob,) = network.blobs
    assert (blob[0, 0, :128, :200] == 9).all()
    assert blob.sum() == 3 * 9 * 128 * 200


def test_the_second_look_adds_large_faces_only_and_the_better_of_two_stays() -> None:
    first, second = Planes(256, 256), Planes(64, 64)
    first.put(row=60, column=60, heat=0.6, height=400, width=400)
    second.put(row=15, column=15, heat=0.9, height=100, width=100)  # the same face
    second.put(row=50, column=50, heat=0.8, height=26, width=26)  # 104 of 1024 pixels
    second.put(row=50, column=20, heat=0.7, height=25, width=25)  # 100 of 1024: too small
    detector = CenterFaceDetector(
        FakeNetwork({1024: first, 256: second}), CenterFaceSettings(close_up_size=256)
    )
    found = detector.detect(np.zeros((1024, 1024, 3), np.uint8))
    assert [face.score for face in found] == pytest.approx([0.9, 0.8])
    assert [face.box.w for face in found] == pytest.approx([400, 104])


UPRIGHT = (0.3, 0.3, 0.3, 0.7, 0.5, 0.5, 0.7, 0.3, 0.7, 0.7)
"""(y, x) of eyes, nose and corners of the mouth in shares of the box, as in `Planes.points`."""


class Scripted:
    """Answers the n-th run with the n-th planes, and later ones with no face."""

    def __init__(self, *planes: Planes | None) -> None:
        self.planes = list(planes)
        self.blobs: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        blob = feeds["input.1"]
        self.blobs.append(blob)
        planes = self.planes.pop(0) if self.planes else None
        planes = planes or Planes(blob.shape[2] // 4, blob.shape[3] // 4)
        return [output[np.newaxis] for output in planes.outputs]


def one_face(height: int, width: int, row: int, column: int, heat: float, side: float) -> Planes:
    """An upright face for an input of that size."""
    planes = Planes(height // 4, width // 4)
    planes.put(row, column, heat, side, side)
    planes.points[:, row, column] = UPRIGHT
    return planes


LARGE = (4000, 6000, 3)
"""A photo whose first look, at a sixth of its size, takes an input of 672 by 1024."""


def hint(heat: float = 0.12, side: float = 10) -> Planes:
    """One in the middle of the first look, at (3012, 2004) of the photo."""
    return one_face(672, 1024, row=83, column=125, heat=heat, side=side)


def settings_at_half(**others: float) -> CenterFaceSettings:
    """Closer looks at half a photo's size, so that all scales are whole."""
    return CenterFaceSettings(**{"closer_look": 30, **others})  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_hint_of_a_small_face_in_a_large_photo_is_looked_at_more_closely(scale: float) -> None:
    # At half the photo's size the hint is 30 pixels: a part reaches 58 to each side, grown to 64.
    found = one_face(128, 128, row=15, column=15, heat=0.8, side=30)
    network = Scripted(hint(), found)
    image = np.zeros((int(4000 * scale), int(6000 * scale), 3), np.uint8)
    (face,) = CenterFaceDetector(network, settings_at_half()).detect(image, scale)
    assert [blob.shape[2:] for blob in network.blobs] == [(672, 1024), (128, 128)]
    # The part begins at (1506 - 64, 1001.5 - 64) of the photo at half its size.
    photo = [scale * value for value in (2 * (1442 + 62 - 15), 2 * (937 + 62 - 15), 60, 60)]
    assert face.box == pytest.approx(Box(*photo), abs=0.01)
    assert face.score == pytest.approx(0.8)


def test_a_stray_at_a_parts_edge_is_looked_at_once_more() -> None:
    stray = one_face(128, 128, row=15, column=4, heat=0.4, side=30)
    found = one_face(128, 128, row=15, column=15, heat=0.8, side=30)
    network = Scripted(hint(), stray, found)
    (face,) = CenterFaceDetector(network, settings_at_half(turns=0)).detect(
        np.zeros(LARGE, np.uint8)
    )
    assert len(network.blobs) == 3
    # 44 pixels to the left of the first part's middle, seen in the middle of the second's.
    assert face.box.x == pytest.approx(2 * (1442 + 18 - 64 + 62 - 15), abs=0.01)


@pytest.mark.parametrize("column", [2, 29])
def test_what_a_part_shows_half_is_not_that_parts(column: int) -> None:
    stray = one_face(128, 128, row=15, column=column, heat=0.8, side=30)
    network = Scripted(hint(), stray)
    detector = CenterFaceDetector(network, settings_at_half(turns=0))
    assert detector.detect(np.zeros(LARGE, np.uint8)) == []
    assert len(network.blobs) == 3


def test_a_stray_that_is_known_is_not_looked_at_again() -> None:
    first = hint()
    first.put(83, 130, 0.9, 20, 20)  # at (1566, 1001.5) of the photo at half its size
    stray = one_face(128, 128, row=15, column=31, heat=0.8, side=60)
    network = Scripted(first, stray)
    detector = CenterFaceDetector(network, settings_at_half(turns=0))
    assert len(detector.detect(np.zeros(LARGE, np.uint8))) == 1
    assert len(network.blobs) == 2


@pytest.mark.parametrize(
    ("first", "settings"),
    [
        (hint(), CenterFaceSettings(hint=0.13)),
        (hint(heat=0.7, side=20), CenterFaceSettings()),
        (hint(heat=0.12, side=21), CenterFaceSettings()),
        (hint(heat=0.6, side=29), CenterFaceSettings()),
    ],
    ids=["no hint", "a clear face", "a faint hint of a larger one", "a larger face"],
)
def test_no_closer_look_without_need(first: Planes, settings: CenterFaceSettings) -> None:
    network = Scripted(first)
    CenterFaceDetector(network, replace(settings, turns=0)).detect(np.zeros(LARGE, np.uint8))
    assert len(network.blobs) == 1


@pytest.mark.parametrize(
    ("heat", "side"), [(0.64, 20), (0.7, 17), (0.4, 27)], ids=["unsure", "small", "doubtful"]
)
def test_what_is_not_seen_well_from_far_is_looked_at_again(heat: float, side: float) -> None:
    network = Scripted(hint(heat, side))
    settings = settings_at_half(turns=0)
    CenterFaceDetector(network, settings).detect(np.zeros(LARGE, np.uint8))
    assert len(network.blobs) == 2


def test_photos_are_looked_at_once_where_closer_looks_are_switched_off() -> None:
    network = Scripted(one_face(704, 1024, row=50, column=100, heat=0.12, side=10))
    detector = CenterFaceDetector(network, CenterFaceSettings(closer_look=0))
    assert detector.detect(np.zeros(LARGE, np.uint8)) == []
    assert [blob.shape[2:] for blob in network.blobs] == [(704, 1024), (192, 256)]


def test_a_hint_of_a_large_face_asks_for_a_look_from_afar() -> None:
    network = Scripted(hint(heat=0.12, side=101))
    detector = CenterFaceDetector(network, CenterFaceSettings(turns=0))
    detector.detect(np.zeros(LARGE, np.uint8))
    assert [blob.shape[2:] for blob in network.blobs] == [(672, 1024), (192, 256)]


def test_faint_hints_are_looked_at_as_far_as_their_number_is_bounded() -> None:
    first = Planes(168, 256)
    for number in range(100):
        row, column = 10 + 16 * (number // 10), 10 + 24 * (number % 10)
        first.put(row, column, 0.11 + number / 1000, 10, 10)
    network = Scripted(first)
    detector = CenterFaceDetector(network, CenterFaceSettings(turns=0))
    detector.detect(np.zeros(LARGE, np.uint8))
    assert len(network.blobs) == 1 + 24


def test_a_doubtful_face_in_a_large_photo_is_alone_looked_at_in_the_mirror() -> None:
    network = Scripted(hint(heat=0.4, side=40))
    settings = settings_at_half(turns=0)
    CenterFaceDetector(network, settings).detect(np.zeros(LARGE, np.uint8))
    assert [blob.shape[2:] for blob in network.blobs] == [(672, 1024), (160, 160)]


def test_a_large_photo_is_turned_only_where_its_faces_show_so() -> None:
    lies = hint(heat=0.8, side=40)
    lies.points[:, 83, 125] = LYING
    network = Scripted(lies)
    (face,) = CenterFaceDetector(network, settings_at_half()).detect(np.zeros(LARGE, np.uint8))
    assert face.score == pytest.approx(0.8)
    assert [blob.shape[2:] for blob in network.blobs] == [(672, 1024), (160, 160)]


def test_a_large_photo_is_turned_when_they_do() -> None:
    lies = hint(heat=0.6, side=40)
    lies.points[:, 83, 125] = LYING
    tried = one_face(160, 160, row=19, column=19, heat=0.9, side=60)
    upright = one_face(1024, 672, row=125, column=83, heat=0.9, side=40)
    network = Scripted(lies, tried, upright)
    (face,) = CenterFaceDetector(network, settings_at_half()).detect(np.zeros(LARGE, np.uint8))
    assert [blob.shape[2:] for blob in network.blobs] == [(672, 1024), (160, 160), (1024, 672)]
    assert face.score == pytest.approx(0.9)


def test_a_large_photo_without_a_face_is_looked_at_upside_down_too() -> None:
    upright = hint(heat=0.8, side=40)
    network = Scripted(None, upright, upright)
    (face,) = CenterFaceDetector(network, settings_at_half()).detect(np.zeros(LARGE, np.uint8))
    assert face.landmarks is not None
    left_eye, _, _, left_corner, _ = face.landmarks
    assert left_eye[1] > left_corner[1]
    assert [blob.shape[2:] for blob in network.blobs] == 3 * [(672, 1024)]


def test_a_large_high_photo_without_a_face_is_looked_at_on_its_sides_too() -> None:
    upright = hint(heat=0.8, side=40)
    high = np.zeros((LARGE[1], LARGE[0], 3), np.uint8)
    for before in (2, 3):
        network = Scripted(*before * [None], upright, upright)
        (face,) = CenterFaceDetector(network, settings_at_half()).detect(high)
        assert face.landmarks is not None
        left_eye, _, _, left_corner, _ = face.landmarks
        assert (left_eye[0] > left_corner[0]) == (before == 2)
        shapes = [blob.shape[2:] for blob in network.blobs]
        assert shapes == 2 * [(1024, 672)] + before * [(672, 1024)]


def test_a_faint_upright_face_does_not_end_the_search_for_a_clear_one() -> None:
    clear, faint_on_a_side = hint(heat=0.8, side=40), hint(heat=0.4, side=40)
    faint_upside_down = one_face(1024, 672, row=125, column=83, heat=0.4, side=40)
    high = np.zeros((LARGE[1], LARGE[0], 3), np.uint8)
    # What shows an upright face is looked at twice.
    for looks in (
        [None, faint_upside_down, faint_upside_down, None, clear, clear],
        [None, None, faint_on_a_side, faint_on_a_side, clear, clear],
    ):
        (face,) = CenterFaceDetector(Scripted(*looks), settings_at_half()).detect(high)
        assert face.score == pytest.approx(0.8)


def test_a_large_wide_photo_without_a_face_is_not() -> None:
    network = Scripted()
    assert CenterFaceDetector(network, settings_at_half()).detect(np.zeros(LARGE, np.uint8)) == []
    assert [blob.shape[2:] for blob in network.blobs] == 2 * [(672, 1024)]


@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [(4000, 3000, 28 / 60), (3000, 4000, 28 / 60), (2048, 1536, 0.5), (1500, 1000, 1024 / 1500)],
)
def test_the_scale_that_a_photo_must_be_shown_at(width: int, height: int, scale: float) -> None:
    detector = CenterFaceDetector(FakeNetwork(), CenterFaceSettings())
    assert detector.scale_for(width, height) == pytest.approx(scale)


def test_a_small_photo_is_wanted_whole() -> None:
    assert CenterFaceDetector(FakeNetwork(), CenterFaceSettings()).scale_for(640, 480) == 1


@pytest.mark.parametrize(("height", "width"), [(300, 400), (1200, 1600), (3000, 4000)])
def test_a_picture_at_half_the_photos_size_makes_the_same_inputs(height: int, width: int) -> None:
    whole, halved = FakeNetwork(), FakeNetwork()
    photo = np.full((height, width, 3), 7, np.uint8)
    CenterFaceDetector(whole, CenterFaceSettings()).detect(photo)
    CenterFaceDetector(halved, CenterFaceSettings()).detect(photo[::2, ::2], 0.5)
    assert len(whole.blobs) in (1, 2)
    for one, other in zip(whole.blobs, halved.blobs, strict=True):
        assert (one == other).all()


def test_settings_of_an_event_made_before_photos_were_looked_at_from_far_still_do() -> None:
    older = described(CenterFaceSettings(threshold=0.6), "detector.")
    del older["detector.far_size"]
    assert resolve(CenterFaceSettings, older, "detector.") == CenterFaceSettings(threshold=0.6)


def test_a_first_look_at_many_pixels_is_had_in_parts() -> None:
    network = FakeNetwork()
    settings = resolve(CenterFaceSettings, THOROUGH, "detector.")
    CenterFaceDetector(network, settings).detect(np.zeros((5800, 8600, 3), np.uint8))
    sizes = [blob.shape[2] * blob.shape[3] for blob in network.blobs]
    assert len(sizes) > 2
    assert max(sizes) <= 896 * 896
    assert sum(sizes) > 5800 * 8600 * (14 / 60) ** 2


class Bright:
    """Sees whatever is bright as a face, where it is 40 to 100 pixels large and not cut off."""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        bright = feeds["input.1"][0, 0] > 128
        height, width = bright.shape
        planes = Planes(height // 4, width // 4)
        rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
        if len(rows) and rows[0] and columns[0] and rows[-1] < height - 1:
            tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
            if columns[-1] < width - 1 and 40 <= max(tall, wide) <= 100:
                middle = int(rows.mean()) // 4, int(columns.mean()) // 4
                planes.put(*middle, 0.9, tall, wide)
        return [output[np.newaxis] for output in planes.outputs]


@pytest.mark.parametrize("side", [60, 88, 100, 132, 180, 260, 360])
@pytest.mark.parametrize("corner", [(1480, 1120), (1000, 2000)], ids=["across parts", "in one"])
def test_no_size_of_face_is_lost_between_parts_and_the_whole(
    side: int, corner: tuple[int, int]
) -> None:
    # A picture at a quarter of its photo's size: 4000 by 3000 pixels.
    image = np.zeros((750, 1000, 3), np.uint8)
    x, y, s = (value // 4 for value in (*corner, side))
    image[y : y + s, x : x + s] = 255
    detector = CenterFaceDetector(Bright(), CenterFaceSettings(working_size=4096, turns=0))
    (face,) = detector.detect(image, 0.25)
    assert face.box == pytest.approx(Box(x, y, s, s), abs=3)


def test_after_parts_of_a_look_from_far_there_is_one_look_at_the_whole() -> None:
    network = FakeNetwork()
    CenterFaceDetector(network, CenterFaceSettings(turns=0)).detect(
        np.zeros((1450, 2150, 3), np.uint8), 0.25
    )
    *parts, whole = [blob.shape[2:] for blob in network.blobs]
    assert parts == 4 * [(544, 768)]
    assert whole == (448, 640)


def test_a_doubtful_face_is_looked_at_in_the_mirror() -> None:
    doubtful = one_face(1024, 1024, row=100, column=50, heat=0.4, side=40)
    mirrored = one_face(1024, 1024, row=100, column=255 - 50, heat=0.9, side=40)
    network = Scripted(doubtful, None, mirrored)
    image = np.zeros((1024, 1024, 3), np.uint8)
    image[:, :512] = 200
    (face,) = CenterFaceDetector(network, CenterFaceSettings(turns=0)).detect(image)
    assert face.score == pytest.approx(0.9)
    # Middles of cells mirror onto middles of cells: (50 + .5) * 4 from either edge.
    assert face.box == pytest.approx(Box(202 - 20, 402 - 20, 40, 40))
    assert face.landmarks is not None
    assert face.landmarks[0] == pytest.approx((182 + 12, 382 + 12))
    assert not network.blobs[2][0, 0, :, :512].any()
    assert (network.blobs[2][0, 0, :, 512:] == 200).all()


@pytest.mark.parametrize("heat", [0.34, 0.54])
def test_a_face_beyond_doubt_is_not_looked_at_in_the_mirror(heat: float) -> None:
    network = Scripted(one_face(1024, 1024, row=100, column=50, heat=heat, side=40))
    detector = CenterFaceDetector(network, CenterFaceSettings(turns=0))
    detector.detect(np.zeros((1024, 1024, 3), np.uint8))
    assert len(network.blobs) == 2


LYING = (0.7, 0.3, 0.3, 0.3, 0.5, 0.5, 0.7, 0.7, 0.3, 0.7)
"""As `UPRIGHT`, the chin to the right."""


def lying() -> Planes:
    """A face whose chin points to the right, as in a photo turned anticlockwise once."""
    planes = one_face(1024, 1024, row=100, column=50, heat=0.6, side=40)
    planes.points[:, 100, 50] = LYING
    return planes


def test_a_photo_whose_face_lies_on_its_side_is_turned_upright() -> None:
    upright = one_face(1024, 1024, row=50, column=255 - 100, heat=0.9, side=40)
    network = Scripted(lying(), None, upright)
    image = np.zeros((1024, 1024, 3), np.uint8)
    image[0] = 255
    (face,) = CenterFaceDetector(network, CenterFaceSettings()).detect(image)
    assert (network.blobs[2][0, 0, :, -1] == 255).all()  # the top lies on the right now
    assert face.score == pytest.approx(0.9)
    assert face.box == pytest.approx(Box(202 - 20, 402 - 20, 40, 40))
    assert face.landmarks is not None
    eye, mouth = face.landmarks[0], face.landmarks[3]
    assert eye == pytest.approx((194, 410))
    assert mouth == pytest.approx((210, 410))


def test_the_photo_stays_as_it_is_where_turning_shows_no_face_upright() -> None:
    network = Scripted(lying())
    (face,) = CenterFaceDetector(network, CenterFaceSettings()).detect(
        np.zeros((1024, 1024, 3), np.uint8)
    )
    assert len(network.blobs) == 4
    assert face.score == pytest.approx(0.6)


def test_photos_are_not_turned_where_that_is_switched_off() -> None:
    network = Scripted(lying())
    CenterFaceDetector(network, CenterFaceSettings(turns=0)).detect(
        np.zeros((1024, 1024, 3), np.uint8)
    )
    assert len(network.blobs) == 2


@pytest.mark.parametrize(("heat", "best"), [(0.8, 0.8), (0.69, 0.6)])
def test_an_uncertain_upright_face_may_stand_on_its_head(heat: float, best: float) -> None:
    seen = one_face(1024, 1024, row=100, column=50, heat=0.6, side=40)
    upside_down = one_face(1024, 1024, row=155, column=205, heat=heat, side=40)
    network = Scripted(seen, None, upside_down)
    image = np.zeros((1024, 1024, 3), np.uint8)
    (face,) = CenterFaceDetector(network, CenterFaceSettings()).detect(image)
    assert face.score == pytest.approx(best)
    assert face.landmarks is not None
    eyes_below_the_mouth = face.landmarks[0, 1] > face.landmarks[3, 1]
    assert eyes_below_the_mouth == (heat == best)


class Crowded(FakeNetwork):
    """Sees faces of one score and kind in every input: one that fills it, and some smaller."""

    def __init__(self, heat: float, points: tuple[float, ...]) -> None:
        super().__init__()
        self._heat, self._points = heat, points

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        height, width = feeds["input.1"].shape[2:]
        planes = Planes(height // 4, width // 4)
        planes.points[:] = np.reshape(self._points, (10, 1, 1))
        planes.put(height // 8, width // 8, self._heat + 0.01, height - 8, width - 8)
        for share in (8, 16):
            planes.put(height // share - 4, width // share - 4, self._heat, height / 5, height / 5)
        self.planes = {width: planes}
        return super().run(feeds)


@pytest.mark.parametrize(("heat", "points"), [(0.15, UPRIGHT), (0.45, UPRIGHT), (0.6, LYING)])
@pytest.mark.parametrize(
    "settings",
    [
        CenterFaceSettings(),
        CenterFaceSettings(closer_look=0),
        CenterFaceSettings(far_size=4096, close_up_size=1024),
        CenterFaceSettings(working_size=4096),
        resolve(CenterFaceSettings, THOROUGH, "detector."),
    ],
)
@pytest.mark.parametrize("size", [(2250, 3000), (3000, 600)])
def test_no_run_of_the_network_has_too_many_pixels(
    heat: float, points: tuple[float, ...], settings: CenterFaceSettings, size: tuple[int, int]
) -> None:
    network = Crowded(heat, points)
    # A picture at a quarter of its photo's size: 12 000 by 9 000 pixels.
    CenterFaceDetector(network, settings).detect(np.zeros((*size, 3), np.uint8), 0.25)
    pixels = [blob.shape[2] * blob.shape[3] for blob in network.blobs]
    assert pixels
    assert max(pixels) <= 1024 * 1024

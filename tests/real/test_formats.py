"""Every valid but unusual file of the development photos decodes upright, in the right colours."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facefind.errors import UnreadablePhoto
from facefind.images import decode, discover, read_file
from facefind.types import Photo

REPO = Path(__file__).parent.parent.parent
EVENTS = Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data")) / "events"
INDEX = EVENTS / "formats.jsonl"
CASES: list[dict[str, Any]] = (
    [json.loads(line) for line in INDEX.read_text("utf-8").splitlines()] if INDEX.exists() else []
)

TOO_UNUSUAL = r"^a lossless JPEG, or one of more than 8 bits per colour, which cannot be read$"
DAMAGED = r"^the (JPEG|TIFF) picture is damaged, or of a kind that cannot be read$"
TRUNCATED = r"^the JPEG picture is truncated$"
REFUSED = {
    # Named after gain maps, but the file stops in the middle of its picture.
    "pil_ultrahdr.jpg": TRUNCATED,
    # Pillow's libtiff is built without WebP.
    "pil_hopper_webp.tif": DAMAGED,
    # An abbreviated JPEG: its tables are in another file.
    "seedbugs_8bit_8x8_420_tables.jpg": DAMAGED,
    "seedbugs_12bit_random12_100x91_islow_4x1,2x2,1x2_Q100,99,98_rst2.jpg": TOO_UNUSUAL,
    "seedbugs_12bit_random12_99x92_ifast_rgb_420_Q90,80,70_smooth50.jpg": TOO_UNUSUAL,
    "seedbugs_lossless_random10_100x91_lossless_psv1_pt0.jpg": TOO_UNUSUAL,
    "seedbugs_lossless_random16_95x96_lossless_psv3_pt2.jpg": TOO_UNUSUAL,
}

# The index gives the stored size. These are stored turned, seen by eye or said by `orientation`;
# of TIFF and HEIC it gives the upright size already.
STORED_TURNED = {
    "pil_avif_rot1mir0.avif",
    "pil_avif_rot3mir1.avif",
    "pp_photoprism_testdata_rotate_6.png",
}

SUMMER = timezone(timedelta(hours=2))
DATES = {
    "dev_date_full.jpg": datetime(2023, 6, 17, 15, 42, 10, 370000, SUMMER),
    "dev_date_nooffset.jpg": datetime(2023, 6, 17, 15, 42, 11),
    "dev_date_only_modify.jpg": datetime(2023, 6, 18, 9, 0),
    "dev_date_zero.jpg": None,
    "dev_date_future.jpg": None,
    "dev_date_garbage.jpg": None,
    "dev_date_blank.jpg": None,
    "immich_metadata_dates_date-priority-test.jpg": datetime(2023, 2, 2, 2, 0),
    "pp_meta_testdata_buggy_panorama.jpg": datetime(2022, 4, 24, 10, 35, 53, 358000, SUMMER),
}

# One photo of six people, saved in every way; compared with its lossless copy at that one's size.
COLOUR_VARIANTS = (
    "dev_progressive.jpg dev_cmyk_adobe.jpg dev_444_q100.jpg dev_restart.jpg dev_exif_orient1.jpg"
    " dev_exif_orient2.jpg dev_exif_orient3.jpg dev_exif_orient4.jpg dev_exif_orient5.jpg"
    " dev_exif_orient6.jpg dev_exif_orient7.jpg dev_exif_orient8.jpg dev_exif_orient_bad9.jpg"
    " dev_orient6.png dev_orient6.webp dev_orient6.tif dev_orient6.avif dev_orient6.heic"
    " dev_adam7.png dev_palette.png dev_rgb16.png dev_apng.png dev_static.gif dev_animated.gif"
    " dev_lossy.webp dev_lossless.webp dev_animated.webp dev_plain.avif dev_plain.heic"
    " dev_plain.jp2 dev_plain.bmp dev_lzw.tif dev_jpeg.tif dev_cmyk.tif dev_multipage.tif"
    " dev_plain.tga dev_plain.ppm dev_face.ico dev_png_named.jpg dev_jpeg_named.png"
    " dev_jpeg_named.heic dev_heic_named.jpg dev_webp_named.jpeg dev_noextension"
    " dev_name_UPPER.JPG dev_name_mixed.Jpeg dev_name_old.jfif dev_name_old.jpe"
    " dev_trailing_garbage.jpg dev_motion_like.jpg dev_big_comment.jpg dev_date_full.jpg"
    " dev_exact_duplicate.jpg"
)
GREY_VARIANTS = "dev_gray.jpg dev_gray16.png"
BOUND = 8.0
"""Mean difference of levels; the variants reach 5.7, the mirrored photo 54 (tested below)."""


def photo(name: str) -> Photo:
    return decode(read_file(EVENTS / "formats" / name).data)


def at_reference_size(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    resized = cv2.resize(pixels, (330, 253), interpolation=cv2.INTER_AREA)
    return resized.astype(np.float32)


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(abs(a - b).mean())


@pytest.fixture(scope="module")
def reference(test_data: Path) -> NDArray[np.float32]:
    return photo("dev_rgb.png").pixels.astype(np.float32)


def test_the_index_is_read_whole(test_data: Path) -> None:
    assert len(CASES) >= 163
    names = {Path(case["file"]).name for case in CASES}
    assert names >= {*REFUSED, *STORED_TURNED, *DATES, *COLOUR_VARIANTS.split()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_file_decodes_at_its_upright_size(test_data: Path, case: dict[str, Any]) -> None:
    path = EVENTS / case["file"]
    data = read_file(path).data
    if path.name in REFUSED:
        with pytest.raises(UnreadablePhoto, match=REFUSED[path.name]):
            decode(data)
        return
    decoded = decode(data)
    assert (decoded.info.width, decoded.info.height) == expected_size(path, case)
    assert decoded.pixels.shape == (decoded.info.height, decoded.info.width, 3)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.flags.c_contiguous


def expected_size(path: Path, case: dict[str, Any]) -> tuple[int, int]:
    if path.name == "pil_sugarshack_bad_mpo_header.jpg":
        return 640, 480
    width, height = case["pillow"]["size"]
    stored_upright = case["pillow"]["format"] in ("TIFF", "HEIF")
    turned = case.get("orientation", 1) >= 5 and not stored_upright
    return (height, width) if turned or path.name in STORED_TURNED else (width, height)


@pytest.mark.parametrize("name", COLOUR_VARIANTS.split())
def test_variant_has_the_colours_of_the_original(reference: NDArray[np.float32], name: str) -> None:
    assert difference(at_reference_size(photo(name).pixels), reference) < BOUND


@pytest.mark.parametrize("name", GREY_VARIANTS.split())
def test_grey_variant_has_the_levels_of_the_original(
    reference: NDArray[np.float32], name: str
) -> None:
    pixels = photo(name).pixels
    assert (pixels == pixels[..., :1]).all()
    grey = cv2.cvtColor(reference.astype(np.uint8), cv2.COLOR_RGB2GRAY).astype(np.float32)
    assert difference(at_reference_size(pixels)[..., 0], grey) < BOUND


@pytest.mark.parametrize("name", ["dev_alpha.png", "dev_alpha.webp"])
def test_transparent_part_is_white_and_the_rest_unchanged(
    reference: NDArray[np.float32], name: str
) -> None:
    pixels = photo(name).pixels
    assert (pixels[:40] == 255).all()
    assert difference(pixels[44:].astype(np.float32), reference[44:]) < BOUND


def test_the_bound_tells_wrong_pictures(reference: NDArray[np.float32]) -> None:
    mirrored = at_reference_size(photo("dev_mirror_duplicate.jpg").pixels)
    assert difference(mirrored, reference) > 5 * BOUND
    assert difference(mirrored[:, ::-1], reference) < BOUND
    assert difference(255 - reference, reference) > 5 * BOUND
    assert difference(reference[..., ::-1], reference) > 3 * BOUND
    assert difference(at_reference_size(photo("dev_dark.jpg").pixels), reference) > 5 * BOUND


@pytest.mark.parametrize("name", DATES)
def test_date(test_data: Path, name: str) -> None:
    # isoformat, because datetimes of different offsets may be equal.
    taken_at, expected = photo(name).info.taken_at, DATES[name]
    assert (taken_at and taken_at.isoformat()) == (expected and expected.isoformat())


@pytest.mark.parametrize(
    ("name", "camera", "place"),
    [
        ("pp_meta_testdata_panorama360.jpg", "SAMSUNG SM-C200", (59.840833, 30.51)),
        ("immich_metadata_dates_gps-datetime.jpg", None, (37.7749, -122.4194)),
        ("immich_metadata_tags_picasa.jpg", "Canon PowerShot SD1100 IS", None),
    ],
)
def test_camera_and_place(
    test_data: Path, name: str, camera: str | None, place: tuple[float, float] | None
) -> None:
    info = photo(name).info
    assert info.camera == camera
    if place is None:
        assert (info.latitude, info.longitude) == (None, None)
    else:
        assert (info.latitude, info.longitude) == pytest.approx(place)


def test_every_file_is_discovered_except_the_hidden(test_data: Path) -> None:
    expected = {EVENTS / case["file"] for case in CASES}
    hidden = {path for path in expected if path.name.startswith(".")}
    assert len(hidden) == 1
    assert set(discover([EVENTS / "formats"])) == expected - hidden

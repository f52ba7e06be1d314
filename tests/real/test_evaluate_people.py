"""`facefind evaluate` on people of the development photos."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from PIL import Image

from tests.program import Program

PEOPLE = 16
PHOTOS = 3


@pytest.fixture(scope="module")
def folk(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of a few people of LFW."""
    photos = defaultdict(list)
    for path in sorted((test_data / "lfw").glob("*.jpg")):
        photos[path.stem.rpartition("_")[0]].append(path)
    folder = tmp_path_factory.mktemp("folk")
    chosen = [name for name in photos if len(photos[name]) >= PHOTOS][:PEOPLE]
    for name in chosen:
        (folder / name).mkdir()
        for path in photos[name][:PHOTOS]:
            shutil.copy(path, folder / name / path.name)
    return folder


def test_people_are_told_apart(folk: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "worst.jpg"
    report = Program(tmp_path / "home").json("evaluate", folk, "--sheet", sheet)
    assert (report["photos"], report["people"]) == (PEOPLE * PHOTOS, PEOPLE)
    assert report["photos_with_face"] == PEOPLE * PHOTOS
    assert report["accuracy"]["value"] > 0.95
    assert report["equal_error"]["rate"] < 0.05
    assert report["limits"][0]["tar"]["value"] > 0.9
    assert report["own_threshold"]["far"] < 0.02
    assert len(report["worst"]) == 10
    with Image.open(sheet) as picture:
        assert picture.format == "JPEG"

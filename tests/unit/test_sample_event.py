"""The sample event: what it shows, and the portraits it is made of."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from models import collect
from scripts import pip_photos as fetching
from scripts.pip_photos import ASTRONAUT, GRACE_HOPPER, SampleError, pip_photos
from scripts.sample_event import COLLINS, HOPPER, SHOTS, build_sample_event, truth

TAKEN, OFFSET = 0x9003, 0x9011


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, and a pip that has no index."""
    monkeypatch.setattr(fetching, "REPO", tmp_path)
    for name in ("PIP_NO_INDEX", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_truth_names_every_photo_once_as_shown_or_empty(sample_event: Path) -> None:
    written = json.loads((sample_event / "truth.json").read_text())
    assert written == truth()
    named = {name for photos in written["people"].values() for name in photos}
    empty = set(written["photos_without_people"])
    assert len(empty) == 3
    assert not named & empty
    assert named | empty == {path.name for path in (sample_event / "photos").iterdir()}
    assert {name: len(photos) for name, photos in written["people"].items()} == {
        COLLINS: 6,
        HOPPER: 5,
    }


def test_has_turned_dark_small_and_shared_photos() -> None:
    people = [person for shot in SHOTS for person in shot.people]
    assert max(abs(person.turn) for person in people) >= 10
    assert min(person.light for person in people) <= 0.5
    assert min(p.face / max(shot.size) for shot in SHOTS for p in shot.people) < 0.04
    assert sum(len(shot.people) == 2 for shot in SHOTS) == 2


def test_photos_are_what_their_names_say_and_dated_in_order(sample_event: Path) -> None:
    taken = []
    for shot in SHOTS:
        with Image.open(sample_event / "photos" / shot.name) as photo:
            suffix = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}[str(photo.format)]
            assert shot.name.endswith(suffix)
            exif = photo.getexif().get_ifd(0x8769)
            size = photo.size[::-1] if shot.turned else photo.size
            assert size == shot.size
        assert exif[OFFSET] == "+02:00"
        taken.append(datetime.strptime(exif[TAKEN], "%Y:%m:%d %H:%M:%S"))
    assert len(taken) == len(SHOTS) == 12
    assert taken == sorted(taken)
    assert taken[0].date() < taken[-1].date()


def test_one_photo_lies_and_says_so(sample_event: Path) -> None:
    (name,) = [shot.name for shot in SHOTS if shot.turned]
    with Image.open(sample_event / "photos" / name) as photo:
        assert photo.width > photo.height
        assert photo.getexif()[0x0112] == 6


def test_portraits_are_named_after_the_people(sample_event: Path) -> None:
    names = sorted(path.name for path in (sample_event / "portraits").iterdir())
    assert names == [f"{COLLINS}.jpg", f"{HOPPER}.jpg"]


def test_building_again_changes_nothing(sample_event: Path, tmp_path: Path) -> None:
    build_sample_event(tmp_path)
    first = digests(tmp_path)
    assert len(first) == len(SHOTS) + 3
    build_sample_event(tmp_path)
    assert digests(tmp_path) == first


def test_portraits_are_the_pinned_files_and_stay(sample_event: Path, checkout: Path) -> None:
    # Out of the cache that building the sample event has filled; this checkout has none.
    cached = Path(collect.REPO) / ".cache" / "portraits"
    for record in (ASTRONAUT, GRACE_HOPPER):
        content = (cached / record.file).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (record.size, record.sha256)
    assert pip_photos(cached) == (cached / ASTRONAUT.file, cached / GRACE_HOPPER.file)


def test_without_an_index_one_line_names_both_files_and_their_places(checkout: Path) -> None:
    with pytest.raises(SampleError) as caught:
        pip_photos(checkout / "portraits")
    message = str(caught.value)
    assert "\n" not in message
    for record in (ASTRONAUT, GRACE_HOPPER):
        assert f"{record.member} of {record.archive}" in message
        assert str(checkout / "models" / "sources" / record.file) in message


def test_files_put_by_hand_are_taken_and_checked(sample_event: Path, checkout: Path) -> None:
    cached = Path(collect.REPO) / ".cache" / "portraits"
    by_hand = checkout / "models" / "sources"
    by_hand.mkdir(parents=True)
    for record in (ASTRONAUT, GRACE_HOPPER):
        (by_hand / record.file).write_bytes((cached / record.file).read_bytes())
    collins, hopper = pip_photos(checkout / "portraits")
    assert collins.read_bytes() == (cached / ASTRONAUT.file).read_bytes()
    assert hopper.read_bytes() == (cached / GRACE_HOPPER.file).read_bytes()
    hopper.unlink()
    (by_hand / GRACE_HOPPER.file).write_bytes(b"another picture")
    with pytest.raises(SampleError, match="sha256"):
        pip_photos(checkout / "portraits")
    assert not hopper.exists()


def test_a_damaged_portrait_is_fetched_again(sample_event: Path, checkout: Path) -> None:
    folder = checkout / "portraits"
    folder.mkdir()
    (folder / ASTRONAUT.file).write_bytes(b"cut short")
    with pytest.raises(SampleError, match=ASTRONAUT.package):
        pip_photos(folder)

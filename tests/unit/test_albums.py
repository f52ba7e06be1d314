"""Albums: what is written, what is changed by a second run, what is never touched."""

from __future__ import annotations

import errno
import json
import shutil
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facefind.albums import (
    LISTING_NAME,
    RECORD_NAME,
    AlbumMode,
    AlbumsReport,
    find_people,
    portrait_albums,
    write_albums,
)
from facefind.albums.portraits import one_person_per_face
from facefind.errors import OutputError, UsageError
from facefind.placing import Mode
from facefind.portrait_folder import People, portrait_sets, read_people
from facefind.portraits import Portrait
from facefind.search import Gallery, Reach, Scope
from facefind.store.records import EventPhoto
from facefind.types import Box, Event, Match
from tests.albums_written import states
from tests.fakes import GREY, RED, ColourFinder, ListedStore, write_photo


def match(photo: Path, distance: float = 0.3, x: float = 0) -> Match:
    return Match(photo, "party", distance, Box(x, 0, 10, 10), None, number_of(photo))


def number_of(photo: Path) -> int:
    return zlib.crc32(bytes(photo))


def searched(photos: Sequence[Path]) -> list[EventPhoto]:
    return [EventPhoto(photo, None, 1, number_of(photo)) for photo in photos]


EVENT = Event(1, "party", "clip", "f00d")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return [
        write_photo(tmp_path / "party" / "day 1" / "IMG_1.png", RED),
        write_photo(tmp_path / "party" / "day 2" / "IMG_1.png", RED, size=(30, 30)),
        write_photo(tmp_path / "party" / "IMG_2.png", RED, size=(20, 20)),
    ]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "albums"


def write(out: Path, photos: list[Path], mode: Mode = "link", **people: list[int]) -> AlbumsReport:
    answers = {name: [match(photos[i]) for i in numbers] for name, numbers in people.items()}
    return write_answers(out, answers, searched(photos), mode)


def write_answers(
    out: Path,
    answers: Mapping[str, Sequence[Match]],
    photos: Sequence[EventPhoto],
    mode: AlbumMode = "link",
    *,
    min_photos: int | None = None,
    keep: Collection[str] = (),
) -> AlbumsReport:
    """The albums of a folder of portraits."""
    shown = {match.photo_id for matches in answers.values() for match in matches}
    nobody = {photo.photo_id: photo for photo in photos if photo.photo_id not in shown}
    albums = portrait_albums(answers, min_photos)
    return write_albums(
        out, albums, photos=photos, nobody=list(nobody.values()), mode=mode, keep=keep
    )


def done(report: AlbumsReport) -> tuple[int, int, int]:
    return len(report.written), report.kept, len(report.removed)


def tree(out: Path) -> list[str]:
    files = (path for path in out.rglob("*") if not path.is_dir())
    return sorted(
        str(p.relative_to(out)) for p in files if p.name not in (RECORD_NAME, LISTING_NAME)
    )


@pytest.mark.parametrize("mode", ["link", "hardlink", "copy"])
def test_one_folder_per_person_with_clashes_resolved(
    out: Path, photos: list[Path], mode: Mode
) -> None:
    write(out, photos, mode, Ann=[0, 1, 2], Bob=[2])
    assert tree(out) == [
        "Ann/IMG_1 (2).png",
        "Ann/IMG_1.png",
        "Ann/IMG_2.png",
        "Bob/IMG_2.png",
    ]
    assert (out / "Ann/IMG_1 (2).png").read_bytes() == photos[1].read_bytes()
    assert (out / "Ann/IMG_1.png").is_symlink() == (mode == "link")


def test_listing_says_who_is_where(out: Path, photos: list[Path]) -> None:
    write(out, photos, Ann=[0, 1], Bob=[])
    listing = json.loads((out / LISTING_NAME).read_text())
    ann, bob = listing["people"]
    assert (ann["name"], ann["folder"]) == ("Ann", "Ann")
    assert ann["photos"] == [str(photos[0]), str(photos[1])]
    assert [face["photo"] for face in ann["faces"]] == ann["photos"]
    assert (bob["name"], bob["folder"], bob["photos"]) == ("Bob", "", [])
    assert listing["photos_without_people"] == [str(photos[2])]


@pytest.mark.parametrize("mode", ["link", "hardlink", "copy"])
def test_second_run_changes_nothing(out: Path, photos: list[Path], mode: Mode) -> None:
    write(out, photos, mode, Ann=[0, 1, 2])
    before = states(out)
    report = write(out, photos, mode, Ann=[0, 1, 2])
    assert done(report) == (0, 3, 0)
    assert states(out) == before


@pytest.mark.parametrize("mode", ["link", "hardlink", "copy"])
def test_second_run_changes_only_what_changed(out: Path, photos: list[Path], mode: Mode) -> None:
    write(out, photos, mode, Ann=[0, 1], Bob=[2])
    report = write(out, photos, mode, Ann=[1, 2])
    assert done(report) == (1, 1, 2)
    # The photo that stays keeps the name it had.
    assert tree(out) == ["Ann/IMG_1 (2).png", "Ann/IMG_2.png"]
    assert not (out / "Bob").exists()


def test_mode_can_be_changed(out: Path, photos: list[Path]) -> None:
    write(out, photos, "link", Ann=[0])
    report = write(out, photos, "copy", Ann=[0])
    assert len(report.written) == 1
    assert not (out / "Ann/IMG_1.png").is_symlink()


def test_foreign_files_are_never_touched(out: Path, photos: list[Path]) -> None:
    write(out, photos, Ann=[0], Bob=[2])
    (out / "Ann" / "notes.txt").write_text("mine")
    (out / "Bob" / "mine.jpg").write_text("mine")
    (out / "IMG_9.png").write_text("mine")
    write(out, photos, Ann=[1])
    assert (out / "Ann" / "notes.txt").read_text() == "mine"
    assert (out / "Bob" / "mine.jpg").read_text() == "mine"
    assert (out / "IMG_9.png").read_text() == "mine"
    assert not (out / "Bob" / "IMG_2.png").exists()


def test_foreign_file_of_the_same_name_is_not_overwritten(out: Path, photos: list[Path]) -> None:
    (out / "Ann").mkdir(parents=True)
    (out / "Ann" / "img_2.PNG").write_text("mine")
    (out / "Bob").write_text("a file, not a folder")
    write(out, photos, Ann=[2], Bob=[2])
    assert tree(out) == ["Ann/IMG_2 (2).png", "Ann/img_2.PNG", "Bob", "Bob (2)/IMG_2.png"]


def test_file_changed_since_is_left_alone_and_reported(out: Path, photos: list[Path]) -> None:
    write(out, photos, "copy", Ann=[0, 2])
    (out / "Ann" / "IMG_2.png").write_text("retouched by hand")
    report = write(out, photos, "copy", Ann=[0])
    assert report.left_alone == (out / "Ann" / "IMG_2.png",)
    assert (out / "Ann" / "IMG_2.png").read_text() == "retouched by hand"


def test_photo_that_is_gone_is_reported(out: Path, photos: list[Path]) -> None:
    photos[0].unlink()
    report = write(out, photos, Ann=[0, 2])
    assert report.gone == (photos[0],)
    assert tree(out) == ["Ann/IMG_2.png"]


def test_copies_of_photos_that_are_gone_stay(out: Path, photos: list[Path]) -> None:
    """Their disk may just not be plugged in, and the copy may be the last there is."""
    write(out, photos, "copy", Ann=[0, 2])
    photos[2].rename(photos[2].parent.parent / "elsewhere.png")
    report = write(out, photos, "copy", Ann=[0, 2])
    assert (done(report), report.gone) == ((0, 2, 0), (photos[2],))
    assert tree(out) == ["Ann/IMG_1.png", "Ann/IMG_2.png"]
    assert report.nobody == (photos[1],)


def test_people_with_few_photos_get_no_folder(out: Path, photos: list[Path]) -> None:
    answers = {"Ann": [match(photos[0])], "Bob": [match(photos[1]), match(photos[2])]}
    report = write_answers(out, answers, searched(photos), min_photos=2)
    assert [album.place for album in report.albums] == ["", "Bob"]
    assert tree(out) == ["Bob/IMG_1.png", "Bob/IMG_2.png"]


def test_disk_full_leaves_no_half_file_and_the_next_run_goes_on(
    out: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.copyfile

    def full(source: Path, target: Path) -> None:
        if target.parent.name == "Bob":
            target.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write(out, photos, "copy", Ann=[0], Bob=[2])
    assert tree(out) == ["Ann/IMG_1.png"]
    monkeypatch.setattr(shutil, "copyfile", real)
    report = write(out, photos, "copy", Ann=[0], Bob=[2])
    assert done(report)[:2] == (1, 1)


def test_an_album_that_had_to_be_named_otherwise_stays_too(out: Path, photos: list[Path]) -> None:
    out.mkdir()
    (out / "Ann").write_text("by hand")
    write(out, photos, Ann=[0, 1])
    before = tree(out)
    assert "Ann (2)/IMG_1.png" in before
    write_answers(out, {}, searched(photos), keep={"Ann"})
    assert tree(out) == before


def test_damaged_record_is_refused(out: Path, photos: list[Path]) -> None:
    write(out, photos, Ann=[0])
    (out / RECORD_NAME).write_text("[1")
    with pytest.raises(UsageError, match="is damaged"):
        write(out, photos, Ann=[0])


def test_a_face_near_two_people_goes_to_the_nearest(photos: list[Path]) -> None:
    """Ann is nearer to Bob's face than to her own, but that face is Bob's."""
    result = one_person_per_face(
        {
            "Ann": [match(photos[0], 0.30), match(photos[0], 0.33, x=50), match(photos[1], 0.35)],
            "Bob": [match(photos[0], 0.20), match(photos[1], 0.34)],
        }
    )
    assert [(m.photo, m.distance) for m in result["Ann"]] == [(photos[0], 0.33)]
    assert [(m.photo, m.distance) for m in result["Bob"]] == [(photos[0], 0.20), (photos[1], 0.34)]


def test_two_faces_of_one_person_in_a_photo_count_once(photos: list[Path]) -> None:
    result = one_person_per_face({"Ann": [match(photos[0], 0.3, x=50), match(photos[0], 0.2)]})
    assert [match.distance for match in result["Ann"]] == [0.2]


def test_people_need_a_threshold() -> None:
    portrait = Portrait(Path("p.jpg"), Box(0, 0, 1, 1), 1, 1, "", np.ones(2, np.float32))
    people = People({"Ann": [portrait]}, (), frozenset())
    gallery = Gallery(ListedStore([]), Scope([EVENT]))
    with pytest.raises(UsageError, match="no measured threshold"):
        find_people(people, gallery, Reach(None))
    assert find_people(people, gallery, Reach(0.5)) == {"Ann": []}


def test_the_second_face_of_a_person_in_a_photo_may_be_a_sisters(photos: list[Path]) -> None:
    """Ann's second likeliest face beats Eve's own claim to it, but Ann is in the photo already."""
    first, second = match(photos[0], 0.20), match(photos[0], 0.30, x=50)
    result = one_person_per_face(
        {
            "Ann": [replace(first, probability=0.99), replace(second, probability=0.98)],
            "Eve": [replace(first, probability=0.96), replace(second, probability=0.97)],
        }
    )
    assert [m.box.x for m in result["Ann"]] == [0]
    assert [m.box.x for m in result["Eve"]] == [50]


def test_a_mirror_image_is_nobody_elses(photos: list[Path]) -> None:
    mirrored = match(photos[0], 0.15, x=50)
    claims = {
        "Ann": [match(photos[0], 0.10), mirrored],
        "Eve": [replace(mirrored, distance=0.3)],
    }
    assert [len(found) for found in one_person_per_face(claims, 0.2).values()] == [1, 0]
    assert [len(found) for found in one_person_per_face(claims, 0.1).values()] == [1, 1]


def test_albums_of_people_who_cannot_be_asked_about_stay(out: Path, photos: list[Path]) -> None:
    write(out, photos, Ann=[0, 1], Bob=[2])
    answers = {"Ann": [match(photos[0])]}
    report = write_answers(out, answers, searched(photos), keep={"Bob"})
    assert tree(out) == ["Ann/IMG_1.png", "Bob/IMG_2.png"]
    assert done(report) == (0, 2, 1)
    write(out, photos, Ann=[0])
    assert tree(out) == ["Ann/IMG_1.png"]


def test_portraits_that_fail_are_reported_and_their_people_known(tmp_path: Path) -> None:
    write_photo(tmp_path / "Ann" / "good.png", RED)
    write_photo(tmp_path / "Ann" / "empty.png", GREY)
    write_photo(tmp_path / "Bob.png", GREY)
    people = read_people(tmp_path, ColourFinder())
    assert list(people.probes) == ["Ann"]
    assert sorted(portrait.path.name for portrait in people.failed) == ["Bob.png", "empty.png"]
    assert people.unknown == {"Bob"}


def test_a_photo_known_from_two_events_is_listed_once_and_only_if_without_people(
    out: Path, photos: list[Path]
) -> None:
    twice = [EventPhoto(path, None, 1, number) for path in photos[:2] for number in (1, 2)]
    shown = [Match(photos[2], "party", 0.3, Box(0, 0, 9, 9), None, 1)]
    report = write_answers(out, {"Ann": shown}, twice)
    assert report.nobody == (photos[1],)


def test_the_photos_own_folder_is_refused(photos: list[Path]) -> None:
    folder = photos[2].parent
    with pytest.raises(UsageError, match="photos of the event itself"):
        write(folder, photos, Ann=[0])
    assert not (folder / RECORD_NAME).exists()
    write(folder / "albums", photos, Ann=[0])


def test_a_record_that_leads_out_of_the_folder_is_refused(out: Path, photos: list[Path]) -> None:
    write(out, photos, "copy", Ann=[0])
    record = json.loads((out / RECORD_NAME).read_text())
    victim = Path(shutil.copy2(photos[2], out.parent / "victim.png"))
    record["files"]["../victim.png"] = record["files"].pop("Ann/IMG_1.png") | {
        "size": victim.stat().st_size,
        "mtime_ns": victim.stat().st_mtime_ns,
    }
    (out / RECORD_NAME).write_text(json.dumps(record))
    with pytest.raises(UsageError, match="is damaged"):
        write(out, photos, Ann=[0])
    assert victim.exists()


def test_a_hard_link_of_a_link_holds_the_photo(out: Path, photos: list[Path]) -> None:
    link = photos[0].parent / "link.png"
    link.symlink_to(photos[0])
    write_answers(out, {"Ann": [match(link)]}, (), "hardlink")
    assert not (out / "Ann" / "link.png").is_symlink()
    assert (out / "Ann" / "link.png").samefile(photos[0])
    again = write_answers(out, {"Ann": [match(link)]}, (), "hardlink")
    assert done(again) == (0, 1, 0)


def test_portraits_by_file_and_folder(tmp_path: Path) -> None:
    for name in ("Ann.png", "Bob/1.png", "Bob/2.png", "Cy.png", "Cy/x.png"):
        write_photo(tmp_path / "portraits" / name, RED)
    sets, failed = portrait_sets(tmp_path / "portraits")
    assert failed == []
    assert [(person.name, len(person.pictures)) for person in sets] == [
        ("Ann", 1),
        ("Bob", 2),
        ("Cy", 2),
    ]


def test_a_portrait_that_two_people_share_is_both_peoples(tmp_path: Path) -> None:
    folder = tmp_path / "portraits"
    shared = write_photo(tmp_path / "shared.png", RED)
    own = write_photo(folder / "Ann" / "own.png", RED)
    for link, target in (("Bob/us.png", shared), ("Cy/us.png", shared), ("Ann.png", own)):
        (folder / link).parent.mkdir(exist_ok=True)
        (folder / link).symlink_to(target)
    sets, _ = portrait_sets(folder)
    assert [(person.name, len(person.pictures)) for person in sets] == [
        ("Ann", 1),
        ("Bob", 1),
        ("Cy", 1),
    ]


def test_empty_portraits_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pictures"):
        portrait_sets(tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        portrait_sets(tmp_path / "none")

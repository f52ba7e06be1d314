"""Albums of people, written again and again: what moves, what stays, what a page and ZIPs hold."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facefind import folders
from facefind.albums import (
    LISTING_NAME,
    RECORD_NAME,
    AlbumMode,
    AlbumsReport,
    Choice,
    PageChoice,
    people_albums,
    write_albums,
)
from facefind.albums.record import Moving, Record, read_record, settled, write_record
from facefind.errors import OutputError, UsageError
from facefind.placing import Placed
from tests.albums_written import states
from tests.fakes import GREEN, RED, write_photo
from tests.people_store import PARTY, PeopleStore, photo_id

MODES: list[AlbumMode] = ["link", "hardlink", "copy", "zip"]
PAGE = PageChoice("Party", {}, list)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Five photos, of which two have one name."""
    names = ["day 1/IMG_1.png", "day 2/IMG_1.png", "IMG_2.png", "IMG_3.png", "IMG_4.png"]
    return [
        write_photo(tmp_path / "party" / name, RED, GREEN, size=(40 + number, 30))
        for number, name in enumerate(names)
    ]


@pytest.fixture
def store(photos: list[Path]) -> PeopleStore:
    """Anna (1) in 0, 1, 2; Bob (2) in 2, 3; nobody in 4."""
    store = PeopleStore()
    for photo, people in zip(photos, [(1,), (1,), (1, 2), (2,), ()], strict=True):
        store.show(photo, *people)
    store.change(1, name="Anna")
    store.change(2, name="Bob")
    return store


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "albums"


def write(
    out: Path,
    store: PeopleStore,
    mode: AlbumMode = "link",
    page: PageChoice | None = None,
    dry_run: bool = False,
    **choice: Any,
) -> AlbumsReport:
    members = people_albums(store, Choice([PARTY], **choice))
    return write_albums(
        out,
        members.albums,
        photos=members.photos,
        nobody=members.nobody,
        mode=mode,
        page=page,
        dry_run=dry_run,
    )


def tree(out: Path) -> list[str]:
    """Everything that is no folder, but for the record and the listing."""
    files = (path for path in out.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(
        str(path.relative_to(out)) for path in files if path.name not in (RECORD_NAME, LISTING_NAME)
    )


def done(report: AlbumsReport) -> tuple[int, int, int]:
    return len(report.written), report.kept, len(report.removed)


# --- folders that move ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_second_run_touches_nothing(out: Path, store: PeopleStore, mode: AlbumMode) -> None:
    write(out, store, mode, PAGE, unsorted=True)
    before = states(out)
    report = write(out, store, mode, PAGE, unsorted=True)
    assert done(report) == (0, 3 if mode == "zip" else 6, 0)
    assert report.page is not None
    assert (report.page.drawn, report.page.changed) == (0, False)
    assert states(out) == before


@pytest.mark.parametrize("mode", ["link", "hardlink", "copy"])
def test_a_renamed_person_moves_with_everything_in_the_folder(
    out: Path, store: PeopleStore, mode: AlbumMode
) -> None:
    write(out, store, mode)
    (out / "Anna" / "notes.txt").write_text("mine")
    folder, photo = (out / "Anna").stat().st_ino, (out / "Anna" / "IMG_2.png").lstat().st_ino
    store.change(1, name="Anne")
    report = write(out, store, mode)
    assert report.moved == (("Anna", "Anne"),)
    assert done(report) == (0, 5, 0)
    assert (out / "Anne").stat().st_ino == folder
    assert (out / "Anne" / "IMG_2.png").lstat().st_ino == photo
    assert (out / "Anne" / "notes.txt").read_text() == "mine"
    assert not (out / "Anna").exists()


def test_an_unnamed_person_moves_when_named(out: Path, store: PeopleStore) -> None:
    store.change(2, name=None)
    write(out, store)
    assert (out / "Person 002").is_dir()
    store.change(2, name="Bob")
    assert write(out, store).moved == (("Person 002", "Bob"),)
    assert tree(out)[-2:] == ["Bob/IMG_2.png", "Bob/IMG_3.png"]


@pytest.mark.parametrize("mode", MODES)
def test_two_who_swap_names_swap_folders(out: Path, store: PeopleStore, mode: AlbumMode) -> None:
    write(out, store, mode)
    ending = ".zip" if mode == "zip" else ""
    anna, bob = ((out / f"{name}{ending}").stat().st_ino for name in ("Anna", "Bob"))
    store.change(1, name="Bob")
    store.change(2, name="Anna")
    report = write(out, store, mode)
    assert set(report.moved) == {
        (f"Anna{ending}", f"Bob{ending}"),
        (f"Bob{ending}", f"Anna{ending}"),
    }
    assert done(report)[::2] == (0, 0)
    assert (out / f"Bob{ending}").stat().st_ino == anna
    assert (out / f"Anna{ending}").stat().st_ino == bob
    assert [name for name in folders.names_in(out) if name.endswith("moving")] == []


def test_a_row_of_names_moves_up(out: Path, store: PeopleStore) -> None:
    write(out, store)
    store.change(1, name="Bob")
    store.change(2, name="Cy")
    assert set(write(out, store).moved) == {("Bob", "Cy"), ("Anna", "Bob")}
    assert len(list((out / "Bob").iterdir())) == 3


def test_where_a_folder_is_in_the_way_it_is_shared(out: Path, store: PeopleStore) -> None:
    write(out, store)
    (out / "Anne").mkdir()
    (out / "Anne" / "mine.txt").write_text("mine")
    (out / "Anna" / "notes.txt").write_text("mine too")
    store.change(1, name="Anne")
    report = write(out, store)
    assert (report.moved, done(report)) == ((), (3, 2, 3))
    assert sorted(folders.names_in(out / "Anne")) == [
        "IMG_1 (2).png", "IMG_1.png", "IMG_2.png", "mine.txt",
    ]  # fmt: skip
    assert folders.names_in(out / "Anna") == ["notes.txt"]
    assert done(write(out, store)) == (0, 5, 0)


def test_names_that_some_system_takes_for_one_get_numbers_and_keep_them(
    out: Path, store: PeopleStore
) -> None:
    store.change(1, name="a/b")
    store.change(2, name="A_B")
    write(out, store)
    places = {a["id"]: a["folder"] for a in listing(out)["people"]}
    assert sorted(places.values()) == ["A_B", "a_b (2)"]
    assert done(write(out, store)) == (0, 5, 0)
    store.change(1, name="A:B")
    report = write(out, store)
    assert {a.album.people[0].id: a.place for a in report.albums} == {1: "A_B (2)", 2: "A_B"}


def test_a_person_whose_name_shows_nothing_has_a_number(out: Path, store: PeopleStore) -> None:
    store.change(1, name="...")
    write(out, store)
    assert (out / "Person 001").is_dir()


@pytest.mark.parametrize("name", ["albums.json", "INDEX.html", "Thumbnails"])
def test_names_that_mean_something_are_no_persons(out: Path, store: PeopleStore, name: str) -> None:
    store.change(1, name=name)
    report = write(out, store, page=PAGE)
    assert f"{name} (2)" in [album.place for album in report.albums]
    assert len(list((out / f"{name} (2)").iterdir())) == 3


def test_removed_members_leave_and_foreign_files_keep_the_folder(
    out: Path, store: PeopleStore
) -> None:
    write(out, store)
    (out / "Bob" / "mine.txt").write_text("mine")
    store.faces = [face for face in store.faces if face.person != 2]
    report = write(out, store)
    assert done(report) == (0, 3, 2)
    assert folders.names_in(out / "Bob") == ["mine.txt"]


def test_photos_that_have_moved_keep_their_names_in_the_albums(
    out: Path, store: PeopleStore, photos: list[Path], tmp_path: Path
) -> None:
    write(out, store)
    before = tree(out)
    (tmp_path / "party").rename(tmp_path / "moved")
    moved = PeopleStore(store.persons)
    for photo, people in zip(photos, [(1,), (1,), (1, 2), (2,), ()], strict=True):
        moved.show(tmp_path / "moved" / photo.relative_to(tmp_path / "party"), *people)
    assert done(write(out, moved)) == (5, 0, 0)
    assert tree(out) == before
    assert (out / "Bob" / "IMG_3.png").samefile(tmp_path / "moved" / "IMG_3.png")


def test_what_somebody_removed_comes_back_under_its_name(out: Path, store: PeopleStore) -> None:
    write(out, store, "copy")
    before = tree(out)
    (out / "Anna" / "IMG_1 (2).png").unlink()
    shutil.rmtree(out / "Bob")
    assert done(write(out, store, "copy")) == (3, 2, 0)
    assert tree(out) == before


# --- records -------------------------------------------------------------------------------------


def listing(out: Path) -> Any:
    return json.loads((out / LISTING_NAME).read_text())


def test_a_record_as_it_was_before_version_2_is_still_read(out: Path, store: PeopleStore) -> None:
    write(out, store, "copy")
    record = json.loads((out / RECORD_NAME).read_text())
    (out / RECORD_NAME).write_text(json.dumps(record["files"]))
    (out / "Anna" / "notes.txt").write_text("mine")
    before = tree(out)
    assert done(write(out, store, "copy")) == (0, 5, 0)
    assert tree(out) == before
    assert json.loads((out / RECORD_NAME).read_text()) == record


def test_a_record_of_a_newer_program_is_refused(out: Path, store: PeopleStore) -> None:
    out.mkdir()
    (out / RECORD_NAME).write_text('{"version": 3}')
    with pytest.raises(UsageError, match="newer facefind"):
        write(out, store)


@pytest.mark.parametrize(
    "change",
    [
        {"places": {"../Anna": "person 1"}},
        {"files": {"/etc/passwd": {"source": "x", "mode": "copy"}}},
        {"files": {"a/b/c": {"source": "x", "mode": "copy"}}},
        {"files": {"a\0": {"source": "x", "mode": "copy"}}},
        {"files": {"a": {"source": "x", "mode": "burn"}}},
        {"files": {"a": {"source": "x\0", "mode": "link"}}},
        {"planned": {"..": {"source": "x", "mode": "copy"}}},
        {"moving": {"turned": "..", "steps": []}},
        {"moving": {"turned": "x", "steps": [["Anna", "x", "../y"]]}},
        {"moving": {"turned": "x", "steps": [["Anna"]]}},
        {"moving": ["Anna"]},
        {"files": None},
        {"places": []},
    ],
)
def test_a_damaged_record_is_refused(
    out: Path, store: PeopleStore, change: dict[str, object]
) -> None:
    write(out, store)
    record = json.loads((out / RECORD_NAME).read_text())
    (out / RECORD_NAME).write_text(json.dumps(record | change))
    with pytest.raises(UsageError, match="is damaged"):
        write(out, store)


def test_what_was_planned_counts_as_far_as_it_was_done(out: Path) -> None:
    out.mkdir()
    old, new = (Placed(str(out / name), "link") for name in ("old", "new"))
    for name, target in (("replaced", new), ("not yet", old)):
        (out / name).symlink_to(target.source)
    both = dict.fromkeys(("replaced", "not yet"), old)
    record = Record({}, both, {**dict.fromkeys(both, new), "missing": new})
    write_record(out, record, Record())
    assert settled(out, read_record(out)).files == {"replaced": new, "not yet": old, "missing": new}


@pytest.mark.parametrize(
    ("there", "anna", "bob"),
    [
        (["Anna", "Bob"], "Anna", "Bob"),
        (["aside 1", "Bob"], "aside 1", "Bob"),
        (["aside 1", "aside 2"], "aside 1", "aside 2"),
        (["aside 1", "aside 2", "turned"], "aside 1", "aside 2"),
        (["Bob", "aside 2", "turned"], "Bob", "aside 2"),
        (["Bob", "Anna", "turned"], "Bob", "Anna"),
    ],
)
def test_wherever_a_swap_stopped_it_is_known_what_is_where(
    out: Path, there: list[str], anna: str, bob: str
) -> None:
    for name in there:
        (out / name).mkdir(parents=True)
    placed = Placed("x", "link")
    moving = Moving("turned", (("Anna", "aside 1", "Bob"), ("Bob", "aside 2", "Anna")))
    places, files = {"Anna": "person 1", "Bob": "person 2"}, {"Anna/a": placed, "Bob/b": placed}
    write_record(out, Record(places, files, moving=moving), Record())
    assert settled(out, read_record(out)) == Record(
        {anna: "person 1", bob: "person 2"}, {f"{anna}/a": placed, f"{bob}/b": placed}
    )


def test_two_runs_at_once_are_refused(out: Path, store: PeopleStore) -> None:
    out.mkdir()
    with folders.alone(out), pytest.raises(UsageError, match="Another facefind"):
        write(out, store)
    assert tree(out) == []


# --- before anything is done ---------------------------------------------------------------------


def test_a_dry_run_tells_and_changes_nothing(out: Path, store: PeopleStore) -> None:
    report = write(out, store, page=PAGE, dry_run=True)
    assert len(report.written) == 5
    assert not out.exists()
    write(out, store, page=PAGE)
    before = states(out)
    store.change(1, name="Anne")
    store.faces.pop()
    foretold = write(out, store, "link", PAGE, dry_run=True)
    assert foretold.moved == (("Anna", "Anne"),)
    assert foretold.removed == ("Bob/IMG_3.png",)
    assert states(out) == before
    done = write(out, store, "link", PAGE)
    assert (foretold.written, foretold.removed, foretold.moved, foretold.kept) == (
        done.written, done.removed, done.moved, done.kept,
    )  # fmt: skip


# --- other disks ---------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second disk at /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder) / "albums"


def test_hard_links_to_another_disk_become_copies(elsewhere: Path, store: PeopleStore) -> None:
    assert write(elsewhere, store, "hardlink", dry_run=True).copied == 5
    report = write(elsewhere, store, "hardlink")
    assert (done(report), report.copied) == ((5, 0, 0), 5)
    assert (elsewhere / "Bob" / "IMG_3.png").stat().st_nlink == 1
    assert done(write(elsewhere, store, "hardlink")) == (0, 5, 0)


# --- archives ------------------------------------------------------------------------------------


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_archive_holds_the_photos_as_they_are(
    out: Path, store: PeopleStore, photos: list[Path]
) -> None:
    os.utime(photos[0], (1_600_000_001, 1_600_000_001))
    write(out, store, "zip")
    assert tree(out) == ["Anna.zip", "Bob.zip"]
    with zipfile.ZipFile(out / "Anna.zip") as archive:
        assert archive.testzip() is None
        members = {info.filename: info for info in archive.infolist()}
        assert sorted(members) == ["IMG_1 (2).png", "IMG_1.png", "IMG_2.png"]
        assert {info.compress_type for info in members.values()} == {zipfile.ZIP_STORED}
        assert archive.read("IMG_1 (2).png") == photos[1].read_bytes()
        assert members["IMG_1.png"].date_time == (2020, 9, 13, 12, 26, 40)


def test_the_same_photos_give_the_same_archive(
    out: Path, store: PeopleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(out, store, "zip")
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    write(tmp_path / "again", store, "zip")
    assert digest(tmp_path / "again" / "Anna.zip") == digest(out / "Anna.zip")


def test_an_archive_is_written_anew_when_a_photo_comes_or_goes(
    out: Path, store: PeopleStore, photos: list[Path]
) -> None:
    write(out, store, "zip")
    anna = digest(out / "Anna.zip")
    store.show(photos[4], 2)
    assert write(out, store, "zip").written == ("Bob.zip",)
    assert len(zipfile.ZipFile(out / "Bob.zip").namelist()) == 3
    store.faces.pop()
    assert write(out, store, "zip").written == ("Bob.zip",)
    assert digest(out / "Anna.zip") == anna


def test_a_renamed_persons_archive_is_renamed(out: Path, store: PeopleStore) -> None:
    write(out, store, "zip")
    inode = (out / "Anna.zip").stat().st_ino
    store.change(1, name="Anné/字")
    report = write(out, store, "zip")
    assert report.moved == (("Anna.zip", "Anné_字.zip"),)
    assert done(report) == (0, 2, 0)
    assert (out / "Anné_字.zip").stat().st_ino == inode


def test_an_archive_that_somebody_changed_stays(out: Path, store: PeopleStore) -> None:
    write(out, store, "zip")
    with zipfile.ZipFile(out / "Anna.zip", "a") as archive:
        archive.writestr("notes.txt", "mine")
    changed = digest(out / "Anna.zip")
    report = write(out, store, "zip")
    assert report.left_alone == (out / "Anna.zip",)
    assert tree(out) == ["Anna (2).zip", "Anna.zip", "Bob.zip"]
    assert digest(out / "Anna.zip") == changed
    assert done(write(out, store, "zip")) == (0, 2, 0)


def test_an_archive_stays_while_a_photo_of_it_cannot_be_reached(
    out: Path, store: PeopleStore, photos: list[Path], tmp_path: Path
) -> None:
    write(out, store, "zip")
    before = digest(out / "Anna.zip")
    photos[0].rename(tmp_path / "aside.png")
    report = write(out, store, "zip")
    assert (report.gone, done(report)) == ((photos[0],), (0, 2, 0))
    for photo in photos[1:3]:
        photo.rename(tmp_path / f"{photo_id(photo)}.png")
    assert done(write(out, store, "zip"))[2] == 0
    assert digest(out / "Anna.zip") == before


def test_a_full_disk_leaves_no_half_archive(
    out: Path, store: PeopleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(out, store, "zip", only=[store.persons[2]])
    before = digest(out / "Bob.zip")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full)
        with pytest.raises(OutputError, match="No space left"):
            write(out, store, "zip")
    assert tree(out) == ["Bob.zip"]
    assert digest(out / "Bob.zip") == before
    assert done(write(out, store, "zip")) == (1, 1, 0)


@pytest.mark.parametrize("after", MODES)
@pytest.mark.parametrize("before", MODES)
def test_the_mode_can_be_changed(
    out: Path, store: PeopleStore, before: AlbumMode, after: AlbumMode, tmp_path: Path
) -> None:
    write(out, store, before, PAGE)
    (out / "Anna").mkdir(exist_ok=True)
    (out / "Anna" / "notes.txt").write_text("mine")
    write(out, store, after, PAGE)
    write(tmp_path / "fresh", store, after, PAGE)
    assert tree(out) == sorted([*tree(tmp_path / "fresh"), "Anna/notes.txt"])
    assert done(write(out, store, after, PAGE))[::2] == (0, 0)


# --- the page ------------------------------------------------------------------------------------


def data_of(page: Path) -> dict[str, Any]:
    """What the page's script shows."""
    found = re.search(r"<script[^>]*application/json[^>]*>(.*?)</script>", page.read_text(), re.S)
    assert found is not None
    value: dict[str, Any] = json.loads(found[1])
    return value


def test_the_page_shows_people_and_links_the_files_in_the_albums(
    out: Path, store: PeopleStore, photos: list[Path]
) -> None:
    report = write(out, store, page=PAGE, unsorted=True)
    assert report.page is not None
    assert (report.page.path, report.page.drawn, report.page.failed) == ("index.html", 7, ())
    assert len(list((out / "thumbnails").glob("[0-9]*.jpg"))) == 5
    assert len(list((out / "thumbnails").glob("face-*.jpg"))) == 2
    data = data_of(out / "index.html")
    assert [person[:3] for person in data["people"]] == [[1, "Anna", True], [2, "Bob", True]]
    hrefs = {photo[0] for photo in data["photos"]}
    assert hrefs == {
        "Anna/IMG_1.png", "Anna/IMG_1%20%282%29.png", "Anna/IMG_2.png", "Bob/IMG_3.png",
        "Unsorted/IMG_4.png",
    }  # fmt: skip
    assert all((out / photo[1]).is_file() for photo in data["photos"])
    assert len(data["unsorted"]) == 1


def test_the_page_of_archives_links_the_photos_themselves(
    out: Path, store: PeopleStore, photos: list[Path]
) -> None:
    write(out, store, "zip", PAGE)
    hrefs = {photo[0] for photo in data_of(out / "index.html")["photos"]}
    assert hrefs == {photo.as_uri() for photo in photos[:4]}


def test_pictures_are_made_once_and_go_with_their_photo(
    out: Path, store: PeopleStore, photos: list[Path]
) -> None:
    write(out, store, page=PAGE)
    before = states(out / "thumbnails")
    store.faces.pop()
    report = write(out, store, page=PAGE)
    assert report.page is not None
    assert (report.page.drawn, report.page.changed) == (0, True)
    after = states(out / "thumbnails")
    gone = str(out / "thumbnails" / f"{photo_id(photos[3])}.jpg")
    assert {path: before[path] for path in before if path != gone} == after


def test_a_changed_photo_gets_a_new_picture(
    out: Path, store: PeopleStore, photos: list[Path]
) -> None:
    write(out, store, page=PAGE)
    write_photo(photos[0], GREEN, size=(77, 30))
    os.utime(photos[0], (1, 1))
    report = write(out, store, page=PAGE)
    assert report.page is not None
    # Anna's cover is in that photo.
    assert report.page.drawn == 2


def test_photos_that_cannot_be_read_have_no_picture_and_are_tried_again(
    out: Path, store: PeopleStore, photos: list[Path]
) -> None:
    whole = photos[3].read_bytes()
    photos[3].write_bytes(whole[:50])
    report = write(out, store, page=PAGE)
    assert report.page is not None
    assert report.page.failed == (photos[3],)
    shown = {photo[2]: photo[1] for photo in data_of(out / "index.html")["photos"]}
    assert shown["IMG_3.png"] == ""
    photos[3].write_bytes(whole)
    report = write(out, store, page=PAGE)
    assert report.page is not None
    assert (report.page.drawn, report.page.failed) == (1, ())


def test_a_photo_that_cannot_be_read_any_more_loses_its_picture(
    out: Path, store: PeopleStore, photos: list[Path]
) -> None:
    write(out, store, page=PAGE)
    photos[3].write_bytes(photos[3].read_bytes()[:50])
    os.utime(photos[3], (1, 1))
    report = write(out, store, page=PAGE)
    assert report.page is not None
    assert report.page.failed == (photos[3],)
    assert not (out / "thumbnails" / f"{photo_id(photos[3])}.jpg").exists()


def test_without_a_page_there_is_none_left(out: Path, store: PeopleStore) -> None:
    write(out, store)
    before = tree(out)
    write(out, store, page=PAGE)
    (out / "thumbnails" / "mine.jpg").write_text("mine")
    report = write(out, store)
    assert done(report) == (0, 5, 0)
    assert tree(out) == sorted([*before, "thumbnails/mine.jpg"])


def test_a_page_and_pictures_of_somebody_elses_stay(
    out: Path, store: PeopleStore, photos: list[Path]
) -> None:
    (out / "thumbnails").mkdir(parents=True)
    (out / "index.html").write_text("mine")
    picture = out / "thumbnails" / f"{photo_id(photos[0])}.jpg"
    picture.write_text("mine")
    for _ in range(2):
        report = write(out, store, page=PAGE)
        assert report.page is not None
        assert report.page.path == "index (2).html"
    assert (out / "index.html").read_text() == picture.read_text() == "mine"
    assert picture.with_stem(f"{picture.stem} (2)").is_file()


def test_the_listing_says_who_by_number(out: Path, store: PeopleStore) -> None:
    store.change(2, name=None, hidden=True)
    anna, bob = store.persons[1], store.persons[2]
    write(out, store, include_hidden=True, unsorted=True, together=[(anna, bob)])
    told = listing(out)
    assert [(p["id"], p["name"], p["named"], p["hidden"], p["folder"]) for p in told["people"]] == [
        (1, "Anna", True, False, "Anna"),
        (2, "Person 002", False, True, "Person 002"),
    ]
    assert [face["sighting"] for face in told["people"][1]["faces"]] == [4, 5]
    assert told["together"][0]["ids"] == [1, 2]
    assert told["together"][0]["folder"] == "Anna & Person 002"
    assert told["unsorted"] == "Unsorted"
    assert [Path(path).name for path in told["photos_without_people"]] == ["IMG_4.png"]

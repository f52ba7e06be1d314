"""Albums whose writing stops before every single change to the disk, one after the other."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from facefind.albums import AlbumMode, Choice, PageChoice, people_albums, write_albums
from tests.albums_written import contents_of
from tests.fakes import GREEN, RED, write_photo
from tests.people_store import PARTY, PeopleStore
from tests.stopping import Stopper, before_disk_changes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    names = ["day 1/IMG_1.png", "day 2/IMG_1.png", "IMG_2.png", "IMG_3.png"]
    photos = []
    for number, name in enumerate(names):
        photo = write_photo(tmp_path / "party" / name, RED, GREEN, size=(40 + number, 30))
        os.utime(photo, (1_600_000_000 + 10 * number, 1_600_000_000 + 10 * number))
        photos.append(photo)
    return photos


def earlier(photos: list[Path]) -> PeopleStore:
    store = PeopleStore()
    for photo, people in zip(photos, [(1, 2), (1, 2), (2, 3), (3, 4)], strict=True):
        store.show(photo, *people)
    for person, name in enumerate(["Anna", "Bob", "Cy", "Dee"], start=1):
        store.change(person, name=name)
    return store


def later(photos: list[Path]) -> PeopleStore:
    """Anna and Bob have swapped names, Cy has another, Dee is gone; photos have come and gone."""
    store = PeopleStore()
    for photo, people in zip(photos, [(1,), (2, 3), (1, 2), ()], strict=True):
        store.show(photo, *people)
    for person, name in enumerate(["Bob", "Anna", "Cyril"], start=1):
        store.change(person, name=name)
    return store


def write(out: Path, store: PeopleStore, mode: AlbumMode) -> None:
    members = people_albums(store, Choice([PARTY], unsorted=True))
    page = PageChoice("Party", {}, list)
    write_albums(
        out, members.albums, photos=members.photos, nobody=members.nobody, mode=mode, page=page
    )


def stopped(out: Path, store: PeopleStore, mode: AlbumMode, number: int) -> bool:
    """Writes in another process, which is killed before its change of this number."""
    process = os.fork()
    if process == 0:
        before_disk_changes(Stopper(number, signal.SIGKILL, 0.0).step)
        write(out, store, mode)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("before", "after"),
    [("link", "link"), ("hardlink", "hardlink"), ("copy", "copy"), ("zip", "zip"), ("zip", "copy")],
)
def test_the_next_run_makes_it_as_if_undisturbed(
    photos: list[Path], tmp_path: Path, before: AlbumMode, after: AlbumMode
) -> None:
    write(tmp_path / "first", earlier(photos), before)
    (tmp_path / "first" / "mine.txt").write_text("mine")
    shutil.copytree(tmp_path / "first", tmp_path / "expected", symlinks=True)
    write(tmp_path / "expected", later(photos), after)
    expected = contents_of(tmp_path / "expected")
    out, differing, step = tmp_path / "out", [], 1
    while True:
        shutil.copytree(tmp_path / "first", out, symlinks=True)
        if not stopped(out, later(photos), after, step):
            break
        write(out, later(photos), after)
        if contents_of(out) != expected:
            differing.append(step)
        shutil.rmtree(out)
        step += 1
    assert contents_of(out) == expected
    assert step > 30
    assert differing == []

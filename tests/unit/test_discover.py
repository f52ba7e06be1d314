"""Walking folders: what is found, in which order, and what is left out."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facefind.errors import UsageError
from facefind.images import ALBUMS_RECORD, discover, discover_apart

JPEG = b"\xff\xd8\xff\xe0" + bytes(60)


def put(path: Path, content: bytes = JPEG) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def found(*paths: Path) -> list[Path]:
    return list(discover(paths))


def found_names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in found(folder)]


def test_pictures_are_known_by_content_or_promised_by_name(tmp_path: Path) -> None:
    put(tmp_path / "no_extension")
    put(tmp_path / "disguised.txt")
    put(tmp_path / "broken.JPG", b"not a picture")
    put(tmp_path / "empty.heic", b"")
    put(tmp_path / "raw.Cr2", b"?")
    put(tmp_path / "notes.txt", b"Buy milk")
    put(tmp_path / "film.mp4", b"\0\0\0\x20ftypisom" + bytes(50))
    put(tmp_path / "none", b"")
    names = ["broken.JPG", "disguised.txt", "empty.heic", "no_extension", "raw.Cr2"]
    assert found_names(tmp_path) == names


def test_order_is_that_of_the_names_files_before_folders(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/10.jpg", "a/z.jpg", "c.jpg", "B.jpg", "a/deep/er/x.jpg"):
        put(tmp_path / name)
    expected = ["B.jpg", "c.jpg", "a/z.jpg", "a/deep/er/x.jpg", "b/10.jpg", "b/2.jpg"]
    assert found_names(tmp_path) == expected


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.jpg",
        "._IMG_1.jpg",
        ".trash/a.jpg",
        ".Trash-1000/a.jpg",
        "@eaDir/a.jpg",
        "$RECYCLE.BIN/a.jpg",
        "#recycle/a.jpg",
        "lost+found/a.jpg",
        "__MACOSX/a.jpg",
        "Thumbs.db",
        "System Volume Information/a.jpg",
        "sub/@EADIR/a.jpg",
    ],
)
def test_litter_is_left_out(tmp_path: Path, name: str) -> None:
    put(tmp_path / name)
    put(tmp_path / "kept.jpg")
    assert found_names(tmp_path) == ["kept.jpg"]


def test_what_is_named_outright_is_taken_as_it_is(tmp_path: Path) -> None:
    hidden = put(tmp_path / ".hidden.jpg")
    text = put(tmp_path / "notes.txt", b"Buy milk")
    inside = put(tmp_path / "@eaDir" / "a.jpg")
    assert found(text, hidden, tmp_path / "@eaDir") == [text, hidden, inside]


@pytest.mark.parametrize(
    "name",
    [
        "with space.jpg",
        "new\nline.jpg",
        "-rf.jpg",
        "写真 🎉.jpg",
        "back\\slash.jpg",
        "a" * 251 + ".jpg",
        os.fsdecode(b"caf\xe9.jpg"),
        os.fsdecode(b"\xff\xfe.jpg"),
        "trailing dot..jpg",
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows forbids such names")
def test_odd_names_are_found(tmp_path: Path, name: str) -> None:
    try:
        path = put(tmp_path / name)
    except OSError:
        pytest.skip("this file system forbids such names")
    assert found(tmp_path) == [path]


def test_deep_folders_are_walked(tmp_path: Path) -> None:
    path = put(tmp_path.joinpath(*["d"] * 200) / "deep.jpg")
    assert found(tmp_path) == [path]


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    photo = put(tmp_path / "a" / "photo.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "b").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    reported: list[tuple[Path, str]] = []
    assert list(discover([tmp_path], lambda *error: reported.append(error))) == [photo]
    assert reported == [(tmp_path / "loop.jpg", "its links lead in a circle")]


def test_a_file_reached_twice_is_yielded_once(tmp_path: Path) -> None:
    photo = put(tmp_path / "photo.jpg")
    (tmp_path / "second.jpg").symlink_to(photo)
    assert found(photo, tmp_path, tmp_path / "second.jpg", tmp_path) == [photo]


def test_a_linked_folder_elsewhere_is_walked(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "x.jpg")
    (tmp_path / "event").mkdir()
    (tmp_path / "event" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert found(tmp_path / "event") == [tmp_path / "event" / "link" / "x.jpg"]


def test_a_dead_link_is_reported_when_it_promises_a_picture(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    reported: list[tuple[Path, str]] = []
    assert list(discover([tmp_path], lambda *error: reported.append(error))) == []
    assert reported == [(tmp_path / "gone.jpg", "the file is gone")]


def test_a_path_that_does_not_exist_is_said_before_anything_is_yielded(tmp_path: Path) -> None:
    photo = put(tmp_path / "photo.jpg")
    with pytest.raises(UsageError, match="missing: no such file or folder"):
        discover([photo, tmp_path / "missing"])


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs there")
def test_pipes_and_sockets_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        # A socket's path must be short.
        before = Path.cwd()
        os.chdir(tmp_path)
        try:
            server.bind("socket.jpg")
        finally:
            os.chdir(before)
        photo = put(tmp_path / "photo.jpg")
        assert found(tmp_path) == [photo]
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        discover([tmp_path / "pipe.jpg"])


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    folder = put(tmp_path / "event" / "locked" / "a.jpg").parent
    put(tmp_path / "event" / "open" / "b.jpg")
    folder.chmod(0)
    yield tmp_path / "event"
    folder.chmod(0o755)


def test_a_folder_that_cannot_be_listed_is_reported(
    locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may list everything, so the refusal is staged for it.
    listed = Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:
        if folder.name == "locked":
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    reported: list[tuple[Path, str]] = []
    files = list(discover([locked], lambda *error: reported.append(error)))
    assert files == [locked / "open" / "b.jpg"]
    assert reported == [(locked / "locked", "permission denied")]


def test_without_a_callback_it_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert found(tmp_path) == []
    assert "gone.jpg: the file is gone" in caplog.text


def test_a_plain_user_gets_the_report_for_real(tmp_path: Path, locked: Path) -> None:
    if os.name != "posix" or os.geteuid() != 0:
        reported: list[tuple[Path, str]] = []
        list(discover([locked], lambda *error: reported.append(error)))
        assert reported == [(locked / "locked", "permission denied")]
        return
    # As root, in a process that gives up its rights. The folders above must let it pass.
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom facefind.images import discover\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "for _ in discover([Path(sys.argv[1])], lambda p, r: print(p.name, r)): pass\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(locked)], capture_output=True, text=True, check=True
    )
    assert result.stdout == "locked permission denied\n"


def test_a_linked_photo_is_yielded_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "best of").mkdir()
    photo = put(tmp_path / "photos" / "a.jpg")
    (tmp_path / "best of" / "a.jpg").symlink_to(photo)
    assert list(discover([tmp_path])) == [photo]


def test_entries_walked_apart_share_linked_files_but_not_all_that_is_above(tmp_path: Path) -> None:
    top = tmp_path / "top"
    own, loose = put(top / "ann" / "a.jpg"), put(top / "loose.jpg")
    put(top / ".hidden" / "a.jpg")
    (top / "bob").mkdir()
    (top / "bob" / "a.jpg").symlink_to(own)
    (top / "bob" / "up").symlink_to(top, target_is_directory=True)
    seen = list(discover_apart(top, on_error=lambda *_: None))
    assert seen == [(loose, loose), (top / "ann", own), (top / "bob", top / "bob" / "a.jpg")]


def test_a_link_to_a_hidden_photo_counts(tmp_path: Path) -> None:
    link = tmp_path / "a.jpg"
    link.symlink_to(put(tmp_path / ".hidden" / "a.jpg"))
    assert list(discover([tmp_path])) == [link]


@pytest.fixture
def albums(tmp_path: Path) -> Path:
    """Albums with a copy of the photo a.jpg, in the folder that holds the photo."""
    put(tmp_path / "a.jpg")
    folder = put(tmp_path / "albums" / "Ann" / "a.jpg").parent.parent
    (folder / ALBUMS_RECORD).write_text("{}")
    return folder


def test_albums_met_on_the_walk_are_left_out(tmp_path: Path, albums: Path) -> None:
    (tmp_path / "linked").symlink_to(albums, target_is_directory=True)
    assert found(tmp_path) == [tmp_path / "a.jpg"]


def test_albums_named_outright_are_walked(tmp_path: Path, albums: Path) -> None:
    assert found(albums) == [albums / "Ann" / "a.jpg"]
    for named in ((tmp_path, albums), (albums, tmp_path)):
        assert sorted(found(*named)) == [tmp_path / "a.jpg", albums / "Ann" / "a.jpg"]


def test_a_photo_folder_that_holds_the_albums_is_walked(tmp_path: Path) -> None:
    photo = put(tmp_path / "a.jpg")
    (tmp_path / ALBUMS_RECORD).write_text("{}")
    assert found(tmp_path) == [photo]


def test_a_link_into_albums_counts_where_it_lies(tmp_path: Path, albums: Path) -> None:
    link = tmp_path / "best.jpg"
    link.symlink_to(albums / "Ann" / "a.jpg")
    assert found(tmp_path) == [tmp_path / "a.jpg", link]
    assert found(tmp_path, albums) == [tmp_path / "a.jpg", albums / "Ann" / "a.jpg"]

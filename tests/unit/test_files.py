"""Reading files once, and writing them whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefind.errors import OutputError, UnreadablePhoto
from facefind.images import files, read_file, save_jpeg, stamp
from facefind.types import FileStamp


def test_content_hash_and_stamp_are_of_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"some bytes")
    os.utime(path, ns=(5, 1_700_000_000_123_456_789))
    content = read_file(path)
    assert content.data == b"some bytes"
    assert content.sha256 == hashlib.sha256(b"some bytes").hexdigest()
    assert content.stamp == FileStamp(10, 1_700_000_000_123_456_789) == stamp(path)


def test_a_printed_content_does_not_hold_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"some bytes")
    assert "some bytes" not in repr(read_file(tmp_path / "a"))


def test_missing_empty_and_special_files_have_plain_reasons(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    reasons = {
        tmp_path / "missing": "the file is gone",
        tmp_path / "empty" / "below": "the file is gone",
        tmp_path / "empty": "the file is empty",
        tmp_path: "not a regular file",
        tmp_path / "loop": "its links lead in a circle",
        tmp_path / ("x" * 300): "its path is too long for this system",
    }
    for path, reason in reasons.items():
        with pytest.raises(UnreadablePhoto) as caught:
            read_file(path)
        assert caught.value.message == reason
    with pytest.raises(UnreadablePhoto, match="the file is gone"):
        stamp(tmp_path / "missing")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadablePhoto, match="not a regular file"):
        read_file(tmp_path / "pipe")


def test_permission_and_disk_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    for code, reason in ((errno.EACCES, "permission denied"), (errno.EIO, "the disk reports")):

        def fail(*_: object, code: int = code) -> int:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "open", fail)
        with pytest.raises(UnreadablePhoto, match=reason) as caught:
            read_file(path)
        assert isinstance(caught.value.__cause__, OSError)


def test_very_large_files_are_refused_before_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(files.MAX_FILE_BYTES + 1)
    with pytest.raises(UnreadablePhoto, match="larger than 2 GB"):
        read_file(path)


def test_a_file_that_grows_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"first half")
    fstat = os.fstat
    calls: list[int] = []

    def append_after_first(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        if not calls:
            with path.open("ab") as file:
                file.write(b"second half")
        calls.append(descriptor)
        return status

    monkeypatch.setattr(os, "fstat", append_after_first)
    with pytest.raises(UnreadablePhoto, match="changed while it was read"):
        read_file(path)


PIXELS = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def test_saved_jpeg_is_the_picture(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.array([200, 30, 60], np.uint8), (40, 60, 3)).copy()
    save_jpeg(tmp_path / "a.jpg", smooth)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "JPEG"
        assert abs(np.asarray(image).astype(int) - smooth).max() <= 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_quality_is_used(tmp_path: Path) -> None:
    save_jpeg(tmp_path / "low.jpg", PIXELS, quality=20)
    save_jpeg(tmp_path / "high.jpg", PIXELS, quality=95)
    assert (tmp_path / "low.jpg").stat().st_size < (tmp_path / "high.jpg").stat().st_size / 2


def test_a_file_that_was_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".jpg")
    path.write_bytes(b"old")
    save_jpeg(path, PIXELS)
    assert path.read_bytes()[:2] == b"\xff\xd8"


def test_failures_name_the_path_and_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    for path in (tmp_path / "missing" / "a.jpg", tmp_path / "folder.jpg"):
        with pytest.raises(OutputError, match="cannot be written") as caught:
            save_jpeg(path, PIXELS)
        assert str(path) in caught.value.message
    with pytest.raises(OutputError, match="larger than"):
        save_jpeg(tmp_path / "wide.jpg", np.zeros((1, 70_000, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["folder.jpg"]


def test_a_target_below_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(OutputError, match="Not a directory"):
        save_jpeg(tmp_path / "file" / "a.jpg", PIXELS)
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_disk_that_refuses_the_cleaning_up_too_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned: list[Path] = []

    def refuse_writing(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse_unlinking(path: Path, missing_ok: bool = False) -> None:
        cleaned.append(path)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "fsync", refuse_writing)
    monkeypatch.setattr(Path, "unlink", refuse_unlinking)
    with pytest.raises(OutputError, match="No space left") as caught:
        save_jpeg(tmp_path / "a.jpg", PIXELS)
    assert str(tmp_path / "a.jpg") in caught.value.message
    assert len(cleaned) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_disk_that_is_full_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    # A limit on file sizes stands in for the full disk: the write itself fails half way.
    code = (
        "import resource, sys\nimport numpy as np\nfrom pathlib import Path\n"
        "from facefind.errors import OutputError\nfrom facefind.images import save_jpeg\n"
        "noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "try: save_jpeg(Path(sys.argv[1]), noise)\n"
        "except OutputError as error: print('refused', error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith(f"refused {path} cannot be written")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jpg"]


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_jpeg(tmp_path / "a.jpg", PIXELS)
    assert list(tmp_path.iterdir()) == []


def test_saved_bytes_are_what_pillow_encodes(tmp_path: Path) -> None:
    save_jpeg(tmp_path / "a.jpg", PIXELS, quality=77)
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG", quality=77)
    assert (tmp_path / "a.jpg").read_bytes() == buffer.getvalue()

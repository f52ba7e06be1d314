"""Names found beside and in photos, matched with faces, and written for other programs."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

import pytest

from facefind.errors import OutOfMemory, OutputError, SetupError, UnreadablePhoto, UsageError
from facefind.images import metadata_of, read_metadata
from facefind.types import Box
from facefind.xmp.exchange import match, read_names
from facefind.xmp.exporting import PhotoOfPeople, export
from facefind.xmp.regions import NamedRegion, from_xmp, to_xmp
from tests.heif import encode_heif
from tests.pictures import encode, exif_with, png, quarters

SIZE = (64, 48)
BOX = Box(8, 12, 16, 12)
OTHER = Box(40, 12, 16, 12)


def packet(name: str, box: Box = BOX, orientation: int = 1, size: tuple[int, int] = SIZE) -> bytes:
    text = to_xmp([NamedRegion(name, box)], *size, orientation)
    return text.replace('xmptk="facefind"', 'xmptk="Other"').encode()


def names(photo: Path, **options: object) -> list[str]:
    return [region.name for region in read_names(photo, **options)]  # type: ignore[arg-type]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "IMG_1.JPG"
    path.write_bytes(encode(quarters(), "JPEG"))
    return path


# --- metadata ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_embedded_packets_are_found(format_: str) -> None:
    data = picture(format_, packet("Ann"))
    metadata = read_metadata(data)
    assert (metadata.format, metadata.size, metadata.orientation) == (format_, SIZE, 1)
    assert [from_xmp(text, *SIZE, 1)[0].name for text in metadata.packets] == ["Ann"]


def picture(format_: str, xmp: bytes, orientation: int | None = None) -> bytes:
    options: dict[str, object] = {"exif": exif_with(orientation)} if orientation else {}
    if format_ == "HEIF":
        return encode_heif(quarters(), xmp=xmp, **options)
    if format_ == "PNG":
        options["pnginfo"] = png_text(xmp)
    if format_ == "TIFF":
        options = {"tiffinfo": {700: xmp, 274: orientation or 1}}
    return encode(quarters(), format_, xmp=xmp, **options)


def png_text(xmp: bytes) -> object:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return info


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_and_upright_size(format_: str, orientation: int) -> None:
    metadata = read_metadata(picture(format_, packet("Ann"), orientation))
    assert metadata.orientation == orientation
    assert metadata.size == ((48, 64) if orientation == 6 else SIZE)


def test_png_metadata_after_the_pixels_is_found() -> None:
    # Where exiftool puts it.
    xmp = b"XML:com.adobe.xmp\0" + b"\1\0\0\0" + zlib.compress(packet("Ann"))
    exif = exif_with(6).tobytes()[6:]
    data = png(
        ("IHDR", struct.pack(">IIBBBBB", *SIZE, 8, 2, 0, 0, 0)),
        ("IDAT", zlib.compress(b"".join(b"\0" + bytes(3 * SIZE[0]) for _ in range(SIZE[1])))),
        ("iTXt", xmp),
        ("eXIf", exif),
        ("IEND", b""),
    )
    metadata = read_metadata(data)
    assert metadata.packets == (packet("Ann"),)
    assert (metadata.orientation, metadata.size) == (6, (48, 64))


def test_packets_too_long_for_one_jpeg_segment_are_put_together() -> None:
    long = packet("Ann") + b" " * 100_000
    guid = b"0123456789ABCDEF0123456789ABCDEF"
    pieces = [(offset, long[offset : offset + 60_000]) for offset in (60_000, 0)]
    segments = b"".join(
        segment(
            b"http://ns.adobe.com/xmp/extension/\0"
            + guid
            + struct.pack(">II", len(long), offset)
            + piece
        )
        for offset, piece in pieces
    )
    data = encode(quarters(), "JPEG")
    assert read_metadata(data[:2] + segments + data[2:]).packets == (long,)


def segment(body: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def test_raw_files_have_packets_wherever_they_are(tmp_path: Path) -> None:
    # As Fujifilm's begin: a preview with its EXIF, and a packet elsewhere.
    preview = encode(quarters(800, 640), "JPEG", exif=exif_with(6))
    inner = packet("Ann", Box(80, 120, 160, 120), 6, (640, 800))
    photo = tmp_path / "a.raf"
    photo.write_bytes(b"FUJIFILMCCD-RAW " + bytes(100) + preview + inner + bytes(100))
    metadata = read_metadata(photo.read_bytes())
    assert (metadata.format, metadata.size, metadata.orientation) == ("RAW", None, 6)
    (region,) = read_names(photo)
    assert region.name == "Ann"
    assert region.box == pytest.approx(Box(80, 120, 160, 120), abs=0.01)


def test_only_the_beginning_of_a_jpeg_is_read(tmp_path: Path) -> None:
    whole = picture("JPEG", packet("Ann"), 6)
    for name, data in {"long": whole + bytes(2_000_000), "whole": whole}.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert metadata_of(path) == read_metadata(whole)
    late = segment(b"x" * 60_000) * 20
    path.write_bytes(whole[:2] + late + whole[2:])
    assert metadata_of(path) == read_metadata(whole)


def test_metadata_without_enough_memory_are_not_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_image: object) -> None:
        raise MemoryError

    monkeypatch.setattr("facefind.images.exif.exif_of", load)
    with pytest.raises(OutOfMemory, match="not enough memory to read the PNG picture"):
        read_metadata(encode(quarters(), "PNG"))


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"II*\0\x08\0\0\0\xff"])
def test_what_is_no_picture_has_no_metadata(data: bytes) -> None:
    with pytest.raises(UnreadablePhoto):
        read_metadata(data)


# --- reading -------------------------------------------------------------------------------------


def test_nothing_named_is_no_names(photo: Path) -> None:
    assert read_names(photo) == []


@pytest.mark.parametrize("sidecar", ["IMG_1.JPG.xmp", "IMG_1.xmp", "IMG_1.JPG.XMP"])
def test_sidecars_of_every_naming_are_read(photo: Path, sidecar: str) -> None:
    (photo.parent / sidecar).write_bytes(packet("Ann"))
    (region,) = read_names(photo)
    assert region.name == "Ann"
    assert region.box == pytest.approx(BOX, abs=0.01)


def test_the_nearest_source_counts_where_two_name_one_place(photo: Path) -> None:
    photo.write_bytes(encode(quarters(), "JPEG", xmp=packet("In the file")))
    ini = "[Contacts2]\n1=By Picasa;;\n[IMG_1.JPG]\nfaces=rect64(2000400060008000),1\n"
    (photo.parent / ".picasa.ini").write_text(ini)
    assert names(photo) == ["In the file"]
    photo.with_name("IMG_1.xmp").write_bytes(packet("Beside"))
    photo.with_name("IMG_1.JPG.xmp").write_bytes(packet("Other", OTHER))
    assert names(photo) == ["Other", "Beside"]


def test_picasa_names_are_read_with_contacts_from_elsewhere(photo: Path) -> None:
    ini = "[IMG_1.JPG]\nfaces=rect64(2000400060008000),1\n"
    (photo.parent / "Picasa.ini").write_bytes(ini.encode() + b"caption=\xe9\n")
    assert read_names(photo) == []
    assert names(photo, contacts={"1": "Ann"}) == ["Ann"]


def test_a_turned_photo_is_read_upright_from_every_source(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    box, other, upright = Box(5, 30, 10, 20), Box(30, 5, 10, 20), (48, 64)
    embedded = packet("Ann", box, 6, upright)
    photo.write_bytes(picture("JPEG", embedded, 6))
    (tmp_path / "a.jpg.xmp").write_bytes(packet("Ben", other, 6, upright))
    found = {region.name: region.box for region in read_names(photo)}
    assert found.keys() == {"Ann", "Ben"}
    assert found["Ann"] == pytest.approx(box, abs=0.01)
    assert found["Ben"] == pytest.approx(other, abs=0.01)
    (larger, *_) = read_names(photo, size=(480, 640))
    assert larger.box == pytest.approx(Box(300, 50, 100, 200), abs=0.01)


def test_a_source_that_cannot_be_read_is_reported_and_the_others_count(
    photo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photo.write_bytes(encode(quarters(), "JPEG", xmp=packet("Ann")))
    sidecar = photo.with_name("IMG_1.JPG.xmp")
    sidecar.write_bytes(b"<broken")
    told: list[tuple[Path, str]] = []
    assert names(photo, on_error=lambda path, reason: told.append((path, reason))) == ["Ann"]
    assert [path for path, _ in told] == [sidecar]
    assert "the XMP is damaged" in told[0][1]
    assert names(photo) == ["Ann"]
    assert "IMG_1.JPG.xmp: the XMP is damaged" in caplog.text


def test_a_photo_that_cannot_be_read_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePhoto, match=r"gone\.jpg: the file is gone"):
        read_names(tmp_path / "gone.jpg")


# --- matching ------------------------------------------------------------------------------------


def region(x: float, y: float, w: float, h: float) -> NamedRegion:
    return NamedRegion("Ann", Box(x, y, w, h))


def test_faces_find_the_names_that_fit_best() -> None:
    regions = [region(12, 0, 10, 10), region(0, 0, 10, 10), region(500, 0, 10, 10)]
    sightings = [(7, Box(1, 0, 10, 10)), (9, Box(10, 0, 10, 10)), (11, Box(200, 0, 10, 10))]
    assert match(regions, sightings) == {0: 9, 1: 7}


def test_a_face_takes_one_name_and_a_name_one_face() -> None:
    assert match([region(0, 0, 10, 10)] * 2, [(7, Box(0, 0, 10, 10))]) == {0: 7}
    assert match([region(0, 0, 10, 10)], [(7, Box(2, 0, 10, 10)), (8, Box(1, 0, 10, 10))]) == {0: 8}


def test_a_generous_frame_fits_its_face_and_a_whole_body_does_not() -> None:
    face = [(7, Box(30, 40, 20, 20))]
    assert match([region(21, 26, 40, 44)], face) == {0: 7}
    assert match([region(0, 30, 100, 300)], face) == {}
    # The next person's face, cheek to cheek.
    assert match([region(46, 44, 20, 20)], face) == {}


def test_nothing_matches_nothing() -> None:
    assert match([], [(1, BOX)]) == {}
    assert match([region(0, 0, 1, 1)], []) == {}


# --- sidecars ------------------------------------------------------------------------------------


def of_people(path: Path, name: str = "Ann") -> PhotoOfPeople:
    return PhotoOfPeople(path, *SIZE, 1, [NamedRegion(name, BOX)])


def test_sidecars_repeat_the_tree_and_leave_photos_alone(tmp_path: Path) -> None:
    photos = []
    for place in ("party/a.jpg", "party/day 2/a.jpg", "party/day 2/b.jpg"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(quarters(), "JPEG"))
        photos.append(of_people(path))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.jpg")}
    out = tmp_path / "out"
    report = export([*photos, PhotoOfPeople(tmp_path / "none.jpg", *SIZE, 1, [])], out)
    assert [path.relative_to(out).as_posix() for path in report.written] == [
        "a.jpg.xmp",
        "day 2/a.jpg.xmp",
        "day 2/b.jpg.xmp",
    ]
    assert sorted(path for path in out.rglob("*") if path.is_file()) == sorted(report.written)
    assert {path: path.read_bytes() for path in before} == before
    found = from_xmp(report.written[0].read_bytes(), *SIZE, 1)
    assert found[0].name == "Ann"


def test_sidecars_beside_the_photos_are_read_again(photo: Path) -> None:
    report = export([of_people(photo)], None)
    assert report.written == [photo.with_name("IMG_1.JPG.xmp")]
    assert names(photo) == ["Ann"]


def test_photos_that_some_systems_take_for_one_get_two_sidecars(tmp_path: Path) -> None:
    photos = [of_people(tmp_path / name) for name in ("A.JPG", "a.jpg")]
    report = export(photos, tmp_path / "out")
    assert [path.name for path in report.written] == ["A.JPG.xmp", "a (2).jpg.xmp"]


def test_ones_own_sidecar_is_replaced(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export([of_people(photo, "Ann")], out)
    report = export([of_people(photo, "Ben")], out)
    assert report.merged == []
    assert b"Ann" not in report.written[0].read_bytes()


def test_another_programs_sidecar_is_added_to(photo: Path, tmp_path: Path) -> None:
    rating = packet("Cy", OTHER).replace(b"<rdf:RDF", b"<!-- rating --><rdf:RDF")
    beside = photo.with_name("IMG_1.JPG.xmp")
    beside.write_bytes(rating)
    out = tmp_path / "out"
    report = export([of_people(photo)], out)
    assert (report.written, report.merged) == ([], [out / "IMG_1.JPG.xmp"])
    assert beside.read_bytes() == rating
    text = report.merged[0].read_bytes()
    assert b"<!-- rating -->" in text
    assert [region.name for region in from_xmp(text, *SIZE, 1)] == ["Cy", "Ann"]
    export([of_people(photo)], None)
    assert names(photo) == ["Cy", "Ann"]


def test_a_sidecar_that_cannot_be_understood_is_never_written_over(
    photo: Path, tmp_path: Path
) -> None:
    beside = photo.with_name("IMG_1.JPG.xmp")
    beside.write_bytes(b"<broken")
    other = tmp_path / "b.jpg"
    report = export([of_people(photo), of_people(other)], None)
    assert [path for path, _ in report.refused] == [photo]
    assert "its sidecar IMG_1.JPG.xmp: the XMP is damaged" in report.refused[0][1]
    assert beside.read_bytes() == b"<broken"
    assert report.written == [tmp_path / "b.jpg.xmp"]


def test_a_name_too_long_for_a_sidecar_is_refused(tmp_path: Path) -> None:
    report = export([of_people(tmp_path / ("x" * 250 + ".jpg"))], tmp_path / "out")
    assert report.written == []
    assert "too long" in report.refused[0][1]


def test_a_folder_that_cannot_be_written_is_an_error(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file in the way")
    with pytest.raises(OutputError):
        export([of_people(photo)], tmp_path / "out")


def test_nothing_is_left_where_writing_fails(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        export([of_people(photo)], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


# --- copies: what needs no exiftool --------------------------------------------------------------


def test_without_exiftool_copies_say_how_to_install_it(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SetupError, match="libimage-exiftool-perl"):
        export([of_people(photo)], tmp_path / "out", in_file=True)
    assert list((tmp_path / "out").iterdir()) == []


def test_copies_need_a_folder_that_is_not_the_photos_own(photo: Path) -> None:
    with pytest.raises(UsageError, match="copies only"):
        export([of_people(photo)], None, in_file=True)
    with pytest.raises(UsageError, match="take the place"):
        export([of_people(photo)], photo.parent, in_file=True)

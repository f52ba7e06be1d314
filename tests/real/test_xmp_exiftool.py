"""Face regions exchanged with exiftool: what it writes is read, and what is written it reads."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefind.errors import UsageError
from facefind.images import decode, read_metadata
from facefind.types import Box
from facefind.xmp.exchange import read_names
from facefind.xmp.exporting import PhotoOfPeople, export
from facefind.xmp.regions import NamedRegion, from_xmp, merged, to_xmp
from tests.heif import encode_heif
from tests.pictures import encode, exif_with

pytestmark = pytest.mark.skipif(
    shutil.which("exiftool") is None,
    reason="exiftool is not installed (Debian: libimage-exiftool-perl)",
)

# The stored picture, and a face in it, as fractions from the top left corner.
WIDTH, HEIGHT = 240, 160
LEFT, TOP, W, H = 160 / 240, 32 / 160, 64 / 240, 32 / 160
REGION = {
    "Area": {"X": LEFT + W / 2, "Y": TOP + H / 2, "W": W, "H": H, "Unit": "normalized"},
    "Name": "Ann",
    "Type": "Face",
}
INFO = {
    "AppliedToDimensions": {"W": WIDTH, "H": HEIGHT, "Unit": "pixel"},
    "RegionList": [REGION],
}
NAMES = ['Ann "the" O\'Neil, <b> & {x} [y] | z', "Zoë \N{GRINNING FACE}", "אבגד", "-n", "x" * 300]


def exiftool(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["exiftool", "-config", "", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def tags(path: Path) -> dict[str, Any]:
    (found,) = json.loads(exiftool("-j", "-n", "-struct", "-G1", path))
    return dict(found)


def stored_pixels() -> np.ndarray:
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    pixels[32:64, 160:224] = (200, 20, 30)
    return pixels


def make_photo(path: Path, orientation: int = 1, format_: str = "JPEG") -> Path:
    exif = exif_with(orientation)
    path.parent.mkdir(parents=True, exist_ok=True)
    if format_ == "HEIF":
        path.write_bytes(encode_heif(stored_pixels(), exif=exif))
    else:
        path.write_bytes(encode(stored_pixels(), format_, exif=exif))
    return path


def write_tags(path: Path, **values: object) -> None:
    """Lets exiftool write structures, given by tag with "_" for ":" """
    given = path.with_suffix(".json")
    keyed = {tag.replace("_", ":"): value for tag, value in values.items()}
    given.write_text(json.dumps([{"SourceFile": "*", **keyed}], ensure_ascii=False))
    exiftool(f"-json={given}", "-overwrite_original", path)


def face_in(path: Path) -> Box:
    """Where the red face is in the upright pixels."""
    pixels = decode(path.read_bytes()).pixels
    rows, columns = np.nonzero((pixels[..., 0] > 150) & (pixels[..., 1] < 100))
    x, y = columns.min(), rows.min()
    return Box(x, y, columns.max() + 1 - x, rows.max() + 1 - y)


def photo_of(path: Path, *regions: NamedRegion) -> PhotoOfPeople:
    metadata = read_metadata(path.read_bytes())
    assert metadata.size is not None
    return PhotoOfPeople(path, *metadata.size, metadata.orientation, regions)


# --- from exiftool -------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_embedded_regions_lie_on_the_upright_face(tmp_path: Path, orientation: int) -> None:
    photo = make_photo(tmp_path / "a.jpg", orientation)
    write_tags(photo, XMP_RegionInfo=INFO)
    assert tags(photo)["IFD0:Orientation"] == orientation
    (region,) = read_names(photo)
    assert region.name == "Ann"
    assert region.box == pytest.approx(face_in(photo), abs=1.5)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("format_", ["PNG", "TIFF", "WEBP"])
def test_other_formats_that_exiftool_wrote_into(
    tmp_path: Path, format_: str, orientation: int
) -> None:
    photo = make_photo(tmp_path / f"a.{format_.lower()}", orientation, format_)
    write_tags(photo, XMP_RegionInfo=INFO)
    (region,) = read_names(photo)
    assert region.box == pytest.approx(face_in(photo), abs=1.5)


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp"])
@pytest.mark.parametrize("compact", ["", "Shorthand,OneDesc", "AllSpace,NoPadding"])
def test_sidecars_that_exiftool_wrote(tmp_path: Path, name: str, compact: str) -> None:
    photo, source = make_photo(tmp_path / "a.jpg", 8), make_photo(tmp_path / "from" / "b.jpg")
    write_tags(source, XMP_RegionInfo=INFO, XMP_Rating=3)
    sidecar = tmp_path / name
    options = ["-api", f"Compact={compact}"] if compact else []
    exiftool(*options, "-tagsFromFile", source, "-XMP:all", sidecar)
    assert (b"<stArea:x>" in sidecar.read_bytes()) != ("Shorthand" in compact)
    (region,) = read_names(photo)
    assert region.name == "Ann"
    assert region.box == pytest.approx(face_in(photo), abs=1.5)


def test_regions_of_microsoft_that_exiftool_wrote(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "a.jpg", 6)
    rectangle = ", ".join(map(str, (LEFT, TOP, W, H)))
    write_tags(
        photo,
        XMP_RegionInfoMP={"Regions": [{"Rectangle": rectangle, "PersonDisplayName": "Ann"}]},
    )
    (region,) = read_names(photo)
    assert region.box == pytest.approx(face_in(photo), abs=1.5)


@pytest.mark.parametrize("name", NAMES)
def test_names_that_exiftool_wrote(tmp_path: Path, name: str) -> None:
    photo = make_photo(tmp_path / "a.jpg")
    write_tags(photo, XMP_RegionInfo={**INFO, "RegionList": [{**REGION, "Name": name}]})
    assert [region.name for region in read_names(photo)] == [name]


def test_a_packet_too_long_for_one_segment(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "a.jpg")
    write_tags(photo, XMP_RegionInfo=INFO, XMP_Description="x" * 200_000)
    assert len(read_metadata(photo.read_bytes()).packets) == 2
    assert [region.name for region in read_names(photo)] == ["Ann"]


# --- to exiftool ---------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exiftool_reads_the_numbers_that_were_meant(tmp_path: Path, orientation: int) -> None:
    photo = make_photo(tmp_path / "a.jpg", orientation)
    report = export([photo_of(photo, NamedRegion("Ann", face_in(photo)))], tmp_path / "out")
    found = tags(report.written[0])
    info = found["XMP-mwg-rs:RegionInfo"]
    assert info["AppliedToDimensions"] == {"W": WIDTH, "H": HEIGHT, "Unit": "pixel"}
    (region,) = info["RegionList"]
    assert (region["Name"], region["Type"]) == ("Ann", "Face")
    area = REGION["Area"]
    assert isinstance(area, dict)
    assert region["Area"].pop("Unit") == "normalized"
    assert region["Area"] == pytest.approx({side: area[side] for side in "XYWH"}, abs=0.006)
    (other,) = found["XMP-MP:RegionInfoMP"]["Regions"]
    numbers = [float(number) for number in other["Rectangle"].split(", ")]
    assert numbers == pytest.approx([LEFT, TOP, W, H], abs=0.006)
    assert found["XMP-iptcExt:PersonInImage"] == ["Ann"]


@pytest.mark.parametrize("name", NAMES)
def test_exiftool_reads_any_name(tmp_path: Path, name: str) -> None:
    sidecar = tmp_path / "a.xmp"
    sidecar.write_text(to_xmp([NamedRegion(name, Box(1, 2, 30, 40))], 100, 100, 1), "utf-8")
    found = tags(sidecar)
    assert [r["Name"] for r in found["XMP-mwg-rs:RegionInfo"]["RegionList"]] == [name]
    assert found["XMP-iptcExt:PersonInImage"] == [name]


def test_exiftool_finds_all_of_its_own_in_a_sidecar_that_was_added_to(tmp_path: Path) -> None:
    photo, source = make_photo(tmp_path / "a.jpg"), make_photo(tmp_path / "from" / "b.jpg")
    focus = {"Area": {"X": 0.1, "Y": 0.1, "W": 0.2, "H": 0.2}, "Type": "Focus", "Name": "eye"}
    write_tags(
        source,
        XMP_RegionInfo={**INFO, "RegionList": [REGION, focus]},
        XMP_Rating=3,
        XMP_Subject=["party", "Ann"],
        XMP_PersonInImage=["Ann", "Somebody"],
    )
    sidecar = tmp_path / "a.jpg.xmp"
    exiftool("-tagsFromFile", source, "-XMP:all", sidecar)
    before = tags(sidecar)
    report = export(
        [
            photo_of(
                photo, NamedRegion("Ben", face_in(photo)), NamedRegion("Cy", Box(8, 99, 40, 40))
            )
        ],
        None,
    )
    assert report.merged == [sidecar]
    found = tags(sidecar)
    region_names = [r["Name"] for r in found["XMP-mwg-rs:RegionInfo"]["RegionList"]]
    assert region_names == ["eye", "Ben", "Cy"]
    assert sorted(found["XMP-iptcExt:PersonInImage"]) == ["Ben", "Cy", "Somebody"]
    assert found["XMP-xmp:Rating"] == 3
    assert found["XMP-dc:Subject"] == before["XMP-dc:Subject"] == ["party", "Ann"]
    again = merged(sidecar.read_bytes(), [NamedRegion("Ben", face_in(photo))], WIDTH, HEIGHT, 1)
    assert len(from_xmp(again, WIDTH, HEIGHT, 1)) == 2


# --- into copies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_copies_hold_the_names_and_all_that_was_there(tmp_path: Path, orientation: int) -> None:
    photo = make_photo(tmp_path / "in" / "a.jpg", orientation)
    write_tags(photo, XMP_Rating=4, EXIF_Artist="Zoë", IPTC_Keywords=["party"])
    digest = hashlib.sha256(photo.read_bytes()).hexdigest()
    shown = photo_of(photo, NamedRegion("Ann", face_in(photo)))
    report = export([shown], tmp_path / "out", in_file=True)
    assert hashlib.sha256(photo.read_bytes()).hexdigest() == digest
    (copy,) = report.written
    found = tags(copy)
    assert (found["XMP-xmp:Rating"], found["IFD0:Artist"]) == (4, "Zoë")
    assert found["IPTC:Keywords"] == "party"
    assert found["IFD0:Orientation"] == orientation
    assert np.array_equal(decode(copy.read_bytes()).pixels, decode(photo.read_bytes()).pixels)
    assert copy.stat().st_mtime == pytest.approx(photo.stat().st_mtime, abs=1)
    (region,) = read_names(copy)
    assert region.name == "Ann"
    assert region.box == pytest.approx(face_in(photo), abs=0.01)
    assert list((tmp_path / "out").iterdir()) == [copy]


def test_copies_keep_faces_that_others_named(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "in" / "a.jpg")
    write_tags(photo, XMP_RegionInfo=INFO)
    report = export(
        [photo_of(photo, NamedRegion("Ben", Box(8, 99, 40, 40)))], tmp_path / "out", in_file=True
    )
    assert {region.name for region in read_names(report.written[0])} == {"Ann", "Ben"}


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "WEBP", "HEIF", "AVIF"])
def test_copies_of_other_formats(tmp_path: Path, format_: str) -> None:
    photo = make_photo(tmp_path / "in" / f"a.{format_.lower()}", 6, format_)
    shown = photo_of(photo, NamedRegion("Ann", face_in(photo)))
    (copy,) = export([shown], tmp_path / "out", in_file=True).written
    (region,) = read_names(copy)
    assert region.box == pytest.approx(face_in(photo), abs=0.01)


ODD_NAMES = [
    "-execute.jpg",
    "#a.jpg",
    " a b .jpg",
    "new\nline.jpg",
    "Zoë 李 😀.JPG",
    "a'b\"c$d.jpg",
    "b.-x",
]


def test_odd_file_names_are_only_names(tmp_path: Path) -> None:
    photos = [make_photo(tmp_path / "in" / "-rm\nx" / name) for name in ODD_NAMES]
    shown = [photo_of(photo, NamedRegion("Ann", face_in(photo))) for photo in photos]
    report = export(shown, tmp_path / "out", in_file=True)
    assert report.refused == []
    assert sorted(copy.name for copy in report.written) == sorted(ODD_NAMES)
    assert [names_of(copy) for copy in report.written] == [["Ann"]] * len(ODD_NAMES)


def names_of(photo: Path) -> list[str]:
    return [region.name for region in read_names(photo)]


def test_a_second_export_replaces_its_own_copies_and_no_other_file(tmp_path: Path) -> None:
    photos = [make_photo(tmp_path / "in" / name) for name in ("a.jpg", "b.jpg")]
    out = tmp_path / "out"
    make_photo(out / "b.jpg", 3)
    foreign = (out / "b.jpg").read_bytes()
    for name in ("Ann", "Ben"):
        shown = [photo_of(photo, NamedRegion(name, face_in(photo))) for photo in photos]
        report = export(shown, out, in_file=True)
        assert [path for path, _ in report.refused] == [photos[1]]
        assert names_of(out / "a.jpg") == [name]
    assert (out / "b.jpg").read_bytes() == foreign
    with pytest.raises(UsageError, match="take the place"):
        export(shown, tmp_path / "in", in_file=True)


def test_what_exiftool_cannot_write_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    bitmap = tmp_path / "in" / "a.bmp"
    bitmap.parent.mkdir()
    bitmap.write_bytes(encode(stored_pixels(), "BMP"))
    photo = make_photo(tmp_path / "in" / "b.jpg")
    shown = [photo_of(path, NamedRegion("Ann", face_in(path))) for path in (bitmap, photo)]
    report = export(
        [*shown, shown[0]._replace(path=tmp_path / "in" / "gone.jpg")],
        tmp_path / "out",
        in_file=True,
    )
    assert report.written == [tmp_path / "out" / "b.jpg"]
    assert [path.name for path, _ in report.refused] == ["a.bmp", "gone.jpg"]
    assert "BMP" in report.refused[0][1]
    assert str(tmp_path) not in report.refused[0][1]
    assert list((tmp_path / "out").iterdir()) == report.written

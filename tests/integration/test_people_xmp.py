"""facefind people export xmp and import xmp, with a database and photos of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facefind.images import decode, stamp
from facefind.people import name_person
from facefind.store.repository import Repository
from facefind.types import Box, Detection, Event, Face
from facefind.xmp.regions import NamedRegion, from_xmp, to_xmp
from tests.command import Result, call_facefind
from tests.deciding import dump, group
from tests.pictures import encode, exif_with, quarters
from tests.stored import digest, record_photo, vector

LEFT, RIGHT = Box(10, 12, 40, 40), Box(90, 12, 40, 40)
"""Two faces in upright photos of 160 x 120 pixels."""


Cli = Callable[..., Result]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    def call(*arguments: object) -> Result:
        home = ["--home", tmp_path / "home", "--database-url", database_url]
        return call_facefind(capsys, *home, "people", *arguments)

    return call


@pytest.fixture
def party(tmp_path: Path, store: Repository, event: Event) -> Path:
    """Two photos with the same two people, the second stored on its side."""
    folder = tmp_path / "party"
    put_photo(store, event, folder / "a.jpg", 1)
    put_photo(store, event, folder / "day 2" / "b.jpg", 6)
    return folder


def put_photo(store: Repository, event: Event, path: Path, orientation: int) -> None:
    """Writes a photo and records two faces in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = (160, 120) if orientation < 5 else (120, 160)
    path.write_bytes(encode(quarters(*size), "JPEG", exif=exif_with(orientation)))
    info = decode(path.read_bytes()).info
    assert (info.width, info.height) == (160, 120)
    faces = [Face(Detection(box, 0.5, None), vector(box.x)) for box in (LEFT, RIGHT)]
    record_photo(store, event, os.fsencode(path), stamp(path), digest(path.name), info, faces)


def sightings(store: Repository) -> dict[tuple[str, str], int]:
    """The numbers of the faces by photo and side."""
    side = {LEFT.x: "left", RIGHT.x: "right"}
    return {(face.photo.name, side[face.box.x]): face.sighting for face in store.seen_faces()}


def named(store: Repository) -> dict[tuple[str, str], str]:
    """The people's names by photo and side."""
    titles = {person.id: person.title for person in store.people()}
    side = {LEFT.x: "left", RIGHT.x: "right"}
    return {
        (face.photo.name, side[face.box.x]): titles[face.person]
        for face in store.seen_faces()
        if face.person is not None
    }


def write_names(path: Path, names: dict[str, Box], orientation: int = 1) -> None:
    """Another program's sidecar."""
    regions = [NamedRegion(name, box) for name, box in names.items()]
    text = to_xmp(regions, 160, 120, orientation).replace('"facefind"', '"Other"')
    path.write_text(text, "utf-8")


def two_people(store: Repository, event: Event) -> tuple[int, int]:
    """The machine's two people, left and right; the left one is called Ann."""
    faces = sightings(store)
    names = sorted({name for name, _ in faces})
    left, right = group(
        store, event, *([faces[name, side] for name in names] for side in ("left", "right"))
    )
    name_person(store, str(left), "Ann Äpfel")
    return left, right


# --- export --------------------------------------------------------------------------------------


def test_sidecars_hold_the_people_with_names(
    cli: Cli, store: Repository, event: Event, party: Path, tmp_path: Path
) -> None:
    two_people(store, event)
    out = tmp_path / "out"
    done = cli("export", "xmp", out, "--json")
    assert done.code == 0
    assert done.json["written"] == [str(out / "a.jpg.xmp"), str(out / "day 2" / "b.jpg.xmp")]
    for sidecar, orientation in ((out / "a.jpg.xmp", 1), (out / "day 2" / "b.jpg.xmp", 6)):
        (region,) = from_xmp(sidecar.read_bytes(), 160, 120, orientation)
        assert region.name == "Ann Äpfel"
        assert region.box == pytest.approx(LEFT, abs=0.01)
    assert "2 sidecars in " in cli("export", "xmp", out).out


def test_only_some_people_and_not_the_hidden_ones(
    cli: Cli, store: Repository, event: Event, party: Path, tmp_path: Path
) -> None:
    left, right = two_people(store, event)
    name_person(store, str(right), "Ben")
    out = tmp_path / "out"
    assert cli("export", "xmp", out, "--only", "ben").code == 0
    (region,) = from_xmp((out / "a.jpg.xmp").read_bytes(), 160, 120, 1)
    assert region.name == "Ben"
    assert cli("hide", left).code == 0
    assert cli("export", "xmp", out).code == 0
    assert b"Ann" not in (out / "a.jpg.xmp").read_bytes()
    assert cli("export", "xmp", out, "--only", left).code == 0
    assert b"Ann" in (out / "a.jpg.xmp").read_bytes()


def test_export_says_what_is_missing(
    cli: Cli, store: Repository, event: Event, party: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    nobody = cli("export", "xmp", out)
    assert (nobody.code, nobody.err) == (1, "Nobody has a name yet: facefind people name\n")
    _, right = two_people(store, event)
    unnamed = cli("export", "xmp", out, "--only", right)
    assert unnamed.code == 2
    assert "has no name" in unnamed.err
    assert cli("export", "xmp", out, "--only", "Zoe").code == 2
    assert cli("export", "xmp", out, "--event", "no such").code == 2
    (party / "a.jpg").unlink()
    gone = cli("export", "xmp", out)
    assert gone.code == 1
    assert "a.jpg: the file is gone" in gone.err
    # Where it lies does not depend on which photos have names.
    assert list(out.rglob("*.xmp")) == [out / "day 2" / "b.jpg.xmp"]


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_copies_hold_the_names(
    cli: Cli, store: Repository, event: Event, party: Path, tmp_path: Path
) -> None:
    two_people(store, event)
    out = tmp_path / "out"
    done = cli("export", "xmp", out, "--in-file")
    assert done.code == 0
    assert done.out.startswith("2 copies with names in ")
    before = (party / "a.jpg").read_bytes()
    assert cli("export", "xmp", party, "--in-file").code == 2
    assert (party / "a.jpg").read_bytes() == before


# --- import --------------------------------------------------------------------------------------


def test_names_of_other_programs_become_one_decision(
    cli: Cli, store: Repository, event: Event, party: Path, sql: Any
) -> None:
    two_people(store, event)
    write_names(party / "a.jpg.xmp", {"Ben": RIGHT, "Ann Äpfel": LEFT})
    write_names(party / "day 2" / "b.xmp", {"Cy": Box(82, 4, 56, 60)}, 6)
    before = dump(sql)
    dry = cli("import", "xmp", party, "--dry-run")
    told = "3 faces of 3 people would be named, 2 people new."
    assert (dry.code, dry.out) == (0, f"{told} Nothing is stored: this was a dry run.\n")
    assert dump(sql) == before
    done = cli("import", "xmp", party, "--json").json
    faces = sightings(store)
    assert {one["face"]: one["name"] for one in done["faces"]} == {
        faces["a.jpg", "left"]: "Ann Äpfel",
        faces["a.jpg", "right"]: "Ben",
        faces["b.jpg", "right"]: "Cy",
    }
    assert len(done["people_made"]) == 2
    assert named(store) == {
        ("a.jpg", "left"): "Ann Äpfel",
        ("a.jpg", "right"): "Ben",
        ("b.jpg", "left"): "Ann Äpfel",
        ("b.jpg", "right"): "Cy",
    }
    assert cli("undo", done["decision"]).code == 0
    assert dump(sql) == before


def test_what_was_exported_names_the_same_faces_elsewhere(
    cli: Cli, store: Repository, event: Event, party: Path, sql: Any
) -> None:
    left, right = two_people(store, event)
    name_person(store, str(right), "Ben <b>\N{GRINNING FACE}")
    was = named(store)
    assert len(was) == 4
    assert cli("export", "xmp", party).code == 0
    for person in (left, right):
        assert cli("delete", person).code == 0
    assert named(store) == {}
    assert cli("import", "xmp", party).code == 0
    assert named(store) == was


def test_what_cannot_be_named_is_told_and_the_rest_is(
    cli: Cli, store: Repository, event: Event, party: Path
) -> None:
    write_names(party / "a.jpg.xmp", {"x" * 300: LEFT, "Ben": RIGHT, "Nobody": Box(60, 80, 9, 9)})
    (party / "day 2" / "b.jpg.xmp").write_text("<broken")
    shutil.copy(party / "a.jpg", party / "new.jpg")
    done = cli("import", "xmp", party)
    assert done.code == 1
    assert "b.jpg.xmp: the XMP is damaged" in done.err
    assert "300 characters" in done.err
    assert "1 photo of 3 passed over" in done.err
    assert "1 face of 1 person named, 1 person new. 1 name at places without a face." in done.out
    assert named(store) == {("a.jpg", "right"): "Ben"}


def test_what_a_user_decided_stays(cli: Cli, store: Repository, event: Event, party: Path) -> None:
    face = sightings(store)["a.jpg", "left"]
    assert cli("confirm", face, "Ann", "--new").code == 0
    write_names(party / "a.jpg.xmp", {"Ben": LEFT})
    left = f"Left as it was: face {face}, Ben there, is Ann already."
    ann = next(person.id for person in store.people() if person.name == "Ann")
    command = f'confirm {face} "Ben" --new'
    dry = cli("import", "xmp", party / "a.jpg", "--dry-run")
    assert dry.out == "Nothing would change. Nothing is stored: this was a dry run.\n"
    done = cli("import", "xmp", party / "a.jpg")
    advice = f"facefind people show {ann} shows the face; facefind people {command} takes the"
    for told in (dry.err, done.err):
        assert left in told
        assert advice in told
    (conflict,) = cli("import", "xmp", party / "a.jpg", "--dry-run", "--json").json["conflicts"]
    assert (conflict["face"], conflict["person"]) == (face, ann)
    assert named(store) == {("a.jpg", "left"): "Ann"}


def test_photos_that_were_never_ingested_are_told_alone(
    cli: Cli, store: Repository, event: Event, party: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(party / "a.jpg", tmp_path / "other" / "new.jpg")
    with (tmp_path / "other" / "new.jpg").open("ab") as file:
        file.write(b"another file")
    done = cli("import", "xmp", tmp_path / "other")
    assert (done.code, done.out) == (1, "")
    assert done.err == "1 photo of 1 passed over: not ingested yet.\n"


def test_picasa_names_with_contacts_from_its_own_list(
    cli: Cli, store: Repository, event: Event, party: Path, tmp_path: Path
) -> None:
    # Left, top, right and bottom of the left face, of 65535.
    edges = "".join(f"{round(v * 65535):04x}" for v in (10 / 160, 12 / 120, 50 / 160, 52 / 120))
    (party / ".picasa.ini").write_text(f"[a.jpg]\nfaces=rect64({edges}),abc\n")
    assert cli("import", "xmp", party).code == 1
    contacts = tmp_path / "contacts.xml"
    contacts.write_text('<contacts><contact id="abc" name="Ann"/></contacts>')
    assert cli("import", "xmp", party, "--contacts", contacts).code == 0
    assert named(store) == {("a.jpg", "left"): "Ann"}
    contacts.write_text("no xml")
    assert cli("import", "xmp", party, "--contacts", contacts).code == 2


def test_two_copies_of_a_photo_that_disagree(
    cli: Cli, store: Repository, event: Event, party: Path
) -> None:
    shutil.copy(party / "a.jpg", party / "c.jpg")
    copy = party / "c.jpg"
    info = decode(copy.read_bytes()).info
    record_photo(store, event, os.fsencode(copy), stamp(copy), digest("a.jpg"), info, [])
    write_names(party / "a.jpg.xmp", {"Ann": LEFT})
    write_names(party / "c.jpg.xmp", {"Ben": LEFT})
    done = cli("import", "xmp", party)
    assert "Ben: the same photo at " in done.err
    assert named(store)["a.jpg", "left"] == "Ann"

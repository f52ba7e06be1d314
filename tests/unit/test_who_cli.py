"""facefind who: portraits and names, one person and several, text and JSON; a store of lists."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facefind.cli.context import App
from facefind.store.records import FaceNearby, Person, SeenFace
from facefind.types import Box, Event, FloatArray, Match
from tests.command import Result, call_facefind
from tests.fakes import BLUE, RED, ColourFinder, write_photo

PARTY = Event(1, "party", "colours", "f00d")
ANN, BOB = Person(1, "Ann", False, None, 3, 3, 3), Person(2, None, True, None, 2, 2, 0)


def axis(channel: int) -> FloatArray:
    vector: FloatArray = np.eye(3, dtype=np.float32)[channel]
    return vector


def face(
    number: int, photo: str, channel: int, *, distance: float = 0.1, person: int | None = None
) -> FaceNearby:
    box = Box(10.0 * number, 0, 9, 9)
    match = Match(Path(photo), "party", distance, box, None, hash(photo), None, 0.9, number, person)
    return FaceNearby(match, axis(channel))


@dataclass
class Store:
    """Faces of three colours: a probe of one colour finds those of that colour."""

    faces: list[FaceNearby]
    wrong: set[int] = field(default_factory=set)

    def events(self) -> list[Event]:
        return [PARTY]

    def people(
        self, events: Collection[int] | None = None, people: Collection[int] | None = None
    ) -> list[Person]:
        return [person for person in (ANN, BOB) if people is None or person.id in people]

    def faces_within(
        self, probe: FloatArray, events: Sequence[Event], *, max_distance: float, **_: Any
    ) -> list[FaceNearby]:
        return [
            face
            for face in self.faces
            if (face.embedding == probe).all() and face.match.distance <= max_distance
        ]

    def search(self, probe: FloatArray, events: Sequence[Event], **options: Any) -> list[Match]:
        limit = options.pop("limit") or None
        return [near.match for near in self.faces_within(probe, events, **options)][:limit]

    def faces_of_people(
        self, probe: FloatArray, events: Sequence[Event], people: Collection[int], **_: Any
    ) -> list[Match]:
        return [face.match for face in self.faces if face.match.person in people]

    def ruled_out(self, sightings: Collection[int], people: Collection[int]) -> set[int]:
        return self.wrong & set(sightings)

    def seen_faces(self, *, people: Collection[int], **_: Any) -> list[SeenFace]:
        return [
            SeenFace(
                m.sighting or 0,
                m.person,
                m.photo,
                m.event,
                m.box,
                None,
                m.photo_id,
                0.9,
                None,
                False,
            )
            for m in (face.match for face in self.faces)
            if m.person in people
        ]


@pytest.fixture
def store() -> Store:
    return Store(
        [
            face(1, "/a.jpg", 0, person=1),
            face(2, "/b.jpg", 0, distance=0.2, person=1),
            face(3, "/c.jpg", 0, distance=0.9, person=1),
            face(4, "/b.jpg", 2, person=2),
            face(5, "/d.jpg", 2, distance=0.2, person=2),
        ]
    )


@pytest.fixture
def who(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Callable[..., Result]:
    @contextmanager
    def opened(self: App, *_: object) -> Iterator[Store]:
        yield store

    def pipeline(self: App, name: str, values: object) -> Any:
        spec = SimpleNamespace(name=name, threshold=0.5)
        finder = ColourFinder()
        return SimpleNamespace(spec=spec, fingerprint="f00d", find_faces=finder.find_faces)

    monkeypatch.setattr(App, "store", opened)
    monkeypatch.setattr(App, "open_ahead", lambda *_: None)
    monkeypatch.setattr(App, "pipeline", pipeline)
    monkeypatch.chdir(tmp_path)
    write_photo(tmp_path / "ann.png", RED)
    write_photo(tmp_path / "bob.png", BLUE)

    def call(*arguments: str) -> Result:
        return call_facefind(capsys, "who", *arguments)

    return call


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr(App, "pipeline", load)


def photos(result: Result) -> list[str]:
    return [match["photo"] for match in result.json["matches"]]


def test_a_portrait_is_answered_with_all_photos_of_its_person(who: Callable[..., Result]) -> None:
    result = who("ann.png")
    assert result.code == 0
    assert result.out == " 0.100  /a.jpg\n 0.200  /b.jpg\n 0.900  person /c.jpg\n"
    assert "This is Ann." in result.err
    assert "1 photo marked person shows a face" in result.err


def test_json_says_whose_photos_they_are_and_why(who: Callable[..., Result]) -> None:
    answer = who("ann.png", "--json").json
    assert answer["person"] == {"id": 1, "name": "Ann", "title": "Ann"}
    assert [match["by"] for match in answer["matches"]] == ["face", "face", "person"]
    assert [match["face"] for match in answer["matches"]] == [1, 2, 3]
    assert [match["person"] for match in answer["matches"]] == [1, 1, 1]
    assert answer["left_out"] == []


@pytest.mark.parametrize("option", [["--no-people"], ["--max-distance", "0.5"]])
def test_without_people_faces_alone_decide(who: Callable[..., Result], option: list[str]) -> None:
    result = who("ann.png", "--json", *option)
    assert photos(result) == ["/a.jpg", "/b.jpg"]
    assert result.json["person"] is None


def test_portraits_of_two_people_are_told_apart(who: Callable[..., Result]) -> None:
    result = who("ann.png", "bob.png")
    assert "ann.png does not seem to show the person in bob.png (distance 1.41)." in result.err
    assert result.err.count("does not seem") == 1
    assert "--together, or --and before each other one" in result.err
    answer = who("ann.png", "bob.png", "--json").json
    (pair,) = answer["disagreements"]
    assert [Path(path).name for path in pair["portraits"]] == ["ann.png", "bob.png"]
    assert pair["distance"] == pytest.approx(2**0.5, abs=1e-4)


def test_of_three_portraits_the_one_that_differs_is_named(
    who: Callable[..., Result], tmp_path: Path
) -> None:
    write_photo(tmp_path / "ann 2.png", RED)
    result = who("ann.png", "ann 2.png", "bob.png")
    assert "bob.png does not seem to show the person in ann.png" in result.err
    assert result.err.count("does not seem") == 1


@pytest.mark.parametrize(
    "asked",
    [["ann.png", "ann.png"], ["--together", "ann.png", "bob.png"], ["ann.png", "--and", "bob.png"]],
)
def test_portraits_that_agree_or_need_not_are_no_warning(
    who: Callable[..., Result], asked: list[str]
) -> None:
    assert "does not seem" not in who(*asked).err
    assert who(*asked, "--json").json["disagreements"] == []


def test_the_limit_keeps_photos_by_face_first(who: Callable[..., Result]) -> None:
    assert photos(who("ann.png", "--json", "--limit", "2")) == ["/a.jpg", "/b.jpg"]
    assert len(photos(who("ann.png", "--json", "--limit", "0"))) == 3


def test_faces_said_to_be_somebody_elses_are_left_out_and_named(
    who: Callable[..., Result], store: Store
) -> None:
    store.wrong = {2}
    result = who("ann.png")
    assert result.out == " 0.100  /a.jpg\n 0.900  person /c.jpg\n"
    assert "Left out, as face 2 was said not to be Ann: /b.jpg" in result.err
    (left_out,) = who("ann.png", "--json").json["left_out"]
    assert (left_out["face"], left_out["photo"]) == (2, "/b.jpg")


@pytest.mark.usefixtures("no_models")
def test_a_name_asks_for_a_known_person(who: Callable[..., Result]) -> None:
    result = who("ann")
    assert (result.code, result.out) == (0, "/a.jpg\n/b.jpg\n/c.jpg\n")
    assert result.err == "3 photos show Ann.\n"
    answer = who("Person 001", "--json", "--limit", "1").json
    assert answer["person"]["id"] == 1
    (match,) = answer["matches"]
    assert (match["distance"], match["probability"], match["by"]) == (None, None, "person")
    assert (answer["portraits"], answer["pipeline"], answer["failed"]) == ([], None, [])


def test_a_name_that_ends_with_a_dot_needs_no_other(
    who: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ANN", replace(ANN, name="Ann A."))
    assert "This is Ann A.\n" in who("ann.png").err
    assert who("1").err == "3 photos show Ann A.\n"


@pytest.mark.usefixtures("no_models")
def test_somebody_hidden_answers(who: Callable[..., Result]) -> None:
    assert photos(who("2", "--json")) == ["/b.jpg", "/d.jpg"]


@pytest.mark.usefixtures("no_models")
def test_a_known_person_without_photos_there_is_no_answer(
    who: Callable[..., Result], store: Store
) -> None:
    store.faces = []
    result = who("Ann", "--event", "party")
    assert (result.code, result.out) == (1, "")
    assert result.err == 'No photos in event "party" show Ann.\n'
    assert 'no event "x"' in who("Ann", "--event", "x").err


@pytest.mark.usefixtures("no_models")
def test_what_is_no_file_and_nobody(who: Callable[..., Result]) -> None:
    nobody = who("Anna")
    assert (nobody.code, nobody.out) == (2, "")
    assert 'nobody called "Anna"' in nobody.err
    assert "Ann" in nobody.err.splitlines()[1]
    missing = who("anna.jpg")
    assert missing.code == 2
    assert "File 'anna.jpg' does not exist" in missing.err
    assert who("Dr. No").code == 2
    assert 'nobody called "Dr. No"' in who("Dr. No").err


def test_a_file_of_that_name_wins(who: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "bob.png").rename(tmp_path / "Ann")
    assert photos(who("Ann", "--json")) == ["/b.jpg", "/d.jpg"]


@pytest.mark.parametrize(
    "asked",
    [
        ["ann.png", "--and", "bob.png"],
        ["--together", "ann.png", "bob.png"],
        ["--together", "ann.png", "2"],
        ["Ann", "--and", "2"],
        ["Ann", "--and", "bob.png", "--no-people"],
    ],
)
def test_photos_of_two_people_name_both_faces(who: Callable[..., Result], asked: list[str]) -> None:
    result = who("--json", *asked)
    assert result.code == 0
    (match,) = result.json["matches"]
    assert match["photo"] == "/b.jpg"
    assert [face["face"] for face in match["faces"]] == [2, 4]
    assert len(result.json["together"]) == 2


@pytest.mark.usefixtures("no_models")
def test_photos_of_two_people_as_text(who: Callable[..., Result]) -> None:
    result = who("--together", "Ann", "Person 2")
    assert result.out == "/b.jpg\n"
    assert result.err == "1 photo shows Ann and Person 002 together.\n"


def test_the_less_sure_of_two_faces_is_told(who: Callable[..., Result], store: Store) -> None:
    store.faces[3] = replace(
        store.faces[3], match=replace(store.faces[3].match, distance=0.4, photo=Path("/b.jpg"))
    )
    assert who("ann.png", "--and", "bob.png").out == " 0.400  /b.jpg\n"


@pytest.mark.usefixtures("no_models")
def test_one_face_is_not_two_people(who: Callable[..., Result]) -> None:
    assert who("--together", "Ann", "1").code == 1


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (["Ann", "2"], "--together"),
        (["ann.png", "Ann"], "--together"),
        (["--together", "Ann"], "there is one"),
        (["Ann", "--strict"], "--strict is about portraits"),
        (["Ann", "--max-distance", "1"], "--max-distance is about portraits"),
        (["Ann", "--no-people"], "--no-people is about portraits"),
        (["Ann", "--face", "1"], "--face is about portraits"),
        (["Ann", "--include-low-quality"], "--include-low-quality is about portraits"),
    ],
)
@pytest.mark.usefixtures("no_models")
def test_questions_that_make_no_sense_are_refused(
    who: Callable[..., Result], asked: list[str], reason: str
) -> None:
    result = who(*asked)
    assert (result.code, result.out) == (2, "")
    assert reason in result.err


def test_asking_by_name_imports_neither_models_nor_pictures() -> None:
    code = (
        "import sys; from facefind.cli import who_command, who_answer; "
        "import facefind.answers, facefind.people.naming; "
        "assert who_command.PortraitOrName().convert('Ann', None, None) == 'Ann'; "
        "print(sorted({'cv2', 'onnxruntime', 'PIL'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

"""`facefind people learn`, `suggest` and `try` on a real database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from facefind import people
from facefind.cli.context import App
from facefind.errors import UsageError
from facefind.inference.pipeline import PIPELINES
from facefind.people.learning import LearnReport, learn
from facefind.people.suggestions import Suggestion, suggest
from facefind.people.trial import try_settings
from facefind.store.repository import Repository
from facefind.types import Box, Detection, Event, Face, FloatArray, Image, Quality
from tests.command import Result, call_facefind
from tests.stored import DIMENSION, JPEG, STAMP, digest, new_event, record_photo, rows

POOR = 99
"""The picture number of portraits of poor quality."""

ALBUM = {
    "/p/1.jpg": "AB",
    "/p/2.jpg": "AB",
    "/p/3.jpg": "AC",
    "/p/4.jpg": "CD",
    "/p/5.jpg": "A",
    "/p/6.jpg": "E",
}
"""Who is in which photo: A, B and C are people, D and E are seen once."""


def looks(who: str, picture: str, noise: float = 0.006) -> FloatArray:
    """One of many pictures of somebody: a unit vector."""
    vector = np.random.default_rng([ord(who), *picture.encode()]).normal(0, noise, DIMENSION)
    vector[ord(who)] += 1
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def put(store: Repository, event: Event, path: str, vectors: list[FloatArray]) -> None:
    faces = [
        Face(Detection(Box(10 + 60.0 * place, 20, 30, 40), 0.9), vector)
        for place, vector in enumerate(vectors)
    ]
    sha256 = digest(f"{event.id} {path}")
    record_photo(store, event, path.encode(), STAMP, sha256, JPEG, faces)


class Reader:
    """Stands for a pipeline: reads from a column's colour who it is, and in which picture."""

    spec = PIPELINES["dlib"]
    fingerprint = "weights-1"

    def __init__(self, name: str = "dlib") -> None:
        self.spec = PIPELINES[name]

    def find_faces(self, image: Image) -> list[Face]:
        """A face for each run of columns of one colour whose blue is 200."""
        colours = [tuple(colour) for colour in image[image.shape[0] // 2].tolist()]
        faces = []
        for colour in dict.fromkeys(c for c in colours if c[2] == 200):
            width = float(colours.count(colour))
            quality = Quality(0.3 if colour[1] == POOR else 0.95, 1, 0, 0, 0)
            box = Box(float(colours.index(colour)), 0, width, 40)
            embedding = looks(chr(colour[0]), f"portrait {colour[1]}")
            faces.append(Face(Detection(box, 0.9), embedding, quality=quality))
        return faces


def portrait(path: Path, who: str, picture: int = 0) -> Path:
    """A picture of these people that a `Reader` reads."""
    drawn = PillowImage.new("RGB", (40 * max(len(who), 1), 40))
    for place, one in enumerate(who):
        drawn.paste((ord(one), picture, 200), (40 * place, 0, 40 * place + 40, 40))
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.save(path, "PNG")
    return path


@pytest.fixture
def album(store: Repository) -> Event:
    """The photos, grouped: A, B and C are people, in this order."""
    event = new_event(store)
    for path, who in ALBUM.items():
        put(store, event, path, [looks(one, path) for one in who])
    people.group_people(store, [event])
    return event


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Portraits of A, of D who was seen once, and of somebody who was never seen."""
    for name, who in (("Anna", "A"), ("Dora", "D"), ("Zoe", "Z")):
        portrait(tmp_path / "portraits" / f"{name}.png", who)
    return tmp_path / "portraits"


def taught(store: Repository, folder: Path, **options: Any) -> LearnReport:
    def load(name: str, settings: Mapping[str, object]) -> Any:
        return Reader(name)

    return learn(store, folder, store.events(), load, **options)


def who_is(store: Repository) -> dict[str, str]:
    """Who each face is taken for, by the letters of the album."""
    titles = {person.id: person.title for person in store.people()}
    found = {}
    for face in store.seen_faces():
        place = round((face.box.x - 10) / 60)
        letter = ALBUM.get(str(face.photo), "?????")[place]
        found[f"{letter}{face.photo.stem}"] = titles.get(face.person or 0, "")
    return found


def state(sql: Any) -> dict[str, list[Any]]:
    tables = ("people", "sighting_person", "rejections", "portraits")
    return {table: rows(sql, f"SELECT t.* FROM {table} t ORDER BY 1, 2") for table in tables}


def of_letter(store: Repository, letter: str) -> int:
    """The person of A, B or C."""
    numbers = {
        face.person
        for face in store.seen_faces()
        if ALBUM[str(face.photo)][round((face.box.x - 10) / 60)] == letter
    }
    (number,) = numbers
    assert number is not None
    return number


def test_a_folder_names_people(store: Repository, album: Event, folder: Path) -> None:
    report = taught(store, folder)
    assert report.refused == ()
    by_name = {one.name: one for one in report.people}
    assert sorted(by_name) == ["Anna", "Dora", "Zoe"]
    assert (by_name["Anna"].named, by_name["Anna"].faces, by_name["Anna"].lone) == (True, 4, 0)
    assert (by_name["Dora"].created, by_name["Dora"].faces, by_name["Dora"].lone) == (True, 1, 1)
    assert (by_name["Zoe"].created, by_name["Zoe"].faces) == (True, 0)
    found = who_is(store)
    assert {found[f"A{n}"] for n in (1, 2, 3, 5)} == {"Anna"}
    assert found["D4"] == "Dora"
    assert found["E6"] == ""
    assert found["B1"].startswith("Person")
    assert len(store.portraits_of()) == 3


def test_all_of_it_is_one_decision(store: Repository, album: Event, folder: Path, sql: Any) -> None:
    before = state(sql)
    report = taught(store, folder)
    assert [(one.id, one.kind) for one in store.decisions()] == [(report.decision, "learn")]
    store.undo()
    assert state(sql) == before


def test_again_changes_nothing(store: Repository, album: Event, folder: Path, sql: Any) -> None:
    taught(store, folder)
    people.group_people(store, [album])
    before = state(sql)
    report = taught(store, folder)
    assert report.decision is None
    assert [one.changed for one in report.people] == [False, False, False]
    assert state(sql) == before
    assert len(store.decisions()) == 1


def test_a_folder_may_have_any_name(store: Repository, album: Event, tmp_path: Path) -> None:
    folder = tmp_path / "p\udcff"
    portrait(folder / "Zoe.png", "Z")
    portrait(folder / "Z\udcff.png", "E")
    report = taught(store, folder)
    assert [one.name for one in report.people] == ["Zoe"]
    assert [one.about for one in report.refused] == ["Z\udcff"]
    assert store.decisions()[0].subject["what"].endswith("p\\xff")


def test_a_dry_run_tells_the_same_and_changes_nothing(
    store: Repository, album: Event, folder: Path, sql: Any
) -> None:
    before = state(sql)
    report = taught(store, folder, dry_run=True)
    assert report.decision is None
    assert [(one.name, one.faces, one.created) for one in report.people] == [
        ("Anna", 4, False), ("Dora", 1, True), ("Zoe", 0, True),
    ]  # fmt: skip
    assert {one.person for one in report.people if one.created} == {None}
    assert (state(sql), store.decisions()) == (before, [])


def test_somebody_without_photos_is_known_when_they_appear(
    store: Repository, album: Event, folder: Path
) -> None:
    taught(store, folder)
    for path in ("/p/late1.jpg", "/p/late2.jpg"):
        put(store, album, path, [looks("Z", path)])
    people.group_people(store, [album])
    zoe = people.find_person(store, "Zoe")
    assert (zoe.faces, zoe.photos) == (2, 2)


def test_people_who_fit_are_merged(store: Repository, album: Event, tmp_path: Path) -> None:
    anna = of_letter(store, "A")
    faces = [one.sighting for one in store.seen_faces(people=[anna])]
    with store.deciding("confirm") as draft:
        other = draft.create(None, None)
        draft.assign(other, faces[:1], confirmed=True)
    portrait(tmp_path / "portraits" / "Anna.png", "A")
    (learnt,) = taught(store, tmp_path / "portraits").people
    assert (learnt.person, learnt.merged, learnt.faces) == (anna, (other,), 4)
    assert people.find_person(store, "Anna").id == anna


def test_who_was_split_stays_apart(store: Repository, album: Event, tmp_path: Path) -> None:
    anna = of_letter(store, "A")
    faces = [one.sighting for one in store.seen_faces(people=[anna])]
    other = people.split(store, str(anna), faces[:1]).person
    portrait(tmp_path / "portraits" / "Anna.png", "A")
    (learnt,) = taught(store, tmp_path / "portraits").people
    assert (learnt.merged, learnt.faces) == ((), 3)
    assert [note.person for note in learnt.notes] == [other]


def test_a_rejected_face_is_not_taken(store: Repository, album: Event, folder: Path) -> None:
    taught(store, folder)
    dora = people.find_person(store, "Dora")
    (face,) = store.seen_faces(people=[dora.id])
    people.reject(store, [face.sighting], "Dora")
    report = taught(store, folder)
    assert report.decision is None
    assert people.find_person(store, "Dora").faces == 0


def test_another_name_is_a_conflict(
    store: Repository, album: Event, folder: Path, sql: Any
) -> None:
    people.name_person(store, str(of_letter(store, "A")), "Robert")
    report = taught(store, folder)
    by_name = {one.name: one for one in report.people}
    assert "the portrait fits Robert" in by_name["Anna"].conflict
    assert 'rename the file to "Robert", or facefind people name' in by_name["Anna"].conflict
    assert by_name["Anna"].person is None
    assert by_name["Zoe"].created
    assert people.find_person(store, "Robert").faces == 4
    assert len(store.portraits_of()) == 2


def test_the_same_name_on_other_faces_is_in_doubt(
    store: Repository, album: Event, folder: Path
) -> None:
    people.name_person(store, str(of_letter(store, "A")), "Zoe")
    report = taught(store, folder)
    doubts = {one.name: one.conflict for one in report.people}
    assert doubts["Zoe"].startswith("the portrait fits none of 4 faces of the Zoe")
    assert "the portrait fits Zoe" in doubts["Anna"]


def test_a_renamed_person_is_not_made_twice(store: Repository, album: Event, folder: Path) -> None:
    taught(store, folder)
    people.name_person(store, "Zoe", "Zoe Blum")
    report = taught(store, folder)
    assert report.decision is None
    (zoe,) = [one for one in report.people if one.name == "Zoe"]
    assert "was learnt before, as that of Zoe Blum" in zoe.conflict


def test_hidden_stays_hidden(store: Repository, album: Event, folder: Path) -> None:
    people.hide_unnamed(store)
    report = taught(store, folder)
    assert [one.hidden for one in report.people] == [True, False, False]
    assert people.find_person(store, "Anna").hidden


def test_what_leaves_a_doubt_teaches_nothing(
    store: Repository, album: Event, tmp_path: Path
) -> None:
    top = tmp_path / "portraits"
    group = portrait(top / "Anna.png", "AB")
    poor = portrait(top / "Bea.png", "B", POOR)
    portrait(top / "Cleo" / "1.png", "C", 1)
    wrong = portrait(top / "Cleo" / "2.png", "E", 2)
    portrait(top / "Dora.png", "D")
    portrait(top / "Dorothea.png", "D", 3)
    nobody = portrait(top / "Emil.png", "")
    report = taught(store, top)
    about = {one.about: one.reason for one in report.refused}
    assert report.people == ()
    assert about.keys() == {
        str(group), str(poor), str(nobody), str(wrong), str(top / "Cleo" / "1.png"),
        "Dora", "Dorothea",
    }  # fmt: skip
    assert "2 faces of about the same size" in about[str(group)]
    assert "does not seem to show the person in" in about[str(wrong)]
    assert "the same person as that of Dorothea" in about["Dora"]
    assert "put both pictures into a folder of that name" in about["Dora"]
    assert report.decision is None


def test_two_who_look_alike_can_be_named_by_hand(
    store: Repository, album: Event, tmp_path: Path
) -> None:
    people.name_person(store, str(of_letter(store, "A")), "Anna")
    people.name_person(store, str(of_letter(store, "B")), "Bea")
    portrait(tmp_path / "portraits" / "Anna.png", "A")
    portrait(tmp_path / "portraits" / "Bea.png", "A", 2)
    report = taught(store, tmp_path / "portraits")
    assert report.refused == ()


def test_a_pipeline_that_cannot_tell_people_is_left_out(
    store: Repository, album: Event, folder: Path
) -> None:
    store.ensure_event("old", "clip", "weights-9", 768, {})
    assert taught(store, folder).skipped == ("clip",)
    store.forget_event("party")
    with pytest.raises(UsageError, match="no faces that a portrait could be compared with"):
        taught(store, folder)


def test_each_pipeline_learns_its_own_portraits(
    store: Repository, album: Event, folder: Path
) -> None:
    other = store.ensure_event("later", "sface", "weights-1", DIMENSION, {})
    for path in ("/q/1.jpg", "/q/2.jpg"):
        put(store, other, path, [looks("Z", path)])
    people.group_people(store, [other])
    taught(store, folder)
    assert people.find_person(store, "Zoe").faces == 2
    portraits = store.portraits_of([people.find_person(store, "Anna").id])
    assert sorted(one.pipeline for one in portraits) == ["dlib", "sface"]


# --- suggestions ---------------------------------------------------------------------------------


def turned(vector: FloatArray, towards: FloatArray, distance: float) -> FloatArray:
    """The unit vector at an L2 distance from another one."""
    across = towards - towards @ vector * vector
    across /= np.linalg.norm(across)
    angle = 2 * np.arcsin(distance / 2)
    return np.asarray(np.cos(angle) * vector + np.sin(angle) * across, np.float32)


@pytest.fixture
def near(store: Repository) -> Event:
    """Two people of two photos each and one lone face, all of whom grouping just keeps apart."""
    event = store.ensure_event("party", "sface", "weights-1", DIMENSION, {})
    axes = np.eye(DIMENSION, dtype=np.float32)

    def ingest(distance: float) -> list[int]:
        for number in range(4):
            place = turned(axes[0], axes[1], distance) if number < 2 else axes[0]
            put(store, event, f"/n/{number}.jpg", [turned(place, axes[9 + number], 0.01)])
        put(store, event, "/n/5.jpg", [turned(axes[0], axes[2], distance)])
        people.group_people(store, [event])
        return [person.faces for person in store.people()]

    # As near as may be: how near that is depends on the settings.
    for hundredths in range(40, 140, 2):
        if ingest(hundredths / 100) == [2, 2]:
            return event
        store.forget_event("party")
        event = store.ensure_event("party", "sface", "weights-1", DIMENSION, {})
    raise AssertionError("grouping never keeps them apart")


def kinds(found: list[Suggestion]) -> list[str]:
    return sorted(one.kind for one in found)


def test_what_just_stayed_apart_is_suggested(store: Repository, near: Event) -> None:
    found = suggest(store, [near], 10)
    assert kinds(found) == ["face", "same"]
    same = next(one for one in found if one.kind == "same")
    assert same.other is not None
    assert same.gain == 2
    assert same.command == f"facefind people merge {same.person.id} {same.other.id}"
    face = next(one for one in found if one.kind == "face")
    (lone,) = face.other_faces
    assert (lone.person, str(lone.photo)) == (None, "/n/5.jpg")
    assert face.command == f"facefind people confirm {lone.sighting} {face.person.id}"
    assert face.contrary == f"facefind people reject {lone.sighting} {face.person.id}"


def test_the_most_is_gained_first(store: Repository, near: Event) -> None:
    assert [one.kind for one in suggest(store, [near], 1)] == ["same"]


def test_no_is_remembered(store: Repository, near: Event) -> None:
    for one in suggest(store, [near], 10):
        words = one.contrary.split()
        assert words[:3] == ["facefind", "people", "reject"]
        people.reject(store, [int(words[3])], words[4])
    rest = suggest(store, [near], 10)
    # The lone face may still be the other of the two.
    assert "same" not in kinds(rest)


def test_parts_of_who_was_split_are_not_suggested(store: Repository, near: Event) -> None:
    same = next(one for one in suggest(store, [near], 10) if one.kind == "same")
    assert same.other is not None
    merged = people.merge(store, [str(same.person.id), str(same.other.id)])
    faces = [face.sighting for face in same.other_faces]
    people.split(store, str(merged.person), faces, sure=False)
    assert "same" not in kinds(suggest(store, [near], 10))
    store.undo()
    store.undo()
    assert "same" in kinds(suggest(store, [near], 10))


def test_two_names_are_two_people(store: Repository, near: Event) -> None:
    for person, name in zip(store.people(), ("Anna", "Bea"), strict=True):
        people.name_person(store, str(person.id), name)
    assert kinds(suggest(store, [near], 10)) == ["face"]


def test_hidden_people_are_left_alone(store: Repository, near: Event) -> None:
    people.hide_unnamed(store)
    assert suggest(store, [near], 10) == []


def test_only_what_an_event_shows_is_suggested(store: Repository, near: Event) -> None:
    other = store.ensure_event("other", "sface", "weights-1", DIMENSION, {})
    assert suggest(store, [other], 10) == []


def test_a_face_among_strangers_is_suggested_as_wrong(store: Repository, album: Event) -> None:
    anna, stranger = (
        of_letter(store, "A"),
        next(face for face in store.seen_faces() if str(face.photo) == "/p/6.jpg"),
    )
    with store.deciding("import") as draft:
        draft.assign(anna, [stranger.sighting], confirmed=False)
    found = suggest(store, [album], 10)
    assert [(one.kind, one.other_faces[0].sighting) for one in found] == [
        ("wrong", stranger.sighting)
    ]
    assert found[0].probability is not None
    assert found[0].probability > 0.9
    assert found[0].command == f"facefind people reject {stranger.sighting} {anna}"
    people.confirm(store, str(anna), [stranger.sighting])
    assert suggest(store, [album], 10) == []


# --- trying --------------------------------------------------------------------------------------


def test_the_settings_in_force_change_nothing(store: Repository, album: Event) -> None:
    trial = try_settings(store, [album], {"nearest": "48"})
    assert (trial.faces, trial.before, trial.after) == (10, 3, 3)
    assert (trial.joined, trial.split, trial.changed) == ((), (), ())


def test_wide_settings_join_and_nothing_is_stored(store: Repository, near: Event, sql: Any) -> None:
    before = state(sql)
    trial = try_settings(store, [near], {"join": 1.9, "lowest": 1.9})
    assert (trial.before, trial.after) == (2, 1)
    (joined,) = trial.joined
    assert (joined.before, joined.after) == (2, 5)
    assert sorted((part.title == "nobody", part.faces) for part in joined.from_whom) == [
        (False, 2), (True, 1),
    ]  # fmt: skip
    assert state(sql) == before


def test_narrow_settings_take_people_apart_but_not_those_with_a_name(
    store: Repository, album: Event
) -> None:
    people.name_person(store, str(of_letter(store, "A")), "Anna")
    trial = try_settings(store, [album], {"join": 0, "gain": 0, "lowest": 0})
    assert (trial.before, trial.after) == (3, 1)
    assert [(one.before, one.after, one.to_whom[0].title) for one in trial.split] == [
        (2, 0, "nobody"), (2, 0, "nobody"),
    ]  # fmt: skip


def test_a_part_of_the_photos(store: Repository, album: Event) -> None:
    trial = try_settings(store, [album], {}, photos=2)
    assert (trial.faces, trial.before) == (4, 2)


def test_a_setting_that_there_is_not(store: Repository, album: Event) -> None:
    with pytest.raises(UsageError) as refused:
        try_settings(store, [album], {"jion": 1})
    assert "join" in refused.value.hint


# --- the commands --------------------------------------------------------------------------------


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str],
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Result]:
    """Runs facefind in this process on the test's database."""
    monkeypatch.setattr(App, "pipeline", lambda _, name, _values: Reader(name))

    def call(*arguments: object) -> Result:
        words = ["--home", tmp_path / "home", "--database-url", database_url]
        return call_facefind(capsys, *words, *arguments)

    return call


def test_learn_speaks(cli: Callable[..., Result], album: Event, folder: Path) -> None:
    portrait(folder / "Group.png", "AB")
    first = cli("people", "learn", folder, "-q")
    assert first.code == 1
    assert "Group.png: it shows 2 faces" in first.err
    assert "Zoe" in first.out
    assert "in no photo yet" in first.out
    again = json.loads(cli("people", "learn", folder, "--json").out)
    assert again["decision"] is None
    assert [(one["name"], one["state"]) for one in again["people"]] == [
        ("Anna", "known"), ("Dora", "known"), ("Zoe", "known"),
    ]  # fmt: skip
    doubtful = cli("people", "learn", folder).out
    assert doubtful.endswith("\nNothing changed.\n")
    (folder / "Group.png").unlink()
    known = cli("people", "learn", folder)
    assert (known.code, known.out.splitlines()[-1]) == (0, "Nothing changed: it was so already.")


def test_learn_takes_names_from_a_table(
    cli: Callable[..., Result], album: Event, tmp_path: Path
) -> None:
    portrait(tmp_path / "portraits" / "U1.png", "A")
    (tmp_path / "names.csv").write_text("U1,Anna Berg\n", encoding="utf-8")
    done = cli("people", "learn", tmp_path / "portraits", "--names", tmp_path / "names.csv")
    assert (done.code, "Anna Berg" in done.out) == (0, True)


def test_suggest_speaks(cli: Callable[..., Result], near: Event, tmp_path: Path) -> None:
    page = tmp_path / "sheet.html"
    said = cli("people", "suggest", "--sheet", page)
    assert said.code == 0
    assert "are one person\n     yes: facefind people merge" in said.out
    # The photos are made up, so they cannot be read; the page is there all the same.
    assert "Not read: /n/" in said.err
    assert "facefind people merge" in page.read_text(encoding="utf-8")
    found = json.loads(cli("people", "suggest", "--json").out)["suggestions"]
    assert [(one["kind"], one["gain"]) for one in found] == [("same", 2), ("face", 1)]


def test_nothing_to_suggest(cli: Callable[..., Result], album: Event, tmp_path: Path) -> None:
    said = cli("people", "suggest", "--sheet", tmp_path / "s.jpg")
    assert (said.code, said.out) == (0, "")
    assert said.err == f"There is nothing to suggest. {tmp_path / 's.jpg'} was not written.\n"
    assert not (tmp_path / "s.jpg").exists()


def test_try_speaks(cli: Callable[..., Result], near: Event) -> None:
    said = cli("people", "try", "--settings", "join=1.9", "--settings", "lowest=1.9")
    assert said.code == 0
    assert said.out.startswith("Joined: ")
    assert "2 people with the settings in force, 1 with these" in said.err
    told = json.loads(cli("people", "try", "--settings", "join=1.9", "--json").out)
    assert told["before"] == 2
    assert cli("people", "try", "--settings", "join").code == 2

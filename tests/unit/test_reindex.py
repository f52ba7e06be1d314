"""Reindex, with stand-ins for the models and for the database."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import signal
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from facefind import images
from facefind.cli import reindex_command
from facefind.cli.context import App
from facefind.errors import StoreError, UsageError
from facefind.inference.pipeline import PIPELINES, resolve_settings
from facefind.reindex import ReindexReport, chosen_settings, reindex, target_of
from facefind.store.records import EventSummary, Outstanding, Replaced, Succession
from facefind.store.sightings import counterparts
from facefind.types import Event, Face, SettingValue
from tests.command import Result, call_facefind
from tests.moving import NARROW, WIDE, FakePipeline, write_photos

DEFAULTS = resolve_settings(NARROW, {})


@dataclass
class OneEvent:
    """The store's promises for one event and its successor; `late` turns up at the first switch."""

    visible: Event
    contents: list[Outstanding]
    successor: Event | None = None
    found: dict[int, Sequence[Face]] = field(default_factory=dict)
    late: list[Outstanding] = field(default_factory=list)

    def event(self, name: str) -> Event | None:
        return self.visible if name == self.visible.name else None

    def events(self) -> list[Event]:
        return [self.visible]

    def summary(self, event_id: int) -> EventSummary:
        return EventSummary(len(self.contents), 9, 0, 0)

    def begin_successor(
        self,
        event: Event,
        pipeline: str,
        fingerprint: str,
        dimension: int,
        settings: Mapping[str, SettingValue],
    ) -> Succession:
        wanted = Event(event.id + 1, event.name, pipeline, fingerprint, dict(settings))
        dropped = self.successor if self.successor != wanted else None
        if self.successor != wanted:
            self.found.clear()
        self.successor = wanted
        return Succession(wanted, dropped)

    def drop_successor(self, event: Event) -> Event | None:
        dropped, self.successor = self.successor, None
        return dropped

    def outstanding(self, event: Event) -> list[Outstanding]:
        return [content for content in self.contents if content.content not in self.found]

    def record_new_faces(
        self, successor: Event, found: Sequence[tuple[int, Sequence[Face]]]
    ) -> bool:
        if successor == self.successor:
            self.found.update(found)
        return successor == self.successor

    def replace_event(
        self, event: Event, successor: Event, left_out: Mapping[int, str]
    ) -> Replaced | None:
        self.contents, self.late = [*self.contents, *self.late], []
        waiting = {content.content for content in self.outstanding(event)}
        if not waiting <= left_out.keys() or successor != self.successor:
            return None
        self.visible, self.successor = successor, None
        faces = sum(len(faces) for faces in self.found.values())
        return Replaced(len(self.found), 9, faces, 0, 0, tuple(sorted(waiting)))


def content(number: int, *paths: Path, sha256: str | None = None) -> Outstanding:
    sha256 = sha256 or hashlib.sha256(paths[-1].read_bytes()).hexdigest()
    return Outstanding(number, sha256, tuple(map(os.fsencode, paths)))


@pytest.fixture
def store(tmp_path: Path) -> OneEvent:
    paths = write_photos(tmp_path / "party", 3)
    event = Event(1, "party", NARROW, "old", DEFAULTS)
    return OneEvent(event, [content(number, path) for number, path in enumerate(paths)])


def move(
    store: OneEvent, finder: FakePipeline | None = None, leave_out_missing: bool = False
) -> ReindexReport:
    finder = finder or FakePipeline(WIDE)
    return reindex(
        store.visible,
        target_of(finder),
        store=store,
        finder=finder,
        leave_out_missing=leave_out_missing,
    )


# The service


def test_every_photo_is_looked_at_once(store: OneEvent) -> None:
    finder = FakePipeline(WIDE)
    report = move(store, finder)
    assert (report.outcome, report.photos, report.new, report.faces_after) == ("done", 3, 3, 6)
    assert finder.seen == 3
    assert store.visible.pipeline == WIDE


def test_what_turns_up_at_the_switch_takes_another_round(store: OneEvent, tmp_path: Path) -> None:
    path = write_photos(tmp_path / "more", 1)[0]
    store.late = [content(7, path)]
    finder = FakePipeline(WIDE)
    assert move(store, finder).photos == 4
    assert finder.seen == 4


def test_the_place_where_a_photo_still_is_is_found(store: OneEvent, tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "more", 2)
    store.contents = [content(1, tmp_path / "gone.png", paths[0], paths[1])]
    assert move(store).outcome == "done"


def test_no_file_is_held_because_another_place_was_looked_at_before(
    store: OneEvent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class File(SimpleNamespace):
        """Can be watched, as bytes cannot."""

    held: list[weakref.ref[File]] = []
    read_file = images.read_file

    def watched(path: Path) -> File:
        file = read_file(path)
        read = File(data=file.data, sha256=file.sha256, stamp=file.stamp)
        held.append(weakref.ref(read))
        return read

    monkeypatch.setattr(images, "read_file", watched)
    store.contents = [
        content(number, tmp_path / "gone.png", path)
        for number, path in enumerate(write_photos(tmp_path / "more", 2))
    ]
    gc.collect()
    gc.disable()
    try:
        assert move(store).outcome == "done"
        assert [reference() for reference in held] == [None, None]
    finally:
        gc.enable()


def test_a_photo_that_cannot_be_decoded_now(store: OneEvent, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG nothing more")
    store.contents.append(content(5, broken))
    report = move(store)
    assert (report.outcome, report.new) == ("incomplete", 3)
    assert [photo.path for photo in report.unreadable] == [broken]
    report = move(store, leave_out_missing=True)
    assert (report.outcome, report.photos, len(report.unreadable)) == ("done", 3, 1)


def test_an_event_that_vanishes(store: OneEvent) -> None:
    finder = FakePipeline(WIDE)
    store.contents = []
    store.record_new_faces = lambda *_: False  # type: ignore[method-assign]
    store.replace_event = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="forgotten"):
        move(store, finder)


def test_a_stop_after_the_last_photo_was_begun_interrupts_nothing(store: OneEvent) -> None:
    finder = FakePipeline(WIDE)
    asked = iter([False] * 3)
    report = reindex(
        store.visible,
        target_of(finder),
        store=store,
        finder=finder,
        stop=lambda: next(asked, True),
    )
    assert (report.outcome, report.new) == ("done", 3)


def test_an_event_from_before_a_setting_is_looked_at_with_it_once(store: OneEvent) -> None:
    recorded = {key: value for key, value in DEFAULTS.items() if key != "detector.far_size"}
    store.visible = Event(1, "party", NARROW, "today", recorded)
    _, settings = chosen_settings(store.visible, None, {})
    finder = FakePipeline(NARROW, settings=settings)
    assert move(store, finder).outcome == "done"
    assert dict(store.visible.settings) == DEFAULTS != recorded
    again = move(store, finder)
    assert (again.outcome, again.new) == ("already", 0)
    assert finder.seen == 3


# Settings


def test_within_a_pipeline_what_is_not_asked_for_stays() -> None:
    recorded = {**DEFAULTS, "detector.threshold": 0.7, "detector.of_long_ago": 3}
    event = Event(1, "party", NARROW, "old", recorded)
    name, settings = chosen_settings(event, None, {"detector.nms": "0.4"})
    assert name == NARROW
    assert settings == {**DEFAULTS, "detector.threshold": 0.7, "detector.nms": 0.4}


def test_another_pipeline_starts_from_its_defaults() -> None:
    event = Event(1, "party", NARROW, "old", {**DEFAULTS, "detector.threshold": 0.7})
    assert chosen_settings(event, WIDE, {}) == (WIDE, resolve_settings(WIDE, {}))
    with pytest.raises(UsageError, match="no pipeline 'nothing'"):
        chosen_settings(event, "nothing", {})


def test_thorough_is_a_set_of_settings_and_typed_ones_win() -> None:
    event = Event(1, "party", NARROW, "old", DEFAULTS)
    thorough = PIPELINES[NARROW].thorough
    assert thorough
    _, settings = chosen_settings(event, None, {}, thorough=True)
    assert settings == resolve_settings(NARROW, thorough) != DEFAULTS
    key = next(iter(thorough))
    _, settings = chosen_settings(event, None, {key: str(DEFAULTS[key])}, thorough=True)
    assert settings[key] == DEFAULTS[key]
    with pytest.raises(UsageError, match=f"{WIDE} has no thorough way"):
        chosen_settings(event, WIDE, {}, thorough=True)


# Counterparts


def box(x: float) -> tuple[float, float, float, float]:
    return (x, 0, 10, 10)


def test_each_box_has_one_counterpart_the_nearest_first() -> None:
    old = [box(0), box(3), box(100)]
    assert counterparts(old, [0, 0, 0], [box(2), box(98)]) == {1: 0, 2: 1}
    assert counterparts(old, [0, 0, 0], [box(0), box(3)]) == {0: 0, 1: 1}


def test_boxes_that_overlap_too_little_have_none() -> None:
    # Of boxes 10 wide, shifted by 4: 6 of 14; by 5: 5 of 15.
    assert counterparts([box(0)], [0], [box(4)]) == {0: 0}
    assert counterparts([box(0)], [0], [box(5)]) == {}


def test_the_lower_rank_chooses_first() -> None:
    assert counterparts([box(0), box(1)], [0, 2], [box(1)]) == {0: 0}
    assert counterparts([box(0), box(1)], [2, 0], [box(1)]) == {1: 0}
    assert counterparts([box(0), box(1)], [0, 2], [box(1), box(3)]) == {0: 0, 1: 1}


@pytest.mark.parametrize(("old", "new"), [(0, 3), (3, 0), (0, 0)])
def test_where_there_is_nothing_nothing_matches(old: int, new: int) -> None:
    assert counterparts(np.ones((old, 4)), [0] * old, np.ones((new, 4))) == {}


# The command


@pytest.fixture
def cli(
    store: OneEvent,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[..., Result]:
    @contextmanager
    def opened(self: App) -> Iterator[OneEvent]:
        yield store

    def load(
        self: App, name: str, settings: Mapping[str, SettingValue], *, threads: int
    ) -> FakePipeline:
        return FakePipeline(name, settings=settings)

    monkeypatch.setattr(App, "store", opened)
    monkeypatch.setattr(App, "pipeline", load)

    def call(*arguments: str) -> Result:
        return call_facefind(capsys, "--home", tmp_path / "home", "reindex", *arguments)

    return call


def test_the_command_moves_and_says_what_it_did(cli: Callable[..., Result]) -> None:
    done = cli("--pipeline", WIDE)
    assert done.code == 0
    assert f'Event "party" has the faces of pipeline {WIDE} now: 3 photos with 6 faces' in done.out
    assert done.out.splitlines()[-1].startswith("Next: facefind people group")
    again = cli("--pipeline", WIDE)
    assert (again.code, again.out) == (
        0,
        f'Event "party" has the faces of pipeline {WIDE}, as asked for, already.\n',
    )


def test_json_alone_on_stdout(cli: Callable[..., Result], tmp_path: Path) -> None:
    done = cli("--pipeline", WIDE, "--event", "party", "--json")
    values = json.loads(done.out)["events"][0]
    assert (values.pop("seconds") >= 0, values) == (
        True,
        {
            "event": "party", "outcome": "done", "pipeline": WIDE, "was": NARROW, "photos": 3,
            "new": 3, "faces_before": 9, "faces_after": 6, "carried": 0, "lost": 0,
            "unreadable": [],
        },
    )  # fmt: skip


def test_a_profile_is_of_all_events_together(
    cli: Callable[..., Result], store: OneEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEFIND_THREADS", "2")
    done = cli("--pipeline", WIDE, "--profile")
    assert "has the faces of pipeline" in done.out
    told = done.err.splitlines()
    assert " s in all with 2 at once: 3 photos, 6 faces; " in told[0]
    assert [line.split()[0] for line in told[2:5]] == ["start", "read", "decode"]
    again = cli("--pipeline", WIDE, "--profile")
    assert " s in all: no photo was read" in again.err
    assert len(again.err.splitlines()) == 1
    values = json.loads(cli("--pipeline", NARROW, "--profile", "--json").out)
    assert (values["profile"]["photos"], values["profile"]["faces"]) == (3, 6)
    assert "profile" not in json.loads(cli("--pipeline", WIDE, "--json").out)


def test_json_tells_what_has_moved_before_the_error_that_ends_the_run(
    cli: Callable[..., Result], store: OneEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Event(2, "wedding", NARROW, "old", DEFAULTS)
    monkeypatch.setattr(OneEvent, "events", lambda self: [self.visible, other])
    replace_event = store.replace_event

    def only_party(event: Event, successor: Event, left_out: Mapping[int, str]) -> Replaced | None:
        if event == other:
            raise StoreError("The connection was lost.")
        return replace_event(event, successor, left_out)

    monkeypatch.setattr(store, "replace_event", only_party)
    stopped = cli("--pipeline", WIDE, "--json")
    assert stopped.code == 2
    moved = json.loads(stopped.out)["events"]
    assert [(report["event"], report["outcome"]) for report in moved] == [("party", "done")]
    assert "The connection was lost." in stopped.err


def test_unreadable_photos_are_listed_with_what_to_do(
    cli: Callable[..., Result], store: OneEvent, tmp_path: Path
) -> None:
    store.contents += [
        content(10 + number, tmp_path / f"gone {number}.png", sha256="00") for number in range(12)
    ]
    done = cli("--pipeline", WIDE)
    assert done.code == 1
    assert done.err.count("the file is gone") == reindex_command.SHOWN_UNREADABLE
    assert "and 2 more" in done.err
    assert "--leave-out-missing" in done.err
    assert "facefind forget" in done.err
    assert f'Event "party" keeps its old faces, of pipeline {NARROW}' in done.out
    listed = json.loads(cli("--pipeline", WIDE, "--json").out)["events"][0]["unreadable"]
    assert len(listed) == 12
    left = cli("--pipeline", WIDE, "--leave-out-missing")
    assert left.code == 0
    assert left.err.count("Left out: ") == reindex_command.SHOWN_UNREADABLE


def test_ctrl_c_says_how_to_go_on(
    cli: Callable[..., Result], store: OneEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def asked_to_stop() -> Iterator[Callable[[], bool]]:
        asked = iter([False, False])
        yield lambda: next(asked, True)

    monkeypatch.setattr(reindex_command, "interruptible", asked_to_stop)
    given = f"--pipeline {NARROW} --set detector.nms=0.4 --thorough --leave-out-missing --profile"
    stopped = cli(*given.split())
    assert stopped.code == 130
    words = stopped.err.partition("To go on: facefind ")[2].splitlines()[0]
    assert words.partition("reindex ")[2] == given
    assert len(store.found) == 1


def test_a_second_ctrl_c_stops_at_once_and_says_how_to_go_on(
    cli: Callable[..., Result], store: OneEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[str] = []

    def interrupted(*_: object) -> bool:
        reached.append("photo")
        signal.raise_signal(signal.SIGINT)
        reached.append("asked to stop")
        signal.raise_signal(signal.SIGINT)
        reached.append("still here")
        return True

    monkeypatch.setattr(store, "record_new_faces", interrupted)
    stopped = cli("--pipeline", WIDE)
    assert (stopped.code, stopped.out) == (130, "")
    assert reached == ["photo", "asked to stop"]
    assert stopped.err == (
        "\nFinishing the photos at hand; Ctrl-C again stops at once.\n"
        "\nStopped. What is stored stays; run the same command again to go on.\n"
    )


def test_an_unfinished_move_elsewhere_is_dropped_with_a_word(
    cli: Callable[..., Result], store: OneEvent
) -> None:
    store.successor = Event(9, "party", "sface", "old", {})
    done = cli("--pipeline", WIDE)
    assert 'An unfinished move of event "party" to pipeline sface' in done.err


def test_an_event_that_is_not_there_is_refused(cli: Callable[..., Result]) -> None:
    refused = cli("--event", "wedding")
    assert (refused.code, refused.out) == (2, "")
    assert 'There is no event "wedding".' in refused.err

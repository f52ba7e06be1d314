"""Events and pipelines: what is refused, and what a new event records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from facefind.binding import bind_event, pipeline_of
from facefind.errors import UsageError
from facefind.inference.pipeline import PIPELINES, Pipeline, resolve_settings
from facefind.inference.protocols import Parts
from facefind.types import Event, SettingValue

DEFAULTS = resolve_settings("dlib", {})
LATER = "detector.far_size"


@dataclass
class Events:
    """A store of events; `rival` is one that another process makes at the last moment."""

    known: dict[str, Event] = field(default_factory=dict)
    rival: Event | None = None

    def event(self, name: str) -> Event | None:
        return self.known.get(name)

    def ensure_event(
        self,
        name: str,
        pipeline: str,
        fingerprint: str,
        dimension: int,
        settings: Mapping[str, SettingValue],
    ) -> Event:
        made = self.rival or Event(1, name, pipeline, fingerprint, settings)
        return self.known.setdefault(name, made)


def load(name: str, settings: Mapping[str, SettingValue]) -> Pipeline:
    nothing = cast("Any", None)
    return Pipeline(PIPELINES[name], Parts(nothing, nothing, nothing), settings, "f00d")


def party(**changes: Any) -> Event:
    return Event(
        1, "party", **{"pipeline": "dlib", "fingerprint": "f00d", "settings": DEFAULTS} | changes
    )


def test_a_new_event_records_the_default_pipeline_and_all_its_settings() -> None:
    event, finder = bind_event(Events(), "party", load)
    assert (event.pipeline, event.fingerprint) == ("dlib", "f00d")
    assert event.settings == DEFAULTS == finder.settings


def test_a_known_event_keeps_its_pipeline_and_settings() -> None:
    settings = resolve_settings("clip", {"detector.min_size": "50"})
    events = Events({"party": party(pipeline="clip", settings=settings)})
    _, finder = bind_event(events, "party", load)
    assert (finder.spec.name, finder.settings) == ("clip", settings)
    bind_event(events, "party", load, "clip", {"detector.min_size": "50"})


def test_another_pipeline_or_setting_is_refused() -> None:
    events = Events({"party": party()})
    with pytest.raises(UsageError, match="pipeline dlib, not clip"):
        bind_event(events, "party", load, "clip")
    with pytest.raises(UsageError, match=r"detector\.threshold=0\.53, not 0\.6"):
        bind_event(events, "party", load, overrides={"detector.threshold": "0.6"})


def test_thorough_is_refused_by_its_name_where_the_event_was_not() -> None:
    events = Events({"party": party()})
    with pytest.raises(UsageError, match=r"other settings than those of --thorough\.") as refused:
        bind_event(events, "party", load, thorough=True)
    assert "facefind reindex --event party --thorough" in str(refused.value.hint)
    with pytest.raises(UsageError, match=r"detector\.threshold=0\.53, not 0\.6"):
        bind_event(events, "party", load, overrides={"detector.threshold": "0.6"}, thorough=True)


def test_thorough_is_fine_where_the_event_was() -> None:
    settings = resolve_settings("dlib", PIPELINES["dlib"].thorough)
    events = Events({"party": party(settings=settings)})
    event, _ = bind_event(events, "party", load, thorough=True)
    assert event.settings == settings


def test_an_event_made_meanwhile_with_other_settings_is_refused() -> None:
    rival = party(settings=resolve_settings("dlib", {"detector.threshold": "0.4"}))
    with pytest.raises(UsageError, match=r"detector\.threshold=0\.4, not 0\.5"):
        bind_event(Events(rival=rival), "party", load)


def test_other_weights_are_refused() -> None:
    old = party(fingerprint="beef")
    with pytest.raises(UsageError, match="other weights"):
        bind_event(Events({"party": old}), "party", load)
    with pytest.raises(UsageError, match="other weights"):
        pipeline_of([old], load)


def test_a_portrait_is_read_with_the_settings_of_the_event() -> None:
    strict = party(settings=resolve_settings("dlib", {"detector.threshold": "0.9"}))
    assert pipeline_of([strict], load).settings["detector.threshold"] == 0.9
    assert pipeline_of([strict, party()], load).settings == DEFAULTS


def older(**changes: Any) -> Event:
    """An event from before there was the setting that tells how small faces are looked for."""
    known = {key: value for key, value in DEFAULTS.items() if key != LATER}
    return party(settings=known, **changes)


def test_an_event_from_before_a_setting_takes_its_default() -> None:
    events = Events({"party": older()})
    for overrides in ({}, {LATER: str(DEFAULTS[LATER])}):
        event, finder = bind_event(events, "party", load, overrides=overrides)
        assert event == older()
        assert finder.spec.name == "dlib"
    with pytest.raises(UsageError, match=rf"{LATER}={DEFAULTS[LATER]}, not 900"):
        bind_event(events, "party", load, overrides={LATER: "900"})


def test_an_event_from_before_a_setting_does_not_differ_from_one_with_its_default() -> None:
    strict = {"detector.threshold": 0.9}
    old, new = older(), party(settings=DEFAULTS | strict)
    old_and_strict = party(settings={**old.settings, **strict})
    for events in ([old_and_strict, new], [new, old_and_strict]):
        assert pipeline_of(events, load).settings == DEFAULTS | strict
    assert pipeline_of([old, new], load).settings == DEFAULTS


def test_the_way_out_is_named_as_it_can_be_typed() -> None:
    old = Event(1, "Ann's party", "dlib", "beef", DEFAULTS)
    way_out = "facefind reindex --event 'Ann'\"'\"'s party'"
    with pytest.raises(UsageError, match="no face can be compared") as weights:
        pipeline_of([old], load)
    with pytest.raises(UsageError) as other:
        bind_event(Events({old.name: old}), old.name, load, "clip")
    assert weights.value.hint.startswith(way_out)
    assert f"{way_out} --pipeline clip" in other.value.hint

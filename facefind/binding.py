"""Binds events to pipelines: one event's vectors must all be comparable.

An event keeps the pipeline, the detector's settings and the weights' fingerprint that its first
faces were found with. What is asked for later must agree.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from facefind.errors import UsageError
from facefind.inference.pipeline import (
    DEFAULT_PIPELINE,
    PIPELINES,
    Pipeline,
    resolve_settings,
)
from facefind.types import Event, SettingValue

Load = Callable[[str, Mapping[str, SettingValue]], Pipeline]
"""Gives a pipeline, by name and settings, ready to run."""

_ANOTHER = "Give another --event NAME to ingest the same photos with other settings"


class EventStore(Protocol):
    """What binding asks of the store; `facefind.store.repository.Repository` provides it."""

    def event(self, name: str) -> Event | None:
        """The event of that name."""

    def ensure_event(
        self,
        name: str,
        pipeline: str,
        fingerprint: str,
        dimension: int,
        settings: Mapping[str, SettingValue],
    ) -> Event:
        """Creates the event, or returns the one that is there as it is."""


def bind_event(
    store: EventStore,
    name: str,
    load: Load,
    pipeline: str | None = None,
    overrides: Mapping[str, str] | None = None,
    *,
    thorough: bool = False,
) -> tuple[Event, Pipeline]:
    """The event, new or as recorded, and its pipeline.

    Args:
        pipeline: The pipeline asked for; None takes the event's own, or the default.
        overrides: Settings asked for, as typed, by full key ("detector.threshold").
        thorough: With the pipeline's settings for that, where ``overrides`` has no others.

    Raises:
        UsageError: The event was made with another pipeline, other settings or other weights.
        SetupError: The pipeline cannot be loaded.
    """
    existing = store.event(name)
    chosen = pipeline or (existing.pipeline if existing else DEFAULT_PIPELINE)
    typed = overrides or {}
    overrides = with_thorough(chosen, typed, thorough)
    settings = resolve_settings(chosen, overrides)
    if existing is not None:
        check_binding(existing, chosen, {key: settings[key] for key in typed})
        _check_thorough(existing, {key: settings[key] for key in overrides})
        settings = dict(existing.settings)
    finder = load(chosen, settings)
    event = existing or store.ensure_event(
        name, chosen, finder.fingerprint, finder.spec.dimension, settings
    )
    # Another process may have made the event a moment ago, with other settings.
    check_binding(event, chosen, settings)
    check_weights(event, finder.fingerprint)
    return event, finder


def pipeline_of(events: Sequence[Event], load: Load) -> Pipeline:
    """The pipeline to look at a portrait with, to compare it with the faces of events.

    One event's detector settings apply to the portrait too; where several events differ, the
    defaults do.

    Args:
        events: All of one pipeline and fingerprint.

    Raises:
        UsageError: The weights are not those that the events were ingested with.
        SetupError: The pipeline cannot be loaded.
    """
    first = events[0]
    settings, *others = map(settings_of, events)
    if any(other != settings for other in others):
        settings = resolve_settings(first.pipeline, {})
    pipeline = load(first.pipeline, settings)
    for event in events:
        check_weights(event, pipeline.fingerprint)
    return pipeline


def with_thorough(pipeline: str, overrides: Mapping[str, str], thorough: bool) -> Mapping[str, str]:
    """Settings asked for, and where ``thorough`` the pipeline's own for that below them.

    Raises:
        UsageError: The pipeline has none, or does not exist.
    """
    if not thorough:
        return overrides
    resolve_settings(pipeline, {})  # refuses an unknown name
    more = PIPELINES[pipeline].thorough
    if not more:
        raise UsageError(f"Pipeline {pipeline} has no thorough way.", "Leave --thorough out.")
    return {**more, **overrides}


def check_binding(event: Event, pipeline: str, settings: Mapping[str, SettingValue]) -> None:
    """Refuses a pipeline or setting that differs from what the event's faces were found with.

    Args:
        settings: Those that must agree, by full key.

    Raises:
        UsageError: They differ.
    """
    if pipeline != event.pipeline:
        raise UsageError(
            f'Event "{event.name}" was ingested with pipeline {event.pipeline}, not {pipeline}.',
            f"{_ANOTHER}; or move this one: {_reindex(event)} --pipeline {pipeline}",
        )
    hint = (
        f"{_ANOTHER}; or move this one with {_reindex(event)} and the --set or --thorough that you "
        "want."
    )
    recorded_settings = settings_of(event)
    for key, value in settings.items():
        recorded = recorded_settings.get(key)
        if recorded != value:
            raise UsageError(
                f'Event "{event.name}" was ingested with {key}={recorded}, not {value}.', hint
            )


def _check_thorough(event: Event, settings: Mapping[str, SettingValue]) -> None:
    """Refuses ``--thorough``, whose settings nobody typed, for an event that has others.

    Raises:
        UsageError: It has.
    """
    recorded = settings_of(event)
    if any(recorded.get(key) != value for key, value in settings.items()):
        raise UsageError(
            f'Event "{event.name}" was ingested with other settings than those of --thorough.',
            f"{_ANOTHER}; or move this one: {_reindex(event)} --thorough",
        )


def check_weights(event: Event, fingerprint: str) -> None:
    """Refuses weights other than those that the event's vectors were made with.

    Raises:
        UsageError: They differ, so distances would mean nothing.
    """
    if event.fingerprint != fingerprint:
        raise UsageError(
            f'Event "{event.name}" was ingested with other weights of pipeline {event.pipeline}: '
            "no face can be compared with those in it.",
            f"{_reindex(event)} looks at its photos again with today's weights.",
        )


def settings_of(event: Event) -> dict[str, SettingValue]:
    """All the settings that the event's photos are looked at with from now on.

    Those that there were not yet when it was made take their defaults.
    """
    known = event.pipeline in PIPELINES
    return {**(resolve_settings(event.pipeline, {}) if known else {}), **event.settings}


def _reindex(event: Event) -> str:
    return f"facefind reindex --event {shlex.quote(event.name)}"

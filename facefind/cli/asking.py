"""What `who` and `albums` share: the events to search, their pipeline, and portraits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facefind.cli.context import App
from facefind.cli.output import plural, shown

if TYPE_CHECKING:
    from facefind.inference.pipeline import Pipeline
    from facefind.search import Portrait
    from facefind.types import Event


def pipeline_of(app: App, events: Sequence[Event]) -> Pipeline:
    """The pipeline that the events were ingested with, its weights checked against theirs.

    One event's detector settings apply to the portrait too; of several events, the defaults do.
    """
    from facefind.inference.pipeline import resolve_settings
    from facefind.ingest import check_weights

    first = events[0]
    same = all(event.settings == first.settings for event in events)
    settings = dict(first.settings) if same else resolve_settings(first.pipeline, {})
    pipeline = app.pipeline(first.pipeline, settings)
    for event in events:
        check_weights(event, pipeline.fingerprint)
    return pipeline


def read_portraits(
    pictures: Sequence[Path], pipeline: Pipeline, face: int | None = None
) -> list[Portrait]:
    """The face asked about in each picture."""
    from facefind.search import read_portrait

    return [read_portrait(picture, pipeline, face) for picture in pictures]


def remarks(portrait: Portrait) -> list[str]:
    """What a user should know of how a portrait was read; empty for a plain one."""
    notes = []
    if portrait.faces > 1:
        notes.append(
            f"{shown(portrait.path)} shows {plural(portrait.faces, 'face')}; asking about number "
            f"{portrait.number} from the left. --face N chooses another, "
            "facefind faces PHOTO shows the numbers."
        )
    if portrait.how:
        notes.append(f"The face in {shown(portrait.path)} was found {portrait.how}.")
    return notes

"""Two stand-in pipelines and an event to move between them, for the tests of reindex."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from facefind.inference.batches import Batch
from facefind.inference.pipeline import PIPELINES, Pipeline, resolve_settings
from facefind.inference.protocols import Parts
from facefind.ingest import IngestReport, find_photos, ingest
from facefind.reindex import ReindexReport, reindex, target_of
from facefind.store.repository import Repository
from facefind.types import Detection, Event, Face, FloatArray, Image, SettingValue
from tests.fakes import ColourFinder, InTwoSteps, write_photo
from tests.stored import rows

NARROW, WIDE = "dlib", "clip"
"""Pipelines by name; the stand-ins answer with vectors of their dimension."""

SNAPSHOT = """
    SELECT convert_from(paths.path, 'UTF8'), encode(photos.sha256, 'hex'), contents.state,
           coalesce(paths.error, contents.error), paths.size_bytes, paths.mtime_ns,
           paths.missing_since IS NOT NULL, contents.ingested_at,
           faces.pipeline, faces.dimension, faces.x, faces.y, faces.w, faces.h,
           faces.embedding::text, who.person_id, who.decided_by
    FROM events
    JOIN event_paths paths ON paths.event_id = events.id
    LEFT JOIN event_photos contents ON contents.id = paths.event_photo_id
    LEFT JOIN photos ON photos.id = contents.photo_id
    LEFT JOIN faces ON faces.event_photo_id = contents.id AND faces.event_id = events.id
    LEFT JOIN sighting_person who ON who.sighting_id = faces.sighting_id
    WHERE events.name = %s AND events.replaces IS NULL
    ORDER BY 1, faces.x, faces.y
"""


class FakePipeline(InTwoSteps, Pipeline):
    """Finds the columns of one colour; the embedding is the colour.

    Args:
        shift: By how many pixels its boxes lie further to the right than `ColourFinder`'s.
    """

    batch = Batch(1, 1, 1)

    def __init__(
        self,
        name: str,
        fingerprint: str = "today",
        *,
        settings: Mapping[str, SettingValue] | None = None,
        shift: float = 0,
    ) -> None:
        nothing = cast("Any", None)
        chosen = resolve_settings(name, settings or {})
        super().__init__(PIPELINES[name], Parts(nothing, nothing, nothing), chosen, fingerprint)
        self._shift = shift
        self._colours = ColourFinder()

    @property
    def seen(self) -> int:
        """How many pictures it was given."""
        return self._colours.seen

    def find_faces(self, image: Image) -> list[Face]:
        """The colours, as `ColourFinder` finds them."""
        return [self._wide(face) for face in self._colours.find_faces(image)]

    def _wide(self, face: Face) -> Face:
        box = face.detection.box
        moved = box._replace(x=box.x + self._shift)
        embedding = np.zeros(self.spec.dimension, np.float32)
        embedding[:3] = face.embedding
        return Face(Detection(moved, 1.0), embedding)


def colour(channel: int, pipeline: str) -> FloatArray:
    """The embedding of red, green or blue."""
    probe = np.zeros(PIPELINES[pipeline].dimension, np.float32)
    probe[channel] = 1
    return probe


def fill(store: Repository, folder: Path, finder: Pipeline, name: str = "party") -> IngestReport:
    """Ingests a folder into an event of the pipeline."""
    event = store.ensure_event(
        name, finder.spec.name, finder.fingerprint, finder.spec.dimension, finder.settings
    )
    return ingest(find_photos([folder]), event=event, store=store, finder=finder)


def the_event(store: Repository, name: str = "party") -> Event:
    """The event as users see it."""
    event = store.event(name)
    assert event is not None
    return event


def snapshot(sql: Any, name: str = "party") -> list[Any]:
    """Everything that is stored of an event, in a stable order, without its numbers."""
    return rows(sql, SNAPSHOT, name)


def write_photos(folder: Path, count: int = 4) -> list[Path]:
    """Pictures that differ, with one to three colours each, under names in order."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    return [
        write_photo(
            folder / f"{number}.png", *colours[: 1 + number % 3], size=(90 + 3 * number, 60)
        )
        for number in range(count)
    ]


def move(
    store: Repository, finder: FakePipeline | None = None, name: str = "party", **options: Any
) -> ReindexReport:
    """Moves an event, each photo in a transaction of its own."""
    finder = finder or FakePipeline(WIDE)
    return reindex(the_event(store, name), target_of(finder), store=store, finder=finder, **options)


def before_photo(number: int, do: Callable[[], object]) -> Callable[[], bool]:
    """A `stop` that never stops, but does something once, before the photo of that number."""
    asked = itertools.count()

    def stop() -> bool:
        if next(asked) == number:
            do()
        return False

    return stop


def stop_after(photos: int) -> Callable[[], bool]:
    """Asks to stop before the photo of that number, counted from 0."""
    asked = itertools.count()
    return lambda: next(asked) >= photos


def reds(store: Repository, pipeline: str = NARROW) -> list[str]:
    """Names of the photos that show red."""
    found = store.search(colour(0, pipeline), [the_event(store)], max_distance=0.1)
    return [match.photo.name for match in found]


def decide(sql: Any, name: str, index: int, by: str = "user", event: str = "party") -> int:
    """Decides who the face of that number from the left is, in the photo of that name."""
    named = "INSERT INTO people (name, name_key) VALUES (%s, %s) RETURNING id"
    person = rows(sql, named, f"{name} {index}", f"{name} {index}")
    found = rows(
        sql,
        """INSERT INTO sighting_person (sighting_id, person_id, decided_by)
           SELECT f.sighting_id, %s, %s FROM faces f
           JOIN events e ON e.id = f.event_id AND e.replaces IS NULL AND e.name = %s
           WHERE f.event_photo_id IN (SELECT event_photo_id FROM event_paths
                                      WHERE convert_from(path, 'UTF8') LIKE %s)
           ORDER BY f.x OFFSET %s LIMIT 1 RETURNING sighting_id""",
        person[0][0], by, event, f"%/{name}", index,
    )  # fmt: skip
    assert len(found) == 1
    number: int = person[0][0]
    return number


def decisions(sql: Any) -> list[tuple[str, float]]:
    """Each decision with a face: the person's name, and where the face is."""
    found = rows(
        sql,
        """SELECT people.name, faces.x
           FROM sighting_person d JOIN people ON people.id = d.person_id
           JOIN faces ON faces.sighting_id = d.sighting_id
           JOIN events ON events.id = faces.event_id AND events.replaces IS NULL ORDER BY 1, 2""",
    )
    return [(name, x) for name, x in found]


def lost(sql: Any) -> list[str]:
    """The people of decisions that have no face."""
    found = rows(
        sql,
        """SELECT name FROM sighting_person d JOIN people ON people.id = d.person_id
           WHERE NOT EXISTS (SELECT FROM faces WHERE sighting_id = d.sighting_id)""",
    )
    return sorted(row[0] for row in found)


def orphans(sql: Any) -> int:
    """How many sightings there are that nobody has seen and nobody has decided about."""
    found = rows(
        sql,
        """SELECT count(*) FROM sightings s
           WHERE NOT EXISTS (SELECT FROM faces WHERE sighting_id = s.id)
             AND NOT EXISTS (SELECT FROM sighting_person WHERE sighting_id = s.id)
             AND NOT EXISTS (SELECT FROM rejections WHERE sighting_id = s.id)""",
    )
    number: int = found[0][0]
    return number

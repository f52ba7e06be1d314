"""Several files in one transaction: as if each had been stored after the other."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facefind.errors import StoreError
from facefind.inference.batches import Batch
from facefind.ingest import find_photos, ingest
from facefind.looking import Pace
from facefind.store.records import FailedFile, FoundCopy, FoundPhoto
from facefind.store.repository import Repository
from facefind.types import Box, Detection, Event, Face, Quality
from tests.fakes import BLUE, GREEN, RED, write_photo
from tests.moving import NARROW, FakePipeline, snapshot
from tests.stored import JPEG, STAMP, counts, digest, face, rows, vector

FACES = """
    SELECT convert_from(path, 'UTF8'), f.x, s.x, s.photo_id = c.photo_id, f.score, f.quality,
           f.asymmetry, f.sharpness, f.yaw, f.pitch, f.roll, f.landmarks, f.embedding::text
    FROM faces f
    JOIN sightings s ON s.id = f.sighting_id
    JOIN event_photos c ON c.id = f.event_photo_id
    JOIN event_paths p ON p.event_photo_id = c.id
    ORDER BY 1, f.id
"""


def photo(path: str, *faces: Face, content: str | None = None) -> FoundPhoto:
    return FoundPhoto(os.fsencode(path), STAMP, digest(content or path), JPEG, faces)


def copy(path: str, content: str) -> FoundCopy:
    return FoundCopy(os.fsencode(path), STAMP, digest(content))


def failed(path: str, content: str | None, reason: str = "broken") -> FailedFile:
    return FailedFile(os.fsencode(path), STAMP, content and digest(content), reason)


def test_every_column_of_a_face_is_stored(store: Repository, event: Event, sql: Any) -> None:
    plain = Face(Detection(Box(-1.5, 2, 3, 4), 1.0), vector(0.25))
    rich = replace(face(-0.1, 50), asymmetry=0.125, quality=Quality(0.5, 7.25, -10, 20.5, 180))
    assert store.record(event, [photo("/b", plain, rich), photo("/a", rich)]) == [True, True]
    found = rows(sql, FACES)
    assert [row[:4] for row in found] == [
        ("/a", 50, 50, True), ("/b", -1.5, -1.5, True), ("/b", 50, 50, True)
    ]  # fmt: skip
    assert found[1][4:12] == (1, None, None, None, None, None, None, None)
    assert found[2][4:12] == (0.5, 0.5, 0.125, 7.25, -10, 20.5, 180, [float(i) for i in range(10)])
    assert found[1][12] == "[0.25" + ",0" * 127 + "]"
    assert found[0][4:] == found[2][4:]


def test_of_one_content_the_first_photo_counts(store: Repository, event: Event, sql: Any) -> None:
    answers = store.record(
        event,
        [
            failed("/0", "x"),
            photo("/a", face(0.1), content="x"),
            photo("/b", face(0.2), face(0.3), content="x"),
            failed("/c", "x"),
            copy("/d", "x"),
        ],
    )
    assert answers == [True, True, False, True, True]
    assert counts(sql) == {"photos": 1, "event_photos": 1, "event_paths": 5, "faces": 1}
    assert {file.state for file in store.known_files(event.id).values()} == {"done"}
    assert store.record(event, [photo("/e", face(0.2), content="x")]) == [False]
    assert counts(sql)["faces"] == 1


def test_a_copy_of_what_is_gone_leaves_no_trace(store: Repository, event: Event, sql: Any) -> None:
    assert store.record(event, [photo("/a", face(0.1)), copy("/b", "gone")]) == [True, False]
    assert set(store.known_files(event.id)) == {b"/a"}


def test_failures_and_unreadable_files(store: Repository, event: Event) -> None:
    assert store.record(event, [failed("/a", "x", "one"), failed("/b", "x", "two"),
                                failed("/c", None, "shut")]) == [True] * 3  # fmt: skip
    known = store.known_files(event.id)
    assert {path: (file.state, file.reason) for path, file in known.items()} == {
        b"/a": ("failed", "two"), b"/b": ("failed", "two"), b"/c": ("unreadable", "shut")
    }  # fmt: skip


def test_a_content_that_moves_within_a_batch_keeps_its_faces(
    store: Repository, event: Event, sql: Any
) -> None:
    """A photo is edited and its original kept under another name, which comes later."""
    store.record(event, [photo("/a", face(0.1), content="old")])
    ((kept, *_),) = rows(sql, "SELECT id FROM faces")
    assert store.record(event, [photo("/a", face(0.2), content="new"), copy("/z", "old")]) == [
        True,
        True,
    ]
    assert (kept,) in rows(sql, "SELECT id FROM faces")
    assert counts(sql) == {"photos": 2, "event_photos": 2, "event_paths": 2, "faces": 2}


def test_one_that_is_refused_takes_the_others_with_it(
    store: Repository, event: Event, sql: Any
) -> None:
    with pytest.raises(StoreError, match="storing photos"):
        store.record(event, [photo("/a", face(0.1)), photo("/b", face(0.1, dimension=64))])
    assert set(counts(sql).values()) == {0}


def test_nothing_is_stored_of_nothing(store: Repository, event: Event, sql: Any) -> None:
    assert store.record(event, []) == []
    assert set(counts(sql).values()) == {0}


def test_many_threads_store_what_one_does(store: Repository, tmp_path: Path, sql: Any) -> None:
    for number in range(30):
        size = (90 + 3 * (number * 7 % 30), 60 + number)
        write_photo(tmp_path / f"{number:02}.png", *(RED, GREEN, BLUE)[: number % 4], size=size)
    found = {}
    for name, pace, batch in (("one", Pace(1), 1), ("five", Pace(5), 7)):
        finder = FakePipeline(NARROW)
        finder.batch = Batch(batch, batch, batch)
        event = store.ensure_event(name, NARROW, finder.fingerprint, 128, finder.settings)
        report = ingest(find_photos([tmp_path]), event=event, store=store, finder=finder, pace=pace)
        assert report.new == 30
        numbers = """SELECT convert_from(p.path, 'UTF8') FROM event_paths p
                     JOIN event_photos c ON c.id = p.event_photo_id
                     WHERE p.event_id = %s ORDER BY c.id, p.id"""
        found[name] = (
            [row[:7] + row[8:] for row in snapshot(sql, name)],
            rows(sql, numbers, event.id),
        )
    assert found["five"] == found["one"]
    assert len(found["one"][0]) > 30

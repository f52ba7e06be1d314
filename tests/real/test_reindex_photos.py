"""The reindex command on real faces: killed, stopped, with other settings or weights."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.program import Program
from tests.stopping import stopping

PHOTOS = 6
KILLS = 4
SET = ("--set", "detector.threshold=0.45", "--set", "detector.close_up_size=192")

ROWS = """
    SELECT convert_from(paths.path, 'UTF8'), photos.sha256, contents.state,
           faces.x, faces.y, faces.w, faces.h, faces.score, faces.embedding::text
    FROM events
    JOIN event_paths paths ON paths.event_id = events.id
    JOIN event_photos contents ON contents.id = paths.event_photo_id
    JOIN photos ON photos.id = contents.photo_id
    LEFT JOIN faces ON faces.event_photo_id = contents.id
    WHERE events.name = %s AND events.replaces IS NULL
    ORDER BY 1, 4, 5
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def url(program: Program) -> Iterator[str]:
    """The database, running throughout, so that no run's time goes into starting it."""
    yield program.json("db", "start")["url"]
    assert program.json("db", "stop") == {"stopped": True}


@pytest.fixture(autouse=True)
def one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction for each photo, so that there is more between them to be killed at."""
    monkeypatch.setenv("FACEFIND_BATCH", "1")
    monkeypatch.setenv("FACEFIND_THREADS", "1")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, sample_event: Path) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "party"
    folder.mkdir()
    for number in (101, 102, 103, 106, 108, 110):
        shutil.copy(sample_event / "photos" / f"IMG_0{number}.jpg", folder)
    assert len(list(folder.iterdir())) == PHOTOS
    return folder


def query(url: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall()) if cursor.description else []


def test_killed_at_random_moments_it_ends_as_an_ingest_with_those_settings(
    program: Program, url: str, photos: Path
) -> None:
    program.json("ingest", photos, "--event", "fresh", *SET)
    program.json("ingest", photos, "--event", "killed")
    fresh, old = query(url, ROWS, "fresh"), query(url, ROWS, "killed")
    assert len(fresh) >= PHOTOS
    assert fresh != old
    program.json("ingest", photos, "--event", "counted")
    statements = program.statements("reindex", "--event", "counted", *SET)
    chance = random.Random(4)
    codes: list[int] = []
    while query(url, ROWS, "killed") == old and len(codes) < KILLS:
        # From when it has looked at what there is to do, to half of the way at the farthest.
        number = chance.randint(statements // 6, statements // 2)
        stop = stopping(number, signal.SIGKILL, chance.choice([0.0, chance.uniform(1e-4, 4e-3)]))
        done = program.stopping("statements", stop, "reindex", "--event", "killed", *SET)
        codes.append(done.returncode)
    report = program.json("reindex", "--event", "killed", *SET)["events"][0]
    assert report["outcome"] in ("done", "already")
    assert query(url, ROWS, "killed") == fresh
    # The last may have been at its end before its number came.
    assert len(codes) > 2
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert query(url, "SELECT count(*) FROM events WHERE replaces IS NOT NULL") == [(0,)]


def test_ctrl_c_finishes_the_photo_and_says_how_to_go_on(
    program: Program, url: str, photos: Path
) -> None:
    program.json("ingest", photos, "--event", "Ann's")
    old = query(url, ROWS, "Ann's")
    stop = stopping(1, signal.SIGINT)
    done = program.stopping("photos", stop, "reindex", "--event", "Ann's", *SET, "-v")
    assert done.returncode == 130
    again = "To go on: facefind reindex --event 'Ann'\"'\"'s' --set detector.threshold=0.45"
    assert again in done.stderr
    assert "keeps its old faces" in done.stdout
    assert query(url, ROWS, "Ann's") == old
    report = program.json("reindex", "--event", "Ann's", *SET)["events"][0]
    assert report["outcome"] == "done"
    assert report["photos"] == PHOTOS
    assert 0 < report["new"] < PHOTOS


def test_old_weights_are_named_and_the_way_out_works(
    program: Program, url: str, photos: Path, sample_event: Path
) -> None:
    program.json("ingest", photos, "--event", "old")
    portrait = sample_event / "portraits" / "Eileen Collins.jpg"
    ask = ("who", portrait, "--event", "old")
    expected = program.json(*ask)["matches"]
    assert expected
    query(url, "UPDATE events SET fingerprint = 'of last year' WHERE name = 'old'")
    refused = program(*ask)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert 'Event "old" was ingested with other weights of pipeline dlib' in refused.stderr
    assert "facefind reindex --event old looks at its photos again" in refused.stderr
    report = program.json("reindex", "--event", "old")["events"][0]
    assert (report["outcome"], report["photos"]) == ("done", PHOTOS)
    assert program.json(*ask)["matches"] == expected

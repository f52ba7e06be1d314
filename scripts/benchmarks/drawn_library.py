"""A library of drawn faces in a database: people, photos, events, and embeddings as faces' are.

People are drawn from the density of faces that ships, ten faces a person on average and a few
people with very many (`scripts.benchmarks.group`). The same people are in all events, so an
event's faces are no neighbourhood of their own: the harder case for an index over all of them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefind.types import FloatArray
from scripts.benchmarks.group import draw

FACES_OF_A_PHOTO = 4

EVENTS = (("thousandth", 0.001), ("hundredth", 0.01), ("tenth", 0.1), ("half", 0.5), ("rest", 1.0))
"""Names and the share of all faces that each holds; the last takes what is left."""

PIPELINES = {128: "dlib", 512: "arcface", 768: "clip"}
"""By the dimension of their vectors."""

_BLOCK = 10_000


def draw_vectors(count: int, dimension: int) -> FloatArray:
    """(N, D) unit vectors; of more than 128 numbers they are those of 128, turned into the larger
    space, with an eighth of their length spread over all of it."""
    faces, _ = draw(count)
    if dimension == faces.vectors.shape[1]:
        return faces.vectors
    random = np.random.RandomState(2)
    turned, _ = np.linalg.qr(random.standard_normal((dimension, faces.vectors.shape[1])))
    wide = np.empty((count, dimension), np.float32)
    for first in range(0, count, _BLOCK):
        rows = slice(first, first + _BLOCK)
        noise = random.standard_normal(wide[rows].shape) / (8 * np.sqrt(dimension))
        wide[rows] = faces.vectors[rows] @ turned.T + noise
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return wide


def draw_probes(vectors: FloatArray, count: int) -> FloatArray:
    """Portraits: faces of people in the library, each mixed with a little of everybody."""
    random = np.random.RandomState(3)
    chosen = vectors[random.choice(len(vectors), count, replace=False)]
    noise = random.standard_normal(chosen.shape) * (0.2 / np.sqrt(chosen.shape[1]))
    probes = np.asarray(chosen + noise, np.float32)
    return np.asarray(probes / np.linalg.norm(probes, axis=1, keepdims=True), np.float32)


def fill(connection: Any, vectors: FloatArray) -> None:
    """Stores the library in an empty database that has facefind's schema, without vector indexes.

    Args:
        connection: Of a role that may switch triggers off.
    """
    pipeline = PIPELINES[vectors.shape[1]]
    photos = max(len(vectors) // FACES_OF_A_PHOTO, 1)
    # Chosen by photo: what is in a photo is in its event.
    bounds = np.cumsum([share for _, share in EVENTS[:-1]])
    events = np.searchsorted(bounds, np.random.RandomState(4).random(photos), side="right") + 1
    with connection, connection.cursor() as cursor:
        # Every row refers to what is stored here beside it.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL synchronous_commit = off")
        drop_vector_indexes(cursor)
        cursor.execute(
            _EVENTS,
            {"names": [name for name, _ in EVENTS], "pipeline": pipeline, "d": vectors.shape[1]},
        )
        cursor.execute("CREATE TEMPORARY TABLE drawn (id bigint, event bigint)")
        rows = "".join(f"{nth}\t{event}\n" for nth, event in enumerate(events.tolist(), 1))
        cursor.copy_expert("COPY drawn FROM STDIN", io.StringIO(rows))
        cursor.execute(_PHOTOS, {"faces": len(vectors), "each": FACES_OF_A_PHOTO})
        cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
        copy_faces(cursor, vectors, pipeline, events)
        cursor.execute(_COUNTS)
        for table in ("events", "photos", "event_photos", "sightings", "faces"):
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
            )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    connection.autocommit = False


def copy_faces(cursor: Any, vectors: FloatArray, pipeline: str, events: NDArray[np.int64]) -> None:
    """Fills the table of faces by COPY's binary format, a block at a time."""
    random = np.random.RandomState(5)
    name = pipeline.encode()
    numbers = np.arange(1, len(vectors) + 1)
    photos = np.minimum((numbers - 1) // FACES_OF_A_PHOTO, len(events) - 1)
    columns = (
        ("id", ">i8", numbers),
        ("event_photo_id", ">i8", photos + 1),
        ("event_id", ">i8", events[photos]),
        ("pipeline", f"S{len(name)}", np.full(len(vectors), name)),
        ("dimension", ">i4", np.full(len(vectors), vectors.shape[1])),
        ("x", ">f4", (numbers - 1) % FACES_OF_A_PHOTO * 300.0),
        ("y", ">f4", np.full(len(vectors), 100.0)),
        ("w", ">f4", np.full(len(vectors), 200.0)),
        ("h", ">f4", np.full(len(vectors), 250.0)),
        ("score", ">f4", np.full(len(vectors), 0.9)),
        ("quality", ">f4", random.beta(6, 1, len(vectors))),
        ("lot", ">i4", random.randint(-(1 << 31), 1 << 31, len(vectors))),
        ("sighting_id", ">i8", numbers),
    )
    names = ", ".join([column[0] for column in columns] + ["embedding"])
    copied = _Stream(_binary(columns, vectors))
    cursor.copy_expert(f"COPY faces ({names}) FROM STDIN WITH (FORMAT binary)", copied, 1 << 20)


def drop_vector_indexes(cursor: Any) -> None:
    """Those of all pipelines."""
    cursor.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%USING hnsw%'")
    for (index,) in cursor.fetchall():
        cursor.execute(f"DROP INDEX {index}")


def _binary(
    columns: Sequence[tuple[str, str, NDArray[Any]]], vectors: FloatArray
) -> Iterator[bytes]:
    """COPY's binary format: of each row the number of columns, of each column its length before it,
    a vector with its dimension."""
    dimension = vectors.shape[1]
    fields: list[Any] = [("columns", ">i2")]
    for name, kind, _ in columns:
        fields += [(f"{name}_length", ">i4"), (name, kind)]
    fields += [("length", ">i4"), ("dimension_", ">i2"), ("flags", ">i2")]
    fields += [("embedding", ">f4", (dimension,))]
    yield b"PGCOPY\n\xff\r\n\0" + bytes(8)
    for first in range(0, len(vectors), _BLOCK):
        rows = slice(first, first + _BLOCK)
        block = np.zeros(len(vectors[rows]), fields)
        block["columns"] = len(columns) + 1
        for name, kind, values in columns:
            block[f"{name}_length"] = np.dtype(kind).itemsize
            block[name] = values[rows]
        block["length"], block["dimension_"] = 4 + 4 * dimension, dimension
        block["embedding"] = vectors[rows]
        yield block.tobytes()
    yield b"\xff\xff"


class _Stream(io.RawIOBase):
    """Blocks of bytes as a file to be read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (block := next(self._blocks, b"")):
            self._rest += block
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


_EVENTS = """
INSERT INTO events (id, name, pipeline, fingerprint, dimension) OVERRIDING SYSTEM VALUE
SELECT nth, name, %(pipeline)s, 'drawn', %(d)s
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS drawn (name, nth)
"""

_PHOTOS = """
INSERT INTO photos (id, sha256, size_bytes, format, width, height, taken_at)
OVERRIDING SYSTEM VALUE
SELECT id, sha256(id::text::bytea), 3000000, 'JPEG', 4000, 3000,
       timestamptz '2024-06-01 12:00+00' + id * interval '1 second'
FROM drawn;
INSERT INTO event_photos (id, event_id, photo_id, state) OVERRIDING SYSTEM VALUE
SELECT id, event, id, 'done' FROM drawn;
INSERT INTO event_paths (event_id, path, size_bytes, mtime_ns, event_photo_id)
SELECT event, convert_to('/photos/of/an/event/' || id || '.jpg', 'UTF8'), 3000000, 1, id
FROM drawn;
INSERT INTO sightings (id, photo_id, x, y, w, h) OVERRIDING SYSTEM VALUE
SELECT n, (n - 1) / %(each)s + 1, (n - 1) %% %(each)s * 300, 100, 200, 250
FROM generate_series(1, %(faces)s) n
"""

_COUNTS = """
INSERT INTO face_counts
SELECT event_id, coalesce(floor(quality * 100), -1), count(*) FROM faces GROUP BY 1, 2
"""

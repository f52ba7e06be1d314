"""A drawn library in a database of its own, made once and kept where that is asked for."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facefind.store.db import connect, register_vectors
from facefind.store.embedded import embedded_server
from facefind.store.migrate import migrate
from facefind.types import FloatArray
from scripts.benchmarks import drawn_library as drawn

PROBES = 100

_BUILT = "built.json"
"""What building took; there once a library is whole."""


class Size(NamedTuple):
    """How many faces of how many numbers; as text ``60000x128``."""

    faces: int
    dimension: int

    @classmethod
    def of(cls, text: str) -> Size:
        """Reads it.

        Raises:
            ValueError: It is none, or there is no pipeline of that dimension.
        """
        faces, _, dimension = text.partition("x")
        size = cls(int(faces), int(dimension))
        if size.dimension not in drawn.PIPELINES:
            raise ValueError(f"no pipeline has vectors of {size.dimension} numbers")
        return size

    def __str__(self) -> str:
        return f"{self.faces}x{self.dimension}"


@dataclass(frozen=True, eq=False)
class Library:
    """Drawn faces that are stored, with their index.

    Attributes:
        connection: To its database.
        vectors, probes: (N, D) and (Q, D), see `drawn_library`.
        folder: With both as ``vectors.npy`` and ``probes.npy``.
        build_seconds: That the index took, by the clock; None where nobody looked.
        definition: The index, in SQL.
        megabytes: Of the index.
    """

    connection: Any
    vectors: FloatArray
    probes: FloatArray
    folder: Path
    build_seconds: float | None
    definition: str
    megabytes: float


@contextmanager
def opened(size: Size, kept: Path | None) -> Iterator[Library]:
    """The library of a size, for the block.

    Args:
        kept: A folder for libraries that stay; None for one that goes with the block.
    """
    with tempfile.TemporaryDirectory(prefix="facefind-") as scratch:
        folder = (kept or Path(scratch)) / str(size)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / _BUILT).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            vectors = drawn.draw_vectors(*size)
            np.save(folder / "vectors.npy", vectors)
            np.save(folder / "probes.npy", drawn.draw_probes(vectors, PROBES))
        vectors = np.load(folder / "vectors.npy")
        with database(folder / "home") as connection:
            if not (folder / _BUILT).exists():
                seconds = _fill(connection, vectors)
                (folder / _BUILT).write_text(json.dumps({"seconds": seconds}), "utf-8")
            yield Library(
                connection,
                vectors,
                np.load(folder / "probes.npy"),
                folder,
                json.loads((folder / _BUILT).read_text("utf-8"))["seconds"],
                *_index(connection, size.dimension),
            )


@contextmanager
def database(home: Path) -> Iterator[Any]:
    """A connection to the database in a folder, its schema up to date."""
    with embedded_server(home) as url, closing(connect(url)) as connection:
        migrate(connection)
        register_vectors(connection)
        yield connection


def _fill(connection: Any, vectors: FloatArray) -> float:
    """Stores the faces, then builds their index: seconds for the latter."""
    definition, _ = _index(connection, vectors.shape[1])
    drawn.fill(connection, vectors)
    started = time.perf_counter()
    with connection, connection.cursor() as cursor:
        # All of the graph in memory, as much as a migration may not take.
        cursor.execute("SET LOCAL maintenance_work_mem = '2500MB'")
        cursor.execute(definition)
    return time.perf_counter() - started


def _index(connection: Any, dimension: int) -> tuple[str, float]:
    """The definition of a pipeline's index, and its megabytes."""
    name = f"faces_hnsw_{drawn.PIPELINES[dimension]}"
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_indexdef(oid), pg_relation_size(oid) / 1e6::float8 "
            "FROM pg_class WHERE relname = %s",
            (name,),
        )
        definition, megabytes = cursor.fetchone()
    return str(definition), float(megabytes)

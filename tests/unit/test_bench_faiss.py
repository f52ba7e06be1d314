"""The peer for search builds the graph that facefind's indexes are; faiss itself is a stand-in."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from scripts.benchmarks.running import REPO


class Graph:
    """An index of faiss's: keeps what it was told."""

    def __init__(self, _: int, links: int) -> None:
        self.links = links
        self.hnsw = ModuleType("hnsw")

    def add(self, _: Any) -> None:
        """Nothing."""


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The peer's module, whose graphs are written as text."""

    def write(graph: Any, path: str) -> None:
        Path(path).write_text(f"{graph.links}, {graph.hnsw.efConstruction}")

    faiss: Any = ModuleType("faiss")
    faiss.IndexHNSWFlat, faiss.write_index = Graph, write
    faiss.read_index = lambda path: Path(path).read_text()
    monkeypatch.setitem(sys.modules, "faiss", faiss)
    yield importlib.import_module("scripts.peers.faiss_search")
    del sys.modules["scripts.peers.faiss_search"]


def test_the_peer_s_graph_is_made_as_the_indexes_are(peer: Any, tmp_path: Path) -> None:
    """And one that was kept is taken only if it was made with the same numbers."""
    (tmp_path / "hnsw.faiss").write_text("16, 64")
    (tmp_path / "hnsw.json").write_text('{"seconds": 1}')
    vectors = np.zeros((3, 4), np.float32)
    graph, _ = peer.linked(vectors, tmp_path)
    assert graph == f"16, {peer.CONSTRUCTION}"
    again, seconds = peer.linked(vectors, tmp_path)
    assert (again, seconds >= 0) == (graph, True)
    links = (REPO / "sql" / "0013_index_links.sql").read_text("utf-8")
    assert f"(ef_construction = {peer.CONSTRUCTION})" in links

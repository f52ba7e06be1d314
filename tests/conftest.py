"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.sample_event import build_sample_event
from tests.program import REPO


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The development photos, which are not part of the repository; skips where they are absent."""
    folder = Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no development photos at {folder}; set FACEFIND_TEST_DATA to test on them")
    return folder


@pytest.fixture(scope="session")
def sample_event(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's photos of two real people: photos/, portraits/, truth.json."""
    folder = tmp_path_factory.mktemp("sample")
    build_sample_event(folder)
    return folder

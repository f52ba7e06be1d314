"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The development photos, which are not part of the repository; skips where they are absent."""
    folder = Path(os.environ.get("FACEFIND_TEST_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no development photos at {folder}; set FACEFIND_TEST_DATA to test on them")
    return folder

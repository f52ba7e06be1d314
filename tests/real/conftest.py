"""Fixtures of the tests on real photos."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.pip_photos import pip_photos as fetch

PORTRAITS = Path(__file__).parent.parent.parent / ".cache" / "portraits"


@pytest.fixture(scope="session")
def pip_photos() -> tuple[Path, Path]:
    """Two public-domain portraits out of pip packages: astronaut.png, grace_hopper.jpg."""
    PORTRAITS.mkdir(parents=True, exist_ok=True)
    return fetch(PORTRAITS)

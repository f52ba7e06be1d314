"""Values on their way into the database."""

from __future__ import annotations

import numpy as np
import pytest

from facefind.store.values import vector_text
from facefind.types import FloatArray

_LIMITS = np.finfo(np.float32)


@pytest.mark.parametrize(
    "vector",
    [
        np.random.default_rng(0).standard_normal(512).astype(np.float32),
        np.array([_LIMITS.max, _LIMITS.min, _LIMITS.tiny, _LIMITS.smallest_subnormal], np.float32),
        np.nextafter(np.array([1, -1, 0], np.float32), np.float32(2)),
        np.zeros(1, np.float32),
    ],
)
def test_a_vector_comes_back_from_its_text_to_the_last_bit(vector: FloatArray) -> None:
    written = vector_text(vector)
    assert written[0] + written[-1] == "[]"
    read = np.array([np.float32(number) for number in written[1:-1].split(",")], np.float32)
    assert read.tobytes() == vector.tobytes()

"""How a process that looks at many photos holds on to memory."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable

log = logging.getLogger(__name__)

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's ``mallopt``; see malloc.h."""

_LARGEST = 32 * 2**20
"""Larger blocks than this glibc takes from the system and gives back, whatever it is told."""

_KEPT = 512 * 2**20
_AHEAD = 64 * 2**20

_USUAL = 128 * 2**10
"""What glibc starts with: for the first three."""


def keep_freed_memory() -> None:
    """Has freed blocks kept for the next photo instead of given back to the system.

    Every photo takes and frees the same tens of megabytes. Taken from the system anew, each page
    must be mapped and cleared first: 20 to 40 ms for 12 megapixels. Does nothing where the C
    library is not glibc; others have no such setting.
    """
    _set(mmap_threshold=_LARGEST, trim_threshold=_KEPT, top_pad=_AHEAD)


def give_back_freed_memory() -> None:
    """Gives what `keep_freed_memory` has kept back to the system, and keeps no more.

    For work after the last photo that needs much memory itself.
    """
    _set(mmap_threshold=_USUAL, trim_threshold=_USUAL, top_pad=_USUAL)
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _set(*, mmap_threshold: int, trim_threshold: int, top_pad: int) -> None:
    mallopt = _function("mallopt")
    settings = (
        (_MMAP_THRESHOLD, mmap_threshold),
        (_TRIM_THRESHOLD, trim_threshold),
        (_TOP_PAD, top_pad),
    )
    if mallopt is not None and not all(mallopt(key, value) for key, value in settings):
        log.debug("mallopt refused")


def _function(name: str) -> Callable[..., int] | None:
    """A function of glibc's; None where the C library is another."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        log.debug("this C library has no %s", name)
        return None
    return function

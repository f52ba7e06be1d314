"""How a process that looks at many photos holds on to memory."""

from __future__ import annotations

import ctypes
import logging
import sys

log = logging.getLogger(__name__)

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's ``mallopt``; see malloc.h."""

_LARGEST = 32 * 2**20
"""Larger blocks than this glibc takes from the system and gives back, whatever it is told."""

_KEPT = 512 * 2**20
_AHEAD = 64 * 2**20


def keep_freed_memory() -> None:
    """Has freed blocks kept for the next photo instead of given back to the system.

    Every photo takes and frees the same tens of megabytes. Taken from the system anew, each page
    must be mapped and cleared first: 20 to 40 ms for 12 megapixels. Does nothing where the C
    library is not glibc; others have no such setting.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        log.debug("this C library has no mallopt")
        return
    settings = ((_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _AHEAD))
    if not all(mallopt(key, value) for key, value in settings):
        log.debug("mallopt refused")

"""Give freed memory back to the machine, which glibc and Arrow would keep for later."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from typing import Any

M_ARENA_MAX, M_TRIM_THRESHOLD = -8, -1  # malloc.h
ARENAS = 2
TRIM_ABOVE = 128 * 1024


def configure() -> None:
    """Set up the allocators; before the first thread starts and before Arrow is imported."""
    # Arrow's own pools keep what a large COPY took.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if libc := _libc():
        libc.mallopt(M_ARENA_MAX, ARENAS)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_ABOVE)


def trim() -> None:
    """Return free pages."""
    if libc := _libc():
        libc.malloc_trim(0)


def settle() -> None:
    """Spare what start-up left from every later collection."""
    gc.collect()
    gc.freeze()
    trim()


def _libc() -> Any:
    """Return glibc; None elsewhere."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") else None

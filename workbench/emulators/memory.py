"""Return freed memory to the machine; glibc and Arrow would keep it."""

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
    # Arrow's own pools would keep the memory of a large COPY.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if libc := _libc():
        libc.mallopt(M_ARENA_MAX, ARENAS)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_ABOVE)


def trim() -> None:
    """Return free pages to the machine."""
    if libc := _libc():
        libc.malloc_trim(0)


def freeze() -> None:
    """Exclude the objects made during start-up from later garbage collections."""
    gc.collect()
    gc.freeze()
    trim()


def _libc() -> Any:
    """Return glibc; None elsewhere."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") else None

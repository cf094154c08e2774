"""What a debugger that looks on needs of us."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def attached() -> bool:
    """Whether somebody debugs this process; whoever only could costs nothing."""
    debugpy = sys.modules.get("debugpy")
    return bool(debugpy and debugpy.is_client_connected())


@contextmanager
def looking_away() -> Iterator[None]:
    """Keep the debugger from looking at what has no line of the user's: imports take half as long."""
    if not attached():
        yield
        return
    debugpy = sys.modules["debugpy"]
    debugpy.trace_this_thread(False)
    try:
        yield
    finally:
        debugpy.trace_this_thread(True)

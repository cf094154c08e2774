"""What a debugger that is attached to this process needs."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


#: The components to which a debugger can attach in a running environment: `scheduler:5678`, several comma-separated.
LISTEN = "WORKBENCH_DEBUGPY"
#: Set in the dev container, whose components have addresses of their own, on a network that no other machine reaches.
HOST = "WORKBENCH_DEBUGPY_HOST"


def listen(component: str) -> None:
    """Let a debugger attach to this component where the setting says so; an error is printed and stops nothing.

    From this machine alone. A scheduler's debugger also gets the tasks, each of which is a process of its own.
    """
    host = os.environ.get(HOST, "127.0.0.1")
    for entry in filter(None, os.environ.get(LISTEN, "").replace(" ", "").split(",")):
        name, _, port = entry.partition(":")
        if name != component:
            continue
        try:
            import debugpy  # noqa: T100, PLC0415 asked for by a setting

            debugpy.listen((host, int(port)))  # noqa: T100 asked for by a setting
        except Exception as error:  # noqa: BLE001 whatever it is: the component has its own work to do
            print(f"{LISTEN}={entry}: no debugger can attach: {error!r}", file=sys.stderr, flush=True)
        else:
            print(f"A debugger can attach at {host}:{port}", file=sys.stderr, flush=True)


def attached() -> bool:
    """Return whether a debugger is attached to this process."""
    debugpy = sys.modules.get("debugpy")
    return bool(debugpy and debugpy.is_client_connected())


@contextmanager
def looking_away() -> Iterator[None]:
    """Keep the debugger from tracing what has no line of the user's: imports take half as long."""
    if not attached():
        yield
        return
    debugpy = sys.modules["debugpy"]
    debugpy.trace_this_thread(False)
    try:
        yield
    finally:
        debugpy.trace_this_thread(True)

"""End what a crashed predecessor of a service left."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from workbench.cli.settings import Settings


def end(settings: Settings, name: str) -> None:
    """End the workers and tasks of a crashed predecessor, which would stay for ever or run twice.

    supervisor makes each service the leader of a process group, whose number is not given to another process
    while one member lives.
    """
    file = settings.run / "components" / f"{name}.pid"
    with suppress(OSError, ValueError):
        session, group = map(int, file.read_text(encoding="utf-8").split())
        # A living leader is a stranger with the same number; another session's members have been ended by `up`.
        if session == os.getsid(0) and not psutil.pid_exists(group):
            os.killpg(group, signal.SIGKILL)
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{os.getsid(0)} {os.getpid()}", encoding="utf-8")

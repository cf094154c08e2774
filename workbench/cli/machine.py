"""What the machine, or the container that this runs in, has left."""

from __future__ import annotations

import errno
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from workbench.cli import minimums
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

CGROUP = Path("/sys/fs/cgroup")
LOOPBACK = "127.0.0.1"
#: A process that was killed may hold its port a moment longer than the system names it.
RELEASE_SECONDS, POLL_SECONDS = 5.0, 0.05


def free_memory(cgroup: Path = CGROUP) -> int:
    """Return the bytes of memory that are free: the machine's, or the container's where it has a limit."""
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError, StopIteration):  # no limit reads "max"; version 1 has other files
        limit = int((cgroup / "memory.max").read_text(encoding="ascii"))
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        lines = (cgroup / "memory.stat").read_text(encoding="ascii").splitlines()
        cache = int(next(line for line in lines if line.startswith("inactive_file ")).split()[1])
        free = min(free, limit - used + cache)
    return free


def check_disk(folder: Path, needed: int) -> str:
    """Return how many bytes this user can still write into a folder, in words.

    :raises UserError: where that is less than needed.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        why = f"{minimums.expected(minimums.size_text(needed), minimums.size_text(free))} at {folder}"
        raise UserError("the disk has too little space", why, "free disk space there", "disk-full")
    return f"{minimums.size_text(free)} free at {folder}"


def check_ports(ports: Mapping[str, int]) -> str:
    """Return these ports of loopback in words, if no process listens on them.

    :param ports: variable of `.env` -> port.
    :raises UserError: naming the process that listens, where the system says, and the variable to set.
    """
    deadline = time.monotonic() + RELEASE_SECONDS
    for variable, port in ports.items():
        while (taken := _why_taken(port)) is not None:
            if (holder := _holder(port)) or time.monotonic() > deadline:
                fix = f"stop that process, or set {variable} in .env to a free port"
                raise UserError(f"port {port} is taken", holder or taken, fix, "port-taken")
            time.sleep(POLL_SECONDS)
    return "free: " + ", ".join(f"{variable}={port}" for variable, port in ports.items())


def _why_taken(port: int) -> str | None:
    """Return why this process cannot listen on a port; None where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            in_use = "another user's process listens on it"
            return in_use if error.errno == errno.EADDRINUSE else error.strerror or "this user may not listen on it"
    return None


def _holder(port: int) -> str:
    """Return the name of the process that listens on a port; empty where the system does not say."""
    with suppress(psutil.Error):
        for entry in psutil.net_connections("tcp"):
            if entry.status == psutil.CONN_LISTEN and entry.laddr[1:] == (port,) and entry.pid:
                process = psutil.Process(entry.pid)
                return f"{process.name()} (pid {entry.pid}) listens on it: {' '.join(process.cmdline())[:120]}"
    return ""

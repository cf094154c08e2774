"""What the machine, or the container that this runs in, has left."""

from __future__ import annotations

import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

CGROUP = Path("/sys/fs/cgroup")
LOOPBACK = "127.0.0.1"
MIB = 1 << 20


def free_memory(cgroup: Path = CGROUP) -> int:
    """Return the bytes of memory that can still be taken: the machine's, or the container's where it has a limit."""
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError, StopIteration):  # no limit reads "max"; version 1 has other files
        limit = int((cgroup / "memory.max").read_text(encoding="ascii"))
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        lines = (cgroup / "memory.stat").read_text(encoding="ascii").splitlines()
        cache = int(next(line for line in lines if line.startswith("inactive_file ")).split()[1])
        free = min(free, limit - used + cache)
    return free


def free_disk(folder: Path) -> int:
    """Return the bytes that this user can still write into a folder."""
    return shutil.disk_usage(folder).free


def check_disk(folder: Path, needed: int) -> str:
    """Return how much can still be written into a folder.

    :raises UserError: where that is less than needed.
    """
    free = free_disk(folder)
    if free < needed:
        raise UserError("the disk is full", f"{free // MIB} MiB are free at {folder}", f"free {needed // MIB} MiB")
    return f"{free // MIB} MiB are free at {folder}"


def check_ports(ports: Mapping[str, int]) -> str:
    """Say that nobody listens on these ports of loopback.

    :param ports: variable of `.env` -> port.
    :raises UserError: naming the process that does, where the system tells, and the variable to set.
    """
    for variable, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                raise UserError(
                    f"port {port} is taken",
                    _holder(port) or error.strerror or "it cannot be bound",
                    f"stop that, or set {variable} in .env to a free port",
                ) from None
    return "free: " + ", ".join(f"{variable}={port}" for variable, port in ports.items())


def _holder(port: int) -> str:
    """Name the process that listens on a port."""
    try:
        for entry in psutil.net_connections("tcp"):
            if entry.status == psutil.CONN_LISTEN and entry.laddr[1:] == (port,) and entry.pid:
                process = psutil.Process(entry.pid)
                return f"{process.name()} (pid {entry.pid}) listens on it: {' '.join(process.cmdline())[:120]}"
    except psutil.Error:
        pass
    return "another user's process listens on it"

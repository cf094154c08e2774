"""What the machine, or the container that this runs in, has left."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


def free_memory(cgroup: Path = CGROUP) -> int:
    """Give the bytes of memory that can still be taken: the machine's, or the container's where it has a limit."""
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError, StopIteration):  # no limit reads "max"; version 1 has other files
        limit = int((cgroup / "memory.max").read_text(encoding="ascii"))
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        lines = (cgroup / "memory.stat").read_text(encoding="ascii").splitlines()
        cache = int(next(line for line in lines if line.startswith("inactive_file ")).split()[1])
        free = min(free, limit - used + cache)
    return free


def free_disk(folder: Path) -> int:
    """Give the bytes that this user can still write into a folder."""
    return shutil.disk_usage(folder).free

"""What the kernel knows of memory: the limit that tasks run under, and how often it killed for it."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MIB = 1 << 20
#: Signals that a process gets from itself or from somebody, in words.
SIGNALS = {6: "aborted", 7: "bus error", 11: "crashed (segmentation fault)", 15: "was asked to end"}
KILL = 9


def limit_mib() -> int:
    """Return the smallest limit that holds for this process, the machine's memory where there is none; 0 if unknown."""
    limits = []
    for name in ("memory.max", "memory.limit_in_bytes"):
        for folder in _groups():
            text = _read(folder / name).strip()
            if text.isdigit():
                limits.append(int(text))
    if found := re.search(r"MemTotal:\s+(\d+) kB", _read(Path("/proc/meminfo"))):
        limits.append(int(found[1]) << 10)
    return min(limits, default=0) // MIB


def out_of_memory_kills() -> int:
    """Return how many processes of this process's group the kernel has killed because they were out of memory."""
    for folder in _groups():
        for name in ("memory.events", "memory.oom_control"):
            if found := re.search(r"^oom_kill (\d+)$", _read(folder / name), re.MULTILINE):
                return int(found[1])
    return 0


def why_it_ended(status: int, kills: int) -> str:
    """Return why a process ended that could not report it itself; empty where it could.

    :param status: its exit status, negative for a signal.
    :param kills: out-of-memory kills while it ran.
    """
    limit = f", limit {mib} MiB" if (mib := limit_mib()) else ""
    if status == -KILL:
        return f"killed: out of memory{limit}" if kills else f"killed, most likely out of memory{limit}"
    if status < 0:
        return f"the process {SIGNALS.get(-status, 'was ended')} (signal {-status})"
    return f"exited with status {status} and logged nothing" if status else ""


def die_first() -> None:
    """Have the kernel kill this process before its parent, where memory runs out."""
    with suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text("500", encoding="utf-8")


def _groups() -> list[Path]:
    """Return the folders that may be this process's own control group, of version 2 and 1."""
    paths = [line.split(":", 2) for line in _read(Path("/proc/self/cgroup")).splitlines()]
    found = []
    for _, controllers, path in paths:
        if controllers == "" or "memory" in controllers.split(","):
            base = ROOT / ("memory" if controllers else "")
            found += [base / path.lstrip("/"), base]
    return list(dict.fromkeys(found))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""

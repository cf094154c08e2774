"""Why a process ended: its exit status, the memory limit, and how often the kernel killed for that."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MIB = 1 << 20
#: How a process ended: first and last words.
SIGNALS: dict[int, tuple[str, str]] = {
    signal.SIGABRT: ("aborted", ""),
    signal.SIGBUS: ("crashed", ": bus error"),
    signal.SIGSEGV: ("crashed", ": segmentation fault"),
    signal.SIGXCPU: ("ended", ": the limit of processor time (ulimit -t) was used up"),
}


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
    """Return how many processes of this process's group the kernel has killed because memory ran out."""
    for folder in _groups():
        for name in ("memory.events", "memory.oom_control"):
            if found := re.search(r"^oom_kill (\d+)$", _read(folder / name), re.MULTILINE):
                return int(found[1])
    return 0


def why_it_ended(status: int, kills: int, when: str = "") -> str:
    """Return why a process ended that could not say it itself, empty if it exited with 0.

    :param status: its exit status, negative for a signal.
    :param kills: out-of-memory kills of the kernel while it ran.
    :param when: words that follow the verb, such as " while it was parsed".
    """
    if status >= 0:
        return f"exited with status {status}{when or ' and logged nothing'}" if status else ""
    if status == -signal.SIGKILL and kills:
        limit = f", limit {mib} MiB" if (mib := limit_mib()) else ""
        return f"killed{when}: out of memory{limit}"
    name = next((each.name for each in signal.Signals if each == -status), f"signal {-status}")
    verb, rest = SIGNALS.get(-status, (f"killed by {name}", ""))
    return f"{verb}{when}{rest}"


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

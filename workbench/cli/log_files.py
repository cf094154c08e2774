"""The ends of log files, whatever their size."""

from __future__ import annotations

import io
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL_SECONDS = 0.3
#: The last lines of a log are read from this many bytes at its end.
END_BYTES = 1 << 20
#: A disk with fewer bytes left may have lost the last lines of a log.
NEARLY_FULL_BYTES = 1 << 20


def last_lines(file: Path, count: int) -> list[str]:
    """Return the last lines of a log."""
    if not file.is_file():
        return []
    with file.open("rb") as stream:
        stream.seek(-min(END_BYTES, file.stat().st_size), io.SEEK_END)
        return stream.read().decode(errors="replace").splitlines()[-count:] if count > 0 else []


def tail(file: Path, lines: int = 8) -> str:
    """Return the last lines of a log, indented for an error message; where it has none, why."""
    with suppress(OSError):
        found = [line for line in last_lines(file, lines) if line.strip()] if file.is_file() else []
        if found:
            return "\n        ".join(found)
    state = "its log is empty" if file.is_file() else "it wrote no log"
    with suppress(OSError):
        if shutil.disk_usage(file.parent).free < NEARLY_FULL_BYTES:
            return f"{state}: the disk that holds {file.parent} is full"
    return state


def follow(files: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield what is added, as name and line, for ever; a rotated log is read from its new beginning."""
    ends = {name: file.stat().st_size if file.is_file() else 0 for name, file in files.items()}
    while True:
        for name, file in files.items():
            size = file.stat().st_size if file.is_file() else 0
            if size < ends[name]:
                ends[name] = 0
            if size == ends[name]:
                continue
            with file.open("rb") as stream:
                stream.seek(ends[name])
                whole, newline, _ = stream.read().rpartition(b"\n")
            ends[name] += len(whole + newline)
            for line in whole.decode(errors="replace").splitlines():
                yield name, line
        time.sleep(POLL_SECONDS)

"""The ends of log files, whatever their size."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL = 0.3
#: A log's end is looked for within this much of it.
NEAR = 1 << 20


def last_lines(file: Path, count: int) -> list[str]:
    """Return the last lines of a log, whatever its size."""
    if not file.is_file():
        return []
    with file.open("rb") as stream:
        stream.seek(-min(NEAR, file.stat().st_size), io.SEEK_END)
        return stream.read().decode(errors="replace").splitlines()[-count:] if count > 0 else []


def follow(files: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Return what is added, as name and line, for ever; a rotated log is read from its new beginning."""
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
        time.sleep(POLL)

"""The messages that Slack received, as JSON lines, the oldest first."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: How many of the newest the inbox can show; older ones are only in the file.
RECENT = 200


class Entry(NamedTuple):
    """A message and its place in the log, from 1 on."""

    number: int
    message: dict[str, Any]


class MessageLog:
    """The messages received.

    :param path: a file of JSON lines.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._watchers: set[Callable[[], object]] = set()
        self.closed = False
        if path.exists():  # a kill in the middle of a write left half a line
            content = path.read_bytes()
            if not content.endswith(b"\n"):
                path.write_bytes(content[: content.rfind(b"\n") + 1])
        self._recent = deque((Entry(number, each) for number, each in enumerate(self.all(), 1)), RECENT)

    def append(self, message: dict[str, Any]) -> None:
        """Keep a message; it is in the file when this returns."""
        with self._lock:
            with self._path.open("ab", buffering=0) as file:
                end = file.tell()
                line = json.dumps(message).encode() + b"\n"
                if file.write(line) != len(line):  # the disk is full; half a line would spoil the next one
                    file.truncate(end)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if not end:  # somebody emptied the file
                self._recent.clear()
            self._recent.append(Entry(self._count() + 1, message))
        self._wake()

    def close(self) -> None:
        """End the watching: nothing will come any more."""
        self.closed = True
        self._wake()

    def all(self) -> list[dict[str, Any]]:
        """Return every message."""
        with self._lock:
            lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def count(self) -> int:
        """How many there are."""
        with self._lock:
            return self._count()

    def since(self, number: int) -> list[Entry]:
        """Return what came after a message, the oldest first, but no more than the newest `RECENT`."""
        with self._lock:
            return [entry for entry in self._recent if entry.number > number]

    @contextmanager
    def watched(self, wake: Callable[[], object]) -> Iterator[None]:
        """Call `wake`, from any thread, after each message and after the close, until the block ends."""
        with self._lock:
            self._watchers.add(wake)
        try:
            yield
        finally:
            with self._lock:
                self._watchers.discard(wake)

    def _wake(self) -> None:
        with self._lock:
            watchers = list(self._watchers)
        for wake in watchers:
            wake()

    def _count(self) -> int:
        return self._recent[-1].number if self._recent else 0

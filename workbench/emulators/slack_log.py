"""The log of Slack messages: JSON lines, the oldest first."""

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

#: The newest messages, which the inbox can show; older ones are only in the file.
RECENT = 200


class Entry(NamedTuple):
    """A message and its number in the log, from 1."""

    number: int
    message: dict[str, Any]


class MessageLog:
    """The log of the messages received.

    :param path: a file of JSON lines.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._watchers: set[Callable[[], object]] = set()
        self.closed = False
        if path.exists():  # a kill during a write may leave half a line
            content = path.read_bytes()
            if not content.endswith(b"\n"):
                path.write_bytes(content[: content.rfind(b"\n") + 1])
        self._recent = deque((Entry(number, each) for number, each in enumerate(self.all(), 1)), RECENT)

    def append(self, message: dict[str, Any]) -> None:
        """Write a message; it is in the file when this returns."""
        with self._lock:
            with self._path.open("ab", buffering=0) as file:
                end = file.tell()
                line = json.dumps(message).encode() + b"\n"
                if file.write(line) != len(line):  # the disk is full; half a line would corrupt the next one
                    file.truncate(end)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if not end:  # a user emptied the file
                self._recent.clear()
            self._recent.append(Entry(self._count() + 1, message))
        self._notify()

    def close(self) -> None:
        """Notify all watchers that no message will follow."""
        self.closed = True
        self._notify()

    def all(self) -> list[dict[str, Any]]:
        """Return every message."""
        with self._lock:
            lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def count(self) -> int:
        """The number of messages."""
        with self._lock:
            return self._count()

    def since(self, number: int) -> list[Entry]:
        """Return the messages after a number, the oldest first; at most the newest `RECENT`."""
        with self._lock:
            return [entry for entry in self._recent if entry.number > number]

    @contextmanager
    def watch(self, notify: Callable[[], object]) -> Iterator[None]:
        """Call `notify`, from any thread, after each message and after the close, until the block ends."""
        with self._lock:
            self._watchers.add(notify)
        try:
            yield
        finally:
            with self._lock:
                self._watchers.discard(notify)

    def _notify(self) -> None:
        with self._lock:
            watchers = list(self._watchers)
        for notify in watchers:
            notify()

    def _count(self) -> int:
        return self._recent[-1].number if self._recent else 0

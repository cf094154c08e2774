"""The log of Slack messages: JSON lines, the oldest first."""

from __future__ import annotations

import errno
import json
import os
import sys
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
        if path.exists():
            _move_damage_aside(path)
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


def _move_damage_aside(path: Path) -> None:
    """Move lines that are not valid messages to a file of their own: a kill or an editor may leave such lines."""
    content = path.read_bytes()
    lines = [line for line in content.split(b"\n") if line]
    messages = [line for line in lines if _is_message(line)]
    whole = b"".join(line + b"\n" for line in messages)
    if whole == content:
        return
    if damaged := [line + b"\n" for line in lines if not _is_message(line)]:
        kept = path.with_suffix(".damaged")
        with kept.open("ab") as file:
            file.writelines(damaged)
        print(f"{path}: {len(damaged)} lines are not valid messages; they are kept in {kept}", file=sys.stderr)
    draft = path.with_suffix(".new")
    draft.write_bytes(whole)
    draft.replace(path)


def _is_message(line: bytes) -> bool:
    try:
        message = json.loads(line)
    except ValueError:
        return False
    return isinstance(message, dict) and "channel" in message

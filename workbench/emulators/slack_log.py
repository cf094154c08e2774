"""The messages that Slack received, as JSON lines, the oldest first."""

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
        if path.exists():
            _set_damage_aside(path)
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


def _set_damage_aside(path: Path) -> None:
    """Keep what is no message in a file of its own: half a line that a kill left, or what an editor did."""
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
        print(f"{path}: {len(damaged)} of its lines are no messages; they are kept in {kept}", file=sys.stderr)
    draft = path.with_suffix(".new")
    draft.write_bytes(whole)
    draft.replace(path)


def _is_message(line: bytes) -> bool:
    try:
        message = json.loads(line)
    except ValueError:
        return False
    return isinstance(message, dict) and "channel" in message

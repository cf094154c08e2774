"""Notices that a file was saved, added or deleted: by file events, and where those do not arrive, by looking.

File events are fast and cost nothing, but some mounts of containers (macOS, Windows, network drives) never deliver
them, and a full queue loses some. So events only say *when* to look: what has changed is the difference between two
looks at the folders. There is a slow look without any event as well; when it finds what no event announced, events are
not trusted any more, and looks become frequent.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

#: A file counts as saved when nothing more happens for so long, and at the latest after so long (milliseconds).
QUIET_MS, LONGEST_QUIET_MS = 50, 400
#: Between two looks: while events arrive, and where they do not.
SLOW_SECONDS, FAST_SECONDS = 1.0, 0.3
#: A look may take this part of a processor, whatever the number of files: slowly, and fast.
SLOW_SHARE, FAST_SHARE = 0.005, 0.05
#: How often an event may come late before events are not trusted any more.
LATE_EVENTS = 2
#: What programs leave in folders without any meaning for DAGs.
MEANINGLESS_FOLDERS = frozenset({"__pycache__", ".git", ".hg", ".svn", ".idea", ".mypy_cache", ".ruff_cache", ".venv"})
MEANINGLESS_ENDINGS = (".pyc", ".pyo", ".swp", ".swx", "~", ".tmp", ".crswap")

EVENTS, POLLING, NOTHING = "events", "polling", "nothing"

log = logging.getLogger(__name__)

#: When it was last written, its size, and which file it is: atomic saves give a name another file.
Signature = tuple[int, int, int]


def look(roots: Iterable[str], also: Iterable[str] = ()) -> dict[str, Signature]:
    """Return every file in `roots`, and `also` those of other files and folders that exist."""
    found: dict[str, Signature] = {}
    visited: set[str] = set()
    folders = list(roots)
    while folders:
        folder = folders.pop()
        if folder in visited:  # links may lead in circles
            continue
        visited.add(folder)
        try:
            entries = os.scandir(folder)
        except OSError:
            continue
        with entries:
            for entry in entries:
                _note(entry, found, folders)
    for path in also:
        if path not in found:
            try:
                state = os.stat(path)  # noqa: PTH116 a thousand times a second
            except OSError:
                continue
            found[path] = (state.st_mtime_ns, state.st_size, state.st_ino)
    return found


def _note(entry: os.DirEntry[str], found: dict[str, Signature], folders: list[str]) -> None:
    try:
        path = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
        if entry.is_dir():
            if entry.name not in MEANINGLESS_FOLDERS:
                folders.append(path)
        elif not meaningless(entry.name):
            state = entry.stat()
            found[path] = (state.st_mtime_ns, state.st_size, state.st_ino)
    except OSError:  # deleted meanwhile
        return


def meaningless(name: str) -> bool:
    """Return whether a file of this name is an editor's or an interpreter's own."""
    return name.endswith(MEANINGLESS_ENDINGS) or name.startswith(".#") or name == "4913"


@dataclass(frozen=True)
class Changes:
    """What happened between two looks.

    :ivar saved: files whose content may be another one, deleted and new ones included, and folders whose list is.
    :ivar listed: files that are new or gone.
    """

    saved: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Return whether anything happened."""
        return bool(self.saved)

    def __or__(self, other: Changes) -> Changes:
        """Return both."""
        return Changes(self.saved | other.saved, self.listed | other.listed)


def difference(before: dict[str, Signature], after: dict[str, Signature]) -> Changes:
    """Compare two looks."""
    changed = {path for path, _ in before.items() ^ after.items()}
    listed = before.keys() ^ after.keys()
    return Changes(frozenset(changed | {os.path.dirname(path) for path in listed}), frozenset(listed))  # noqa: PTH120


@dataclass
class Watcher:
    """Looks at folders in a thread of its own and collects what has changed.

    :param roots: folders, with everything in them; they need not exist yet.
    :param notify: called after each change, in that thread.
    :param report: called with `events` or `polling` and the reason, at the start and whenever that changes.
    """

    roots: tuple[str, ...]
    notify: Callable[[], None]
    report: Callable[[str, str], None]
    mode: str = EVENTS
    _also: frozenset[str] = frozenset()
    _cost: tuple[float, float] = (0.0, 0.0)
    _changes: Changes = field(default_factory=Changes)
    _seen: dict[str, Signature] = field(default_factory=dict)
    _unannounced: dict[str, int] = field(default_factory=dict)
    _looking: threading.Lock = field(default_factory=threading.Lock)
    _taking: threading.Lock = field(default_factory=threading.Lock)
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Take the first look, and go on looking."""
        self._seen = look(self.roots)
        self._events = self._listen()
        if self._events is not None:
            self._switch(EVENTS, "file events arrive")
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; the thread must not outlive the interpreter that it returns to."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(5)

    @property
    def alive(self) -> bool:
        """Return whether changes are still noticed."""
        return self._thread is not None and self._thread.is_alive()

    def take(self) -> Changes:
        """Return what has changed since the last time."""
        with self._taking:
            changes, self._changes = self._changes, Changes()
        return changes

    def look_also_at(self, paths: Iterable[str]) -> None:
        """Watch files and folders outside of the roots too; of them there are no events."""
        roots = tuple(root + os.sep for root in self.roots)
        also = frozenset(path for path in paths if not path.startswith(roots))
        if also != self._also:
            with self._looking:
                kept = {path: sign for path, sign in self._seen.items() if path not in self._also - also}
                self._seen = kept | look((), also - self._also)
                self._also = also

    def _listen(self) -> Any:
        """Ask for file events; None where the system has none, and then the report says why."""
        if sys.platform == "darwin":
            self._switch(POLLING, "on macOS, file events can crash processes that Airflow forks")
            return None
        try:
            from watchfiles._rust_notify import RustNotify

            for root in self.roots:
                os.stat(root)  # noqa: PTH116 of what is missing, it says nothing
            return RustNotify(list(self.roots), False, False, 300, True, True)
        except Exception as error:  # noqa: BLE001 it raises several of its own
            self._switch(POLLING, f"the system sends no file events: {error}")
            return None

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                announced = self._wait()
                if not self._end.is_set():
                    self._look(announced)
        except Exception:
            log.exception("The watcher failed")
            self._switch(NOTHING, "the watcher failed: an edit shows when Airflow parses the file the next time")
        finally:
            if self._events is not None:
                self._events.close()

    def _wait(self) -> set[str]:
        """Sleep until files change or it is time for a look, and return the files of which there were events."""
        seconds = self._interval()
        if self._events is None:
            self._end.wait(seconds)
            return set()
        try:
            heard = self._events.watch(LONGEST_QUIET_MS, QUIET_MS, int(seconds * 1000), self._end)
        except Exception:
            # A name that is not UTF-8 spoils this listener for good.
            log.warning("File events failed; listening again", exc_info=True)
            self._events.close()
            self._events = self._listen()
            return set(difference(self._seen, look(self.roots)).saved)
        if isinstance(heard, str):  # a timeout, a signal, the end
            return set()
        return {os.path.realpath(path) for _, path in heard if not meaningless(os.path.basename(path))}  # noqa: PTH119

    def _interval(self) -> float:
        slowly = self.mode == EVENTS
        least, share = (SLOW_SECONDS, SLOW_SHARE) if slowly else (FAST_SECONDS, FAST_SHARE)
        processor, clock = self._cost
        return max(least, min(60.0, processor / share), min(60.0, clock * 5))

    def _look(self, announced: set[str]) -> None:
        with self._looking:
            processor, clock = time.thread_time(), time.monotonic()
            now = look(self.roots, self._also)
            self._cost = time.thread_time() - processor, time.monotonic() - clock
            changes = difference(self._seen, now)
            self._weigh(changes.saved & (now.keys() | self._seen.keys()) - self._also, announced)
            self._seen = now
        # Two saves within a tick of the clock look like one; the event knows better.
        changes |= Changes(frozenset(announced & now.keys()))
        if changes:
            with self._taking:
                self._changes |= changes
            self.notify()

    def _weigh(self, found: AbstractSet[str], announced: AbstractSet[str]) -> None:
        """Learn from the files in the roots that were found to be changed whether events arrive."""
        if self._events is None:
            return
        if self.mode == POLLING and found & announced:
            self._switch(EVENTS, "file events arrive again")
        # A file that is saved before its new folder is listened to has no event but the folder's.
        folders = tuple(path + os.sep for path in announced)
        late = {path: looks + 1 for path, looks in self._unannounced.items()} | dict.fromkeys(found, 0)
        self._unannounced = {
            path: looks for path, looks in late.items() if path not in announced and not path.startswith(folders)
        }
        if max(self._unannounced.values(), default=0) > LATE_EVENTS:
            self._unannounced = {}
            if self.mode == EVENTS:
                self._switch(POLLING, "file events do not arrive here")

    def _switch(self, mode: str, reason: str) -> None:
        self.mode = mode
        log.info("Edits are noticed by %s: %s", mode, reason)
        self.report(mode, reason)

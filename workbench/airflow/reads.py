"""What a parse of a DAG file reads: the files and folders whose change can change its result.

A parsing process records it itself, with an audit hook: every module that is imported, also one whose import fails,
every file that is opened for reading, and every folder that is listed. A static analysis of imports knows less. This
module knows nothing of Airflow.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.util
import json
import os
import site
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The checkout, natively; `/opt/airflow` in a container.
PROJECT = Path(__file__).parents[2]
#: The project's own modules that DAG files import, as they stand in `sys.path`.
COMMON = str(PROJECT / "common")
#: Python notes a source's age in whole seconds: bytecode of a source younger than this could hide the next edit.
RACY_SECONDS = 2.0


def _foreign() -> tuple[str, ...]:
    """Return the folders that only an installation changes, after which a restart is needed anyway."""
    folders = {*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()}
    folders |= {"/proc", "/sys", "/dev", "/etc", "/usr", str(PROJECT / ".run"), str(PROJECT / "logs")}
    return tuple(os.path.realpath(folder) + os.sep for folder in folders if folder)


FOREIGN = _foreign()


@dataclass(frozen=True)
class Reads:
    """What one parse read.

    :ivar paths: real paths of files, and of folders that were listed.
    :ivar written: real paths of files that it wrote by itself.
    :ivar outside: whether it also asked something that has no file events: Airflow's variables and connections, the
        network, another program.
    """

    paths: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    outside: bool = False

    def dump(self, file: IO[bytes]) -> None:
        """Write it where the parent process reads it."""
        file.write(json.dumps([sorted(self.paths), sorted(self.written), self.outside]).encode())
        file.flush()

    @classmethod
    def load(cls, file: IO[bytes]) -> Reads | None:
        """Read what a parse wrote; None where it was ended before."""
        file.seek(0)
        try:
            paths, written, outside = json.load(file)
        except ValueError:
            return None
        return cls(frozenset(paths), frozenset(written), outside)


@dataclass
class Recorder:
    """Records what this process does, to its end: an audit hook cannot be removed."""

    _read: set[str] = field(default_factory=set)
    _written: set[str] = field(default_factory=set)
    outside: bool = False
    _on: bool = True

    def start(self) -> Recorder:
        """Begin to record."""
        sys.addaudithook(self._record)
        return self

    def result(self) -> Reads:
        """Stop recording, and return what was recorded."""
        self._on = False
        written = _own(self._written)
        return Reads(frozenset(_own(self._read) - written), frozenset(written), self.outside)

    def _record(self, event: str, arguments: tuple[Any, ...]) -> None:
        # Thousands of events come this way, and an exception would break what caused it.
        if not self._on:
            return
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, str | bytes | os.PathLike):
                writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else flags & os.O_ACCMODE
                (self._written if writes else self._read).add(os.fsdecode(path))
        elif event in {"os.listdir", "os.scandir"}:
            # The import system lists every folder that it searches; which modules it finds there is recorded as well.
            if isinstance(arguments[0], str) and not _by_import():
                self._read.add(arguments[0])
        elif event in {"socket.connect", "subprocess.Popen", "os.system", "os.posix_spawn"}:
            self.outside = True


def _by_import() -> bool:
    return sys._getframe(2).f_code.co_filename.startswith("<frozen importlib")  # noqa: SLF001 the only cheap way


def _own(paths: Iterable[str]) -> set[str]:
    found = set()
    for path in paths:
        real = os.path.realpath(source(path))
        if not real.startswith(FOREIGN):
            found.add(real)
    return found


def source(path: str) -> str:
    """Return the source of a file of bytecode, and any other path as it is."""
    if not path.endswith(".pyc"):
        return path
    try:
        return importlib.util.source_from_cache(path)
    except ValueError:
        return path


def forget_own_modules(roots: Iterable[str] = (COMMON,)) -> None:
    """Drop the project's own modules that a parent process had loaded, so that this process loads them as they are now.

    :param roots: folders of the project's own code, as they stand in `sys.path`; real paths would take too long.
    """
    folders = tuple(root + os.sep for root in roots)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name != "common" and file and file.startswith(folders):
            del sys.modules[name]
    importlib.invalidate_caches()


@functools.cache
def distrust_young_bytecode() -> None:
    """Keep no bytecode of a source that was saved just now.

    Python takes bytecode for current while the source's size and its age in whole seconds are the same. Two edits
    within a second may leave both as they were, and the second one would never be executed.
    """
    loader: Any = importlib.machinery.SourceFileLoader
    stock = loader._cache_bytecode  # noqa: SLF001 the hook that importlib itself has for it

    def _cache_bytecode(self: Any, source_path: str, bytecode_path: str, data: bytes) -> None:
        if time.time() - os.stat(source_path).st_mtime > RACY_SECONDS:  # noqa: PTH116 importlib's own strings
            stock(self, source_path, bytecode_path, data)

    loader._cache_bytecode = _cache_bytecode  # noqa: SLF001 as above

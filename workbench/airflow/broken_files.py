"""A DAG file can do whatever it likes: it harms itself alone, and has an import error that says why.

Replaces methods of Airflow 3.0.6's `DagFileProcessorManager` and `DagFileProcessorProcess`, as a part of `reload`.
Stock's dag-processor ends for good at an unexpected error while it starts, reads or stores a parse, and shows nothing
of a parse that ended without a result. Each method below says what it replaces. Errors of the database's connection are
no file's fault: those are raised, and the service starts again.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from airflow.dag_processing import manager as stock
from airflow.dag_processing import processor as stock_processor
from airflow.utils.session import create_session
from sqlalchemy import exc

from workbench.airflow import ended_parses
from workbench.airflow.memory import out_of_memory_kills

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from socket import socket

#: Reads of 4 KiB that are kept of what a parse prints or logs; stock keeps all, and a line in memory until it ends.
KEPT_READS = 1024
#: The last output of a process is read within this time, also where a program that it started holds its sockets open.
LAST_OUTPUT_SECONDS = 1.0

log = logging.getLogger(__name__)


class NotStartedError(Exception):
    """A file cannot be parsed at all."""


class SturdyManager(stock.DagFileProcessorManager):  # type: ignore[misc] # Airflow is not typed for others
    """Stock's manager of parses, which outlives every file."""

    _processors: dict[Any, Any]
    _file_stats: dict[Any, Any]
    processor_timeout: float

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        #: Files and folders that are not parsed -> why.
        self._unlisted: dict[str, str] = {}
        self._listed: dict[str, list[Path]] = {}

    def _find_files_in_bundle(self, bundle: Any) -> list[Path]:
        """Leave out names that no database takes; where the folder cannot be listed, take those found before.

        Stock ends with a link to a folder above, an `.airflowignore` that is no text, and a name that is not UTF-8.
        """
        self._unlisted = {}
        try:
            found = super()._find_files_in_bundle(bundle)
        except Exception as error:
            log.exception("New files of %s cannot be found", bundle.path)
            words = f"{error} ({type(error).__name__}); until this is fixed, no new DAG file is found"
            self._unlisted[str(bundle.path)] = words
            return [path for path in self._listed.get(bundle.name, []) if (bundle.path / path).exists()]
        for path in found:
            if (shown := ended_parses.printable(str(path))) != str(path):
                self._unlisted[str(bundle.path / shown)] = "the file's name is not valid text (UTF-8): rename it"
        self._listed[bundle.name] = [path for path in found if ended_parses.printable(str(path)) == str(path)]
        return self._listed[bundle.name]

    def deactivate_deleted_dags(self, bundle_name: str, present: set[Any]) -> None:
        """Stock ends with a ZIP file that is encrypted or packed in a way that Python cannot unpack."""
        super().deactivate_deleted_dags(bundle_name, {file for file in present if _can_be_unpacked(file)})

    def clear_orphaned_import_errors(self, bundle_name: str, observed_filelocs: set[str]) -> None:
        """Keep errors of files inside of ZIP files, which stock deletes at each listing, and add those of a listing."""
        from airflow.models.errors import ParseImportError
        from sqlalchemy import select

        with create_session() as session:
            of_bundle = select(ParseImportError.filename).where(ParseImportError.bundle_name == bundle_name)
            names = set(session.scalars(of_bundle))
            inner = {name for name in names if os.path.dirname(name) in observed_filelocs}  # noqa: PTH120 plain text
        super().clear_orphaned_import_errors(bundle_name, {*observed_filelocs, *inner, *self._unlisted})
        if self._unlisted:
            self._write(_result("", self._unlisted), bundle_name, time.monotonic(), 0)

    def _sort_by_mtime(self, files: Any) -> Any:
        """Stock ends with a file that cannot be looked at, but for one that is gone, and with an age beyond 9999."""
        return super()._sort_by_mtime([file for file in files if _has_an_age(file)])

    def _start_new_processes(self) -> None:
        """Start all that can be started; stock ends with a file's name that is too long for its log's, for one."""
        while True:
            with suppress(NotStartedError):
                super()._start_new_processes()
                return

    def _create_process(self, dag_file: Any) -> Any:
        try:
            return super()._create_process(dag_file)
        except Exception as error:
            if _database_is_away(error):
                raise
            log.exception("%s cannot be parsed", dag_file.rel_path)
            words = f"its parse could not be started: {type(error).__name__}: {error}"
            self._store(dag_file, _failed(dag_file, words), time.monotonic())
            raise NotStartedError from error

    def _collect_results(self) -> None:
        """Store what has ended, each in a transaction of its own, also that it ended without a result."""
        for file, process in list(self._processors.items()):
            if process.is_ready:
                self._end(file, process, process.reason())

    def _kill_timed_out_processors(self) -> None:
        """Kill what takes too long and store that; stock forgets it and writes on into its log, which it has closed."""
        for file, process in list(self._processors.items()):
            if time.monotonic() - process.start_time > self.processor_timeout:
                process.kill(signal.SIGKILL)
                self._end(file, process, ended_parses.too_long(self.processor_timeout))

    def terminate_orphan_processes(self, present: set[Any]) -> None:
        """End parses of deleted files, and close what they are read by."""
        before = dict(self._processors)
        super().terminate_orphan_processes(present)
        for file in before.keys() - self._processors.keys():
            before[file].close()

    def _end(self, file: Any, process: Any, reason: str) -> None:
        """Store the result of a parse, or why it has none."""
        del self._processors[file]
        if process.parsing_result is None and not process.runs_callbacks:
            text = ended_parses.import_error(str(file.absolute_path), process.trace, reason)
            process.parsing_result = _failed(file, text)
        process.parsing_result = self._store(file, process.parsing_result, process.start_time)
        if process.parsing_result is not None:  # a process that ran callbacks has none
            self._learn(file, process)
        process.close()

    def _learn(self, file: Any, process: Any) -> None:
        """Take note of a result that has been stored."""

    def _store(self, file: Any, result: Any, began: float) -> Any:
        """Write a result into the database, or that it refuses that, which ends stock; return what was written."""
        runs, bundle = self._file_stats[file].run_count, file.bundle_name
        try:
            self._file_stats[file] = self._write(result, bundle, began, runs)
        except Exception as error:
            if _database_is_away(error):
                raise
            log.exception("The DAGs of %s cannot be stored", file.rel_path)
            # A transaction that has failed before says so first.
            words = str(getattr(error, "orig", None) or error).rpartition("Original exception was: ")[2]
            words = (words.splitlines() or [type(error).__name__])[0]
            result = _failed(file, f"Airflow's database does not accept the DAGs of this file: {words}")
            self._file_stats[file] = self._write(result, bundle, began, runs)
        return result

    def _write(self, result: Any, bundle_name: str, began: float, run_count: int) -> Any:
        if result is not None and result.import_errors:
            result.import_errors = {
                file: ended_parses.printable(text) for file, text in result.import_errors.items()
            }  # fmt: skip
        with create_session() as session:
            return stock.process_parse_results(
                run_duration=time.monotonic() - began,
                finish_time=datetime.now(UTC),
                run_count=run_count,
                bundle_name=bundle_name,
                bundle_version=self._bundle_versions.get(bundle_name),
                parsing_result=result,
                session=session,
            )


class GuardedProcess(stock_processor.DagFileProcessorProcess):  # type: ignore[misc] # as above
    """A parse that can write anything and end in any way."""

    #: Where it writes what it did last; what the kernel had killed before; whether it parses for callbacks only.
    trace: IO[bytes]
    kills: int
    runs_callbacks: bool

    @classmethod
    def start(cls, *, trace: IO[bytes], **arguments: Any) -> Any:
        """Fork it."""
        kills = out_of_memory_kills()
        process = super().start(**arguments)
        process.trace, process.kills = trace, kills
        process.runs_callbacks = bool(arguments["callbacks"])
        return process

    def reason(self) -> str:
        """Return how it ended."""
        return ended_parses.reason(int(self._exit_code or 0), out_of_memory_kills() - self.kills)

    def close(self) -> None:
        """Close what it is read by."""
        for sock in list(self._open_sockets):
            self._on_socket_closed(sock)
            sock.close()
        self.logger_filehandle.close()
        self.trace.close()

    @property
    def is_ready(self) -> bool:
        """Return whether it has ended; stock waits for its timeout if a child process holds its sockets open."""
        ended = self._process_exit_monotonic
        return bool(super().is_ready) or (ended is not None and time.monotonic() - ended > LAST_OUTPUT_SECONDS)

    def _register_pipe_readers(self, **sockets: socket) -> None:
        super()._register_pipe_readers(**sockets)
        for name, sock in sockets.items():
            read, on_close = self.selector.get_key(sock).data
            guarded = _guarded(read, endless=name == "requests")
            self.selector.modify(sock, selectors.EVENT_READ, (guarded, on_close))


def _guarded(read: Callable[[socket], bool], *, endless: bool) -> Callable[[socket], bool]:
    """Wrap a reader: stock ends at an unknown level of logging, and at a request that is not valid.

    :param endless: it takes requests; what is printed or logged is dropped from some length on.
    """
    left = KEPT_READS

    def guarded(sock: socket) -> bool:
        nonlocal left
        if left <= 0:
            return bool(sock.recv(1 << 16))
        left -= not endless
        try:
            return bool(read(sock))
        except OSError:
            raise
        except Exception:
            log.exception("The output of a parse is not valid; the rest is ignored")
            left = 0
            return not endless

    return guarded


def _database_is_away(error: Exception) -> bool:
    return isinstance(error, exc.OperationalError | exc.InterfaceError) or "OperationalError" in str(error)


def _failed(file: Any, text: str) -> Any:
    """Return a result for a parse that has none."""
    return _result(str(file.absolute_path), {str(file.absolute_path): text})


def _result(file: str, errors: dict[str, str]) -> Any:
    return stock_processor.DagFileParsingResult(fileloc=file, serialized_dags=[], import_errors=dict(errors))


def _can_be_unpacked(file: Any) -> bool:
    path = file.absolute_path
    if path.suffix == ".py" or not zipfile.is_zipfile(path):
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # noqa: BLE001 it raises many; the parse will say which
        return False


def _has_an_age(file: Any) -> bool:
    try:
        datetime.fromtimestamp(file.absolute_path.stat().st_mtime, UTC)
    except (OSError, ValueError, OverflowError):
        return False
    return True

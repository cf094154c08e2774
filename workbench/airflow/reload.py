"""A saved file is parsed at once, with every DAG file that reads it.

Replaces `airflow.dag_processing.manager.DagFileProcessorManager` of Airflow 3.0.6 and its `DagFileProcessorProcess`.
Stock looks at each DAG file's age once a second, at the list of files every `refresh_interval`, and never at what DAG
files import or read: it parses all of them again and again. Here a thread watches the folders, each parse records what
it read, and a change puts exactly the files that it concerns at the front of the queue and ends the loop's sleep. So
the intervals of unchanged files grow. Where watching fails, the stock ones hold. `broken_files` and `ended_parses` are
parts.

It relies on the loop of `_run_parsing_loop` calling the methods below in their order; `_file_queue`, `_processors`,
`_file_stats`; `DagFileProcessorProcess.start(target=...)`; sockets in `selector` as (handler, on_close).
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import socket
import tempfile
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from airflow.configuration import conf
from airflow.dag_processing import manager as stock
from airflow.dag_processing import processor as stock_processor

from workbench.airflow import broken_files, ended_parses, reads
from workbench.airflow.memory import die_first
from workbench.airflow.watcher import Changes, Watcher

#: A file is parsed again after this time without an edit; what it asks of the outside cannot be watched.
UNCHANGED_SECONDS, ASKING_OUTSIDE_SECONDS = 600, 60
#: Between two listings of all files without an edit.
LISTING_SECONDS = 60
#: Parses at a time after an edit (`[dag_processor] parsing_processes` is for the others); each takes memory.
PARSES_AFTER_EDIT = 2
#: Between a parse's last output and its end.
EXIT_SECONDS = 0.005

log = logging.getLogger(__name__)


class WatchingManager(broken_files.SturdyManager):
    """Stock's manager of parses, with a watcher of edits."""

    _file_queue: deque[Any]
    _parallelism: int
    _file_process_interval: float
    bundle_refresh_check_interval: int
    _watcher: Watcher | None = None

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        #: What each file's last parse read; those whose last parse failed; those that are to be parsed at once.
        self._reads: dict[Any, reads.Reads] = {}
        self._failed: set[Any] = set()
        self._to_parse: set[Any] = set()
        #: The stock loop's list of files, and their real paths.
        self._known_files: dict[str, set[Any]] = {}
        self._real_paths: dict[Any, str] = {}
        #: What has changed just now, and since the parses that are running have begun.
        self._fresh = Changes()
        self._changes: list[tuple[float, Changes]] = []
        self._configured_parallelism, self._configured_interval = self._parallelism, self._file_process_interval
        self._configured_listing = self.bundle_refresh_check_interval
        self._notified = False

    def _run_parsing_loop(self) -> None:
        try:
            self._watch()
            warm_up()
        except Exception:
            log.exception("Edits may show late")
        try:
            super()._run_parsing_loop()
        finally:
            if self._watcher is not None:
                self._watcher.stop()

    def _watch(self) -> None:
        roots = [str(bundle.path) for bundle in self._dag_bundles] + [reads.COMMON]
        receiver, self._sender = socket.socketpair()
        for end in (receiver, self._sender):
            end.setblocking(False)
        self.selector.register(receiver, 1, (self._receive, lambda _: None))
        real = [os.path.realpath(root) for root in roots]
        RecordedProcess.roots = tuple({*roots, *real})
        watcher = Watcher(tuple(dict.fromkeys(real)), self._notify, write_mode)
        watcher.start()
        self._watcher = watcher

    def _notify(self) -> None:
        """End the loop's sleep; called in the watcher's thread."""
        with suppress(BlockingIOError):  # it has not received the others yet
            self._sender.send(b"!")

    def _receive(self, receiver: socket.socket) -> bool:
        """Receive what the watcher's thread sent."""
        receiver.recv(4096)
        self._notified = True
        return True

    @property
    def _watching(self) -> bool:
        return self._watcher is not None and self._watcher.alive

    # What follows is called by the stock loop, in this order.

    def _queue_requested_files_for_parsing(self) -> None:
        super()._queue_requested_files_for_parsing()
        if self._watcher is None:
            return
        versioned = any(bundle.supports_versioning for bundle in self._dag_bundles)
        # What keeps a folder from being listed, such as a link, may go without any event.
        seldom = self._watching and not versioned and not self._unlisted
        self.bundle_refresh_check_interval = LISTING_SECONDS if seldom else self._configured_listing
        now = time.monotonic()
        self._changes = [(moment, each) for moment, each in self._changes if now - moment < self.processor_timeout]
        if changes := self._watcher.take():
            self._changes.append((now, changes))
            self._fresh = changes
            self._force_refresh_bundles |= {each.name for each in self._dag_bundles if self._lists_anew(each, changes)}

    def _lists_anew(self, bundle: Any, changes: Changes) -> bool:
        """Return whether the list of DAG files may differ: a file that had no DAG may have one now."""
        root = os.path.realpath(bundle.path) + os.sep
        known = set(self._real_paths.values())
        return any(
            path.startswith(root)
            and (path in changes.listed or (path not in known and path.endswith((".py", ".zip", ".airflowignore"))))
            for path in changes.saved
        )

    def _refresh_dag_bundles(self, known_files: dict[str, set[Any]]) -> None:
        super()._refresh_dag_bundles(known_files)
        if any(self._known_files.get(name) is not files for name, files in known_files.items()):
            self._known_files = dict(known_files)
            files = set().union(*known_files.values())
            self._real_paths = {file: os.path.realpath(file.absolute_path) for file in files}
            self._reads = {file: read for file, read in self._reads.items() if file in files}
            self._failed &= files
        fresh, self._fresh = self._fresh, Changes()
        self._to_parse |= self._concerned(fresh)

    def _concerned(self, changes: Changes) -> set[Any]:
        """Return the DAG files whose parse has read what has changed."""
        if not changes:
            return set()
        concerned = {file for file, path in self._real_paths.items() if path in changes.saved}
        concerned |= {file for file, read in self._reads.items() if not read.paths.isdisjoint(changes.saved)}
        # The module that a broken file misses may exist now, in any folder, unless the file itself wrote it.
        modules = {path for path in changes.saved if path.endswith(".py")}
        return concerned | {file for file in self._failed if modules - self._reads.get(file, reads.Reads()).written}

    def processed_recently(self, now: Any, file: Any) -> bool:
        """Return whether a file that was not edited may wait."""
        self._file_process_interval = self._configured_interval
        if self._watching and (read := self._reads.get(file)):
            rarely = ASKING_OUTSIDE_SECONDS if read.outside else UNCHANGED_SECONDS
            self._file_process_interval = max(rarely, self._configured_interval)
        return bool(super().processed_recently(now, file))

    def _start_new_processes(self) -> None:
        """Start the edited files first; one that is being parsed is parsed again when that has ended."""
        running = set(self._processors)
        self._to_parse &= self._real_paths.keys()
        ready = self._to_parse - running
        for_callbacks = {file for file in ready if self._callback_to_execute.get(file)}  # these parse for nothing else
        if ready:
            others = [file for file in self._file_queue if file not in ready]
            self._file_queue = deque([*sorted(ready, key=age), *others])
        self._parallelism = max(self._configured_parallelism, PARSES_AFTER_EDIT if ready else 1)
        super()._start_new_processes()
        self._to_parse -= self._processors.keys() - running - for_callbacks

    def _service_processor_sockets(self, timeout: float | None = 1.0) -> None:
        """Sleep until a parse has ended, an edit is notified, or the time is over.

        Stock comes back for every line that a parse logs, with five queries each time; and it sleeps to the end of
        its second where a process ends a moment after its last output.
        """
        deadline = time.monotonic() + (timeout or 0)
        self._notified = False
        while True:
            left = deadline - time.monotonic()
            silent = [process for process in self._processors.values() if not process._open_sockets]  # noqa: SLF001
            super()._service_processor_sockets(max(0, min(left, EXIT_SECONDS) if silent else left))
            ended = any(process.is_ready for process in self._processors.values())
            if ended or self._notified or not self._processors or time.monotonic() >= deadline:
                return

    def _learn(self, file: Any, process: Any) -> None:
        """Note what a parse read and whether it failed, and forget what it did not find any more."""
        result, record = process.parsing_result, reads.Reads.load(process.record)
        # One that was ended before it could write its record is tried again soon: a cause outside may be gone.
        read = self._reads[file] = record or dataclasses.replace(self._reads.get(file, reads.Reads()), outside=True)
        since = [changes for moment, changes in self._changes if moment >= process.start_time]
        if any(not read.paths.isdisjoint(changes.saved) for changes in since):
            self._to_parse.add(file)
        if self._watcher is not None:
            self._watcher.look_also_at(set().union(*(each.paths for each in self._reads.values())))
        (self._failed.add if result.import_errors else self._failed.discard)(file)
        try:
            began = datetime.now(UTC) - timedelta(seconds=time.monotonic() - process.start_time)
            forget_errors(file, began)
            if not result.import_errors:
                forget_dags(file, {dag.dag_id for dag in result.serialized_dags})
        except Exception:
            log.exception("DAGs deleted from %s stay in the list until it is parsed again", file.rel_path)


class RecordedProcess(broken_files.GuardedProcess):
    """A parse that records what it reads."""

    record: IO[bytes]
    #: Folders of the project's own code.
    roots: tuple[str, ...] = ()

    @classmethod
    def start(cls, **arguments: Any) -> RecordedProcess:
        """Fork it; it writes its record into an unnamed file."""
        record, trace = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 closed with the process
        target = functools.partial(parse_and_record, record, trace, cls.roots)
        process: RecordedProcess = super().start(target=target, trace=trace, **arguments)
        process.record = record
        return process

    def close(self) -> None:
        """Close what it is read by."""
        super().close()
        self.record.close()


def parse_and_record(record: IO[bytes], trace: IO[bytes], roots: tuple[str, ...]) -> None:
    """Parse as stock does, in the child process."""
    die_first()
    ended_parses.keep_errors()
    ended_parses.trace_into(trace, conf.getint("dag_processor", "dag_file_processor_timeout"))
    recorder = reads.Recorder().start()
    reads.forget_own_modules(roots)
    note_questions(recorder)
    try:
        stock_processor._parse_file_entrypoint()  # noqa: SLF001 what stock passes as the target
    except BaseException:
        ended_parses.trace_exception(trace)
        raise
    finally:
        recorder.result().dump(record)


def note_questions(recorder: reads.Recorder) -> None:
    """Note that a DAG file asks for a variable or a connection, which change without a file event.

    And have its errors arrive whatever their text is.
    """
    from airflow.sdk.execution_time.comms import CommsDecoder

    send = CommsDecoder.send

    def noted(self: Any, message: Any) -> Any:
        if isinstance(message, stock_processor.DagFileParsingResult):
            errors = (message.import_errors or {}).items()
            message.import_errors = {file: ended_parses.printable(text) for file, text in errors}
        else:
            recorder.outside = True
        return send(self, message)

    CommsDecoder.send = noted


def age(file: Any) -> float:
    """Return a DAG file's age, so that the one that was just saved goes first."""
    try:
        return -float(file.absolute_path.stat().st_mtime)
    except OSError:
        return 0


def forget_dags(file: Any, found: set[str]) -> None:
    """Take DAGs that a file does not define any more off the list; stock leaves them there for most of a minute."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    of_file = (DagModel.bundle_name == file.bundle_name, DagModel.relative_fileloc == str(file.rel_path))
    gone = update(DagModel).where(*of_file, ~DagModel.is_stale, DagModel.dag_id.not_in(found)).values(is_stale=True)
    with create_session() as session:
        session.execute(gone.execution_options(synchronize_session=False))


def forget_errors(file: Any, began: datetime) -> None:
    """Delete errors that a file does not have any more; stock leaves them for ever where it has no DAG left.

    :param began: the start of its last parse: what that found is younger.
    """
    from airflow.models.errors import ParseImportError
    from airflow.utils.session import create_session
    from sqlalchemy import delete, or_

    name, path = ParseImportError.filename, str(file.absolute_path)
    of_file = or_(name == path, name.startswith(path + os.sep, autoescape=True))  # in a ZIP file
    old = (ParseImportError.bundle_name == file.bundle_name, ParseImportError.timestamp < began)
    with create_session() as session:
        session.execute(delete(ParseImportError).where(of_file, *old).execution_options(synchronize_session=False))


def warm_up() -> None:
    """Load what each parse would load by itself, which is half of the time that it takes."""
    from airflow.sdk import DAG, task
    from airflow.serialization.serialized_objects import SerializedDAG

    @task
    def nothing() -> None:
        pass

    with DAG("warm_up", schedule=None) as dag:
        nothing()
    SerializedDAG.to_dict(dag)


def write_mode(mode: str, reason: str) -> None:
    """Write into Airflow's database how edits are noticed, for `./dev status`."""
    from airflow.utils.session import create_session
    from sqlalchemy import text

    try:
        with create_session() as session:
            session.execute(
                text("CREATE TABLE IF NOT EXISTS workbench_watcher (mode varchar(20), reason varchar(500))")
            )
            session.execute(text("DELETE FROM workbench_watcher"))
            row = {"mode": mode, "reason": reason[:500]}
            session.execute(text("INSERT INTO workbench_watcher VALUES (:mode, :reason)"), row)
    except Exception:
        log.warning("./dev status cannot show how edits are noticed", exc_info=True)


def install() -> None:
    """Replace both of stock's classes, before the command that imports them is loaded."""
    stock.DagFileProcessorManager = WatchingManager
    stock.DagFileProcessorProcess = RecordedProcess

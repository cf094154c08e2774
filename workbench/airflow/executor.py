"""A LocalExecutor for laptops. Replaces `airflow.executors.local_executor.LocalExecutor` of Airflow 3.0.6.

The launcher puts it in its place where it knows the version. Stock's costs a laptop three things, fixed here:

* Memory. A worker stays for ever once it was needed, and Python's garbage collector writes to every page that it
  shares with the scheduler: 40 to 95 MiB each. Here a worker lives as long as its task, and what the scheduler has
  loaded before the fork stays shared.
* Waiting. The scheduler sleeps a second between two looks at its database. Here it sleeps until PostgreSQL says that
  something has happened, or until a worker ends, and at most that second.
* Bookkeeping. Stock counts no task as running, so a full machine hands over tasks whose token then expires in the
  queue; a worker that is killed keeps its slot, and its task stays "running" for five minutes; a deferred task whose
  trigger is quick is failed, because the end of its first worker looks like a death. Here a task is handed over when it
  can start, and a worker's death is reported to the scheduler at once, its orderly end not at all.

It relies on `supervise()` as the stock executor calls it, on the scheduler calling `heartbeat()` once a loop and then
sleeping `[scheduler] scheduler_idle_sleep_time` (which the launcher sets to 0), and on the tables `task_instance`,
`dag_run`, `dag` and `asset_dag_run_queue`.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import psutil
from airflow.executors.base_executor import BaseExecutor
from setproctitle import setproctitle

from workbench.airflow.reads import forget_own_modules
from workbench.airflow.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.executors import workloads
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskinstancekey import TaskInstanceKey

#: The longest sleep of an idle scheduler; its timers (cron, timeouts) are that exact. Stock: 1.
SLEEP_SECONDS = 1.0
#: When the scheduler ends, tasks may go on for so long, then get SIGTERM (the operator's on_kill) and so long again.
FINISH_SECONDS, ON_KILL_SECONDS = 4.0, 3.0
#: What every task loads and the scheduler has not: shared, and loaded once, when it is there before the fork.
SHARED_MODULES = (
    "airflow.dag_processing.bundles.local",
    "airflow.models.dagbag",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.log",
    "httpcore",
    "jinja2.ext",
)

#: Names modules that many tasks import, comma-separated: loaded once, in the scheduler's first idle moments. None of
#: the project's own: what is loaded here is not loaded anew after an edit.
PRELOAD = "WORKBENCH_PRELOAD"

log = logging.getLogger(__name__)


class LeanLocalExecutor(BaseExecutor):  # type: ignore[misc] # Airflow is not typed for others
    """Run each task in a process of its own, forked from the scheduler when a slot is free."""

    is_local = True
    serve_logs = True

    def start(self) -> None:
        """Load what tasks share, and listen to the database."""
        self._workers: dict[TaskInstanceKey, multiprocessing.Process] = {}
        self._changes = 0
        for module in SHARED_MODULES:
            importlib.import_module(module)
        from workbench.airflow import task_api

        task_api.install()
        task_api.client()
        self._to_load = [name.strip() for name in os.environ.get(PRELOAD, "").split(",") if name.strip()]
        self._listener = ChangeListener()
        self._rounds = Rounds()

    def queue_workload(self, workload: workloads.ExecuteTask, session: Any) -> None:
        """Take a task that the scheduler has set to queued."""
        del session
        self.queued_tasks[workload.ti.key] = workload

    def _process_workloads(self, queued: Sequence[workloads.ExecuteTask]) -> None:
        # Called by heartbeat() with as many as there are free slots.
        for workload in queued:
            key = workload.ti.key
            del self.queued_tasks[key]
            self.running.add(key)
            worker = multiprocessing.Process(target=_run_one, args=(workload,), name=f"worker-{workload.ti.id}")
            worker.start()
            self._workers[key] = worker
            self._changes += 1

    def heartbeat(self) -> None:
        """Start what is queued, note what has ended, then sleep in the scheduler's place until something changes."""
        changes = self._changes
        if self._listener.failed():
            self._rounds.request()
        self._rounds.step()
        super().heartbeat()
        if self._changes == changes:
            if self._to_load and not self._workers:
                load(self._to_load.pop(0))
                return
            sentinels = [worker.sentinel for worker in self._workers.values()]
            self._listener.sleep([*sentinels, *self._rounds.sentinels()])
            self.sync()

    def sync(self) -> None:
        """Free the slots of workers that have ended, and report those that could not report their task's state.

        For one that ended well the scheduler would turn success into failure, where its task was deferred and goes on.
        """
        for key, worker in list(self._workers.items()):
            if worker.is_alive():
                continue
            del self._workers[key]
            self._changes += 1
            if worker.exitcode == 0:
                self.running.discard(key)
            else:
                self.fail(key, f"the worker process ended with {worker.exitcode}")
            worker.close()

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Forget a task that was too long in the queue."""
        self.queued_tasks.pop(ti.key, None)
        self.running.discard(ti.key)
        if worker := self._workers.pop(ti.key, None):
            worker.terminate()

    def end(self) -> None:
        """Let tasks end, for a moment; the next scheduler starts the others again, as it does after a crash."""
        workers = list(self._workers.values())
        _join(workers, FINISH_SECONDS)
        for worker in workers:
            worker.terminate()
        _join(workers, ON_KILL_SECONDS + 1)
        for worker in workers:
            worker.kill()
        self.sync()
        self._rounds.end()
        self._listener.close()

    def terminate(self) -> None:
        """End at once."""
        self.end()


def _join(workers: list[multiprocessing.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))


def _run_one(workload: workloads.ExecuteTask) -> None:
    """Supervise one task; the exit status is 0 where its state could be reported."""
    from airflow.sdk.api.client import BearerAuth
    from airflow.sdk.execution_time.supervisor import supervise

    from workbench.airflow import task_api

    forget_own_modules()  # what the scheduler has loaded of `common` may have been edited since
    from workbench.airflow.memory import die_first, out_of_memory_kills, why_it_ended

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_with_task)
    setproctitle(f"airflow worker -- LocalExecutor: {workload.ti.id}")
    die_first()
    client = task_api.client()
    client.auth = BearerAuth(workload.token)
    kills = out_of_memory_kills()
    try:
        status = supervise(
            ti=workload.ti,
            dag_rel_path=workload.dag_rel_path,
            bundle_info=workload.bundle_info,
            token=workload.token,
            log_path=workload.log_path,
            client=client,
        )
    except Exception as error:
        _end_task()  # or it would go on unnoticed, beside its next try
        _explain(workload.ti, f"its supervisor failed: {type(error).__name__}: {error}")
        raise
    if status:
        _explain(workload.ti, why_it_ended(status, out_of_memory_kills() - kills))


def _explain(ti: Any, reason: str) -> None:
    """Note for the alert why a task's process ended that could not report it itself."""
    from common.alerts.ledger import Ledger
    from common.alerts.message import Failure

    ended = Failure(dag=ti.dag_id, run=ti.run_id, task=ti.task_id, map_index=ti.map_index, attempt=ti.try_number)
    try:
        Ledger.shared().hint(ended, reason)
    except Exception:
        log.warning("The alert cannot say why %s ended: %s", ti.task_id, reason, exc_info=True)


def _end_with_task(_signal: int, _frame: object) -> NoReturn:
    """End the task's process too: nothing would read what it sends."""
    _end_task()
    os._exit(128 + signal.SIGTERM)


def _end_task() -> None:
    """End the task's process, and all that it has started."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.terminate()  # runs the operator's on_kill
    _, alive = psutil.wait_procs(children, timeout=ON_KILL_SECONDS)
    for child in alive:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def load(name: str) -> None:
    """Import a module that tasks will share; one that cannot be imported is left to the tasks that need it."""
    try:
        importlib.import_module(name)
    except Exception:
        log.warning("%s names %s, which cannot be imported", PRELOAD, name, exc_info=True)


class ChangeListener:
    """Ends the scheduler's sleep when a transaction commits that gives it something to do, or the alerts to report.

    Triggers on five tables send a notification; PostgreSQL delivers it at commit. Any failure here costs no more than
    the waiting that stock has: the executor only sleeps, and tries again later.
    """

    CHANNEL = "scheduler_changes"
    #: The payload of a notification where something failed.
    FAILED = "failed"
    #: name -> table and condition. A changed definition needs a new name.
    TRIGGERS: ClassVar = {
        "scheduler_change_task_1": """AFTER UPDATE OF state ON task_instance FOR EACH ROW WHEN (
            NEW.state IS DISTINCT FROM OLD.state
            AND (coalesce(NEW.state, 'none') NOT IN ('scheduled', 'queued', 'running', 'deferred')
                 OR (NEW.state = 'scheduled' AND OLD.state = 'deferred')))""",
        "scheduler_change_run_1": "AFTER INSERT OR UPDATE OF state ON dag_run FOR EACH ROW WHEN (NEW.state = 'queued')",
        "scheduler_change_asset_1": "AFTER INSERT ON asset_dag_run_queue FOR EACH STATEMENT",
        "scheduler_change_dag_1": """AFTER UPDATE OF is_paused ON dag FOR EACH ROW
            WHEN (OLD.is_paused AND NOT NEW.is_paused)""",
        "scheduler_failed_task_1": """AFTER UPDATE OF state ON task_instance FOR EACH ROW
            WHEN (NEW.state = 'failed' AND OLD.state IS DISTINCT FROM NEW.state)""",
        "scheduler_failed_run_1": """AFTER UPDATE OF state ON dag_run FOR EACH ROW
            WHEN (NEW.state = 'failed' AND OLD.state IS DISTINCT FROM NEW.state)""",
        "scheduler_failed_import_1": "AFTER INSERT OR DELETE ON import_error FOR EACH ROW",
    }

    def __init__(self) -> None:
        self._connection: Any = None
        self._try_again_in = 0
        self._failed = False
        self._open()

    def failed(self) -> bool:
        """Return whether something failed since the last call."""
        if self._connection is not None:
            self._read()
        failed, self._failed = self._failed, False
        return failed

    def sleep(self, also: list[int]) -> None:
        """Sleep until a notification arrives, one of `also` gets ready, or `SLEEP_SECONDS` are over.

        :param also: sentinels of processes.
        """
        if self._connection is None:
            self._try_again_in -= 1
            if self._try_again_in <= 0:
                self._open()
        listening = [] if self._connection is None else [self._connection]
        ready = wait([*listening, *also], timeout=SLEEP_SECONDS)
        if self._connection in ready:
            self._read()

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def _read(self) -> None:
        import psycopg2

        try:
            self._connection.poll()
            self._failed |= any(notify.payload == self.FAILED for notify in self._connection.notifies)
            self._connection.notifies.clear()
        except psycopg2.Error:
            log.warning(
                "The database closed the connection that reports changes; the scheduler checks every %s s",
                SLEEP_SECONDS,
            )
            self._give_up()

    def _give_up(self) -> None:
        self.close()
        self._try_again_in = 10

    def _open(self) -> None:
        from airflow import settings

        if settings.engine is None or settings.engine.dialect.driver != "psycopg2":
            self._try_again_in = 1_000_000
            return
        try:
            pooled = settings.engine.raw_connection()
            self._connection = pooled.dbapi_connection
            pooled.detach()
            self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                self._make_triggers(cursor)
                cursor.execute(f"LISTEN {self.CHANNEL}")
        except Exception:
            log.warning(
                "The database cannot report changes; the scheduler checks every %s s", SLEEP_SECONDS, exc_info=True
            )
            self._give_up()

    def _make_triggers(self, cursor: Any) -> None:
        """Make the triggers that are missing."""
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname = ANY(%s)", (list(self.TRIGGERS),))
        there = {name for (name,) in cursor.fetchall()}
        if there == set(self.TRIGGERS):
            return
        cursor.execute("SET lock_timeout = '3s'")
        for function, payload in ((self.CHANNEL, ""), (f"{self.CHANNEL}_failed", f", '{self.FAILED}'")):
            cursor.execute(
                f"""CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN NOTIFY {self.CHANNEL}{payload}; RETURN NULL; END $$"""
            )
        for name, definition in self.TRIGGERS.items():
            if name not in there:
                function = f"{self.CHANNEL}_failed" if "_failed_" in name else self.CHANNEL
                cursor.execute(f"CREATE TRIGGER {name} {definition} EXECUTE FUNCTION {function}()")

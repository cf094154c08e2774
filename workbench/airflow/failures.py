"""What failed, read from the metadata database, which has every failure once.

Stock Airflow calls no callback for a task whose process is killed, and none for a DAG file that does not import; its
callbacks for a task that stopped answering come twice. This replaces nothing of Airflow's, and relies on 3.0.6: on the
tables `task_instance`, `dag_run`, `import_error` and `log`, and on callbacks being serialized as their source.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from common.alerts import callback_context, rules
from common.alerts.ledger import RETRY_SECONDS, Ledger, key_of
from common.alerts.message import Failure
from common.utils import task_failure_alert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

#: A failure's worker, or the audit log of a person's request, may explain it within this time.
EXPLAINED_SECONDS = 2.0
#: Between two reads while that is awaited.
AGAIN_SECONDS = 0.3
#: Between a person's request and the state that it sets.
REQUEST_SECONDS = 15.0
#: Events of the audit log that say why the scheduler failed a task -> in plain words.
LOST = {
    "heartbeat timeout": "the task and its supervisor sent no more heartbeats",
    "state mismatch": "the task and its supervisor were killed, or stopped with the scheduler",
    "stuck in queued tries exceeded": "the task could not be started, in any of its tries",
}
#: Events of the audit log that a person's marking leaves.
MARKED = ("patch_task_instance", "patch_dag_run", "bulk_task_instances")


def write_down(ledger: Ledger) -> float | None:
    """Add what failed lately to the ledger, where it is missing.

    :return: seconds until the next read is due; None where every failure is explained.
    """
    from airflow.utils.session import create_session

    since = datetime.fromtimestamp(max(ledger.moment("created"), time.time() - RETRY_SECONDS), UTC)
    with create_session() as session:
        reader = _Reader(session, ledger, since)
        waits = [reader.tasks(), reader.runs()]
        reader.files()
        for case in rules.cases(session, since):
            ledger.add(case, send=False)
    return AGAIN_SECONDS if any(waits) else None


def ended(failure: Failure) -> bool:
    """Return whether a run has ended, so that no more of its tasks fail."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = select(DagRun.state).where(DagRun.dag_id == failure.dag, DagRun.run_id == failure.run)
        return session.scalars(query).first() not in {"queued", "running"}


class _Reader:
    """One read of the database.

    :param since: what ended before is not reported.
    """

    def __init__(self, session: Session, ledger: Ledger, since: datetime) -> None:
        self.session, self.ledger, self.since = session, ledger, since
        self.dag = functools.cache(self._dag)
        self.marks = functools.cache(self._marks)

    def tasks(self) -> bool:
        """Add failed tasks; return whether one is not explained yet."""
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import select

        awaited, known = False, self.ledger.keys()
        query = select(TaskInstance).where(TaskInstance.state == "failed", TaskInstance.end_date > self.since)
        for ti in self.session.scalars(query.order_by(TaskInstance.end_date)):
            failure = _key(ti)
            if key_of(failure) in known or not self._reported(ti):
                continue
            words = self.ledger.hinted(failure)
            if _age(ti.end_date) < EXPLAINED_SECONDS and not words:
                awaited = True
            elif not self._marked(ti.dag_id, ti.run_id, ti.end_date, ti.task_id, ti.map_index):
                self.ledger.add(self._of_task(ti, words or self._lost(ti)), send=False)
        return awaited

    def runs(self) -> bool:
        """Add runs that failed for a reason of their own; return whether one is not explained yet."""
        from airflow.models.dagrun import DagRun
        from sqlalchemy import select

        awaited, known = False, self.ledger.keys()
        query = select(DagRun).where(DagRun.state == "failed", DagRun.end_date > self.since)
        for run in self.session.scalars(query.order_by(DagRun.end_date)):
            failure = Failure(kind="run", dag=run.dag_id, run=run.run_id, began=callback_context.in_utc(run.start_date))
            dag = None if key_of(failure) in known else self.dag(run.dag_id)
            if dag is None or not dag.has_on_failure_callback:
                continue
            reason = self._reason(run, dag)
            if reason and _age(run.end_date) < EXPLAINED_SECONDS:
                awaited = True
            elif reason and not self._marked(run.dag_id, run.run_id, run.end_date):
                record = failure.record | self._common(run, dag)
                record |= {"reason": reason, "seconds": _seconds(run.start_date, run.end_date)}
                self.ledger.add(Failure.from_record(record), send=False)
        return awaited

    def files(self) -> None:
        """Add DAG files that do not import, and those that import again."""
        from airflow.models.errors import ParseImportError
        from sqlalchemy import select

        rows = self.session.execute(select(ParseImportError.filename, ParseImportError.stacktrace)).all()
        broken = self.ledger.broken()
        errors = {str(name): str(trace) for name, trace in rows}
        began = datetime.now(UTC).isoformat()
        for file, trace in errors.items():
            if file not in broken:
                error = callback_context.error_text(_end_of(trace))
                self.ledger.turn(Failure(kind="import", file=file, error=error, began=began))
        for file, since in broken.items():
            if file not in errors:
                gone = "" if os.path.isabs(file) and os.path.exists(file) else "; the file was deleted"  # noqa: PTH117, PTH110 plain look-ups
                reason = f"it could not be imported for {timedelta(seconds=round(time.time() - since))}{gone}"
                self.ledger.turn(Failure(kind="fixed", file=file, reason=reason, began=began))

    def _of_task(self, ti: TaskInstance, reason: str) -> Failure:
        dag = self.dag(ti.dag_id)
        record = _key(ti).record | self._common(ti.dag_run, dag)
        record |= {
            "attempts": ti.max_tries + 1,
            "seconds": _seconds(ti.start_date, ti.end_date),
            "owner": str(dag.get_task(ti.task_id).owner),
            "host": ti.hostname or "",
            "reason": reason,
        }
        return Failure.from_record(record)

    def _common(self, run: DagRun, dag: Any) -> dict[str, Any]:
        """Return what a run's message and its tasks' messages share."""
        channel = (run.conf or {}).get(callback_context.CHANNEL_PARAM) or dag.params.get(callback_context.CHANNEL_PARAM)
        return {
            "when": callback_context.readable_time(run.logical_date),
            "triggered_by": callback_context.triggered_by(run),
            "channel": str(channel or ""),
            "owner": str(dag.owner),
        }

    def _dag(self, dag_id: str) -> Any:
        """Return a DAG as the scheduler knows it, None where it is gone."""
        from airflow.models.serialized_dag import SerializedDagModel

        return SerializedDagModel.get_dag(dag_id, session=self.session)

    def _reported(self, ti: TaskInstance) -> bool:
        """Return whether its failure is to be reported: by a callback of its own, or else by its DAG's."""
        dag = self.dag(ti.dag_id)
        if dag is None or not dag.has_task(ti.task_id):
            return False
        own = getattr(dag.get_task(ti.task_id), "on_failure_callback", None)
        return calls_alert(own) if own else bool(dag.has_on_failure_callback)

    def _reason(self, run: DagRun, dag: Any) -> str:
        """Return why a run failed; empty where the reason is its tasks'."""
        limit, seconds = dag.dagrun_timeout, _seconds(run.start_date, run.end_date)
        if limit and seconds is not None and seconds >= limit.total_seconds():
            return callback_context.run_reason("timed_out", limit)
        if any(ti.state in {"failed", "upstream_failed"} for ti in run.task_instances):
            return ""
        return callback_context.run_reason("", None)

    def _lost(self, ti: TaskInstance) -> str:
        """Return why the scheduler failed a task, from its audit log."""
        from airflow.models.log import Log
        from sqlalchemy import select

        same = (Log.dag_id == ti.dag_id, Log.task_id == ti.task_id, Log.run_id == ti.run_id)
        one = (Log.map_index == ti.map_index, Log.try_number == ti.try_number, Log.event.in_(LOST))
        event = self.session.scalars(select(Log.event).where(*same, *one).order_by(Log.id)).first()
        return LOST.get(str(event), "its process was killed, or the machine stopped: nothing was logged")

    def _marked(self, dag_id: str, run_id: str, when: datetime, task_id: str = "", map_index: int = -1) -> bool:
        """Return whether a person set this state."""
        return any(
            -1 <= (when - at).total_seconds() <= REQUEST_SECONDS
            and _concerns(event, run, task, extra, (run_id, task_id, map_index))
            for at, event, run, task, extra in self.marks(dag_id)
        )

    def _marks(self, dag_id: str) -> list[tuple[datetime, str, str, str, dict[str, Any]]]:
        """Return what persons have marked as failed in a DAG."""
        from airflow.models.log import Log
        from sqlalchemy import select

        columns = (Log.dttm, Log.event, Log.run_id, Log.task_id, Log.extra)
        early = self.since - timedelta(seconds=REQUEST_SECONDS)
        query = select(*columns).where(Log.dag_id == dag_id, Log.event.in_(MARKED), Log.dttm > early)
        found = []
        for at, event, run, task, text in self.session.execute(query):
            extra = _json(text)
            if "failed" in str(extra):
                found.append((at, event, run or "", task or "", extra))
        return found


def calls_alert(sources: Sequence[str]) -> bool:
    """Return whether the callbacks of a serialized task, of which it keeps the sources, are or call the alert."""
    return any(re.search(rf"\b{task_failure_alert.__name__}\b", source) for source in sources)


def _concerns(event: str, run: str, task: str, extra: dict[str, Any], one: tuple[str, str, int]) -> bool:
    """Return whether a person's marking reached this task, or this run where there is no task."""
    run_id, task_id, map_index = one
    if event == "patch_dag_run":
        return run == run_id
    if event == "bulk_task_instances" or any(extra.get(f"include_{what}") for what in ("future", "past")):
        return bool(task_id)
    if run != run_id:
        return False
    if any(extra.get(f"include_{what}") for what in ("upstream", "downstream")):
        return bool(task_id)
    return task == task_id and str(extra.get("map_index", map_index)) in {str(map_index), "-1"}


def _key(ti: TaskInstance) -> Failure:
    return Failure(
        dag=ti.dag_id, run=ti.run_id, task=ti.task_id, map_index=ti.map_index, attempt=ti.try_number
    )  # fmt: skip


def _age(when: datetime) -> float:
    return (datetime.now(UTC) - when).total_seconds()


def _seconds(began: datetime | None, ended: datetime | None) -> float | None:
    return (ended - began).total_seconds() if began and ended else None


def _end_of(trace: str) -> str:
    """Return the end of a traceback, which says what went wrong, from a line's beginning."""
    kept = trace.strip()[-2_000:]
    return kept if len(kept) == len(trace.strip()) else "...\n" + kept.partition("\n")[2]


def _json(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

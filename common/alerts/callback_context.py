"""Make a `Failure` of a callback's context, of which each process of Airflow passes another part."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

from common.alerts.message import Failure

#: A DAG's parameter with the channel of its alerts.
CHANNEL_PARAM = "alert_channel"
#: Characters of an error that are kept: more than a message can hold.
ERROR = 10_000
#: Airflow's reason for a DAG run whose tasks failed.
TASK_FAILURE = "task_failure"


def from_context(context: Any) -> Failure:
    """Read a task's or a DAG run's callback context; any part of it may be missing."""
    ti, run = context.get("task_instance") or context.get("ti"), context.get("dag_run")
    dag = context.get("dag") or getattr(getattr(ti, "task", None), "dag", None)
    dag_id = getattr(ti, "dag_id", None) or getattr(dag, "dag_id", None) or getattr(run, "dag_id", None)
    run_id = getattr(ti, "run_id", None) or context.get("run_id") or getattr(run, "run_id", None)
    common = Failure(
        dag=str(dag_id or "unknown"),
        run=str(run_id or "unknown"),
        when=readable_time(context.get("logical_date") or getattr(run, "logical_date", None)),
        triggered_by=triggered_by(run),
        channel=_channel(context),
        owner=str(getattr(dag, "owner", "") or ""),
    )
    if context.get("reason") or ti is None:  # only a DAG run's callback has a reason
        return _of_run(common, str(context.get("reason") or ""), run, dag)
    return _of_task(common, ti, context.get("exception"))


def _of_task(common: Failure, ti: Any, exception: BaseException | str | None) -> Failure:
    began = getattr(ti, "start_date", None)
    attempt = getattr(ti, "try_number", None) or 0
    max_tries = getattr(ti, "max_tries", None)
    index = getattr(ti, "map_index", None)
    fields: dict[str, Any] = {
        "task": str(ti.task_id),
        "map_index": -1 if index is None else index,
        "attempt": attempt,
        "attempts": attempt if max_tries is None else max_tries + 1,
        "seconds": (datetime.now(UTC) - began).total_seconds() if began else None,
        "owner": str(getattr(getattr(ti, "task", None), "owner", "") or common.owner),
        "host": str(getattr(ti, "hostname", "") or socket.gethostname()),
        "error": error_text(exception),
        "reason": "" if exception else "its process logged nothing: it was killed or does not respond",
    }
    return Failure.from_record(common.record | fields)


def _of_run(common: Failure, reason: str, run: Any, dag: Any) -> Failure:
    began, ended = getattr(run, "start_date", None), getattr(run, "end_date", None)
    fields: dict[str, Any] = {
        "kind": "run",
        "began": in_utc(began),
        "seconds": ((ended or datetime.now(UTC)) - began).total_seconds() if began else None,
        "reason": run_reason(reason, getattr(dag, "dagrun_timeout", None)),
    }
    return Failure.from_record(common.record | fields)


def run_reason(reason: str, limit: timedelta | None) -> str:
    """Return in plain words why a DAG run failed."""
    if reason == "timed_out":
        return f"the run took longer than its limit{f' of {limit}' if limit else ''}"
    if reason == "all_tasks_deadlocked":
        return "deadlock: no task failed, but none of the remaining tasks can run"
    return reason.replace("_", " ") or "the run failed, but none of its tasks did"


def error_text(exception: BaseException | str | None) -> str:
    """Return an exception's type and text, with the secrets that Airflow knows masked."""
    from airflow.sdk.execution_time.secrets_masker import redact

    if exception is None:
        return ""
    if isinstance(exception, str):
        return str(redact(exception[:ERROR]))
    kind = type(exception).__name__
    try:
        text = str(exception)
    except Exception as broken:  # noqa: BLE001 an exception that cannot be shown is still a failure
        text = f"(its message cannot be shown: {type(broken).__name__})"
    # First masked, then cut: half a secret would not be masked.
    return str(redact(f"{kind}: {text}" if text else kind))[:ERROR]


def readable_time(when: datetime | None) -> str:
    """Return a time for people."""
    return "" if when is None else f"{when:%Y-%m-%d %H:%M:%S %Z}"


def in_utc(when: datetime | None) -> str:
    """Return a time in UTC, always in the same form."""
    return "" if when is None else when.astimezone(UTC).isoformat(timespec="microseconds")


def triggered_by(run: Any) -> tuple[str, ...]:
    """Return the asset events that triggered a run, each as its asset and the DAG that emitted it."""
    words = []
    for event in getattr(run, "consumed_asset_events", None) or ():
        source = getattr(event, "source_dag_id", None)
        words.append(f"{event.asset.name} of {source}" if source else str(event.asset.name))
    return tuple(f"{word} (x {words.count(word)})" if words.count(word) > 1 else word for word in dict.fromkeys(words))


def _channel(context: Any) -> str:
    try:
        return str(dict(context.get("params") or {}).get(CHANNEL_PARAM) or "")
    except Exception:  # noqa: BLE001 as above: then it goes to the settings' channel
        return ""

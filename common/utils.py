"""Report to Slack that a task or a DAG run failed: `task_failure_alert`, and nothing else.

It runs in the task's process; in the dag-processor, for a task that stopped answering and for a DAG run; and in
`dag.test()`. What none of them notices or can send is reported by the scheduler (`workbench.airflow.rounds`), where
WORKBENCH_SCHEDULER_REPORTS is set; each component's launcher sets it.

Environment: AIRFLOW_ALERT_CHANNEL (#alerts), AIRFLOW_ALERT_USERNAME (Airflow), AIRFLOW_ALERT_TO (`slack`, or `log` to
show the message in the terminal instead). A DAG's parameter `alert_channel` overrides the setting.
"""

from __future__ import annotations

import logging
import os
from typing import Any

log = logging.getLogger(__name__)

#: Set to 1 where this environment's scheduler reports failures that no exception in a task's process caused.
SCHEDULER_REPORTS = "WORKBENCH_SCHEDULER_REPORTS"


def task_failure_alert(context: Any) -> None:
    """Post one message for a failed try, or for a DAG run that failed though no task did; never raises."""
    try:
        _alert(context)
    except Exception:
        log.exception("The failure alert itself failed")


def _alert(context: Any) -> None:
    from common.alerts import callback_context, outbox, terminal

    if context.get("reason") == callback_context.TASK_FAILURE:
        return  # each of its tasks is reported by itself
    failure = callback_context.from_context(context)
    if failure.kind == "task" and (_will_be_retried(context, failure) or _ended_from_outside(context)):
        return
    if os.environ.get("AIRFLOW_ALERT_TO", "slack") != "slack":
        terminal.show(failure)
    elif context.get("exception") or not _scheduler_reports():
        outbox.report(failure)


def _scheduler_reports() -> bool:
    """Return whether this environment's scheduler reports what has no exception: it knows more of it."""
    return os.environ.get(SCHEDULER_REPORTS) == "1"


def _will_be_retried(context: Any, failure: Any) -> bool:
    """Return whether the try was lost and another one follows: Airflow 3.0.6 calls the failure callback for it too."""
    return not context.get("exception") and 0 < failure.attempt < failure.attempts


def _ended_from_outside(context: Any) -> bool:
    """Return whether the task was stopped because a person marked it or its run ended: it did not fail itself."""
    ti = context.get("task_instance") or context.get("ti")
    ask = getattr(type(ti), "get_task_states", None)
    if ask is None or not context.get("exception"):
        return False
    try:
        index = ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None
        runs = ask(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=index)
        states = [state for tasks in runs.values() for state in tasks.values()]
    except Exception:  # noqa: BLE001 unknown, and a message too many is better than none
        return False
    return bool(states) and "running" not in states

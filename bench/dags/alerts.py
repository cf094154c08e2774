"""Tasks that fail or are killed; told by the workbench's alert, or by a callback as people write one for Airflow."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

#: Set by the workbench's own settings, and by no stock Airflow.
OURS = "WORKBENCH_PRELOAD" in os.environ


def plain_alert(context: Any) -> None:
    """Post with the operator's own settings."""
    from airflow.providers.slack.operators.slack import SlackAPIPostOperator

    text = f"Task failed: {context['task_instance'].task_id}, run {context['run_id']}"
    SlackAPIPostOperator(task_id="alert", channel="#stock", text=text).execute(context)


def callbacks() -> dict[str, Any]:
    """Return what a DAG is made with."""
    if not OURS:
        return {"default_args": {"on_failure_callback": plain_alert}}
    from common.utils import task_failure_alert

    return {"default_args": {"on_failure_callback": task_failure_alert}, "on_failure_callback": task_failure_alert}


@dag(start_date=datetime(2025, 1, 1, tzinfo=UTC), schedule=None, **callbacks())
def bench_alert() -> None:
    """Fail as the run's conf says, and note when."""

    @task
    def fail(dag_run: Any = None) -> None:
        Path(dag_run.conf["moment"]).write_text(str(time.time()))
        if dag_run.conf["kill"]:
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("on purpose")

    fail()


bench_alert()

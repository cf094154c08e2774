"""What the DAGs of the pipeline have in common: `@dag(**DAG_DEFAULTS, ...)`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param
from airflow.timetables.interval import CronDataIntervalTimetable

from common.settings import Settings
from common.utils import task_failure_alert

SETTINGS = Settings.from_environment()

#: A run for each day, once the day is over; its logical date is that day.
DAILY = CronDataIntervalTimetable("@daily", timezone="UTC")

#: For every task. Bad data and refused logins are never retried, see `common.error_mapping`.
DEFAULT_ARGS: dict[str, Any] = {
    "owner": "telecoms",
    "retries": 2,
    "retry_delay": timedelta(seconds=15),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": task_failure_alert,
}

#: For every DAG. It has the callback too: on Airflow 3.0.6 a task whose process is killed runs none of its own.
DAG_DEFAULTS: dict[str, Any] = {
    "default_args": DEFAULT_ARGS,
    "on_failure_callback": task_failure_alert,
    "start_date": SETTINGS.start,
    "catchup": False,
    "max_active_runs": 1,
}


def daily_defaults() -> dict[str, Any]:
    """Return what the DAGs have in common that ingest a partition for each day.

    New ones for each DAG: Airflow keeps the value of a run in the `Param`.
    """
    day = Param(
        None,
        type=["null", "string"],
        format="date",
        description="The day, as YYYY-MM-DD. Leave the logical date empty: Airflow runs no task whose logical date is "
        "after the DAG's end (TELECOMS_END_DATE).",
    )
    own = {"end_date": SETTINGS.end, "catchup": True, "max_active_runs": 4, "params": {"partition": day}}
    return DAG_DEFAULTS | own

"""What every DAG of the pipeline has in common: `@dag(**DAG_DEFAULTS, ...)`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from common.settings import Settings
from common.utils import task_failure_alert

SETTINGS = Settings.from_environment()

#: For every task. Bad data and refused logins are never retried, see `common.error_mapping`.
DEFAULT_ARGS: dict[str, Any] = {
    "owner": "telecoms",
    "retries": 2,
    "retry_delay": timedelta(seconds=15),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": task_failure_alert,
}

#: For every DAG. The callback stands here too: a killed task process has no task-level callback on Airflow 3.0.6.
DAG_DEFAULTS: dict[str, Any] = {
    "default_args": DEFAULT_ARGS,
    "on_failure_callback": task_failure_alert,
    "start_date": SETTINGS.start,
    "catchup": False,
    "max_active_runs": 1,
}

"""DAGs whose tasks fail in every way there is, for the tests of the alerts."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import timedelta
from typing import Any

from airflow.exceptions import AirflowSkipException
from airflow.providers.slack.hooks.slack import SlackHook
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.triggers.file import FileTrigger
from airflow.sdk import Asset, BaseOperator, dag, task

from common.utils import task_failure_alert

#: Tasks that fail at once; the tests write another number here.
BURST = 200
TOLD: dict[str, Any] = {
    "default_args": {
        "owner": "tests",
        "retries": 0,
        "retry_delay": timedelta(0),
        "on_failure_callback": task_failure_alert,
    },
    "on_failure_callback": task_failure_alert,
}
SPOILT = Asset("spoilt")
FOREVER = 600


class Deferred(BaseOperator):
    """Wait in the triggerer for a file whose name is none."""

    def execute(self, context: Any) -> None:
        """Defer."""
        self.defer(trigger=FileTrigger(filepath=7), method_name="resume")

    def resume(self, context: Any, event: Any) -> None:
        """Never called."""


@dag(schedule=None, **TOLD)
def failing() -> None:
    """Each task in its own way; some do not fail, and some are not told."""

    @task
    def raises() -> None:
        raise ValueError("a < b & `c`")

    @task
    def exits() -> None:
        sys.exit(3)

    @task(execution_timeout=timedelta(seconds=1))
    def overruns() -> None:
        time.sleep(FOREVER)

    @task(retries=1)
    def retried() -> None:
        raise ValueError("again")

    @task(retries=1)
    def recovers(ti: Any = None) -> None:
        if ti.try_number == 1:
            raise ValueError("once")

    @task
    def skipped() -> None:
        raise AirflowSkipException("not today")

    @task
    def unreachable() -> None:
        """Downstream of a failure."""

    @task
    def mapped(number: int) -> None:
        raise ValueError(f"number {number}")

    raises() >> unreachable()
    exits(), overruns(), retried(), recovers(), skipped()
    mapped.expand(number=[0, 1, 2])
    Deferred(task_id="deferred")


@dag(schedule=None, **TOLD)
def dying() -> None:
    """Tasks that cannot say that they failed, beside one that can."""

    @task
    def speaks() -> None:
        raise ValueError("last words")

    @task
    def killed() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @task
    def lost() -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    @task(retries=1)
    def lost_once(ti: Any = None) -> None:
        if ti.try_number == 1:
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    @task
    def frozen() -> None:
        os.kill(os.getppid(), signal.SIGSTOP)

    speaks(), killed(), lost(), lost_once(), frozen()


@dag(schedule=None, **TOLD)
def marked() -> None:
    """Tasks that run until somebody ends them."""
    BashOperator(task_id="shell", bash_command=f"sleep {FOREVER}")

    @task
    def sleeps() -> None:
        time.sleep(FOREVER)

    sleeps()


@dag(schedule=None, **TOLD, dagrun_timeout=timedelta(seconds=2), params={"alert_channel": "#late"})
def late() -> None:
    """A run that takes too long, and says where it is told."""
    BashOperator(task_id="shell", bash_command=f"sleep {FOREVER}")


@dag(schedule=None, **TOLD)
def burst() -> None:
    """Many tasks fail at once."""

    @task
    def fails(number: int) -> None:
        raise ValueError(f"number {number}")

    fails.expand(number=list(range(BURST)))


@dag(schedule=None, **TOLD, max_active_runs=20, params={"alert_channel": "#alerts"})
def crowd() -> None:
    """As many as are told one by one."""

    @task
    def fails(number: int) -> None:
        raise ValueError(f"number {number}")

    fails.expand(number=list(range(10)))


@dag(schedule=None, **TOLD)
def produces() -> None:
    """Wake the DAG that fails."""

    @task(outlets=[SPOILT])
    def writes() -> None:
        """Emit."""

    writes()


@dag(schedule=[SPOILT], **TOLD)
def woken() -> None:
    """Fail where an asset's event wakes it."""

    @task
    def raises() -> None:
        raise ValueError("woken")

    raises()


@dag(schedule=None, **TOLD)
def one() -> None:
    """One task that fails."""

    @task
    def raises() -> None:
        raise ValueError("one")

    raises()


def say(context: Any) -> None:
    """Report, past the alerts, that the dag-processor has got to this callback."""
    text = f"marker's callback of {context['run_id']}"
    SlackHook(slack_conn_id="slack_api_default").call("chat.postMessage", json={"channel": "#markers", "text": text})


@dag(
    schedule=None,
    dagrun_timeout=timedelta(seconds=1),
    on_failure_callback=[task_failure_alert, say],
    max_active_runs=16,
    params={"alert_channel": "#alerts"},
)
def marker() -> None:
    """Take too long: whatever failed before is reported before."""
    BashOperator(task_id="shell", bash_command=f"sleep {FOREVER}")


for make in (failing, dying, marked, late, burst, crowd, produces, woken, one, marker):
    make()

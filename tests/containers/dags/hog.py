"""A task that takes memory until somebody stops it, and whose failure is told."""

from __future__ import annotations

from airflow.sdk import dag, task

from common.utils import task_failure_alert

CHUNK = 64 << 20


@dag(schedule=None, on_failure_callback=task_failure_alert, default_args={"on_failure_callback": task_failure_alert})
def hog() -> None:
    """One task that wants all there is."""

    @task
    def takes() -> None:
        taken = []
        while True:
            taken.append(b"x" * CHUNK)

    takes()


hog()

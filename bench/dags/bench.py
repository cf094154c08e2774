"""DAGs that the benchmarks run: tasks that hold, many short tasks, and both ends of an asset."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, dag, task

BENCH = Asset(name="bench", uri="x-bench://asset")
START = datetime(2025, 1, 1, tzinfo=UTC)


@dag(start_date=START, schedule=None)
def bench_wide() -> None:
    """Eight tasks that run at the same time."""

    @task
    def hold(seconds: int) -> None:
        time.sleep(seconds)

    hold.expand(seconds=[40] * 8)


@dag(start_date=START, schedule=None)
def bench_many() -> None:
    """Short tasks, as many as the run's conf says."""

    @task
    def numbers(dag_run: Any = None) -> list[int]:
        return list(range(dag_run.conf["tasks"]))

    @task
    def touch(number: int) -> int:
        return number

    touch.expand(number=numbers())


@dag(start_date=START, schedule=None)
def bench_producer() -> None:
    """Announce the asset at any moment of the scheduler's second."""

    @task(outlets=[BENCH])
    def produce() -> None:
        time.sleep(random.uniform(0.1, 1.1))  # noqa: S311 not for secrets

    produce()


@dag(start_date=START, schedule=[BENCH])
def bench_consumer() -> None:
    """Wake on the asset."""

    @task
    def consume() -> None:
        time.sleep(0.1)

    consume()


bench_wide()
bench_many()
bench_producer()
bench_consumer()

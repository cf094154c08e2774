"""DAGs that the benchmarks run: one with tasks that hold, one with many short tasks, and an asset's two ends."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from airflow.sdk import Asset, dag, task

BENCH = Asset(name="bench", uri="x-bench://asset")
START = datetime(2025, 1, 1, tzinfo=UTC)


@dag(start_date=START, schedule=None)
def bench_wide() -> None:
    """Eight tasks that hold until they are told to end."""

    @task
    def hold(seconds: int) -> None:
        time.sleep(seconds)

    hold.expand(seconds=[60] * 8)


@dag(start_date=START, schedule=None)
def bench_many() -> None:
    """Eighty short tasks."""

    @task
    def touch(number: int) -> int:
        return number

    touch.expand(number=list(range(80)))


@dag(start_date=START, schedule=None)
def bench_producer() -> None:
    """Announce the asset."""

    @task(outlets=[BENCH])
    def produce() -> None:
        time.sleep(0.1)

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

"""DAGs that hold memory until they are told to let go, for the tests of the limits."""

from __future__ import annotations

import time
from pathlib import Path

from airflow.sdk import dag, task

MIB = 1 << 20
#: The test makes it in the scheduler's container.
LET_GO = Path("/opt/airflow/logs/let-go")
#: The most that a task of the pipeline takes: an ingest of 1 GiB (bench/ingest.py).
MIB_OF_ONE = 207


def hold(mib: int) -> None:
    """Take memory, and keep it until the word."""
    taken = b"x" * (mib * MIB)
    print(f"holding {len(taken) // MIB} MiB")
    while not LET_GO.exists():
        time.sleep(0.2)


@dag(schedule=None)
def limits_eight() -> None:
    """As many tasks as run at a time, each as large as the pipeline's largest."""

    @task
    def work(number: int) -> None:
        hold(MIB_OF_ONE)

    work.expand(number=list(range(8)))


@dag(schedule=None)
def limits_hog_among_seven() -> None:
    """Seven that mind their limits, and one that does not."""

    @task
    def work(number: int) -> None:
        hold(60)

    @task(retries=0)
    def hog() -> None:
        taken = []
        while True:
            taken.append(b"x" * (64 * MIB))

    work.expand(number=list(range(7)))
    hog()


limits_eight()
limits_hog_among_seven()

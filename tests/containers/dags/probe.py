"""DAGs that the container tests bring into a copy of the checkout."""

from __future__ import annotations

import os
import time
from pathlib import Path

from airflow.sdk import dag, task

CHUNK = 64 << 20


@dag(schedule=None)
def probe_steps() -> None:
    """Three steps of a few seconds each: something is always in the middle of it."""

    @task
    def step(number: int) -> int:
        print(f"step {number} runs as {os.getuid()}:{os.getgid()}")
        print(f"out of memory: {Path('/proc/self/oom_score_adj').read_text()}")
        time.sleep(4)
        return number + 1

    step(step(step(1)))


@dag(schedule=None)
def probe_hog() -> None:
    """Take memory until somebody stops it."""

    @task(retries=0)
    def hog() -> None:
        taken = []
        while True:
            taken.append(b"x" * CHUNK)
            print(f"{len(taken) * CHUNK >> 20} MiB")

    hog()


probe_steps()
probe_hog()

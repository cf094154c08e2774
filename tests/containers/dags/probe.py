"""DAGs that the container tests bring into a copy of the checkout."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

#: The step that waits.
HOLDING = 2
#: Where a test makes a file of the run's name, in the scheduler's container.
GO = Path("/opt/airflow/logs")


@dag(schedule=None, params={"hold": False})
def probe_steps() -> None:
    """Three steps, of which the second one waits for the test's word where it is to hold."""

    @task
    def step(number: int, params: Any = None, run_id: Any = None) -> int:
        print(f"step {number} runs as {os.getuid()}:{os.getgid()}")
        print(f"out of memory: {Path('/proc/self/oom_score_adj').read_text()}")
        while number == HOLDING and params["hold"] and not (GO / f"{run_id}.go").exists():
            time.sleep(0.2)
        return number + 1

    step(step(step(1)))


probe_steps()

"""What a worker of this project's executor does where its supervisor fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import subprocess, sys
from types import SimpleNamespace
from airflow.sdk.execution_time import supervisor
from workbench.airflow import executor

def supervise(**_):
    code = "import time; print(flush=True); time.sleep(60)"
    task = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    task.stdout.readline()
    print(task.pid, flush=True)
    raise RuntimeError("The api-server is away")

supervisor.supervise = supervise
names = ("id", "dag_id", "run_id", "task_id", "map_index", "try_number", "dag_rel_path", "bundle_info", "log_path")
ti = SimpleNamespace(**dict.fromkeys(names, "x") | {"map_index": -1, "try_number": 1})
executor._run_one(SimpleNamespace(ti=ti, token="", dag_rel_path="x", bundle_info=None, log_path=None))
"""


def test_supervisor_fails(tmp_path: Path) -> None:
    """A task ends with its supervisor.

    The scheduler fails it or tries it again, and it must not go on beside that.
    """
    environment = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    worker = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert "The api-server is away" in worker.stderr
    assert worker.returncode == 1
    assert not psutil.pid_exists(int(worker.stdout.split()[-1]))

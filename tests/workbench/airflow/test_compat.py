"""Where a module does not know the version of Airflow, or the user wants stock Airflow, nothing is changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.airflow import compat

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "workbench/airflow"
#: Modules that others of the package import, and that have no switch of their own -> the one that has.
PARTS = {"broken_files": "reload", "ended_parses": "reload", "rounds": "failures"}
EXECUTOR = "AIRFLOW__CORE__EXECUTOR"
#: What the modules replace in Airflow 3.0.6 -> the module.
REPLACED = {
    "airflow.dag_processing.manager:DagFileProcessorManager": "reload",
    "airflow.dag_processing.manager:DagFileProcessorManager.client": "launcher",
    "airflow.jobs.triggerer_job_runner:TriggerRunnerSupervisor.client": "launcher",
    "airflow.jobs.triggerer_job_runner:TriggerRunner.get_trigger_by_classpath": "current_triggers",
    "airflow.jobs.scheduler_job_runner:SchedulerDagBag._get_dag": "current_dags",
    "airflow.jobs.scheduler_job_runner:SchedulerJobRunner._create_dag_runs_asset_triggered": "bounded_events",
    "airflow.sdk.execution_time.supervisor:ActivitySubprocess._handle_heartbeat_failures": "task_api",
    "airflow.sdk.execution_time.supervisor:in_process_api_server": "debug_worker",
    "airflow.sdk.execution_time.task_runner:finalize": "debug_worker",
    "airflow.sdk.execution_time.context:_get_connection": "debug_worker",
    "airflow.api_fastapi.execution_api.app:create_task_execution_api_app": "debug_worker",
    "airflow.sdk.definitions.dag:_run_inline_trigger": "debug_worker",
    "airflow.sdk.definitions.dag:_run_task": "debug_logs",
}
#: Imports Airflow once, then has every module change it, in a child for each case.
PROGRAM = """
import importlib, json, os, sys
from workbench.airflow import compat

names, cases = json.loads(sys.argv[1])

def current(name):
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = vars(found)[part] if isinstance(found, type) and part in vars(found) else getattr(found, part)
    return found

before = {name: current(name) for name in names}
for case in cases:
    sys.stdout.flush()
    if os.fork():
        os.wait()
        continue
    os.environ.update(case["environment"])
    if case["version"]:
        compat.version = lambda: case["version"]
    from workbench.airflow import debug_database, debug_logs, debug_run, debug_worker, launcher, rounds, task_api
    from workbench.errors import UserError

    for component in launcher.STARTS_WITH:
        launcher.change(component)
    task_api.install()
    debug_worker.load()
    debug_worker.install(print)
    debug_logs.quieten()
    debug_logs.install()
    if case["version"]:
        debug_database.register([object()])  # is no DAG
    if not compat.supported("failures"):
        rounds.report_failures()
        try:
            debug_run.run(None, None, {}, tasks=["t"])
        except UserError as error:
            assert error.what == "--task is not available"
    changed = [name for name in names if current(name) is not before[name]]
    reads = "workbench.airflow.failures" in sys.modules
    kept = ("AIRFLOW__CORE__EXECUTOR", "WORKBENCH_SCHEDULER_REPORTS", "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME")
    print(json.dumps({"changed": changed, "reads": reads, **{name: os.environ.get(name) for name in kept}}), flush=True)
    os._exit(0)
"""
CASES = {
    "known": {"version": "", "environment": {}},
    "unknown": {"version": "9.9.9", "environment": {}},
    "stock": {"version": "", "environment": {compat.STOCK: "1"}},
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, Any]], str]:
    """What each case changed, and what all of them logged."""
    environment = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("home")),
        "PYTHONPATH": str(ROOT),
        EXECUTOR: "LocalExecutor",
    }
    words = json.dumps([list(REPLACED), list(CASES.values())])
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, words], env=environment, capture_output=True, text=True, check=False
    )
    lines = [line for line in ran.stdout.splitlines() if line.startswith('{"changed"')]
    assert len(lines) == len(CASES), ran.stdout + ran.stderr
    return dict(zip(CASES, map(json.loads, lines), strict=True)), ran.stdout + ran.stderr


def test_known(cases: tuple[dict[str, dict[str, Any]], str]) -> None:
    """In the version that it knows, each module changes what it says, and the scheduler reports failures."""
    found = cases[0]["known"]
    assert found["changed"] == list(REPLACED)
    assert found[EXECUTOR].endswith("LeanLocalExecutor")
    assert found["AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"] == "0"
    assert found["WORKBENCH_SCHEDULER_REPORTS"] == "1"


@pytest.mark.parametrize("case", ["unknown", "stock"])
def test_off(cases: tuple[dict[str, dict[str, Any]], str], case: str) -> None:
    """In another version, and as stock, nothing is changed: Airflow's executor runs, and callbacks report."""
    assert cases[0][case] == {
        "changed": [],
        "reads": False,
        EXECUTOR: "LocalExecutor",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": None,
        "WORKBENCH_SCHEDULER_REPORTS": None,
    }


def test_logged(cases: tuple[dict[str, dict[str, Any]], str]) -> None:
    """Each module logs once that it is off, and why; nothing is logged as stock, which is the user's wish."""
    line = r"workbench\.airflow\.(\w+) is off: it supports Airflow 3\.0\.6, and this is 9\.9\.9$"
    assert sorted(re.findall(line, cases[1], re.MULTILINE)) == sorted(compat.KNOWN)
    assert cases[1].count(" is off: ") == len(compat.KNOWN)


def test_every_module() -> None:
    """Each module that touches Airflow has a switch, and names what it replaces."""
    for file in FOLDER.glob("[!_]*.py"):
        text = file.read_text()
        if file.stem == "compat" or not re.search(r"^\s*(?:from|import) airflow\b", text, re.MULTILINE):
            continue
        switch = PARTS.get(file.stem, file.stem)
        assert switch in compat.KNOWN, f"add {file.stem} to KNOWN in {FOLDER}/compat.py, and ask compat.supported in it"
        docstring = text.split('"""')[1].lower()
        assert "replaces" in docstring or file.stem in PARTS, (
            f"say in the docstring of {file} what of Airflow's it replaces"
        )


def test_versions() -> None:
    """No other module compares versions of Airflow."""
    for file in (*(ROOT / "workbench").rglob("*.py"), *(ROOT / "common").rglob("*.py")):
        compared = re.search(r"airflow[\w.]*__version__ *[<>=!]|(?:==|<|>|in) *\(?\"3\.\d", file.read_text())
        assert not compared or file.name == "compat.py", f"{file} compares versions: ask workbench.airflow.compat"

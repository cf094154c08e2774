"""`python -m workbench.chain`: what `./dev chain` runs where tasks run; the pipeline from a source to the marts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Place

ROOT = Path(__file__).resolve().parents[2]


def chain(home: Path, *words: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Run it with the project's DAGs; give its status, its record and the logs."""
    ran = subprocess.run(
        [sys.executable, "-m", "workbench.chain", *words],
        env={**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, json.loads(ran.stdout), ran.stderr


def test_the_pipeline_runs_from_a_source_to_the_marts_in_one_process(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    place = make_place(sample=True)
    status, told, logs = chain(tmp_path, "ingest_call_logs", "--param", "partition=2025-11-20")
    assert status == 0, logs
    assert [run["dag_id"] for run in told["runs"]] == ["ingest_call_logs", "load_warehouse", "transform_marts"]
    load = told["runs"][1]
    assert [event["extra"]["partition"] for event in load["handed"]] == ["2025-11-20"]
    assert load["run_id"].startswith("asset_triggered__")
    ((rows,),) = place.query("SELECT count(*) FROM MARTS.FCT_COMPLAINTS")
    assert 0 < rows <= load["handed"][0]["extra"]["rows"]
    assert "--- publish, try 1" in logs  # the tasks' logs are there, and not in the record


def test_a_dag_that_is_skipped_is_told_and_does_not_run(make_place: Callable[..., Place], tmp_path: Path) -> None:
    place = make_place(sample=True)
    status, told, logs = chain(tmp_path, "ingest_agents", "--skip", "load_warehouse")
    assert status == 0, logs
    assert [run["dag_id"] for run in told["runs"]] == ["ingest_agents"]
    assert [(held["dag_id"], held["woken_by"][0]["asset"]) for held in told["held"]] == [
        ("load_warehouse", "raw_agents")
    ]
    assert place.lake_keys("raw/") == ["raw/agents/agents.parquet"]


def test_a_run_that_fails_ends_in_1_and_wakes_nothing(place: Place, tmp_path: Path) -> None:
    place.put_source("call logs/call_logs_day_2025-11-21.csv", b"a;b\n")
    status, told, logs = chain(tmp_path, "ingest_call_logs", "2025-11-21")
    assert status == 1, logs
    assert [(run["dag_id"], run["state"], run["tasks"]) for run in told["runs"]] == [
        ("ingest_call_logs", "failed", {"ingest": "failed"})
    ]
    assert "cells are separated by ';'" in logs
    assert "Task failed: ingest_call_logs.ingest" in logs  # what Slack would be told


def test_what_is_wrong_with_a_request_is_in_the_record(tmp_path: Path) -> None:
    status, told, _ = chain(tmp_path, "ingest_call_logs", "--param", "partition=someday")
    assert status == 1
    assert "do not fit" in told["error"]["what"]
    status, told, _ = chain(tmp_path, "nonsense")
    assert (status, told["error"]["what"]) == (1, "there is no DAG nonsense")

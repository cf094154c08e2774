"""`python -m workbench.chain`: what `./dev chain` runs in the scheduler's container, with the sample's DAGs."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Place

ROOT = Path(__file__).resolve().parents[2]


def chain(home: Path, *words: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Run it with the project's DAGs; return its exit status, its JSON and the logs."""
    ran = subprocess.run(
        [sys.executable, "-m", "workbench.chain", *words],
        env={**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, json.loads(ran.stdout), ran.stderr


def test_pipeline(make_place: Callable[..., Place], tmp_path: Path) -> None:
    """The pipeline runs from a source to the marts in one process."""
    place = make_place(sample=True)
    status, result, logs = chain(tmp_path, "ingest_call_logs", "--param", "partition=2025-11-20")
    assert status == 0, logs
    assert [run["dag_id"] for run in result["runs"]] == ["ingest_call_logs", "load_warehouse", "transform_marts"]
    load = result["runs"][1]
    assert [event["extra"]["partition"] for event in load["triggering_asset_events"]] == ["2025-11-20"]
    assert load["run_id"].startswith("asset_triggered__")
    ((rows,),) = place.query("SELECT count(*) FROM MARTS.FCT_COMPLAINTS")
    assert 0 < rows <= load["triggering_asset_events"][0]["extra"]["rows"]
    assert "--- publish, try 1" in logs  # the tasks' logs are there, and not in the record


def test_stock(make_place: Callable[..., Place], tmp_path: Path) -> None:
    """As stock, the chain runs by plain `dag.test()`, and its runs have their events."""
    make_place(sample=True)
    status, result, logs = chain(tmp_path, "ingest_customers", WORKBENCH_STOCK="1")
    assert status == 0, logs
    assert [run["dag_id"] for run in result["runs"]] == ["ingest_customers", "load_warehouse", "transform_marts"]
    assert result["runs"][1]["run_id"].startswith("asset_triggered__")
    with closing(sqlite3.connect(next((tmp_path / "debug").glob("airflow-*.db")))) as session:
        query = """SELECT asset.name FROM dagrun_asset_event JOIN asset_event ON asset_event.id = event_id
            JOIN asset ON asset.id = asset_id JOIN dag_run ON dag_run.id = dag_run_id
            WHERE dag_run.dag_id = 'load_warehouse' AND dag_run.logical_date IS NULL"""
        assert session.execute(query).fetchall() == [("raw_customers",)]


def test_skip(make_place: Callable[..., Place], tmp_path: Path) -> None:
    """A DAG that `--skip` names does not run, and the JSON names it and what triggered it."""
    place = make_place(sample=True)
    status, result, logs = chain(tmp_path, "ingest_agents", "--skip", "load_warehouse")
    assert status == 0, logs
    assert [run["dag_id"] for run in result["runs"]] == ["ingest_agents"]
    assert [(dag["dag_id"], dag["triggered_by"][0]["asset"]) for dag in result["excluded"]] == [
        ("load_warehouse", "raw_agents")
    ]
    assert place.lake_keys("raw/") == ["raw/agents/agents.parquet"]


def test_failure(place: Place, tmp_path: Path) -> None:
    """A run that fails triggers nothing, and the exit status is 1."""
    place.put_source("call logs/call_logs_day_2025-11-21.csv", b"a;b\n")
    status, result, logs = chain(tmp_path, "ingest_call_logs", "2025-11-21")
    assert status == 1, logs
    assert [(run["dag_id"], run["state"], run["tasks"]) for run in result["runs"]] == [
        ("ingest_call_logs", "failed", {"ingest": "failed"})
    ]
    assert "cells are separated by ';'" in logs
    assert "Task failed: ingest_call_logs.ingest" in logs  # the alert for Slack, in the log


def test_wrong_request(tmp_path: Path) -> None:
    """What is wrong with a request is in the JSON."""
    status, result, _ = chain(tmp_path, "ingest_call_logs", "--param", "partition=someday")
    assert status == 1
    assert "are not valid for" in result["error"]["what"]
    status, result, _ = chain(tmp_path, "nonsense")
    assert (status, result["error"]["what"]) == (1, "DAG nonsense does not exist")

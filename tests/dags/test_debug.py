"""`python dags/telecoms/x.py`: what F5 runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Place

ROOT = Path(__file__).resolve().parents[2]


def run(name: str, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "dags" / "telecoms" / f"{name}.py"), *args]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, cwd="/"
    )


def test_a_run_that_succeeds_ends_in_a_summary_and_0_and_leaves_the_live_database_alone(
    place: Place, tmp_path: Path
) -> None:
    live = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/live.db",
        "AIRFLOW_HOME": str(tmp_path / "home"),
    }
    ran = run("ingest_agents", **live)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = ran.stdout.strip().splitlines()
    assert lines[-2].startswith("ingest_agents  manual__")
    assert lines[-1].split()[:2] == ["ingest", "success"]
    assert place.lake_keys() == ["raw/agents/agents.parquet"]
    assert not (tmp_path / "live.db").exists()
    assert (tmp_path / "home" / "debug" / "airflow.db").exists()


def test_a_run_that_fails_ends_in_1_and_shows_the_alert_instead_of_sending_it(place: Place, tmp_path: Path) -> None:
    place.put_source("call logs/call_logs_day_2025-11-21.csv", b"a;b\n")
    ran = run("ingest_call_logs", "2025-11-21", AIRFLOW_HOME=str(tmp_path))
    assert ran.returncode == 1
    assert ran.stdout.strip().splitlines()[-1].split()[:2] == ["ingest", "failed"]
    alert = "Airflow task failed: ingest_call_logs.ingest, run manual__"
    assert alert in ran.stdout + ran.stderr
    assert "cells are separated by ';'" in ran.stdout + ran.stderr


def test_a_date_that_is_none_is_a_usage_error() -> None:
    assert run("ingest_call_logs", "soon").returncode == 2

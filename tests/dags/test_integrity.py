"""What holds for every DAG file, found by parsing them all in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "dags"

#: Every DAG file and what its DAG's tasks announce. A new file belongs in here.
FILES = {
    "telecoms/ingest_agents.py": ["raw_agents"],
    "telecoms/ingest_customers.py": ["raw_customers"],
    "telecoms/ingest_call_logs.py": ["raw_call_logs"],
    "telecoms/ingest_social_media.py": ["raw_social_media"],
    "telecoms/load_warehouse.py": ["warehouse"],
    "telecoms/transform_marts.py": ["marts"],
}


def parse(seed: str) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name("parse.py")), str(DAGS)]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    parsed: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return parsed


@pytest.fixture(scope="module")
def parsed() -> dict[str, Any]:
    return parse("1")


def test_every_dag_file_is_listed_here() -> None:
    assert {str(path.relative_to(DAGS)) for path in DAGS.rglob("*.py")} == FILES.keys()


def test_every_file_is_imported_without_a_connection_and_gives_the_dag_of_its_name(parsed: dict[str, Any]) -> None:
    assert parsed["import_errors"] == {}
    assert set(parsed["dags"]) == {Path(file).stem for file in FILES}
    assert all(dag["file"] == f"{dag_id}.py" for dag_id, dag in parsed["dags"].items())


def test_no_heavy_client_is_imported_to_parse(parsed: dict[str, Any]) -> None:
    assert parsed["heavy"] == []


def test_every_task_and_every_dag_tells_of_its_failure(parsed: dict[str, Any]) -> None:
    for dag_id, dag in parsed["dags"].items():
        assert dag["callback"] == "task_failure_alert", dag_id
        for task_id, task in dag["tasks"].items():
            assert task["callback"] == ["task_failure_alert"], f"{dag_id}.{task_id}"


def test_every_dag_is_documented_tagged_and_bounded_in_time(parsed: dict[str, Any]) -> None:
    for dag_id, dag in parsed["dags"].items():
        assert dag["doc"], dag_id
        assert "telecoms" in dag["tags"], dag_id
        for task in dag["tasks"].values():
            assert task["owner"] == "telecoms"
            assert task["timeout"]


def test_each_dag_announces_its_asset_from_one_task(parsed: dict[str, Any]) -> None:
    for file, assets in FILES.items():
        tasks = parsed["dags"][Path(file).stem]["tasks"]
        assert [asset for task in tasks.values() for asset in task["outlets"]] == assets, file


def test_two_parses_serialize_alike_so_that_no_parse_makes_a_new_dag_version(parsed: dict[str, Any]) -> None:
    again = parse("2")
    for dag_id, dag in parsed["dags"].items():
        assert dag["serialized"] == again["dags"][dag_id]["serialized"], dag_id


def test_assets_are_made_in_one_module() -> None:
    makers = [
        path.relative_to(ROOT)
        for folder in (DAGS, ROOT / "common")
        for path in folder.rglob("*.py")
        if re.search(r"\bAsset(Alias)?\(", path.read_text())
    ]
    assert makers == [Path("common/assets.py")]

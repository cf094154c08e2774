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

#: Every DAG file, and the assets that its DAG's tasks announce. Add a new file here.
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


def test_files() -> None:
    """Every DAG file is in FILES, with what it announces."""
    files = {str(path.relative_to(DAGS)) for path in DAGS.rglob("*.py")}
    assert not files - FILES.keys(), "add them to FILES in tests/dags/test_integrity.py, with the assets they announce"
    assert not FILES.keys() - files, "remove them from FILES in tests/dags/test_integrity.py: the files do not exist"


def test_import(parsed: dict[str, Any]) -> None:
    """Every file imports without a connection, and its DAG has its name."""
    assert parsed["import_errors"] == {}
    assert set(parsed["dags"]) == {Path(file).stem for file in FILES}
    assert all(dag["file"] == f"{dag_id}.py" for dag_id, dag in parsed["dags"].items())


def test_light(parsed: dict[str, Any]) -> None:
    """No file imports a heavy client."""
    assert parsed["heavy"] == [], "import them inside of the functions that use them"


def test_callbacks(parsed: dict[str, Any]) -> None:
    """Every task and every DAG reports its failure."""
    for dag_id, dag in parsed["dags"].items():
        assert dag["callback"] == "task_failure_alert", f"{dag_id}: add **DAG_DEFAULTS of common.defaults to @dag"
        for task_id, task in dag["tasks"].items():
            assert task["callback"] == ["task_failure_alert"], f"{dag_id}.{task_id}"


def test_arguments(parsed: dict[str, Any]) -> None:
    """Every DAG has a doc and a tag, every task an owner and a timeout."""
    for dag_id, dag in parsed["dags"].items():
        assert dag["doc"], f"{dag_id}: add doc_md=__doc__ to @dag"
        assert "telecoms" in dag["tags"], f"{dag_id}: add 'telecoms' to the tags of @dag"
        for task in dag["tasks"].values():
            assert task["owner"] == "telecoms"
            assert task["timeout"]


def test_assets(parsed: dict[str, Any]) -> None:
    """Each DAG announces its asset from one task."""
    for file, assets in FILES.items():
        tasks = parsed["dags"][Path(file).stem]["tasks"]
        announced = [asset for task in tasks.values() for asset in task["outlets"]]
        assert announced == assets, f"{file} announces {announced}: set `outlets` of its task, or correct FILES"


def test_stable(parsed: dict[str, Any]) -> None:
    """Two parses serialize alike, so that no parse creates a new DAG version."""
    again = parse("2")
    for dag_id, dag in parsed["dags"].items():
        assert dag["serialized"] == again["dags"][dag_id]["serialized"], dag_id


def test_one_module() -> None:
    """Assets are made in one module."""
    makers = [
        path.relative_to(ROOT)
        for folder in (DAGS, ROOT / "common")
        for path in folder.rglob("*.py")
        if re.search(r"\bAsset(Alias)?\(", path.read_text())
    ]
    assert makers == [Path("common/assets.py")], "define assets in common/assets.py, and import them from there"

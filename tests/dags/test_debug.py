"""`python dags/telecoms/x.py` and `python -m workbench.debug`: what F5 runs where Airflow's environment is set."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Place

ROOT = Path(__file__).resolve().parents[2]
SEVERAL = """
from airflow.sdk import Param, dag, task


@dag(schedule=None, params={"size": Param(2, type="integer"), "day": Param(None, type=["null", "string"])})
def counts():
    @task
    def make(params=None):
        print("day", repr(params["day"]))
        return list(range(params["size"]))

    @task
    def double(number):
        return number * 2

    @task
    def add(numbers):
        return sum(numbers)

    add(double.expand(number=make()))


@dag(schedule=None)
def other():
    @task
    def nothing():
        pass

    nothing()


counts()
other()
"""
DEFERS = """
from airflow.sdk import BaseOperator, dag
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.triggers.base import BaseTrigger, TriggerEvent
from datetime import timedelta


class Soon(BaseTrigger):
    def serialize(self):
        return f"{type(self).__module__}.Soon", {}

    async def run(self):
        yield TriggerEvent("soon")


class Wait(BaseOperator):
    def __init__(self, trigger, **kwargs):
        super().__init__(**kwargs)
        self.kind = trigger

    def execute(self, context):
        self.defer(trigger=Soon() if self.kind == "own" else TimeDeltaTrigger(timedelta(0)), method_name="resume")

    def resume(self, context, event):
        pass


@dag(schedule=None)
def defers():
    Wait(task_id="own", trigger="own")
    Wait(task_id="stock", trigger="stock")


defers()
"""


ISOLATED = (
    SEVERAL.replace("counts()\nother()\n", "")
    + """
dag_object = counts()

if __name__ == "__main__":
    from workbench.debug import isolated

    with isolated():
        run = dag_object.test(run_conf={"size": 3, "day": "monday"})
        print("returned", run.run_id, run.state, run.conf["size"])
"""
)


def python(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python where Airflow's environment is set, with a home of its own."""
    own = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"), "NO_COLOR": "1"}
    own["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        stdin=subprocess.DEVNULL,
    )


def dag(name: str) -> str:
    return str(ROOT / "dags" / "telecoms" / f"{name}.py")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's home, with one debugger's database for all that only use it."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def several(home: Path) -> str:
    """A stranger's file: two DAGs and no `__main__`."""
    file = home / "several.py"
    file.write_text(SEVERAL)
    return str(file)


def states(ran: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Read the tasks' states from `--json`."""
    assert ran.stdout, ran.stderr
    return {task["task"]: task["state"] for task in json.loads(ran.stdout)["tasks"]}


def test_success(place: Place, tmp_path: Path) -> None:
    """A run that succeeds ends in a summary and 0, and the live database is not touched."""
    live = tmp_path / "live.db"
    ran = python(tmp_path, dag("ingest_agents"), AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{live}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    head, columns, row = ran.stdout.strip().splitlines()[-3:]
    assert head.startswith("ingest_agents  manual__")
    assert columns.split() == ["task", "state", "seconds", "try", "xcom", "log"]
    assert row.split()[:2] == ["ingest", "success"]
    assert "63 rows" in Path("/", row.split()[-1]).read_text()
    assert place.lake_keys("raw/") == ["raw/agents/agents.parquet"]
    assert not live.exists()
    assert list((tmp_path / "debug").glob("airflow-*.db"))


def test_failure(place: Place, tmp_path: Path) -> None:
    """A run that fails ends in 1, and shows the alert instead of sending it."""
    place.put_source("call logs/call_logs_day_2025-11-21.csv", b"a;b\n")
    ran = python(tmp_path, dag("ingest_call_logs"), "2025-11-21")
    assert ran.returncode == 1
    assert ran.stdout.strip().splitlines()[-1].split()[:2] == ["ingest", "failed"]
    assert "Slack" in ran.stdout + ran.stderr
    assert "cells are separated by ';'" in ran.stdout + ran.stderr


def test_isolated(home: Path) -> None:
    """`dag.test()` in `isolated` takes its own arguments, and what the command line says counts for more."""
    file = home / "isolated.py"
    file.write_text(ISOLATED)
    ran = python(home, str(file), "--param", "size=1", PYTHONPATH=str(ROOT))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "day 'monday'" in ran.stdout
    assert [line.split()[0] for line in ran.stdout.splitlines() if line.endswith("attempt=1.log")] == [
        "make",
        "double[0]",
        "add",
    ]
    assert re.search(r"^returned manual__\S+ success 1$", ran.stdout, re.MULTILINE)


def test_light() -> None:
    """Importing `isolated` loads nothing of Airflow, so that a DAG file may import it at its top."""
    code = (
        "import sys; from workbench.debug import isolated; sys.exit('airflow' in sys.modules or 'rich' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_own_trigger(home: Path) -> None:
    """A trigger that only loads here causes a warning.

    In a triggerer, the task would fail.
    """
    file = home / "defers.py"
    file.write_text(DEFERS)
    ran = python(home, "-m", "workbench.debug", "--file", str(file))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    warned = [line for line in ran.stdout.splitlines() if "warning" in line]
    assert warned == ["warning: a triggerer cannot load Soon from a DAG file; define it in common/"]


def test_date(home: Path) -> None:
    """A date that is not valid is a usage error."""
    assert python(home, dag("ingest_call_logs"), "soon").returncode == 2


def test_several(home: Path, several: str) -> None:
    """In a file of several DAGs, none is guessed."""
    ran = python(home, "-m", "workbench.debug", "--file", several)
    assert ran.returncode == 1
    assert "its DAGs are counts, other" in ran.stdout
    assert "./dev run counts --file" in ran.stdout


def test_params(home: Path, several: str) -> None:
    """Params have the types that the DAG declares.

    A number where it wants one, a text where it wants one; what fits neither is refused before anything runs.
    """
    of_counts = ("-m", "workbench.debug", "counts", "--file", several)
    ran = python(home, *of_counts, "--param", "size=1", "--param", "day=2025", "--json")
    assert states(ran) == {"make": "success", "double[0]": "success", "add": "success"}
    assert "day '2025'" in ran.stderr
    refused = python(home, *of_counts, "--param", "size=many")
    assert refused.returncode == 1
    assert "the params are not valid for counts" in refused.stdout
    unknown = python(home, *of_counts, "--param", "sise=1")
    assert "counts has no param sise" in unknown.stdout


def test_tasks(home: Path, several: str) -> None:
    """What a task needs from tasks that are left out is taken from their last run.

    Mapped ones as well; downstream tasks are not run.
    """
    of_counts = ("-m", "workbench.debug", "counts", "--file", several)
    assert python(home, *of_counts, "--param", "size=3").returncode == 0
    ran = python(home, *of_counts, "--task", "add", "--json")
    assert ran.returncode == 0
    seconds = {task["task"]: task["seconds"] for task in json.loads(ran.stdout)["tasks"]}
    assert [name for name, ran_for in seconds.items() if ran_for is not None] == ["add"]
    assert "Returned value was: 6" in ran.stderr
    ran = python(home, *of_counts, "--task", "d*", "--json")
    assert states(ran) == {"make": "success", "double[0]": "success", "double[1]": "success", "double[2]": "success"}


def test_no_results(tmp_path: Path, several: str) -> None:
    """Mapped tasks without what they are mapped over are refused.

    They would be waited for without end.
    """
    ran = python(tmp_path, "-m", "workbench.debug", "counts", "--file", several, "--task", "double")
    assert ran.returncode == 1
    assert "make never succeeded in the debugger's database" in ran.stdout


def test_unknown(home: Path) -> None:
    """What the DAG does not have is an error.

    A task, an asset, a day after its end.
    """
    load = ("-m", "workbench.debug", "load_warehouse")
    ran = python(home, *load, "--task", "plane")
    assert "load_warehouse has no task plane" in ran.stdout
    assert ran.returncode == 1
    ran = python(home, *load, "--event", "raw_call_log", "partition=2025-11-20")
    assert "load_warehouse has no asset raw_call_log" in ran.stdout
    ran = python(home, "-m", "workbench.debug", "ingest_call_logs", "2026-12-24", TELECOMS_END_DATE="2025-11-22")
    assert "ingest_call_logs has no run on 2026-12-24" in ran.stdout


def test_stock(home: Path, several: str) -> None:
    """As stock, a DAG runs as a whole by plain `dag.test()`; a part of it is refused."""
    of_counts = ("-m", "workbench.debug", "counts", "--file", several)
    ran = python(home, *of_counts, "--param", "size=1", "--json", WORKBENCH_STOCK="1")
    assert states(ran) == {"make": "success", "double[0]": "success", "add": "success"}
    assert "--- make, try 1" not in ran.stderr
    refused = python(home, *of_counts, "--task", "make", WORKBENCH_STOCK="1")
    assert refused.returncode == 1
    assert "--task is not available" in refused.stdout
    assert "WORKBENCH_STOCK is set" in refused.stdout


def test_broken(home: Path) -> None:
    """A file that does not import is named with its line."""
    broken = home / "broken.py"
    broken.write_text("import os\n\nos.no_such_thing\n")
    ran = python(home, "-m", "workbench.debug", "--file", str(broken))
    assert ran.returncode == 1
    assert 'broken.py", line 3' in ran.stdout
    assert "no_such_thing" in ran.stdout

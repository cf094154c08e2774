"""What the fixes of Airflow 3.0.6 promise: nothing idle is kept, news is heard, a lost worker is noticed.

An environment of its own, with one DAG file and none of the pipeline's.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2
import pytest

from workbench.cli.backends.native.supervise import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.native.conftest import Stack

pytestmark = pytest.mark.native

DEADLINE = 120
#: Tasks bear an api-server that is away for one minute instead of two, stock's for seconds.
FASTER = """
AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MIN=1
AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX=1
AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL=2
"""
DAGS = """
import time
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.sensors.time_delta import TimeDeltaSensorAsync
from airflow.providers.standard.triggers.file import FileTrigger
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, Variable, dag, task

FOLDER = Path(__file__).parent


@dag(schedule=None, description=Variable.get("lean_said", default="nothing"))
def lean():
    @task(retries=1, retry_delay=timedelta(0))
    def hold(number, dag_run=None):
        while not (FOLDER / f"{dag_run.run_id}.go").exists():
            time.sleep(0.1)

    TimeDeltaSensorAsync(task_id="defer", delta=timedelta(0)) >> hold.expand(number=[1, 2, 3])


class Resumed(BaseOperator):
    def execute(self, context):
        while not (FOLDER / "resumed.go").exists():
            time.sleep(0.1)
        self.defer(trigger=TimeDeltaTrigger(timedelta(0)), method_name="resume")

    def resume(self, context, event):
        pass


@dag(schedule=None)
def resumed():
    Resumed(task_id="resumed")


AWAY, BACK = FOLDER / "away", FOLDER / "back"


def wait_for(file):
    while not file.exists():
        time.sleep(0.1)


class Deferring(BaseOperator):
    def __init__(self, asks, **arguments):
        super().__init__(**arguments)
        self.asks = asks

    def execute(self, context):
        if self.asks == "to be deferred":
            wait_for(AWAY)
        trigger = FileTrigger(filepath=str(AWAY), recursive=False, poke_interval=0.1)
        self.defer(trigger=trigger, method_name="resume")

    def resume(self, context, event):
        pass


@dag(schedule=None)
def outage():
    @task
    def works():
        wait_for(BACK)

    @task
    def reads():
        wait_for(AWAY)
        Variable.get("lean_said")
        wait_for(BACK)

    @task(on_success_callback=lambda context: (FOLDER / "reported").touch())
    def ends():
        wait_for(AWAY)
        return "an XCom"

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def skips():
        wait_for(AWAY)
        return False

    works(), reads(), ends()
    skips() >> EmptyOperator(task_id="skipped")
    Deferring(task_id="is_deferred", asks="to be deferred")
    Deferring(task_id="goes_on", asks="to start")


lean()
resumed()
outage()
"""


@pytest.fixture(scope="module")
def lean(make_stack: Callable[..., Stack]) -> Stack:
    """An environment with the DAG `lean`, switched on."""
    stack = make_stack("lean")
    shutil.rmtree(stack.root / "dags/telecoms")
    with (stack.root / ".env").open("a") as settings:
        settings.write(FASTER)
    stack.up()
    stack.api.post("/variables", {"key": "lean_said", "value": "something"})
    (stack.root / "dags/lean.py").write_text(DAGS)
    eventually(lambda: stack.api.get("/dags")["total_entries"] == 3, "the DAGs are there")
    for dag_id in ("lean", "resumed", "outage"):
        stack.api.patch(f"/dags/{dag_id}", {"is_paused": False})
    return stack


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"
        time.sleep(0.1)


def trigger(stack: Stack, run_id: str, dag_id: str = "lean") -> Path:
    """Start a run.

    :return: the file that lets its tasks end.
    """
    stack.api.post(f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None})
    return stack.root / f"dags/{run_id}.go"


def holding(stack: Stack, run_id: str) -> list[dict[str, Any]]:
    """Return the tasks of a run that hold."""
    tries = stack.api.get(f"/dags/lean/dagRuns/{run_id}/taskInstances")["task_instances"]
    return [one for one in tries if one["task_id"] == "hold" and one["state"] == "running"]


def succeeded(stack: Stack, run_id: str, dag_id: str = "lean") -> bool:
    """Whether the run has ended well; not before its end."""
    state = stack.api.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
    assert state != "failed"
    return bool(state == "success")


def workers(stack: Stack) -> list[psutil.Process]:
    """Return the processes that the scheduler has forked."""
    return psutil.Process(stack.pid("scheduler")).children()


def query(stack: Stack, statement: str) -> Any:
    """Ask Airflow's database for one value."""
    with closing(psycopg2.connect(stack.settings.database_url.replace("+psycopg2", ""))) as session:
        cursor = session.cursor()
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_variable(lean: Stack) -> None:
    """A DAG file may read a Variable while it is parsed: the tasks' API that the dag-processor makes on demand."""
    assert lean.api.get("/dags/lean")["description"] == "something"


def test_workers(lean: Stack) -> None:
    """A worker lives as long as its task: a deferred and three mapped tasks need workers, and none is kept."""
    go = trigger(lean, "as_long")
    eventually(lambda: len(holding(lean, "as_long")) == 3, "three tasks run")
    eventually(lambda: len(workers(lean)) == 3, "the deferred task's worker has gone")
    go.touch()
    eventually(lambda: succeeded(lean, "as_long"), "the run ends")
    eventually(lambda: not workers(lean), "no worker is left")


def test_resumed(lean: Stack) -> None:
    """A task does not fail that resumes before its first worker is seen to have ended.

    In stock it does where a trigger is quick, "state mismatch": https://github.com/apache/airflow/issues/66374.
    """
    go = trigger(lean, "resumed", "resumed")
    state = "SELECT state FROM task_instance WHERE dag_id = 'resumed'"
    eventually(lambda: query(lean, state) == "running", "the task runs")
    scheduler = psutil.Process(lean.pid("scheduler"))
    scheduler.suspend()
    go.touch()
    eventually(lambda: query(lean, state) == "scheduled", "its trigger has fired")
    eventually(lambda: {worker.status() for worker in workers(lean)} == {psutil.STATUS_ZOMBIE}, "its worker has ended")
    scheduler.resume()
    eventually(lambda: succeeded(lean, "resumed", "resumed"), "the run ends")


def test_notified(lean: Stack) -> None:
    """A new run and the end of a task send the notification that the scheduler sleeps on."""
    with closing(psycopg2.connect(lean.settings.database_url.replace("+psycopg2", ""))) as session:
        session.autocommit = True
        session.cursor().execute("LISTEN scheduler_changes")

        def notified() -> bool:
            session.poll()
            heard, session.notifies[:] = bool(session.notifies), []
            return heard

        go = trigger(lean, "notified")
        eventually(notified, "a new run notifies")
        eventually(lambda: len(holding(lean, "notified")) == 3, "three tasks run")
        while notified():
            pass
        go.touch()
        eventually(notified, "the end of a task notifies")
    eventually(lambda: succeeded(lean, "notified"), "the run ends")


def test_killed_worker(lean: Stack) -> None:
    """A killed worker is noticed and its task tried again.

    Stock Airflow would wait five minutes for its heartbeat and never free its slot.
    """
    go = trigger(lean, "killed")
    eventually(lambda: len(holding(lean, "killed")) == len(workers(lean)) == 3, "three tasks run, and nothing else")
    worker = workers(lean)[0]
    for process in [worker, *worker.children()]:  # in this order: it would report its task's death
        process.kill()
    eventually(lambda: {one["try_number"] for one in holding(lean, "killed")} == {1, 2}, "one is tried again")
    go.touch()
    eventually(lambda: succeeded(lean, "killed"), "the run ends")


def test_scheduler_ends(lean: Stack) -> None:
    """Tasks end with their scheduler, and the one that supervisor starts next runs them anew."""
    trigger(lean, "left")
    eventually(lambda: len(holding(lean, "left")) == 3, "three tasks run")
    before = psutil.Process(lean.pid("scheduler"))
    tasks = before.children(recursive=True)
    before.terminate()
    psutil.wait_procs([before, *tasks], timeout=DEADLINE)
    assert not [task for task in tasks if task.is_running()]
    (lean.root / "dags/left.go").touch()
    eventually(lambda: succeeded(lean, "left"), "the run ends")


def test_database_restarts(lean: Stack) -> None:
    """After the database restarts the scheduler listens again, whether it survives that or is started again."""
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN scheduler_changes'"
    assert query(lean, listening) == 1
    psutil.Process(lean.pid("postgres")).kill()
    eventually(lambda: lean.service("postgres").restarts >= 1, "supervisor has started it again")
    eventually(lambda: lean.service("postgres").health == "healthy", "it is healthy")
    eventually(lambda: query(lean, listening) == 1, "the scheduler listens")
    trigger(lean, "again").touch()
    eventually(lambda: succeeded(lean, "again"), "a new run ends")


def test_api_server_away(lean: Stack) -> None:
    """A task outlives an api-server that is away: it works, reads, starts, is deferred, skips others, pushes, ends."""
    dags, supervisor = lean.root / "dags", Supervisor(lean.settings)
    trigger(lean, "outage", "outage")
    tasks = "SELECT string_agg(state, ' ' ORDER BY state) FROM task_instance WHERE dag_id = 'outage'"
    eventually(lambda: query(lean, tasks) == "deferred" + " running" * 5, "all tasks but one run")
    supervisor.call("stopProcess", "api-server", True)
    (dags / "away").touch()
    log = lean.settings.logs / "scheduler.log"

    def all_ask() -> bool:
        assert "failed" not in query(lean, tasks)
        return log.read_text(errors="replace").count("this is the 12th time calling it") >= 5

    eventually(all_ask, "all ask, longer than stock's bear")
    supervisor.call("startProcess", "api-server", True)
    eventually(lambda: lean.service("api-server").health == "healthy", "it is back")
    (dags / "back").touch()
    eventually(lambda: succeeded(lean, "outage", "outage"), "the run ends")
    assert query(lean, "SELECT count(*) FROM task_instance WHERE dag_id = 'outage' AND try_number = 1") == 6
    eventually((dags / "reported").exists, "the callback of a task that ended meanwhile is called")


def test_launcher(lean: Stack) -> None:
    """`python -m workbench.airflow.launcher` runs any command of `airflow`."""
    command = [str(lean.root / ".venv/bin/python"), "-m", "workbench.airflow.launcher", "version"]
    result = subprocess.run(command, env=lean.settings.environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "3.0.6"

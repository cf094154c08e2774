"""The pipeline under real Airflow: the demo's own verdict, and the guarantees under attack."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import psutil
import pytest
import snowflake.connector

from workbench.cli.sample.runs import ACTIVE, BY_TIME, DAGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.native.conftest import Stack

pytestmark = [pytest.mark.native, pytest.mark.timeout(600)]

PATIENCE = 120
CALLS = "call logs/call_logs_day_{day}.csv"
HEADING = (
    "Unnamed: 0,call ID,customeR iD,COMPLAINT_catego ry,agent ID,call_start_time,call_end_time,"
    "resolutionstatus,callLogsGenerationDate\n"
)


class Pipeline:
    """Drives the pipeline of a running environment by its public interfaces alone."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.api = stack.api
        environment = stack.settings.environment
        self.bucket = environment["TELECOMS_SOURCE_BUCKET"]
        aws = json.loads(environment["AIRFLOW_CONN_AWS_DEFAULT"])
        self.s3 = boto3.client(
            "s3",
            endpoint_url=aws["extra"]["endpoint_url"],
            region_name="us-east-1",
            aws_access_key_id=aws["login"],
            aws_secret_access_key=aws["password"],
        )
        self.warehouse = json.loads(environment["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
        self.ca_bundle = environment["REQUESTS_CA_BUNDLE"]

    def put_calls(self, day: str, calls: int, *, extra: str = "") -> None:
        """Make the source file of one day."""
        lines = [f"{i},c-{day}-{i},1,Billing,1001,{day} 08:00:00,{day} 08:05:00,Resolved,{day}\n" for i in range(calls)]
        body = HEADING + "".join(lines) + extra
        self.s3.put_object(Bucket=self.bucket, Key=CALLS.format(day=day), Body=body.encode())

    def trigger(self, dag_id: str, day: str | None = None) -> str:
        """Start a run by hand, for one day where one is given, and give its id."""
        body = {"logical_date": None, "conf": {"partition": day} if day else {}}
        return str(self.api.post(f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return all runs of a DAG."""
        return self.api.pages(f"/dags/{dag_id}/dagRuns", "dag_runs")

    def pause(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause."""
        self.api.patch(f"/dags/{dag_id}", {"is_paused": paused})

    def ended(self, dag_id: str, run_id: str) -> str:
        """Wait for a run's end and give its state."""

        def state() -> str | None:
            found = str(self.api.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])
            return None if found in ACTIVE else found

        return until(f"the end of {dag_id} {run_id}", state)

    def settle(self) -> None:
        """Wait until no run of the pipeline is active."""
        until(
            "the end of all runs",
            lambda: not any(run["state"] in ACTIVE for dag_id in DAGS for run in self.runs(dag_id)),
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse as a person would."""
        os.environ["REQUESTS_CA_BUNDLE"] = self.ca_bundle
        extra = self.warehouse["extra"]
        with snowflake.connector.connect(
            user=self.warehouse["login"],
            password=self.warehouse["password"],
            account=extra["account"],
            host=extra["host"],
            port=extra["port"],
            database=extra["database"],
            insecure_mode=True,
        ) as connection:
            return list(connection.cursor().execute(sql).fetchall())

    def loaded(self, day: str) -> int:
        """Return the visible rows of one day's calls."""
        where = f"_partition = '{day}'"
        return int(self.query(f"SELECT COUNT(*) FROM RAW.CALL_LOGS_CURRENT WHERE {where}")[0][0])  # noqa: S608 - a test's own day

    def calls_in_mart(self, day: str) -> int:
        """Return one day's calls in the fact table."""
        where = f"complaint_id LIKE 'c-{day}-%'"
        return int(self.query(f"SELECT COUNT(*) FROM MARTS.FCT_COMPLAINTS WHERE {where}")[0][0])  # noqa: S608 - as above


def until(what: str, look: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Poll until there is something."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not happen within {patience} s"
        time.sleep(0.3)
    return found


@pytest.fixture(scope="module")
def first_demo(stack: Stack) -> dict[str, Any]:
    """The first `./dev demo` of an environment, as scripts see it."""
    result = stack.dev("demo", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(json.loads(result.stdout))


@pytest.fixture
def pipeline(stack: Stack, first_demo: dict[str, Any]) -> Pipeline:
    """The pipeline after one demo, with nothing running."""
    found = Pipeline(stack)
    found.settle()
    return found


def test_demo(first_demo: dict[str, Any]) -> None:
    """The demo runs the chain and every number agrees."""
    assert first_demo["ok"] is True
    assert {check["name"] for check in first_demo["checks"] if not check["ok"]} == set()
    assert {run["dag_id"] for run in first_demo["runs"]} == set(DAGS)
    assert first_demo["marts"]["fct_complaints"] == first_demo["marts"]["obt_complaints_overview"] > 0


def test_stages(first_demo: dict[str, Any]) -> None:
    """Each stage is triggered by the one before."""
    loads = [
        run for run in first_demo["runs"] if run["dag_id"] == "load_warehouse" and run["triggered_by"] != [BY_TIME]
    ]
    marts = [run for run in first_demo["runs"] if run["dag_id"] == "transform_marts"]
    assert loads
    assert all(event.startswith("raw_") for run in loads for event in run["triggered_by"])
    assert marts
    assert all(set(run["triggered_by"]) == {"warehouse"} for run in marts)


def test_second_demo(stack: Stack, pipeline: Pipeline) -> None:
    """Guarantee 2: reruns of every ingest leave the same rows, and the demo says so."""
    result = stack.dev("demo")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "No row of the marts changed." in result.stdout


def test_paused(pipeline: Pipeline) -> None:
    """Guarantee 1: a paused consumer is not triggered; whatever triggers it next finds all that was announced."""
    days = ["2025-12-01", "2025-12-02", "2025-12-03"]
    pipeline.pause("load_warehouse", paused=True)
    for day in days[:2]:
        pipeline.put_calls(day, 10)
        assert pipeline.ended("ingest_call_logs", pipeline.trigger("ingest_call_logs", day)) == "success"
    pipeline.pause("load_warehouse", paused=False)
    pipeline.put_calls(days[2], 10)
    pipeline.trigger("ingest_call_logs", days[2])
    until("loading of all three days", lambda: [pipeline.loaded(day) for day in days] == [10, 10, 10])
    until("their marts", lambda: [pipeline.calls_in_mart(day) for day in days] == [10, 10, 10])


def test_sweep(pipeline: Pipeline) -> None:
    """Guarantee 1: a run without any event, as the sweep starts it, loads what was left."""
    day = "2025-12-04"
    pipeline.pause("load_warehouse", paused=True)
    pipeline.put_calls(day, 7)
    assert pipeline.ended("ingest_call_logs", pipeline.trigger("ingest_call_logs", day)) == "success"
    pipeline.pause("load_warehouse", paused=False)
    pipeline.ended("load_warehouse", pipeline.trigger("load_warehouse"))
    assert pipeline.loaded(day) == 7


def test_bad_file(stack: Stack, pipeline: Pipeline) -> None:
    """Guarantee 4: a bad file fails its own day, the others go on, and Slack names file and row."""
    good, bad = "2025-12-05", "2025-12-06"
    pipeline.put_calls(good, 5)
    pipeline.put_calls(bad, 5, extra="5,c-broken,1,Billing,1001,a,b,c,d,one,two,too many\n")
    failing = pipeline.trigger("ingest_call_logs", bad)
    assert pipeline.ended("ingest_call_logs", pipeline.trigger("ingest_call_logs", good)) == "success"
    assert pipeline.ended("ingest_call_logs", failing) == "failed"
    until("loading of the good day", lambda: pipeline.loaded(good) == 5)
    assert pipeline.loaded(bad) == 0

    def told() -> list[Any]:
        messages = httpx.get(f"{stack.settings.emulators_url}/slack/messages", trust_env=False).json()
        return [message for message in messages if failing in json.dumps(message)]

    text = json.dumps(until("the Slack message", told))
    assert CALLS.format(day=bad) in text
    assert "row 6" in text


def test_killed(stack: Stack, pipeline: Pipeline) -> None:
    """Guarantees 1 and 2: nothing is lost or loaded twice where scheduler and tasks die during a load."""
    days = [f"2025-12-{n}" for n in range(10, 15)]
    for day in days:
        pipeline.put_calls(day, 20)
        pipeline.trigger("ingest_call_logs", day)
    until(
        "a running load",
        lambda: any(
            instance["state"] == "running"
            for run in pipeline.runs("load_warehouse")
            if run["state"] == "running"
            for instance in pipeline.api.pages(
                f"/dags/load_warehouse/dagRuns/{run['dag_run_id']}/taskInstances", "task_instances"
            )
        ),
    )
    scheduler = psutil.Process(stack.pid("scheduler"))
    for process in (*scheduler.children(recursive=True), scheduler):
        os.kill(process.pid, signal.SIGKILL)
    until("loading of all days", lambda: [pipeline.loaded(day) for day in days] == [20] * 5, patience=400)
    until("their marts", lambda: [pipeline.calls_in_mart(day) for day in days] == [20] * 5, patience=400)

"""The same pipelines by the real scheduler and by `./dev chain`: the same runs, events and results."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.native.conftest import Stack
    from workbench.cli.client import AirflowApi

pytestmark = pytest.mark.native

FILE = Path(__file__).parent / "dags" / "chained.py"
#: How often they run depends on which of two events is first.
RACES = {"chained_race_of_two", "chained_race_of_parts"}
#: The events of the assets that `chained_race_of_two` waits for.
OF_TWO = re.compile(r"chained_(one|two) ")
SENTINEL = "chained_sentinel"
FINAL = {"success", "failed"}
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Results:
    """What became of all pipelines.

    :ivar runs: for each DAG its runs: state, tasks, the events that their tasks see, the events that they emitted.
    :ivar seen: for each DAG the events that the tasks of all its runs together see.
    :ivar waiting: for each DAG the assets of the events that it received and that did not suffice.
    """

    runs: dict[str, list[Any]]
    seen: dict[str, list[str]]
    waiting: dict[str, list[str]]


@pytest.fixture(scope="module")
def dags(stack: Stack) -> Iterator[list[str]]:
    """The pipelines in the running environment, unpaused; gone afterwards, with their ids."""
    folder = stack.root / "dags" / "chained"
    folder.mkdir()
    shutil.copy(FILE, folder)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    found: list[str] = []
    while not found and time.monotonic() < deadline:
        found = [dag["dag_id"] for dag in stack.api.pages("/dags", "dags", dag_id_pattern="chained")]
    assert found, stack.dev("status").stdout
    for dag_id in found:
        stack.api.patch(f"/dags/{dag_id}", {"is_paused": dag_id in {"chained_ping", "chained_pong"}})
    yield found
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def chained(stack: Stack, dags: list[str]) -> dict[str, Any]:
    """By `./dev chain`, in a process of its own, while the live stack is up."""
    before = {dag_id: stack.api.pages(f"/dags/{dag_id}/dagRuns", "dag_runs") for dag_id in dags}
    words = ["chained_start", "--event", "chained_pretended", "sum=1000", "--json"]
    result = stack.dev("chain", "--mode", "native", *words)
    assert result.returncode == 1, result.stdout + result.stderr  # one of them fails
    assert before == {dag_id: stack.api.pages(f"/dags/{dag_id}/dagRuns", "dag_runs") for dag_id in dags}
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def by_chain(chained: dict[str, Any]) -> Results:
    """What `./dev chain` says of all pipelines."""
    runs: dict[str, list[Any]] = {}
    for run in chained["runs"]:
        seen, emitted = sorted(map(event, run["triggering_asset_events"])), sorted(map(event, run["emitted"]))
        runs.setdefault(run["dag_id"], []).append((run["state"], run["tasks"], seen, emitted))
    waiting = {one["dag_id"]: sorted({event["asset"] for event in one["received"]}) for one in chained["waiting"]}
    return Results(in_order(runs), all_seen(runs), waiting)


@pytest.fixture(scope="module")
def by_scheduler(stack: Stack, dags: list[str], by_chain: Results) -> Results:
    """What the real scheduler does, once nothing is left to do."""
    api = stack.api
    update(api, "chained_pretended", {"sum": 1000})
    api.post("/dags/chained_start/dagRuns", {"logical_date": None})
    wait_for(api, lambda runs: set(runs) >= set(by_chain.runs))
    # All other events were queued before this one, and the scheduler looks at all queues together.
    update(api, "chained_sentinel", {})
    runs = wait_for(api, lambda runs: SENTINEL in runs)
    by_dag = {dag_id: [run_of(api, run) for run in found] for dag_id, found in runs.items() if dag_id != SENTINEL}
    waiting = {dag_id: queued(api, dag_id) for dag_id in dags}
    return Results(in_order(by_dag), all_seen(by_dag), {dag_id: names for dag_id, names in waiting.items() if names})


def test_dags(by_chain: Results, by_scheduler: Results) -> None:
    """The chain runs the same DAGs as the scheduler."""
    assert set(by_chain.runs) == set(by_scheduler.runs)
    assert "chained_deep" in by_chain.runs
    assert "chained_behind_alias" in by_chain.runs
    assert not {"chained_waits", "chained_after_skip"} & set(by_chain.runs)


def test_runs(by_chain: Results, by_scheduler: Results) -> None:
    """Each DAG runs as often, with the same states, events and results."""
    for dag_id in set(by_chain.runs) - RACES:
        assert by_chain.runs[dag_id] == by_scheduler.runs[dag_id], dag_id
    assert [run[0] for run in by_chain.runs["chained_fails"]] == ["failed"]
    assert 'chained_pretended {"sum": 1000}' in by_chain.seen["chained_with_pretended"]


def test_races(by_chain: Results, by_scheduler: Results) -> None:
    """Where the scheduler is free to split events over runs, the chain has one run that sees all of them.

    The scheduler itself may miss one: an event that is committed while a run reads those before it.
    """
    for dag_id in RACES:
        assert len(by_chain.runs[dag_id]) == 1
        assert set(by_scheduler.seen[dag_id]) <= set(by_chain.seen[dag_id])
    written = [one for found in by_scheduler.runs.values() for *_, wrote in found for one in wrote]
    assert by_chain.seen["chained_race_of_two"] == sorted(filter(OF_TWO.match, written))


def test_waiting(by_chain: Results, by_scheduler: Results) -> None:
    """The same DAGs wait, with the same assets."""
    assert by_chain.waiting == by_scheduler.waiting
    assert by_chain.waiting["chained_waits"] == ["chained_one"]


def test_cycle(stack: Stack, dags: list[str]) -> None:
    """A cycle is shown and the exit status is 1."""
    result = stack.dev("chain", "--mode", "native", "chained_ping", "--json")
    assert result.returncode == 1, result.stdout + result.stderr
    shown = json.loads(result.stdout)
    assert shown["cycles"] == [["chained_ping", "chained_ping", "chained_pong", "chained_pong", "chained_ping"]]
    assert [run["dag_id"] for run in shown["runs"]] == ["chained_ping", "chained_pong"]


def update(api: AirflowApi, asset: str, extra: dict[str, Any]) -> None:
    """Update an asset by hand."""
    (found,) = api.pages("/assets", "assets", name_pattern=asset)
    api.post("/assets/events", {"asset_id": found["id"], "extra": extra})


def wait_for(api: AirflowApi, over: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return each DAG's runs once these are there and none of them is running."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        runs: dict[str, Any] = {}
        for run in api.pages("/dags/~/dagRuns", "dag_runs"):
            if run["dag_id"].startswith("chained") and run["run_type"] != "scheduled":
                runs.setdefault(run["dag_id"], []).append(run)
        if over(runs) and all(run["state"] in FINAL for found in runs.values() for run in found):
            return runs
        assert time.monotonic() < deadline, {dag_id: [run["state"] for run in found] for dag_id, found in runs.items()}
        time.sleep(0.5)


def run_of(api: AirflowApi, run: dict[str, Any]) -> Any:
    """Return what the REST API says of a run, in the shape of `by_chain`."""
    path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}"
    tasks = {
        ti["task_id"] if ti["map_index"] < 0 else f"{ti['task_id']}[{ti['map_index']}]": ti["state"]
        for ti in api.pages(f"{path}/taskInstances", "task_instances")
    }
    seen = api.get(f"{path}/upstreamAssetEvents")["asset_events"]
    emitted = api.get("/assets/events", source_dag_id=run["dag_id"], source_run_id=run["dag_run_id"])["asset_events"]
    return run["state"], tasks, sorted(map(event, seen)), sorted(map(event, emitted))


def event(record: dict[str, Any]) -> str:
    """Return an event without what differs at every run."""
    extra = {key: value for key, value in record["extra"].items() if key != "from_rest_api"}
    return f"{record.get('asset') or record['name']} {json.dumps(extra, sort_keys=True)}"


def queued(api: AirflowApi, dag_id: str) -> list[str]:
    """Return the assets whose events wait in a DAG's queue."""
    try:
        events = api.get(f"/dags/{dag_id}/assets/queuedEvents")["queued_events"]
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            raise
        return []
    names = {asset["id"]: asset["name"] for asset in api.pages("/assets", "assets")}
    return sorted(names[one["asset_id"]] for one in events)


def in_order(runs: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return each DAG's runs in an order that does not depend on time."""
    return {dag_id: sorted(found, key=json.dumps) for dag_id, found in runs.items()}


def all_seen(runs: dict[str, list[Any]]) -> dict[str, list[str]]:
    """Return all events that the tasks of each DAG's runs see."""
    return {dag_id: sorted(event for _, _, seen, _ in found for event in seen) for dag_id, found in runs.items()}

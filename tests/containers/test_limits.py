"""What the limits of compose/limits.env leave room for, and what happens at them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.containers.conftest import HERE
from workbench.cli.backends.docker.containers import CGROUP, parse_usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.containers.stack import Stack

EIGHT, HOG, STEPS = "limits_eight", "limits_hog_among_seven", "probe_steps"
MIB = 1 << 20
#: Where the tasks look for the word to let go.
LET_GO = "/opt/airflow/logs/let-go"


@pytest.fixture(scope="module")
def holding(stack: Stack) -> Iterator[Stack]:
    """The environment with DAGs that hold memory until they are told to let go."""
    file = stack.checkout / "dags/limits.py"
    shutil.copy(HERE / "dags/limits.py", file)
    yield stack
    file.unlink()


@pytest.fixture(autouse=True)
def nobody_lets_go(stack: Stack) -> None:
    """Each test gives the word itself."""
    tell(stack, "rm", "-f", LET_GO)


def tell(stack: Stack, *command: str) -> str:
    """Run a command beside the scheduler."""
    return stack.compose("exec", "-T", "scheduler", *command)


def kills(stack: Stack, service: str) -> int:
    """Count the processes of a service that the kernel has killed because memory ran out."""
    return parse_usage(stack.compose("exec", "-T", service, "sh", "-c", CGROUP)).kills


def mebibytes(stack: Stack, service: str) -> float:
    """Return a service's memory as ./dev status does."""
    return parse_usage(stack.compose("exec", "-T", service, "sh", "-c", CGROUP)).memory / MIB


def in_state(stack: Stack, dag_id: str, run: str, state: str) -> int:
    return sum(task["state"] == state for task in stack.tasks(dag_id, run))


def lives(stack: Stack, service: str) -> tuple[str, int]:
    """Say since when a service runs, and how often it was restarted."""
    container = stack.container(service)
    return container["State"]["StartedAt"], container["RestartCount"]


def test_eight_tasks(holding: Stack) -> None:
    """Eight tasks of the largest sort fit beside the scheduler."""
    before, alive = kills(holding, "scheduler"), lives(holding, "scheduler")
    run = holding.trigger(EIGHT)
    holding.wait_for(lambda: in_state(holding, EIGHT, run, "running") == 8, "eight running tasks")
    holding.wait_for(lambda: mebibytes(holding, "scheduler") > 100 + 8 * 207, "all that they take")
    tell(holding, "touch", LET_GO)
    assert holding.finish(EIGHT, run) == "success"
    assert kills(holding, "scheduler") == before
    assert lives(holding, "scheduler") == alive


def test_hog(holding: Stack) -> None:
    """A task that takes all memory dies alone: seven beside it live, the status counts it, the next run succeeds."""
    before, alive = kills(holding, "scheduler"), lives(holding, "scheduler")
    shown = holding.service("scheduler").kills
    run = holding.trigger(HOG)
    holding.wait_for(lambda: in_state(holding, HOG, run, "failed") == 1, "the end of the hog")
    tell(holding, "touch", LET_GO)
    assert holding.finish(HOG, run) == "failed"
    assert {task["task_id"]: task["state"] for task in holding.tasks(HOG, run)} == {"work": "success", "hog": "failed"}
    assert in_state(holding, HOG, run, "success") == 7
    assert kills(holding, "scheduler") > before
    assert holding.service("scheduler").kills > shown
    assert lives(holding, "scheduler") == alive
    assert holding.finish(STEPS, holding.trigger(STEPS)) == "success"


def test_one_process(stack: Stack) -> None:
    """The kernel kills one process and never a whole service.

    The second version of control groups can be set to kill all of a group at once; the first cannot.
    """
    group = tell(stack, "sh", "-c", "cat /sys/fs/cgroup/memory.oom.group 2>/dev/null || echo 0")
    assert group.strip() == "0"


def test_greedy_dag_file(holding: Stack) -> None:
    """A DAG file that takes all memory costs no other file."""
    alive = lives(holding, "dag-processor")
    before = kills(holding, "dag-processor")
    file = holding.checkout / "dags/greedy.py"
    shutil.copy(HERE / "dags/greedy.py", file)
    try:
        holding.wait_for(lambda: kills(holding, "dag-processor") > before, "the end of the parse")
        # A DAG that comes later is there all the same.
        late = holding.checkout / "dags/late.py"
        late.write_text("from airflow.sdk import DAG\n\nwith DAG('limits_late', schedule=None):\n    pass\n", "utf-8")
        holding.wait_for(
            lambda: any(dag["dag_id"] == "limits_late" for dag in holding.api.get("/dags")["dags"]), "the other DAG"
        )
        assert lives(holding, "dag-processor") == alive
        limit = holding.container("dag-processor")["HostConfig"]["Memory"] // MIB
        (error,) = holding.api.get("/importErrors")["import_errors"]
        assert error["filename"].endswith("/greedy.py")
        assert error["stack_trace"] == f"killed while it was parsed: out of memory, limit {limit} MiB"
    finally:
        file.unlink()
        (holding.checkout / "dags/late.py").unlink(missing_ok=True)

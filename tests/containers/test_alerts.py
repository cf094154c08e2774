"""In containers too each failure reaches Slack once: what leaves no word behind above all.

`tests/native/test_alerts.py` has every case; here are those in which containers differ: the kernel's limits, folders
and files that are mounted, addresses, and the ledger in a volume that several containers share.
"""

from __future__ import annotations

import re
import shutil
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from tests.containers.conftest import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.containers.stack import Stack

#: Seconds in which a second message would come.
WINDOW = 15
FILES = (HERE.parent / "native/dags/failing.py", HERE / "dags/hog.py")
SETTINGS = """\
AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=15
AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL=2
"""
#: What fails -> what its message says.
TOLD = {
    "dying.speaks": r"ValueError: last words",
    "dying.killed": r"killed, most likely out of memory: limit \d+ MiB",
    "dying.lost": r"the task and its supervisor were killed",
    "dying.frozen": r"no heartbeat",
    "hog.takes": r"killed for want of memory: limit \d+ MiB",
    "late": r"the run took longer than its limit of 0:00:02",
}


@pytest.fixture(scope="module")
def failing(checkout: Stack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The environment with DAGs that fail, and with less patience for a task that does not answer."""
    (checkout.checkout / ".env").write_text(SETTINGS)
    stack: Stack = request.getfixturevalue("stack")
    stack.compose("up", "--detach", "--wait")  # where it was up already, without the settings
    for file in FILES:
        shutil.copy(file, stack.checkout / "dags")
    yield stack
    for file in FILES:
        (stack.checkout / "dags" / file.name).unlink()


@pytest.fixture(scope="module")
def messages(failing: Stack) -> dict[str, list[dict[str, Any]]]:
    """Let it all fail; give what arrived for each, when no more comes of it."""
    runs = {dag_id: failing.trigger(dag_id) for dag_id in ("late", "dying", "hog")}
    for dag_id, run in runs.items():
        failing.finish(dag_id, run)
    failing.wait_for(lambda: all(told(failing, name) for name in TOLD), "a message of each")
    end = time.monotonic() + WINDOW
    while time.monotonic() < end:
        time.sleep(0.5)
    return {name: told(failing, name) for name in (*TOLD, "dying.lost_once")}


def told(stack: Stack, name: str) -> list[dict[str, Any]]:
    """Give the messages of a task or a run."""
    answer = httpx.get(f"{stack.standins_url}/slack/messages", trust_env=False, timeout=60)
    titles = (f"Task failed: {name},", f"DAG run failed: {name},")
    return [message for message in answer.json() if message["text"].startswith(titles)]


@pytest.mark.parametrize("name", TOLD)
def test_a_failure_is_told_once_and_its_link_opens(
    name: str, messages: dict[str, list[dict[str, Any]]], failing: Stack
) -> None:
    (message,) = messages[name]
    assert re.search(TOLD[name], message["text"]), message["text"]
    url = message["blocks"][-1]["elements"][0]["url"]
    parts = urlsplit(url)
    # The address that a browser on this machine has.
    assert parts.port == int(failing.environment["AIRFLOW_PORT"])
    assert httpx.get(url, trust_env=False, timeout=60).status_code == httpx.codes.OK
    _, dag_id, _, run, *task = [unquote(part) for part in parts.path.strip("/").split("/")]
    assert failing.run(dag_id, run)["state"] == "failed"
    if task:
        path = f"/dags/{dag_id}/dagRuns/{run}/taskInstances/{task[1]}/logs/1"
        assert failing.api.get(path)["content"]


def test_a_lost_try_that_is_tried_again_is_not_told(messages: dict[str, list[dict[str, Any]]]) -> None:
    assert messages["dying.lost_once"] == []


def test_the_limit_in_the_message_is_the_containers(messages: dict[str, list[dict[str, Any]]], failing: Stack) -> None:
    limit = failing.container("scheduler")["HostConfig"]["Memory"] >> 20
    assert f"limit {limit} MiB" in messages["hog.takes"][0]["text"]


def test_a_restart_of_all_containers_tells_nothing_again(
    messages: dict[str, list[dict[str, Any]]], failing: Stack
) -> None:
    failing.compose("restart", "scheduler", "dag-processor")
    failing.wait_until_healthy()
    end = time.monotonic() + WINDOW
    while time.monotonic() < end:
        assert all(len(told(failing, name)) == 1 for name in TOLD)
        time.sleep(0.5)

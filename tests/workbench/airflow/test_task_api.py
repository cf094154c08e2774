"""A task's client of the tasks' API, against servers that break off."""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest
from airflow.sdk.api.client import ServerResponseError
from tenacity import wait_none

from workbench.airflow.task_api import TaskApi

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
TASK = UUID(int=7)
DONE = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
#: What a server does with a request instead of answering.
BREAKS_OFF, RESETS = "", "reset"


def answer(status: int, body: str, kind: str = "application/json") -> str:
    """Return an answer of HTTP."""
    return (
        f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    )


#: What the tasks' API says of a task that is not running.
CONFLICT = answer(409, json.dumps({"detail": {"reason": "invalid_state", "previous_state": "success"}}))
GATEWAY = [answer(status, "<html>Bad gateway</html>", "text/html") for status in (502, 503, 504)]


@contextmanager
def serving(*answers: str) -> Iterator[tuple[TaskApi, list[str]]]:
    """Answer one request after another.

    :return: a client of the server, and the first line of each request that it got.
    """
    heard: list[str] = []

    def serve() -> None:
        for said in answers:
            with listener.accept()[0] as connection:
                heard.append(connection.recv(65_536).decode().partition("\r\n")[0])
                if said == RESETS:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    connection.sendall(said.encode())

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with TaskApi(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", token="", trust_env=False) as client:
            yield client, heard
        thread.join(10)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait no time between two tries."""
    monkeypatch.setattr(TaskApi.__mro__[1].request.retry, "wait", wait_none())  # type: ignore[attr-defined] # tenacity's


@pytest.mark.parametrize(
    "trouble", [BREAKS_OFF, RESETS, *GATEWAY, answer(500, '{"detail": "Database error occurred"}')]
)
def test_sent_again(trouble: str) -> None:
    """A request is sent again."""
    with serving(trouble, trouble, DONE) as (client, heard):
        client.variables.delete("name")
    assert heard == ["DELETE /variables/name HTTP/1.1"] * 3


@pytest.mark.parametrize("trouble", [BREAKS_OFF, RESETS, GATEWAY[0]])
def test_heartbeat(trouble: str) -> None:
    """A heartbeat is sent once.

    The next one follows soon, and the supervisor counts those that failed.
    """
    with serving(trouble) as (client, heard), pytest.raises(httpx.HTTPError):
        client.task_instances.heartbeat(TASK, 1)
    assert heard == [f"PUT /task-instances/{TASK}/heartbeat HTTP/1.1"]


@pytest.mark.parametrize("trouble", [BREAKS_OFF, RESETS])
def test_lost_answer(trouble: str) -> None:
    """A state whose answer was lost counts as reported.

    The second request is refused, because of the first one.
    """
    with serving(trouble, CONFLICT) as (client, heard):
        client.task_instances.defer(TASK, _Deferral())
    assert len(heard) == 2


def test_refused() -> None:
    """A state that is refused at once is an error."""
    with serving(CONFLICT) as (client, _), pytest.raises(ServerResponseError):
        client.task_instances.defer(TASK, _Deferral())


def test_other_refused() -> None:
    """Another request that is refused after a lost answer is an error."""
    with serving(BREAKS_OFF, CONFLICT) as (client, _), pytest.raises(ServerResponseError):
        client.dag_runs.clear("dag", "run")


def test_settings() -> None:
    """Tasks outlive an api-server that is away for two minutes.

    So do the settings promise: each try and each heartbeat comes that often, and there are that many.
    """
    lines = (ROOT / "compose/airflow.env").read_text().splitlines()
    of = dict(line.removeprefix("AIRFLOW__").split("=", 1) for line in lines if line.startswith("AIRFLOW__"))
    wait = float(of["WORKERS__EXECUTION_API_RETRY_WAIT_MIN"])
    tried = (int(of["WORKERS__EXECUTION_API_RETRIES"]) - 1) * wait
    interval = 5  # Airflow's own `[workers] min_heartbeat_interval`
    beats = (int(of["WORKERS__MAX_FAILED_HEARTBEATS"]) - 1) * interval
    assert min(tried, beats) >= 120 + interval
    assert int(of["CORE__TASK_SUCCESS_OVERTIME"]) >= tried + 20


class _Deferral:
    """As much of a `DeferTask` as the client reads."""

    @staticmethod
    def model_dump(**_: object) -> dict[str, object]:
        return {"state": "deferred", "classpath": "a.Trigger", "next_method": "resume"}

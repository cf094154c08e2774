"""The failure alert: one message, whatever the process, the error or Slack do."""

from __future__ import annotations

import json
import logging
import socket
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from common import utils
from common.utils import Failure, task_failure_alert

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Place

RUN = SimpleNamespace(
    dag_id="d", run_id="manual__2025-11-20T00:00:00+00:00", logical_date=datetime(2025, 11, 20, tzinfo=UTC),
    run_after=datetime(2025, 11, 20, tzinfo=UTC), start_date=datetime(2025, 11, 20, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log folder, and with it a memory of told failures, of the test's own."""
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://localhost:8080")
    return tmp_path


def context(**changes: Any) -> dict[str, Any]:
    """What a worker gives to a task's callback."""
    ti = SimpleNamespace(dag_id="d", run_id=RUN.run_id, task_id="t", map_index=-1, try_number=1)
    for name in ("map_index", "try_number", "task_id"):
        if name in changes:
            setattr(ti, name, changes.pop(name))
    return {"task_instance": ti, "dag_run": RUN, "exception": ValueError("went wrong")} | changes


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Failure]]:
    """What would be posted."""
    posted: list[Failure] = []
    monkeypatch.setattr(utils, "_post", posted.append)
    return posted


def test_the_message_arrives_at_slack_with_everything_in_it(place: Place) -> None:
    with httpx.Client(trust_env=False) as client:
        before = client.get(f"{place.page_url}/slack/messages").json()
        task_failure_alert(context())
        (message,) = client.get(f"{place.page_url}/slack/messages").json()[len(before) :]
    assert message["channel"] == "#alerts"
    assert message["text"].startswith("Airflow task failed: d.t, run manual__2025-11-20")
    text = json.dumps(message["blocks"])
    for part in ("ValueError: went wrong", "2025-11-20 00:00:00 UTC", "*Try*\\n1", "tasks/t?try_number=1"):
        assert part in text.replace('\\"', '"').replace("\\\\n", "\\n"), text


def test_the_channel_comes_from_the_environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_ALERT_CHANNEL", "#data")
    task_failure_alert(context())
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{place.page_url}/slack/messages").json()[-1]["channel"] == "#data"


@pytest.mark.parametrize(
    "base", ["http://localhost:8080", "http://localhost:8080/", "https://x-8080.app.github.dev/a/"]
)
def test_the_link_opens_the_log_of_the_very_try(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    url = Failure.from_context(context(map_index=3, try_number=2)).url
    run = "manual__2025-11-20T00%3A00%3A00%2B00%3A00"
    assert url == f"{base.rstrip('/')}/dags/d/runs/{run}/tasks/t/mapped/3?try_number=2"


def test_a_failure_is_told_once_for_each_try_and_map_index(told: list[Failure]) -> None:
    for _ in range(2):
        for attempt in (1, 2):
            for index in (-1, 0, 1):
                task_failure_alert(context(try_number=attempt, map_index=index))
    assert len(told) == 6


def test_a_dag_run_is_told_of_only_where_no_task_was(told: list[Failure]) -> None:
    task_failure_alert(context())
    task_failure_alert(context(reason="task_failure", exception=None, task_id="other"))
    assert [failure.task for failure in told] == ["t"]


def test_a_killed_task_is_told_of_by_its_dag_run_once(told: list[Failure]) -> None:
    dag = SimpleNamespace(dag_id="d")
    for _ in range(2):
        task_failure_alert({"dag": dag, "run_id": "r", "reason": "task_failure"})
    (failure,) = told
    assert (failure.task, failure.error) == (None, "task_failure")
    assert failure.url.endswith("/dags/d/runs/r")


def test_without_an_exception_the_message_says_that_the_process_was_killed(told: list[Failure]) -> None:
    task_failure_alert(context(exception=None))
    assert "it was killed" in told[0].error


@pytest.mark.parametrize(
    "error",
    ["<!channel> & <https://x|y>", "```" * 1000, "&" * 10_000, "é" * 10_000, "", "\0", "{{ ti }}", "😀" * 5_000],
)
def test_any_error_text_makes_a_message_that_slack_takes(error: str, told: list[Failure]) -> None:
    task_failure_alert(context(exception=ValueError(error)))
    (failure,) = told
    assert len(failure.text) <= 3000
    for block in failure.blocks:
        for part in [block.get("text"), *block.get("fields", [])]:
            if part:
                assert len(part["text"]) <= (2000 if part in block.get("fields", []) else 3000)
    code = failure.blocks[2]["text"]["text"]
    assert code.count("```") == 2
    assert "<" not in code
    assert code.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").count("&") == 0


def test_what_airflow_knows_to_be_secret_is_masked(told: list[Failure]) -> None:
    from airflow.sdk.execution_time.secrets_masker import mask_secret  # noqa: PLC0415  # Airflow's home is set first

    mask_secret("hunter2-hunter2")
    task_failure_alert(context(exception=ValueError("login with hunter2-hunter2 failed")))
    assert told[0].error == "ValueError: login with *** failed"


@pytest.mark.parametrize("broken", [None, {}, {"task_instance": object()}, {"ti": None, "dag_run": None}, 7])
def test_it_never_raises(broken: Any, told: list[Failure]) -> None:
    task_failure_alert(broken)


def test_where_slack_does_not_answer_it_gives_up_and_logs_the_message(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api/"
        connection = {
            "conn_type": "slack",
            "password": "xoxb-x",  # pragma: allowlist secret
            "extra": {"base_url": url},
        }
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", json.dumps(connection))
        monkeypatch.setattr(utils, "PATIENCE", 0.5)
        monkeypatch.setattr(utils, "REQUEST_TIMEOUT", 1)
        with caplog.at_level(logging.ERROR, logger="common.utils"):
            task_failure_alert(context())
    assert "Not sent: Airflow task failed: d.t" in caplog.text
    assert "tasks/t?try_number=1" in caplog.text


@pytest.mark.filterwarnings("ignore")  # airflow warns of a connection that is not there
def test_where_slack_is_misconfigured_the_message_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", json.dumps({"conn_type": "slack"}))
    with caplog.at_level(logging.ERROR, logger="common.utils"):
        task_failure_alert(context())
    assert "Not sent: Airflow task failed: d.t" in caplog.text


def test_the_debugger_logs_the_message_and_sends_none(
    told: list[Failure], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_ALERT_TO", "log")
    task_failure_alert(context())
    assert not told
    assert "Airflow task failed: d.t" in caplog.text


def test_a_state_folder_that_cannot_be_written_does_not_silence_it(
    state: Path, told: list[Failure], monkeypatch: pytest.MonkeyPatch
) -> None:
    (state / "file").touch()
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(state / "file"))
    task_failure_alert(context())
    assert len(told) == 1

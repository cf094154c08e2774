"""WORKBENCH_STOCK=1: Airflow as it is published runs the demo, and a failure is reported by its callback."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import psycopg2
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.native.conftest import Stack

pytestmark = [pytest.mark.native, pytest.mark.timeout(900)]

DEADLINE = 180
FAILS = """
from airflow.sdk import dag, task

from common.utils import task_failure_alert


@dag(schedule=None, is_paused_upon_creation=False, default_args={"on_failure_callback": task_failure_alert})
def fails():
    @task
    def raises():
        raise ValueError("stock Airflow reports this")

    raises()


fails()
"""


@pytest.fixture(scope="module")
def stock(make_stack: Callable[..., Stack]) -> Stack:
    """An environment of stock Airflow, with one DAG that fails beside the pipeline's."""
    stack = make_stack("stock")
    with (stack.root / ".env").open("a") as settings:
        settings.write("WORKBENCH_STOCK=1\r\n")
    (stack.root / "dags/fails.py").write_text(FAILS)
    stack.up()
    return stack


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def query(stack: Stack, statement: str) -> Any:
    """Return one value of Airflow's database."""
    with closing(psycopg2.connect(stack.settings.database_url.replace("+psycopg2", ""))) as session:
        cursor = session.cursor()
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_alert(stock: Stack) -> None:
    """An exception reaches Slack once, by the callback in the task's process."""
    until(lambda: "fails" in {dag["dag_id"] for dag in stock.api.get("/dags")["dags"]})
    stock.api.post("/dags/fails/dagRuns", {"dag_run_id": "fails", "logical_date": None})
    until(lambda: stock.api.get("/dags/fails/dagRuns/fails")["state"] == "failed")
    messages = httpx.get(f"{stock.settings.emulators_url}/slack/messages", trust_env=False).json()
    (text,) = [message["text"] for message in messages]
    assert "Task failed: fails.raises" in text
    assert "stock Airflow reports this" in text


def test_demo(stock: Stack) -> None:
    """The demo's chain runs, and every number agrees."""
    result = stock.dev("demo", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout)["ok"]


def test_plain(stock: Stack) -> None:
    """No module of workbench.airflow changes anything: stock's executor runs, nothing listens, nothing watches."""
    log = (stock.settings.logs / "scheduler.log").read_text(errors="replace")
    assert "WORKBENCH_STOCK is set: the scheduler runs without this project's changes" in log
    workers = [child.cmdline() for child in psutil.Process(stock.pid("scheduler")).children()]
    assert any("LocalExecutor" in " ".join(words) for words in workers), workers
    assert query(stock, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'scheduler\\_%'") == 0
    assert query(stock, "SELECT to_regclass('workbench_watcher')") is None

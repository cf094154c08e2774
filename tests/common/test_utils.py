"""The failure callback: which failures it reports, whatever it is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from common.alerts import callback_context, outbox
from common.utils import SCHEDULER_REPORTS, task_failure_alert

if TYPE_CHECKING:
    from common.alerts.message import Failure

DAY = datetime(2025, 11, 20, tzinfo=UTC)
RUN = SimpleNamespace(
    dag_id="d", run_id="manual__2025-11-20T00:00:00+00:00", logical_date=DAY, start_date=DAY, end_date=None
)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Failure]:
    """Return what is reported."""
    failures: list[Failure] = []
    monkeypatch.setattr(outbox, "report", failures.append)
    return failures


def context(**changes: Any) -> dict[str, Any]:
    """What a worker gives to a task's callback."""
    task = SimpleNamespace(owner="telecoms", dag=None)
    fields = {"map_index": -1, "try_number": 1, "max_tries": 0, "task_id": "t", "start_date": DAY, "hostname": "here"}
    fields |= {name: changes.pop(name) for name in fields if name in changes}
    ti = SimpleNamespace(dag_id="d", run_id=RUN.run_id, task=task, **fields)
    return {"task_instance": ti, "dag_run": RUN, "exception": ValueError("went wrong")} | changes


def test_task(reported: list[Failure]) -> None:
    """A failed task is reported with all that the context has."""
    task_failure_alert(context(map_index=3, try_number=3, max_tries=2, params={"alert_channel": "#data"}))
    (failure,) = reported
    assert (failure.dag, failure.label, failure.run) == ("d", "t[3]", RUN.run_id)
    assert (failure.attempt, failure.attempts) == (3, 3)
    assert failure.when == "2025-11-20 00:00:00 UTC"
    assert failure.seconds is not None
    assert (failure.owner, failure.host, failure.channel) == ("telecoms", "here", "#data")
    assert failure.error == "ValueError: went wrong"


def test_triggered_by(reported: list[Failure]) -> None:
    """A run without a date is reported with the events that triggered it."""
    raw, more = SimpleNamespace(name="raw"), SimpleNamespace(name="more")
    events = [
        SimpleNamespace(asset=raw, source_dag_id="ingest"),
        SimpleNamespace(asset=more, source_dag_id=None),
        SimpleNamespace(asset=raw, source_dag_id="ingest"),
    ]
    run = SimpleNamespace(dag_id="d", run_id="r", logical_date=None, start_date=DAY, consumed_asset_events=events)
    task_failure_alert(context(dag_run=run))
    assert reported[0].when == ""
    assert reported[0].triggered_by == ("raw of ingest (x 2)", "more")


def test_lost_try(reported: list[Failure]) -> None:
    """A lost try that is followed by another one is not reported; Airflow 3.0.6 calls the callback for it."""
    task_failure_alert(context(exception=None, try_number=1, max_tries=1))
    assert not reported
    task_failure_alert(context(exception=None, try_number=2, max_tries=1))
    assert len(reported) == 1


def test_no_retries(reported: list[Failure]) -> None:
    """An exception that forbids retries is reported at the first try."""
    task_failure_alert(context(try_number=1, max_tries=2))
    assert (reported[0].attempt, reported[0].attempts) == (1, 3)


@pytest.mark.parametrize(("state", "count"), [("running", 1), ("failed", 0), ("skipped", 0)])
def test_ended_from_outside(state: str, count: int, reported: list[Failure]) -> None:
    """A task that a person marked, or whose run timed out, is not reported, whatever it raises at its end."""

    class Ti(SimpleNamespace):
        @staticmethod
        def get_task_states(**asked: Any) -> dict[str, dict[str, str]]:
            assert asked["task_ids"] == ["t"]
            return {RUN.run_id: {"t": state}}

    ti = Ti(dag_id="d", run_id=RUN.run_id, task_id="t", map_index=-1, try_number=1)
    task_failure_alert({"ti": ti, "dag_run": RUN, "exception": OSError("terminated")})
    assert len(reported) == count


def test_run_of_failed_tasks(reported: list[Failure]) -> None:
    """A run whose tasks failed is reported by these."""
    task_failure_alert(context(reason="task_failure", exception=None))
    task_failure_alert({"dag": SimpleNamespace(dag_id="d"), "run_id": "r", "reason": "task_failure"})
    assert not reported


def test_run_timeout(reported: list[Failure]) -> None:
    """A run that took too long is reported with its limit."""
    dag = SimpleNamespace(dag_id="d", dagrun_timeout=timedelta(minutes=5), owner="telecoms")
    task_failure_alert(context(reason="timed_out", exception=None, dag=dag))
    (failure,) = reported
    assert (failure.kind, failure.task) == ("run", "")
    assert failure.reason == "the run took longer than its limit of 0:05:00"
    assert failure.began == "2025-11-20T00:00:00.000000+00:00"


def test_left_to_scheduler(reported: list[Failure], monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no exception is left to this project's scheduler, which finds out why."""
    monkeypatch.setenv(SCHEDULER_REPORTS, "1")
    task_failure_alert(context(exception=None))
    task_failure_alert(context(reason="timed_out", exception=None))
    assert not reported
    task_failure_alert(context())
    assert len(reported) == 1


def test_terminal(reported: list[Failure], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Under the debugger the message is shown in the terminal and not sent."""
    monkeypatch.setenv("AIRFLOW_ALERT_TO", "log")
    monkeypatch.setenv("COLUMNS", "200")
    task_failure_alert(context(try_number=2, max_tries=1))
    assert not reported
    shown = capsys.readouterr().out
    for part in ("Slack #alerts: Task failed: d.t", "2 of 2", "ValueError: went wrong", "[Open log] http"):
        assert part in shown


@pytest.mark.parametrize("broken", [None, {}, {"task_instance": object()}, {"ti": None, "dag_run": None}, 7])
def test_never_raises(broken: Any, reported: list[Failure]) -> None:
    """The callback never raises, whatever the context is."""
    task_failure_alert(broken)


def test_masked_before_cut() -> None:
    """Secrets are masked before the text is cut."""
    from airflow.sdk.execution_time.secrets_masker import mask_secret  # noqa: PLC0415  # Airflow's home is set first

    mask_secret("hunter2-hunter2")
    text = callback_context.error_text(ValueError("x" * (callback_context.ERROR - 20) + "hunter2-hunter2"))
    assert "hunter2" not in text
    assert callback_context.error_text(ValueError("login with hunter2-hunter2")) == "ValueError: login with ***"


def test_exception_text() -> None:
    """An exception without a text, or with a broken one, is named by its type."""

    class Broken(Exception):  # noqa: N818 a name that an exception may have
        def __str__(self) -> str:
            raise RuntimeError

    assert callback_context.error_text(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert callback_context.error_text(Broken()) == "Broken: (its message cannot be shown: RuntimeError)"

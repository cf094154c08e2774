"""The message: what it says, where its link leads, how a terminal shows it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from common.alerts import terminal
from common.alerts.message import Failure
from workbench.airflow import memory
from workbench.cli.alert_samples import samples

BASES = ["http://localhost:8080", "http://localhost:8080/", "https://name-8080.app.github.dev/", "http://host/airflow/"]
TASK = Failure(dag="d", run="manual__2025-11-20T00:00:00+00:00", task="group.t", map_index=3, attempt=2)


@pytest.mark.parametrize("base", BASES)
def test_link(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link leads to the log of exactly this try, at any address of the UI."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    run = f"{base.rstrip('/')}/dags/d/runs/manual__2025-11-20T00%3A00%3A00%2B00%3A00"
    assert TASK.url == f"{run}/tasks/group.t/mapped/3?try_number=2"
    assert replace(TASK, map_index=-1).url == f"{run}/tasks/group.t?try_number=2"
    assert replace(TASK, kind="run").url == replace(TASK, kind="burst").url == run
    assert replace(TASK, kind="import").url == f"{base.rstrip('/')}/"


@pytest.mark.parametrize("kind", samples())
def test_record(kind: str) -> None:
    """A failure is the same after it was in the ledger."""
    failure = samples()[kind]
    assert Failure.from_record(json.loads(json.dumps(failure.record))) == failure


def test_record_of_another_version() -> None:
    """Unknown fields of a record are ignored."""
    assert Failure.from_record({"dag": "d", "shoe_size": 43}) == Failure(dag="d")


def test_burst() -> None:
    """A burst says how many tasks failed and lists the first names."""
    text = samples()["burst"].text
    assert "200 tasks failed" in text
    assert "First 10 reported individually; also failed: ingest[10], ingest[11]" in text
    assert "ingest[19] and 180 more" in text


@pytest.mark.parametrize("kind", samples())
def test_terminal(kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal shows the words that Slack shows."""
    monkeypatch.setenv("COLUMNS", "200")
    failure = samples()[kind]
    terminal.show(failure)
    shown = capsys.readouterr().out
    why = failure.why if failure.kind != "burst" else "First 10 reported individually"
    for part in (failure.title, why.split("\n")[-1][:20], failure.url):
        assert part in shown


def test_why_it_ended() -> None:
    """A process that was killed ran out of memory only if the kernel counted that."""
    limit = memory.limit_mib()
    assert limit > 0
    assert memory.why_it_ended(-9, 0) == "killed by SIGKILL"
    assert memory.why_it_ended(-9, 1) == f"killed: out of memory, limit {limit} MiB"
    assert memory.why_it_ended(-11, 0) == "crashed: segmentation fault"
    assert memory.why_it_ended(3, 0) == "exited with status 3 and logged nothing"

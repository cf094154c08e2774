"""Each failure reaches Slack once, whichever process finds it, whatever Slack does: against the emulator."""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import os
import signal
import socket
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from common.alerts import ledger as ledgers
from common.alerts import outbox, slack
from common.alerts.ledger import Ledger
from common.alerts.message import Failure
from common.alerts.outbox import deliver, report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Inbox:
    """A channel of this test's own."""

    page_url: str
    channel: str

    def messages(self) -> list[dict[str, Any]]:
        """Return what arrived."""
        found = httpx.get(f"{self.page_url}/slack/messages", trust_env=False).json()
        return [message for message in found if message["channel"] == self.channel]

    def texts(self) -> list[str]:
        """Return what arrived, in plain text."""
        return [str(message["text"]) for message in self.messages()]

    def fault(self, **fields: Any) -> None:
        """Make Slack fail."""
        answer = httpx.post(f"{self.page_url}/control/faults", json={"service": "slack"} | fields, trust_env=False)
        assert answer.status_code == httpx.codes.OK, answer.text

    def fix(self) -> None:
        """End all faults."""
        httpx.delete(f"{self.page_url}/control/faults", trust_env=False)


@pytest.fixture
def inbox(pipeline_emulators: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """A Slack that works, and a channel of the test's own."""
    importlib.import_module("airflow.providers.slack.operators.slack")  # once, not in each process of a test
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", pipeline_emulators.env()["AIRFLOW_CONN_SLACK_API_DEFAULT"])
    found = Inbox(pipeline_emulators.page_url, f"#t-{uuid.uuid4().hex[:12]}")
    monkeypatch.setenv("AIRFLOW_ALERT_CHANNEL", found.channel)
    yield found
    found.fix()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Logs, and with them a ledger, of the test's own."""
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://localhost:8080/")
    return tmp_path


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little patience and short pauses."""
    monkeypatch.setattr(slack.send, "__defaults__", (1.5,))
    monkeypatch.setattr(outbox, "TIMEOUT_SECONDS", 3.0)
    monkeypatch.setattr(outbox, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(ledgers, "FIRST_PAUSE_SECONDS", 0.1)


def failure(number: int = 0, **changes: Any) -> Failure:
    """A failed task of one run."""
    fields = {"dag": "d", "run": "r", "task": "t", "map_index": number, "attempt": 1, "error": "ValueError: x"}
    return Failure(**(fields | changes))


def settle() -> None:
    """Deliver what waits until nothing does."""
    deadline = time.monotonic() + 60
    while (pause := deliver(Ledger.shared())) is not None:
        assert time.monotonic() < deadline
        time.sleep(min(pause, 0.2))


def at_once(count: int, work: Callable[[int], object]) -> None:
    """Do something in many processes at the same time."""
    gate = FORK.Barrier(count)

    def one(number: int) -> None:
        gate.wait()
        work(number)

    processes = [FORK.Process(target=one, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * count


def test_once(inbox: Inbox) -> None:
    """A failure that many processes find is sent once."""
    at_once(8, lambda _: report(failure()))
    settle()
    assert len(inbox.messages()) == 1


def test_identity(inbox: Inbox) -> None:
    """Each map index, try and run is a failure of its own."""
    for run in ("a", "b"):
        for attempt in (1, 2):
            for index in (-1, 0):
                report(failure(index, run=run, attempt=attempt))
    report(failure(kind="run", began="2025-11-20T00:00:00+00:00"))
    report(failure(kind="run", began="2025-11-21T00:00:00+00:00"))
    assert len(inbox.messages()) == 10


def test_username_and_channel(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings give the username, and the DAG the channel."""
    monkeypatch.setenv("AIRFLOW_ALERT_USERNAME", "Night watch")
    monkeypatch.setenv("AIRFLOW_ALERT_CHANNEL", "#elsewhere")
    report(failure(channel=inbox.channel))
    (message,) = inbox.messages()
    assert message["username"] == "Night watch"


def test_burst(inbox: Inbox, hurried: None) -> None:
    """Two hundred failures at once are ten messages and one for the others, none twice."""
    at_once(20, lambda number: [report(failure(20 * step + number)) for step in range(10)])
    settle()
    *single, burst = inbox.messages()
    assert len(single) == 10
    assert "200 tasks failed" in burst["text"]
    reported = Counter(message["text"].split(",")[0] for message in single)
    assert set(reported.values()) == {1}
    assert "First 10 reported individually" in burst["text"]
    assert "180 more" in burst["text"]
    assert Ledger.shared().next_due() is None


def test_eleventh(inbox: Inbox, hurried: None) -> None:
    """Ten failures of a run have a message each, and the eleventh adds the count."""
    for number in range(11):
        report(failure(number))
    assert len(inbox.messages()) == 10
    settle()
    assert "11 tasks of this run have failed" in json.dumps(inbox.messages()[-1]["blocks"])
    assert "t[10]" in inbox.texts()[-1]


def test_short_limit(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    """A message that Slack limits for a moment arrives without a warning."""
    inbox.fault(kind="limit", times=1, seconds=1)
    inbox.fault(kind="error", times=1)
    report(failure())
    assert len(inbox.messages()) == 1
    assert not caplog.records


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        ("channel_not_found", "AIRFLOW_ALERT_CHANNEL"),
        ("not_in_channel", "/invite"),
        ("invalid_auth", "AIRFLOW_CONN_SLACK_API_DEFAULT"),
        ("missing_scope", "chat:write"),
        ("something_new", "Slack says something_new"),
    ],
)
def test_refused(error: str, fix: str, inbox: Inbox, hurried: None, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal is one warning that says how to fix it, and the message is sent later."""
    inbox.fault(kind="error", error=error)
    report(failure())
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert fix in record.getMessage()
    assert "Task failed: d.t[0]" in record.getMessage()
    inbox.fix()
    settle()
    assert len(inbox.messages()) == 1


@pytest.mark.parametrize("kind", ["error", "hang", "slow", "drop", "limit"])
def test_slack_fails(kind: str, inbox: Inbox, hurried: None, caplog: pytest.LogCaptureFixture) -> None:
    """If Slack fails, a task waits no longer than the limit, and the message is sent when Slack is back."""
    inbox.fault(kind=kind, seconds=30)
    report(failure())
    (record,) = caplog.records
    assert "Queued; retried for 24 h" in record.getMessage()
    assert inbox.messages() == [] or kind == "slow"
    inbox.fix()
    settle()
    assert len(inbox.messages()) == 1 + (kind == "slow")


def test_lost_answer(inbox: Inbox, hurried: None) -> None:
    """A message whose answer was lost is sent again, and says that it may appear twice."""
    inbox.fault(kind="lose", times=1)
    report(failure())
    settle()
    first, second = inbox.messages()
    assert "may appear twice" not in json.dumps(first["blocks"])
    assert "may appear twice" in json.dumps(second["blocks"])


def test_no_connection(
    inbox: Inbox, hurried: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a connection the warning names the network."""
    connection = json.loads(os.environ["AIRFLOW_CONN_SLACK_API_DEFAULT"])
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv(
        "AIRFLOW_CONN_SLACK_API_DEFAULT",
        json.dumps(connection | {"extra": {"base_url": f"http://127.0.0.1:{port}/api/"}}),
    )
    report(failure())
    (record,) = caplog.records
    assert "No connection to Slack" in record.getMessage()


@pytest.mark.filterwarnings("ignore")  # airflow warns of a connection that is not there
def test_no_token(hurried: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warning of a connection without a token names it."""
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", json.dumps({"conn_type": "slack"}))
    report(failure())
    assert "AIRFLOW_CONN_SLACK_API_DEFAULT" in caplog.records[-1].getMessage()


def test_other_channels(inbox: Inbox, hurried: None) -> None:
    """A channel that refuses does not delay the others."""
    shared = Ledger.shared()
    shared.add(failure(0, run="first", channel="#Not A Channel"), send=False)
    shared.add(failure(1, run="second"), send=False)
    deliver(shared)
    assert len(inbox.messages()) == 1


def test_killed_sender(inbox: Inbox, hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that is killed before it has sent loses nothing."""
    monkeypatch.setattr(ledgers, "CLAIM_SECONDS", 1.0)

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def doomed() -> None:
        slack.send = die
        report(failure())

    process = FORK.Process(target=doomed)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert inbox.messages() == []
    at_once(4, lambda _: settle())
    assert len(inbox.messages()) == 1


def test_concurrent_delivery(inbox: Inbox, hurried: None) -> None:
    """Many that deliver at the same time send nothing twice."""
    shared = Ledger.shared()
    for number in range(10):
        shared.add(failure(number), send=False)
    at_once(4, lambda _: settle())
    assert Counter(Counter(inbox.texts()).values()) == {1: 10}


def test_late_burst(inbox: Inbox, hurried: None) -> None:
    """A burst that is found late is one message."""
    shared = Ledger.shared()
    for number in range(25):
        shared.add(failure(number), send=False)
    settle()
    (text,) = inbox.texts()
    assert text.startswith("25 tasks failed: d, run r: t[0], t[1]")


def test_day_late(inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A message that is a day late is logged and not sent."""
    shared = Ledger.shared()
    shared.add(failure(), send=False)
    monkeypatch.setattr(ledgers, "RETRY_SECONDS", 0)
    shared.forget()
    settle()
    assert inbox.messages() == []
    assert "discarded" in caplog.text
    assert not shared.add(failure(), send=True)


def test_broken_file(inbox: Inbox) -> None:
    """A file that breaks is reported once, and once when it imports again."""
    shared = Ledger.shared()
    for _ in range(3):
        shared.turn(Failure(kind="import", file="x.py", error="ImportError: y", began=str(time.time())))
    settle()
    for _ in range(3):
        shared.turn(Failure(kind="fixed", file="x.py", reason="it did not import", began=str(time.time())))
    settle()
    assert [text.split(":")[0] for text in inbox.texts()] == [
        "DAG file cannot be imported",
        "DAG file can be imported again",
    ]


def test_no_ledger(place: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message is sent also if the ledger cannot be written."""
    (place / "file").touch()
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(place / "file"))
    report(failure())
    assert len(inbox.messages()) == 1

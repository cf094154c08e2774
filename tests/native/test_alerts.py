"""Each failure of real Airflow reaches Slack once, and its link opens: native components, the Slack stand-in.

All ways to fail happen in one environment at the same time; then each test looks at what arrived.
"""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.native.conftest import Stack

pytestmark = [pytest.mark.native, pytest.mark.timeout(600)]

DEADLINE = 180
#: Seconds in which a second message would come: callbacks in the dag-processor, rounds, the gathering of a burst.
WINDOW = 15
SETTINGS = """\
AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=12
AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL=2
"""
#: DAG and task -> what its message says. Each is told once.
TOLD = {
    ("failing", "raises"): "ValueError: a &lt; b &amp; `c`",
    ("failing", "exits"): "SystemExit: 3",
    ("failing", "overruns"): "AirflowTaskTimeout: Timeout",
    ("failing", "retried"): "ValueError: again",
    ("failing", "mapped[0]"): "ValueError: number 0",
    ("failing", "mapped[1]"): "ValueError: number 1",
    ("failing", "mapped[2]"): "ValueError: number 2",
    ("failing", "deferred"): "TaskDeferralError: Trigger failure",
    ("dying", "speaks"): "ValueError: last words",
    ("dying", "killed"): "killed, most likely out of memory: limit ",
    ("dying", "lost"): "the task and its supervisor were killed",
    ("dying", "frozen"): "no heartbeat",
    ("late", ""): "the run took longer than its limit of 0:00:02",
    ("woken", "raises"): "ValueError: woken",
}
#: What is not told: it goes on, it never was to run, or a person knows.
SILENT = {
    ("failing", "recovers"): "success",
    ("failing", "skipped"): "skipped",
    ("failing", "unreachable"): "upstream_failed",
    ("dying", "lost_once"): "success",
    ("marked", "shell"): "failed",
    ("marked", "sleeps"): "failed",
}
BURST = 25
WHOLE = """
@dag(schedule=None)
def whole():
    @task
    def nothing():
        pass

    nothing()

whole()
"""


@dataclass(frozen=True)
class Alerts:
    """An environment, and what its Slack got."""

    stack: Stack

    def messages(self) -> list[dict[str, Any]]:
        """Give what arrived, the oldest first."""
        answer = httpx.get(f"{self.stack.settings.standins_url}/slack/messages", trust_env=False, timeout=60)
        return list(answer.json())

    def texts(self, of: str = "") -> list[str]:
        """Give what arrived in plain text, as far as it names something."""
        return [text for message in self.messages() if of in (text := str(message["text"]))]

    def start(self, dag_id: str) -> str:
        """Start a run."""
        self.stack.api.patch(f"/dags/{dag_id}", {"is_paused": False})
        return str(self.stack.api.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        """Give a run's state."""
        return str(self.stack.api.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Give the states of a run's tasks."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return {one["task_id"]: str(one["state"]) for one in self.stack.api.get(path)["task_instances"]}

    def fault(self, **fields: Any) -> None:
        """Make Slack fail."""
        url = f"{self.stack.settings.standins_url}/control/faults"
        assert httpx.post(url, json={"service": "slack"} | fields, trust_env=False).status_code == httpx.codes.OK

    def mend(self) -> None:
        """End Slack's faults."""
        httpx.delete(f"{self.stack.settings.standins_url}/control/faults", trust_env=False)


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"
        time.sleep(0.2)


def only(count: int, texts: Callable[[], list[str]], what: str) -> None:
    """Wait until so many messages are there, then long enough for one too many to show."""
    eventually(lambda: len(texts()) >= count, what)
    end = time.monotonic() + WINDOW
    while time.monotonic() < end:
        assert len(texts()) == count, texts()
        time.sleep(0.5)


@pytest.fixture(scope="module")
def alerts(make_stack: Callable[..., Stack]) -> Stack:
    """An environment with DAGs that fail."""
    stack = make_stack("alerts")
    shutil.rmtree(stack.root / "dags/telecoms")
    shutil.copy(Path(__file__).parent / "dags/failing.py", stack.root / "dags")
    with (stack.root / ".env").open("a") as settings:
        settings.write(SETTINGS)
    stack.up()
    found = Alerts(stack)
    eventually(lambda: len(stack.api.get("/dags")["dags"]) == 8, "the DAGs are there")
    return found


@pytest.fixture(scope="module")
def runs(alerts: Alerts) -> dict[str, str]:
    """Let everything fail, and wait until no more comes of it."""
    alerts.stack.api.patch("/dags/woken", {"is_paused": False})
    runs = {name: alerts.start(name) for name in ("dying", "marked", "late", "produces", "failing")}
    eventually(lambda: set(alerts.tasks("marked", runs["marked"]).values()) == {"running"}, "two tasks run")
    for task in ("shell", "sleeps"):
        path = f"/dags/marked/dagRuns/{runs['marked']}/taskInstances/{task}"
        alerts.stack.api.patch(path, {"new_state": "failed"})
    for name in ("dying", "failing"):
        eventually(lambda name=name: alerts.state(name, runs[name]) == "failed", f"the end of {name}")
    only(len(TOLD), alerts.texts, "all is told")
    return runs


@pytest.fixture
def slack(alerts: Alerts) -> Iterator[Alerts]:
    """A Slack whose faults end with the test."""
    yield alerts
    alerts.mend()


@pytest.mark.parametrize(("dag_id", "task"), TOLD)
def test_a_failure_is_told_once_and_its_link_opens(
    dag_id: str, task: str, runs: dict[str, str], alerts: Alerts
) -> None:
    title = f"Task failed: {dag_id}.{task}," if task else f"DAG run failed: {dag_id},"
    (message,) = (message for message in alerts.messages() if message["text"].startswith(title))
    assert TOLD[dag_id, task] in message["text"]
    assert message["channel"] == ("#late" if dag_id == "late" else "#alerts")
    assert_opens(alerts, link(message), dag_id, task)


@pytest.mark.parametrize(("dag_id", "task"), SILENT)
def test_what_is_not_a_failure_is_not_told(dag_id: str, task: str, runs: dict[str, str], alerts: Alerts) -> None:
    assert alerts.tasks(dag_id, runs[dag_id])[task] == SILENT[dag_id, task]
    assert alerts.texts(f"{dag_id}.{task}") == []


def test_the_message_says_which_try_and_what_woke_the_run(runs: dict[str, str], alerts: Alerts) -> None:
    fields = {
        field["text"].split("\n")[0]: field["text"].split("\n")[1]
        for message in alerts.messages()
        if "failing.retried" in message["text"] or "woken.raises" in message["text"]
        for field in message["blocks"][1]["fields"]
    }
    assert fields["*Woken by*"] == "spoilt of produces"
    assert fields["*Try*"] in {"1 of 1", "2 of 2"}
    assert fields["*Owner*"] == "tests"
    assert {"*Host*", "*Duration*"} <= fields.keys()


def test_a_burst_is_ten_messages_and_one_for_the_rest(alerts: Alerts) -> None:
    alerts.start("burst")
    only(11, lambda: alerts.texts("burst"), "the burst is told")
    texts = alerts.texts("burst")
    assert Counter(text.split(":")[0] for text in texts) == {"Task failed": 10, f"{BURST} tasks failed": 1}
    singles = {label for text in texts for label in re.findall(r"Task failed: burst\.(fails\[\d+\])", text)}
    assert len(singles) == 10
    assert not any(label in texts[-1] for label in singles)


def test_a_file_that_breaks_is_told_once_and_once_when_it_is_whole_again(alerts: Alerts) -> None:
    """It is parsed again at each edit, and told no more often."""
    file = alerts.stack.root / "dags/broken.py"
    said = ["from airflow.sdk import dag, task\n", "import nothing_of_the_sort\n", "import still_nothing\n"]
    file.write_text(said[0] + said[1])
    eventually(lambda: alerts.texts("broken.py"), "it is told")
    file.write_text(said[0] + said[2])
    path = "/importErrors"
    eventually(lambda: "still_nothing" in str(alerts.stack.api.get(path)["import_errors"]), "it is parsed again")
    only(1, lambda: alerts.texts("broken.py"), "it is told once")
    assert "No module named 'nothing_of_the_sort'" in alerts.texts("broken.py")[0]
    file.write_text(said[0] + WHOLE)
    only(2, lambda: alerts.texts("broken.py"), "it is told to be whole again")
    assert alerts.texts("broken.py")[1].startswith("DAG file imports again: broken.py")


def test_where_slack_fails_the_task_ends_its_log_says_why_and_it_is_told_later(slack: Alerts) -> None:
    """Refused, without an answer, limited; what was not sent is told once when Slack is back."""
    before = len(slack.texts("one.raises"))
    says = {"error": "/invite", "hang": "network", "limit": "no more messages"}
    for kind, mend in says.items():
        slack.fault(kind=kind, seconds=60, error="not_in_channel" if kind == "error" else None)
        run = slack.start("one")
        eventually(lambda run=run: slack.state("one", run) == "failed", "the run ends while Slack fails")
        log = str(slack.stack.api.get(f"/dags/one/dagRuns/{run}/taskInstances/raises/logs/1")["content"])
        assert log.count("Slack has not taken this message") == 1
        assert mend in log
        assert not slack.texts(run)
        slack.mend()
    only(before + len(says), lambda: slack.texts("one.raises"), "all are told later")


def test_a_task_that_dies_while_the_scheduler_is_down_is_told_once(alerts: Alerts) -> None:
    run = alerts.start("marked")
    eventually(lambda: set(alerts.tasks("marked", run).values()) == {"running"}, "two tasks run")
    scheduler = psutil.Process(alerts.stack.pid("scheduler"))
    before = len(alerts.texts())
    scheduler.suspend()
    path = f"/dags/marked/dagRuns/{run}/taskInstances"
    alerts.stack.api.patch(f"{path}/shell", {"new_state": "failed"})
    for worker in scheduler.children():
        for task in worker.children():
            if not task.children():  # the other one's is its shell
                task.kill()
    eventually(lambda: alerts.tasks("marked", run)["sleeps"] == "failed", "the task's supervisor has seen it")
    assert len(alerts.texts()) == before
    scheduler.kill()
    only(1, lambda: alerts.texts("marked.sleeps"), "the killed task is told")
    assert len(alerts.texts()) == before + 1


def test_a_restart_tells_nothing_again_and_what_was_not_sent(slack: Alerts) -> None:
    slack.fault(kind="error")
    run = slack.start("one")
    eventually(lambda: slack.state("one", run) == "failed", "the run ends while Slack fails")
    before = len(slack.messages())
    assert slack.stack.dev("down").returncode == 0
    slack.stack.close()
    slack.stack.up()  # which forgets Slack's faults
    only(before + 1, slack.texts, "what was not sent is told")


def link(message: dict[str, Any]) -> str:
    """Give where the message's button leads."""
    (button,) = message["blocks"][-1]["elements"]
    return str(button["url"])


def assert_opens(alerts: Alerts, url: str, dag_id: str, task: str) -> None:
    """Follow a link: the page is there, and what it shows is the very log."""
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}" == alerts.stack.settings.ui_url.rstrip("/")
    assert httpx.get(url, trust_env=False, timeout=60).status_code == httpx.codes.OK
    names = [unquote(part) for part in parts.path.strip("/").split("/")]
    assert names[:2] == ["dags", dag_id]
    run = alerts.stack.api.get(f"/dags/{dag_id}/dagRuns/{names[3]}")
    assert run["state"] == "failed"
    if task:
        index = int(names[7]) if "mapped" in names else -1
        assert task == (names[5] if index < 0 else f"{names[5]}[{index}]")
        (attempt,) = parse_qs(parts.query)["try_number"]
        path = f"/dags/{dag_id}/dagRuns/{names[3]}/taskInstances/{names[5]}"
        log = alerts.stack.api.get(f"{path}/logs/{attempt}?map_index={index}")
        assert "Could not read" not in str(log["content"])
        assert log["content"]

"""Each failure of real Airflow reaches Slack once, and its link opens: real components, the Slack emulator.

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
import pytest

from tests.ui import Ui

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from workbench.cli.client import AirflowApi

DEADLINE = 400
#: Seconds in which a second message would come: callbacks in the dag-processor, rounds, the gathering of a burst.
WINDOW = 15
#: Less patience for a task that does not answer; and a proxy that does not know where anything is.
SETTINGS = """\
HTTP_PROXY=http://127.0.0.1:9
HTTPS_PROXY=http://127.0.0.1:9
AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=15
AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL=2
"""
FILE = Path(__file__).parent / "dags/failing.py"
DAGS = {"failing", "dying", "marked", "late", "burst", "crowd", "produces", "woken", "one"}
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
    ("dying", "killed"): "killed by SIGKILL",
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
#: Tasks that fail at once: of one run; and in twenty runs, of ten each.
BURST = 200
RUNS, OF_A_RUN = 20, 10
#: What Slack does, and what the task's log says of it.
FAULTS = [
    ({"kind": "error", "error": "not_in_channel"}, "/invite"),
    ({"kind": "error", "error": "channel_not_found"}, "AIRFLOW_ALERT_CHANNEL"),
    ({"kind": "error", "error": "invalid_auth"}, "AIRFLOW_CONN_SLACK_API_DEFAULT"),
    ({"kind": "error"}, "slack-status"),
    ({"kind": "hang", "seconds": 60}, "network"),
    ({"kind": "drop"}, "network"),
    ({"kind": "limit", "seconds": 60}, "no action needed"),
]
#: What breaks a DAG file -> words of its alert.
BREAKS = {
    "broken": ("import nothing_of_the_sort\n", "No module named 'nothing_of_the_sort'"),
    "ends": ("import os; os._exit(3)\n", "exited with status 3 while it was parsed"),
}
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
    """An environment, and what its Slack got.

    :param stack: has `api` and `dev`.
    :param root: its checkout.
    :param address: where its links lead.
    :param in_scheduler: runs a program of Python where the scheduler runs; `scheduler` is its process.
    :param before: how many messages Slack had.
    """

    stack: Any
    root: Path
    address: str
    emulators_url: str
    password: str
    in_scheduler: Callable[[str], str]
    before: int = 0

    @property
    def api(self) -> AirflowApi:
        """A logged-in client."""
        api: AirflowApi = self.stack.api
        return api

    def messages(self) -> list[dict[str, Any]]:
        """Return what arrived, the oldest first."""
        answer = httpx.get(f"{self.emulators_url}/slack/messages", trust_env=False, timeout=60)
        return list(answer.json())[self.before :]

    def texts(self, of: str = "") -> list[str]:
        """Return what arrived in plain text, as far as it names something."""
        return [text for message in self.messages() if of in (text := str(message["text"]))]

    def start(self, dag_id: str, **conf: str) -> str:
        """Start a run."""
        self.api.patch(f"/dags/{dag_id}", {"is_paused": False})
        return str(self.api.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        """Return a run's state."""
        return str(self.api.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the states of a run's tasks."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return {one["task_id"]: str(one["state"]) for one in self.api.get(path)["task_instances"]}

    def log(self, dag_id: str, run_id: str, task: str) -> list[str]:
        """Return the lines of a first try's log."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task}/logs/1"
        return [line["event"] for line in self.api.get(path)["content"]]

    def fault(self, **fields: Any) -> None:
        """Make Slack fail."""
        url = f"{self.emulators_url}/control/faults"
        assert httpx.post(url, json={"service": "slack"} | fields, trust_env=False).status_code == httpx.codes.OK

    def fix(self) -> None:
        """End Slack's faults."""
        httpx.delete(f"{self.emulators_url}/control/faults", trust_env=False)


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


def bring_dags(alerts: Alerts) -> None:
    """Copy the DAGs that fail into the running environment, and wait until they are there."""
    shutil.copy(FILE, alerts.root / "dags")
    eventually(lambda: {dag["dag_id"] for dag in alerts.api.pages("/dags", "dags")} >= DAGS, "the DAGs are there")


class AlertCases:
    """What Slack gets; `alerts` is an environment with the DAGs that fail."""

    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls, alerts: Alerts) -> dict[str, str]:
        """Let everything fail, and wait until no more comes of it."""
        alerts.api.patch("/dags/woken", {"is_paused": False})
        runs = {name: alerts.start(name) for name in ("dying", "marked", "late", "produces", "failing")}
        eventually(lambda: set(alerts.tasks("marked", runs["marked"]).values()) == {"running"}, "two tasks run")
        for task in ("shell", "sleeps"):
            path = f"/dags/marked/dagRuns/{runs['marked']}/taskInstances/{task}"
            alerts.api.patch(path, {"new_state": "failed"})
        for name in ("dying", "failing"):
            eventually(lambda name=name: alerts.state(name, runs[name]) == "failed", f"the end of {name}")
        only(len(TOLD), alerts.texts, "all is told")
        return runs

    @pytest.fixture(scope="class")
    @classmethod
    def ui(cls, browser: Browser, alerts: Alerts) -> Iterator[Ui]:
        """A browser that has logged in."""
        with browser.new_context() as context:
            found = Ui(context.new_page(), alerts.address)
            found.log_in("admin", alerts.password)
            yield found

    @pytest.fixture
    def slack(self, alerts: Alerts) -> Iterator[Alerts]:
        """A Slack whose faults end with the test."""
        yield alerts
        alerts.fix()

    @pytest.mark.parametrize(("dag_id", "task"), TOLD)
    def test_a_failure_is_told_once_and_its_link_opens(
        self, dag_id: str, task: str, runs: dict[str, str], alerts: Alerts, ui: Ui
    ) -> None:
        """In a browser the page shows the very try's log, or the run."""
        title = f"Task failed: {dag_id}.{task}," if task else f"DAG run failed: {dag_id},"
        (message,) = (message for message in alerts.messages() if message["text"].startswith(title))
        assert TOLD[dag_id, task] in message["text"]
        assert message["channel"] == ("#late" if dag_id == "late" else "#alerts")
        parts = urlsplit(link(message))
        assert f"{parts.scheme}://{parts.netloc}" == alerts.address
        names = [unquote(part) for part in parts.path.strip("/").split("/")]
        run_id = names[3]
        assert names[:4] == ["dags", dag_id, "runs", run_id]
        assert alerts.state(dag_id, run_id) == "failed"
        ui.open(f"{parts.path}?{parts.query}")
        ui.page.get_by_text("failed", exact=True).first.wait_for()
        if not task:
            ui.page.get_by_text("Mark Run as").wait_for()
            return
        index = names[7] if "mapped" in names else ""
        assert task == (f"{names[5]}[{index}]" if index else names[5])
        (attempt,) = parse_qs(parts.query)["try_number"]
        mapped = f"/map_index={index}" if index else ""
        ui.page.get_by_text(f"/run_id={run_id}/task_id={names[5]}{mapped}/attempt={attempt}.log").first.wait_for()

    @pytest.mark.parametrize(("dag_id", "task"), SILENT)
    def test_what_is_not_a_failure_is_not_told(
        self, dag_id: str, task: str, runs: dict[str, str], alerts: Alerts
    ) -> None:
        assert alerts.tasks(dag_id, runs[dag_id])[task] == SILENT[dag_id, task]
        assert alerts.texts(f"{dag_id}.{task}") == []

    def test_the_message_says_which_try_and_what_woke_the_run(self, runs: dict[str, str], alerts: Alerts) -> None:
        fields = {
            name: {
                field["text"].split("\n")[0]: field["text"].split("\n")[1] for field in message["blocks"][1]["fields"]
            }
            for message in alerts.messages()
            for name in ("failing.retried", "woken.raises")
            if name in message["text"]
        }
        assert fields["woken.raises"]["*Triggered by*"] == "spoilt of produces"
        assert fields["failing.retried"]["*Try*"] == "2 of 2"
        assert fields["failing.retried"]["*Owner*"] == "tests"
        assert {"*Host*", "*Duration*"} <= fields["failing.retried"].keys()

    def test_a_burst_is_ten_messages_and_one_for_the_rest(self, runs: dict[str, str], alerts: Alerts) -> None:
        """Two hundred tasks of one run."""
        alerts.start("burst")
        only(11, lambda: alerts.texts("burst"), "the burst is told")
        texts = alerts.texts("burst")
        assert Counter(text.split(":")[0] for text in texts) == {"Task failed": 10, f"{BURST} tasks failed": 1}
        singles = {label for text in texts for label in re.findall(r"Task failed: burst\.(fails\[\d+\])", text)}
        assert len(singles) == 10
        assert not any(label in texts[-1] for label in singles)

    def test_two_hundred_failures_of_many_runs_are_told_and_none_twice(
        self, runs: dict[str, str], alerts: Alerts
    ) -> None:
        """Ten of each run, so that none is folded; in several channels, each of which takes one a second."""
        started = {alerts.start("crowd", alert_channel=f"#crowd-{number % 5}") for number in range(RUNS)}
        only(RUNS * OF_A_RUN, lambda: alerts.texts("crowd"), "the crowd is told")
        found = [re.match(r"Task failed: crowd\.fails\[(\d+)\], run (\S+):", text) for text in alerts.texts("crowd")]
        told = {(match[2], int(match[1])) for match in found if match}
        assert told == {(run, index) for run in started for index in range(OF_A_RUN)}

    def test_a_file_that_breaks_is_told_once_and_once_when_it_is_whole_again(
        self, runs: dict[str, str], alerts: Alerts
    ) -> None:
        """It is parsed again at each edit, and told no more often; also where it ends the process that parses it."""
        head, path = "from airflow.sdk import dag, task\n", "/importErrors"
        files = {alerts.root / "dags" / f"{name}.py": does for name, does in BREAKS.items()}
        for file, (does, _) in files.items():
            file.write_text(head + does)
        for file in files:
            eventually(lambda file=file: alerts.texts(file.name), "it is told")
            file.write_text(head + "import still_nothing\n")
        eventually(
            lambda: str(alerts.api.get(path)["import_errors"]).count("named 'still_nothing'") == len(files),
            "they are parsed again",
        )
        for file, (_, words) in files.items():
            only(1, lambda file=file: alerts.texts(file.name), "it is told once")
            assert words in alerts.texts(file.name)[0]
            file.write_text(head + WHOLE.replace("whole", file.stem))
        for file in files:
            only(2, lambda file=file: alerts.texts(file.name), "it is told to be whole again")
            assert alerts.texts(file.name)[1].startswith(f"DAG file imports again: {file.name}")
            file.unlink()

    def test_where_slack_fails_the_task_ends_its_log_says_why_and_it_is_told_later(
        self, runs: dict[str, str], slack: Alerts
    ) -> None:
        """Refused, without an answer, limited; what was not sent is told once when Slack is back."""
        before = len(slack.texts("one.raises"))
        for fault, fix in FAULTS:
            slack.fault(**fault)
            run = slack.start("one")
            eventually(lambda run=run: slack.state("one", run) == "failed", "the run ends while Slack fails")
            log = [line for line in slack.log("one", run, "raises") if "Slack did not accept this message" in line]
            assert len(log) == 1
            assert fix in log[0]
            assert not slack.texts(run)
            slack.fix()
        only(before + len(FAULTS), lambda: slack.texts("one.raises"), "all are told later")

    def test_a_task_that_dies_while_the_scheduler_is_down_is_told_once(
        self, runs: dict[str, str], alerts: Alerts
    ) -> None:
        run = alerts.start("marked")
        eventually(lambda: set(alerts.tasks("marked", run).values()) == {"running"}, "two tasks run")
        before = len(alerts.texts())
        alerts.in_scheduler("scheduler.suspend()")
        path = f"/dags/marked/dagRuns/{run}/taskInstances"
        alerts.api.patch(f"{path}/shell", {"new_state": "failed"})
        # Those without children: the other one's is its shell.
        alerts.in_scheduler(
            "tasks = [task for worker in scheduler.children() for task in worker.children()]\n"
            "for task in tasks: task.children() or task.kill()"
        )
        eventually(lambda: alerts.tasks("marked", run)["sleeps"] == "failed", "the task's supervisor has seen it")
        assert len(alerts.texts()) == before
        alerts.in_scheduler("scheduler.kill()")
        only(1, lambda: alerts.texts("marked.sleeps"), "the killed task is told")
        assert len(alerts.texts()) == before + 1

    def test_a_restart_tells_nothing_again_and_what_was_not_sent(self, runs: dict[str, str], slack: Alerts) -> None:
        slack.fault(kind="error")
        run = slack.start("one")
        eventually(lambda: slack.state("one", run) == "failed", "the run ends while Slack fails")
        before = len(slack.messages())
        for verb in ("down", "up"):  # which forgets Slack's faults
            result = slack.stack.dev(verb)
            assert result.returncode == 0, result.stdout + result.stderr
        only(before + 1, slack.texts, "what was not sent is told")


def link(message: dict[str, Any]) -> str:
    """Return where the message's button leads."""
    (button,) = message["blocks"][-1]["elements"]
    return str(button["url"])

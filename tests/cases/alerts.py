"""Each failure of real Airflow reaches Slack once, and its link opens: real components, the Slack emulator.

All that can fail at the same time does, in one environment, before the first test; each test then looks at what came.
"""

from __future__ import annotations

import re
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

DEADLINE = 600
#: One for all looks: making one costs more than asking.
HTTP = httpx.Client(trust_env=False, timeout=60)
#: Less patience for a task that does not answer; and a proxy that does not know where anything is.
SETTINGS = """\
HTTP_PROXY=http://127.0.0.1:9
HTTPS_PROXY=http://127.0.0.1:9
AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=15
AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL=2
"""
FILE = Path(__file__).parent / "dags/failing.py"
DAGS = {"failing", "dying", "marked", "late", "burst", "crowd", "produces", "woken", "one", "marker"}
#: DAG and task -> what its message says. Each is reported once.
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
    ("dying", "frozen"): "no more heartbeats",
    ("late", ""): "the run took longer than its limit of 0:00:02",
    ("woken", "raises"): "ValueError: woken",
}
#: What is not reported: it goes on, it never was to run, or a person knows.
SILENT = {
    ("failing", "recovers"): "success",
    ("failing", "skipped"): "skipped",
    ("failing", "unreachable"): "upstream_failed",
    ("dying", "lost_once"): "success",
    ("marked", "shell"): "failed",
    ("marked", "sleeps"): "failed",
}
#: Tasks of one of many runs that fail at once.
OF_A_RUN = 10
#: Of one run ten are reported one by one, and the others together.
BURST_MESSAGES = 11
#: What Slack does, and what the task's log says of it. The slowest ones first, while no message waits to be sent again.
FAULTS = [
    ({"kind": "hang", "seconds": 60}, "network"),
    ({"kind": "drop"}, "network"),
    ({"kind": "error", "error": "not_in_channel"}, "/invite"),
    ({"kind": "error", "error": "channel_not_found"}, "AIRFLOW_ALERT_CHANNEL"),
    ({"kind": "error", "error": "invalid_auth"}, "AIRFLOW_CONN_SLACK_API_DEFAULT"),
    ({"kind": "error"}, "slack-status"),
    # Longer than a task waits.
    ({"kind": "limit", "seconds": 15}, "no action needed"),
]
HEAD = "from airflow.sdk import dag, task\n"
#: What breaks a DAG file -> words of its alert.
BROKEN = {
    "broken.py": ("import nothing_of_the_sort\n", "No module named 'nothing_of_the_sort'"),
    "exits.py": ("import os; os._exit(3)\n", "exited with status 3 while it was parsed"),
}
STILL_BROKEN = HEAD + "import still_nothing\n"
WHOLE = """from airflow.sdk import dag, task

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
    :param burst: how many tasks of one run fail at once.
    :param runs: how many runs fail at once.
    """

    stack: Any
    root: Path
    address: str
    emulators_url: str
    password: str
    in_scheduler: Callable[[str], str]
    before: int = 0
    burst: int = 200
    runs: int = 20

    @property
    def api(self) -> AirflowApi:
        """A logged-in client."""
        api: AirflowApi = self.stack.api
        return api

    def messages(self) -> list[dict[str, Any]]:
        """Return what arrived, the oldest first; markers are none of it."""
        return [message for message in self._everything() if "marker" not in str(message["text"])]

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

    def import_errors(self) -> list[dict[str, Any]]:
        """Return the DAG files that do not import."""
        return list(self.api.get("/importErrors")["import_errors"])

    def settle(self) -> None:
        """Wait until a message that was still on its way would be here.

        A run fails in each channel by the slowest way: by taking too long, which the dag-processor's callback and then
        the scheduler's look at the database hear of. Whatever failed before was ahead of it, on each of these ways.
        """
        runs = {
            self.start("marker", alert_channel=channel) for channel in {str(one["channel"]) for one in self.messages()}
        }

        def passed() -> bool:
            texts = [str(message["text"]) for message in self._everything()]
            return all(
                any(run in text and text.startswith(way) for text in texts)
                for run in runs
                for way in ("DAG run failed: marker", "marker's callback")
            )

        eventually(passed, "the markers' messages")

    def _everything(self) -> list[dict[str, Any]]:
        answer = HTTP.get(f"{self.emulators_url}/slack/messages")
        return list(answer.json())[self.before :]

    def fault(self, **fields: Any) -> None:
        """Make Slack fail."""
        url = f"{self.emulators_url}/control/faults"
        assert HTTP.post(url, json={"service": "slack"} | fields).status_code == httpx.codes.OK

    def fix(self) -> None:
        """End Slack's faults."""
        HTTP.delete(f"{self.emulators_url}/control/faults")


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so; look less often the longer it takes, for a look at many messages is work."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < DEADLINE, f"not within {DEADLINE} s: {what}"
        time.sleep(min(max(0.1, waited / 10), 1.0))


def only(alerts: Alerts, count: int, texts: Callable[[], list[str]], what: str) -> None:
    """Wait until so many messages are there, and then for whatever else is on its way: it is none of these."""
    eventually(lambda: len(texts()) >= count, what)
    alerts.settle()
    assert len(texts()) == count, texts()


def bring_dags(alerts: Alerts) -> None:
    """Copy the DAGs that fail into the running environment, and wait until they are there."""
    text = FILE.read_text().replace("BURST = 200", f"BURST = {alerts.burst}")
    (alerts.root / "dags" / FILE.name).write_text(text)
    eventually(lambda: {dag["dag_id"] for dag in alerts.api.pages("/dags", "dags")} >= DAGS, "the DAGs are there")


class AlertCases:
    """What Slack gets; `alerts` is an environment with the DAGs that fail."""

    @pytest.fixture(scope="class")
    @classmethod
    def started(cls, alerts: Alerts) -> dict[str, list[str]]:
        """Let everything fail that can at the same time, and wait until no more comes of it."""
        for name, (does, _) in BROKEN.items():
            (alerts.root / "dags" / name).write_text(HEAD + does)
        alerts.api.patch("/dags/woken", {"is_paused": False})
        runs = {name: [alerts.start(name)] for name in ("dying", "marked", "late", "produces", "failing")}
        (marked,) = runs["marked"]
        eventually(lambda: set(alerts.tasks("marked", marked).values()) == {"running"}, "two tasks run")
        for task in ("shell", "sleeps"):
            alerts.api.patch(f"/dags/marked/dagRuns/{marked}/taskInstances/{task}", {"new_state": "failed"})
        runs["burst"] = [alerts.start("burst")]
        runs["crowd"] = [alerts.start("crowd", alert_channel=f"#crowd-{number % 5}") for number in range(alerts.runs)]
        for name in BROKEN:
            eventually(lambda name=name: alerts.texts(name), "the file's first error is reported")
            (alerts.root / "dags" / name).write_text(STILL_BROKEN)
        eventually(
            lambda: sum("still_nothing" in each["stack_trace"] for each in alerts.import_errors()) == len(BROKEN),
            "they are parsed again",
        )
        for name in ("dying", "failing"):
            eventually(lambda name=name: alerts.state(name, runs[name][0]) == "failed", f"the end of {name}")
        expected = len(TOLD) + BURST_MESSAGES + alerts.runs * OF_A_RUN + len(BROKEN)
        only(alerts, expected, alerts.texts, "all is reported")
        return runs

    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls, started: dict[str, list[str]]) -> dict[str, str]:
        """The first run of each DAG."""
        return {name: found[0] for name, found in started.items()}

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
    def test_failure(self, dag_id: str, task: str, runs: dict[str, str], alerts: Alerts, ui: Ui) -> None:
        """A failure is reported once, and its link opens: a browser shows the very try's log, or the run."""
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
    def test_silent(self, dag_id: str, task: str, runs: dict[str, str], alerts: Alerts) -> None:
        """What is not a failure is not reported."""
        assert alerts.tasks(dag_id, runs[dag_id])[task] == SILENT[dag_id, task]
        assert alerts.texts(f"{dag_id}.{task}") == []

    def test_fields(self, runs: dict[str, str], alerts: Alerts) -> None:
        """A message says which try it was and what triggered the run."""
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

    def test_burst(self, runs: dict[str, str], alerts: Alerts) -> None:
        """Many failed tasks of one run, two hundred in containers, are ten messages and one for the rest."""
        texts = alerts.texts("burst")
        assert len(texts) == BURST_MESSAGES
        assert Counter(text.split(":")[0] for text in texts) == {"Task failed": 10, f"{alerts.burst} tasks failed": 1}
        singles = {label for text in texts for label in re.findall(r"Task failed: burst\.(fails\[\d+\])", text)}
        assert len(singles) == 10
        assert not any(label in texts[-1] for label in singles)

    def test_crowd(self, started: dict[str, list[str]], alerts: Alerts) -> None:
        """Ten failures each of many runs, twenty in containers, are reported one by one, and none twice.

        Ten of each run, so that none is folded; in several channels, each of which takes one a second.
        """
        assert len(alerts.texts("crowd")) == alerts.runs * OF_A_RUN
        found = [re.match(r"Task failed: crowd\.fails\[(\d+)\], run (\S+):", text) for text in alerts.texts("crowd")]
        told = {(match[2], int(match[1])) for match in found if match}
        assert told == {(run, index) for run in started["crowd"] for index in range(OF_A_RUN)}

    @pytest.mark.parametrize("name", BROKEN)
    def test_broken_file(self, name: str, started: dict[str, list[str]], alerts: Alerts) -> None:
        """A file that breaks is reported once, however often it is parsed, and once when it imports again."""
        assert len(alerts.texts(name)) == 1
        assert BROKEN[name][1] in alerts.texts(name)[0]
        file = alerts.root / "dags" / name
        file.write_text(WHOLE.replace("whole", file.stem))
        only(alerts, 2, lambda: alerts.texts(name), "it is reported to import again")
        assert alerts.texts(name)[1].startswith(f"DAG file can be imported again: {name}")
        file.unlink()

    def test_slack_fails(self, runs: dict[str, str], slack: Alerts) -> None:
        """Where Slack refuses, limits or does not answer, the task ends and its log says why.

        What was not sent is reported once when Slack is back.
        """
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
        only(slack, before + len(FAULTS), lambda: slack.texts("one.raises"), "all are reported later")

    def test_scheduler_down(self, runs: dict[str, str], alerts: Alerts) -> None:
        """A task that dies while the scheduler is down is reported once."""
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
        only(alerts, 1, lambda: alerts.texts("marked.sleeps"), "the killed task is reported")
        assert len(alerts.texts()) == before + 1

    def test_restart(self, runs: dict[str, str], slack: Alerts) -> None:
        """After a restart nothing is reported again, and what was not sent is."""
        slack.fault(kind="error")
        run = slack.start("one")
        eventually(lambda: slack.state("one", run) == "failed", "the run ends while Slack fails")
        before = len(slack.messages())
        for verb in ("down", "up"):  # which forgets Slack's faults
            result = slack.stack.dev(verb)
            assert result.returncode == 0, result.stdout + result.stderr
        only(slack, before + 1, slack.texts, "what was not sent is reported")
        assert [text for text, count in Counter(slack.texts()).items() if count > 1] == []


def link(message: dict[str, Any]) -> str:
    """Return where the message's button leads."""
    (button,) = message["blocks"][-1]["elements"]
    return str(button["url"])

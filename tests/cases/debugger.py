"""F5 as VS Code does it, in any place: the entries of `launch.json`, driven over the Debug Adapter Protocol.

Beside an environment that is up and busy, and of which nothing changes.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg2
import pytest

from tests.dap import Debugger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.dap import Message, Place, Stop
    from workbench.cli.client import AirflowApi

DAG, WITH_INPUTS = "Python: debug current DAG", "Python: debug current DAG with date, params, tasks, events"
DEADLINE = 120
#: DAGs with a line of each sort of code to stop at.
DEBUGGED = Path(__file__).parent / "dags/debugged.py"
MARKS = ("stop: body", "stop: trigger", "stop: mapped", "stop: callback")
#: All that a run leaves in Airflow's database.
TRACES = (
    "SELECT dag_id, run_id, state, run_type FROM dag_run",
    "SELECT dag_id, run_id, task_id, map_index, try_number, state, start_date, end_date FROM task_instance",
    "SELECT id, asset_id, source_dag_id, source_run_id FROM asset_event",
    "SELECT * FROM asset_dag_run_queue",
    "SELECT dag_id, run_id, task_id, map_index, key FROM xcom",
)


@dataclass(frozen=True)
class Live:
    """A running environment, and an editor with its folder.

    :ivar database_url: as libpq takes it.
    :ivar logs: of live tasks, in the editor's place.
    """

    place: Place
    api: AirflowApi
    emulators_url: str
    database_url: str
    logs: str

    @property
    def file(self) -> Path:
        """The DAG file that is open."""
        return self.place.root / "dags/debugged.py"

    @property
    def hold(self) -> Path:
        """While it is there, tasks of the DAG `holds` last."""
        return self.place.root / "dags/hold"

    def editor(
        self, name: str, file: Path, stops: dict[Path, list[int]], inputs: dict[str, str] | None = None
    ) -> Debugger:
        """Press F5."""
        return Debugger(self.place.entry(name, file, inputs), stops, self.place)

    def line(self, file: Path, mark: str) -> int:
        """Find the line with a comment or a piece of code."""
        lines = self.place.read(file).splitlines()
        return next(number for number, text in enumerate(lines, start=1) if mark in text)

    def states(self, dag_id: str, run_id: str) -> list[str]:
        """Return the states of a run's tasks."""
        tries = self.api.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return [one["state"] for one in tries]

    def traces(self) -> list[Any]:
        """Read all that a run could have left in the live environment: messages, logs, rows."""
        forwarded = {"Host": "localhost"}  # no other name of a machine is answered
        messages = httpx.get(f"{self.emulators_url}/slack/messages", headers=forwarded, trust_env=False)
        found: list[Any] = [messages.json()]
        found.append(sorted(self.place.must("find", self.logs, "-name", "attempt=*.log").splitlines()))
        with closing(psycopg2.connect(self.database_url)) as session, session.cursor() as cursor:
            for statement in TRACES:
                cursor.execute(statement)
                found.append(sorted(map(str, cursor.fetchall())))
        return found


def opened(live: Live) -> Live:
    """Have the DAG file in an environment."""
    live.place.write(live.file, DEBUGGED.read_text())
    eventually(lambda: {"makes", "takes", "holds"} <= {dag["dag_id"] for dag in live.api.pages("/dags", "dags")})
    for dag_id in ("makes", "takes", "holds"):
        live.api.patch(f"/dags/{dag_id}", {"is_paused": False})
    return live


@contextmanager
def busy(live: Live) -> Iterator[Live]:
    """Keep an environment busy: a run that lasts, and consumers that wait for events."""
    live.place.write(live.hold, "")
    try:
        opened(live).api.post("/dags/holds/dagRuns", {"dag_run_id": "lasts", "logical_date": None})
        eventually(lambda: "running" in live.states("holds", "lasts"))
        yield live
    finally:
        live.place.must("rm", str(live.hold))
    eventually(lambda: live.states("holds", "lasts") == ["success"])


def eventually(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s"
        time.sleep(0.1)


@dataclass
class Session:
    """What was seen from F5 to the program's end."""

    stops: list[tuple[str, int]] = field(default_factory=list)
    seen: dict[int, dict[str, str]] = field(default_factory=dict)
    evaluated: dict[int, str] = field(default_factory=dict)
    code: int = -1
    text: str = ""
    before: list[Any] = field(default_factory=list)
    after: list[Any] = field(default_factory=list)

    def note(self, stop: Stop) -> None:
        """Look at the variables, and try the debug console."""
        name, number = stop.place
        self.stops.append((name, number))
        self.seen.setdefault(number, stop.locals())
        if "numbers" in stop.locals():
            self.evaluated[number] = stop.evaluate("sum(numbers) + 40")


class DebuggerCases:
    """Needs the fixture `environment`, which is up."""

    @pytest.fixture(scope="class")
    @classmethod
    def live(cls, environment: Live) -> Iterator[Live]:
        """The environment, busy."""
        with busy(environment):
            yield environment

    @pytest.fixture(scope="class")
    @classmethod
    def session(cls, live: Live) -> Session:
        """One F5 on a DAG of each sort of task, with a breakpoint in each sort of code."""
        utils = live.place.root / "common/utils.py"
        stops = {
            live.file: [live.line(live.file, mark) for mark in MARKS],
            utils: [live.line(utils, "        _alert(context)")],
        }
        session = Session(before=live.traces())
        with live.editor(DAG, live.file, stops) as debugger:
            eventually(lambda: "Which one?" in debugger.text)
            debugger.type("makes")
            while stop := debugger.stop_or_end():
                session.note(stop)
                stop.resume()
            session.code, session.text = debugger.exit_code(), debugger.text
        session.after = live.traces()
        return session

    @pytest.fixture
    def folder(self, live: Live) -> Iterator[Path]:
        """A folder of a stranger's, where the editor is."""
        folder = live.place.must("mktemp", "-d").strip()
        yield Path(folder)
        live.place.must("rm", "-r", folder)

    def test_breakpoints(self, session: Session, live: Live) -> None:
        """Breakpoints are hit in a task, a mapped task, a trigger, a callback and in `common`."""
        assert {("debugged.py", live.line(live.file, mark)) for mark in MARKS} <= set(session.stops)
        assert [name for name, _ in session.stops if name != "debugged.py"] == ["utils.py"]

    def test_variables(self, session: Session, live: Live) -> None:
        """At each stop variables are seen and expressions evaluated."""
        body, trigger, mapped, callback = (live.line(live.file, mark) for mark in MARKS)
        assert session.seen[body]["numbers"] == "[0, 1]"
        assert session.evaluated[body] == "41"
        assert session.seen[trigger]["fired"] == "'soon'"
        assert session.seen[mapped]["tenth"] == "0.1"
        assert session.seen[callback]["said"] == "'1 is one too many'"

    def test_failed_run(self, session: Session, live: Live) -> None:
        """A run that failed exits with 1, with a summary and the alert on the terminal."""
        assert session.code == 1
        rows = [text.split() for text in session.text.splitlines()]
        states = {row[0]: row[1] for row in rows if row and row[-1].endswith("attempt=1.log")}
        assert states == {"begin": "success", "waits": "success", "half[0]": "success", "half[1]": "failed"}
        log = next(row[-1] for row in rows if row[:2] == ["half[1]", "failed"])
        assert "ValueError: 1 is one too many" in live.place.read(live.place.root / log)
        assert "Slack" in session.text

    def test_live_unchanged(self, session: Session) -> None:
        """Nothing of the live environment changes: no run, task, event, queue entry, result, message or log file."""
        assert session.before == session.after
        assert any("lasts" in row and "running" in row for row in session.before[3])

    def test_inputs(self, live: Live, folder: Path) -> None:
        """The answers of VS Code's prompts count: one task of a DAG that events trigger, after a run of another."""
        live.place.must(live.place.python, "-m", "workbench.cli", "run", "takes", "--task", "first")
        alone = folder / "alone.py"
        live.place.write(alone, DEBUGGED.read_text().replace("\nmakes()\n", "\n").replace("\nholds()\n", "\n"))
        inputs = {"tasks": "read", "events": 'made {"numbers": 7}; made numbers=8'}
        with live.editor(WITH_INPUTS, alone, {alone: [live.line(alone, "stop: events")]}, inputs) as debugger:
            stop = debugger.stop()
            assert stop.locals()["told"] == "[{'numbers': 7}, {'numbers': 8}]"
            seen = stop.evaluate("start, dag_run.logical_date, dag_run.run_type.value")
            assert seen == "(41, None, 'asset_triggered')"
            stop.resume()
            assert debugger.exit_code() == 0, debugger.text

    def test_strangers_file(self, live: Live, folder: Path) -> None:
        """A stranger's file without `__main__`, which lies anywhere and has one DAG, is debugged just the same."""
        stranger = folder / "stranger.py"
        live.place.write(
            stranger,
            "from airflow.sdk import DAG\n"
            "from airflow.providers.standard.operators.python import PythonOperator\n\n"
            "def work():\n    answer = 42\n    return answer\n\n"
            "with DAG('strange'):\n    PythonOperator(task_id='work', python_callable=work)\n",
        )
        with live.editor(DAG, stranger, {stranger: [6]}) as debugger:
            stop = debugger.stop()
            assert stop.locals() == {"answer": "42"}
            stop.resume()
            assert debugger.exit_code() == 0, debugger.text

    def test_file_runs_itself(self, live: Live) -> None:
        """A file that runs itself stops as well.

        VS Code's own "debug Python file": it makes the environment where the terminal has none.
        """
        ingest = live.place.root / "dags/telecoms/ingest_agents.py"
        pipeline = live.place.root / "common/pipeline.py"
        entry = live.place.entry(DAG, ingest)
        own = {key: value for key, value in entry.items() if key not in {"module", "args"}} | {"program": str(ingest)}
        stops = {pipeline: [live.line(pipeline, "values = read_values(")]}
        with Debugger(own, stops, live.place) as debugger:
            stop = debugger.stop()
            assert stop.locals()["spreadsheet"] == "'telecoms-agents'"
            stop.resume()
            assert debugger.exit_code() == 0, debugger.text

    def test_test_file(self, live: Live, folder: Path) -> None:
        """The open test file is debugged."""
        tests = folder / "test_mine.py"
        live.place.write(tests, "def test_mine():\n    two = 1 + 1\n    assert two == 2\n")
        with live.editor("Python: debug current test file", tests, {tests: [3]}) as debugger:
            stop = debugger.stop()
            assert stop.locals() == {"two": "2"}
            stop.resume()
            assert debugger.exit_code() == 0, debugger.text

    def test_chain(self, live: Live) -> None:
        """A chain is debugged across its files: the consumer stops with the producer's event; nothing live has it."""
        before = live.traces()
        files = [live.place.root / f"dags/chained_{name}.py" for name in ("begin", "end")]
        head = "from airflow.sdk import Asset, dag, task\n\nLINK = Asset('link')\n\n"
        begin = (
            "    @task(outlets=[LINK])\n"
            "    def work(outlet_events=None):\n"
            "        outlet_events[LINK].extra = {'n': 3}\n"
        )
        end = (
            "    @task\n"
            "    def work(triggering_asset_events=None):\n"
            "        got = triggering_asset_events[LINK][0].extra\n"
        )
        try:
            live.place.write(files[0], f"{head}@dag(schedule=None)\ndef begins():\n{begin}    work()\n\nbegins()\n")
            live.place.write(
                files[1], f"{head}@dag(schedule=[LINK])\ndef ends():\n{end}        return got\n    work()\n\nends()\n"
            )
            with live.editor("Debug chain from current DAG", files[0], {files[1]: [10]}) as debugger:
                stop = debugger.stop()
                assert stop.locals()["got"] == "{'n': 3}"
                stop.resume()
                assert debugger.exit_code() == 0, debugger.text
        finally:
            live.place.must("rm", "-f", *map(str, files))
        assert before == live.traces()


class AttachCases:
    """Needs the fixtures `environment`, whose components listen, and `attach`: a component's entry of `launch.json`."""

    def test_scheduler(self, environment: Live, attach: Callable[[str], Message]) -> None:
        """A debugger attaches to the scheduler and its tasks: a task, which is its child, stops."""
        live = opened(environment)
        with Debugger(attach("scheduler"), {live.file: [live.line(live.file, "stop: live")]}, live.place) as debugger:
            live.api.post("/dags/holds/dagRuns", {"dag_run_id": "attached", "logical_date": None})
            stop = debugger.stop()
            assert stop.locals()["over"] == "'over'"
            assert "running" in live.states("holds", "attached")
            stop.resume()
            eventually(lambda: live.states("holds", "attached") == ["success"])

    def test_dag_processor(self, environment: Live, attach: Callable[[str], Message]) -> None:
        """A debugger attaches to the dag-processor and its parses: a DAG file stops while it is read."""
        live = opened(environment)
        number = live.line(live.file, "MADE = ")
        with Debugger(attach("dag-processor"), {live.file: [number]}, live.place) as debugger:
            live.place.write(live.file, f"{DEBUGGED.read_text()}AGAIN = True\n")
            stop = debugger.stop()
            assert stop.place == ("debugged.py", number)
            stop.resume()

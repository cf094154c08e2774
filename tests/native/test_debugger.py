"""F5 as VS Code does it: the entries of `launch.json`, driven over the Debug Adapter Protocol.

Beside an environment that is up and busy, and of which nothing changes.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg2
import pytest

from tests.dap import Debugger, Stop, launch_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.native.conftest import Stack

pytestmark = pytest.mark.native

DAG, WITH_INPUTS = "Python: debug current DAG", "Python: debug current DAG with date, params, tasks, events"
DEADLINE = 120
#: All that a run leaves in Airflow's database.
TRACES = (
    "SELECT dag_id, run_id, state, run_type FROM dag_run",
    "SELECT dag_id, run_id, task_id, map_index, try_number, state, start_date, end_date FROM task_instance",
    "SELECT id, asset_id, source_dag_id, source_run_id FROM asset_event",
    "SELECT * FROM asset_dag_run_queue",
    "SELECT dag_id, run_id, task_id, map_index, key FROM xcom",
)


@pytest.fixture(scope="module")
def checkout(make_stack: Callable[..., Stack]) -> Stack:
    """A checkout whose environment is not up, with three more DAGs."""
    stack = make_stack("debugger")
    shutil.copy(Path(__file__).parent / "dags/debugged.py", stack.root / "dags/debugged.py")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with (stack.root / ".env").open("a") as file:
            file.write(f"WORKBENCH_DEBUGPY=scheduler:{probe.getsockname()[1]}\n")
    return stack


@pytest.fixture(scope="module")
def file(checkout: Stack) -> Path:
    """The DAG file that is open in the editor."""
    return checkout.root / "dags/debugged.py"


@pytest.fixture(scope="module")
def live(checkout: Stack, file: Path) -> Iterator[Stack]:
    """Its environment, up and busy: a run that lasts, and consumers that wait for events."""
    checkout.up()
    eventually(lambda: {"makes", "takes", "holds"} <= {dag["dag_id"] for dag in checkout.api.pages("/dags", "dags")})
    for dag_id in ("makes", "takes", "holds"):
        checkout.api.patch(f"/dags/{dag_id}", {"is_paused": False})
    hold = file.parent / "hold"
    hold.touch()
    checkout.api.post("/dags/holds/dagRuns", {"dag_run_id": "lasts", "logical_date": None})
    eventually(lambda: "running" in state_of(checkout, "holds", "lasts"))
    yield checkout
    hold.unlink(missing_ok=True)


def eventually(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s"
        time.sleep(0.1)


def state_of(stack: Stack, dag_id: str, run_id: str) -> list[str]:
    """Give the states of a run's tasks."""
    tries = stack.api.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
    return [one["state"] for one in tries]


def traces(stack: Stack) -> list[Any]:
    """Read all that a run could have left in the live environment: rows, messages, logs."""
    found: list[Any] = [httpx.get(f"{stack.settings.standins_url}/slack/messages", trust_env=False).json()]
    found.append(sorted(str(path) for path in (stack.settings.airflow_home / "logs").rglob("attempt=*.log")))
    with closing(psycopg2.connect(stack.settings.database_url.replace("+psycopg2", ""))) as session:
        for statement in TRACES:
            cursor = session.cursor()
            cursor.execute(statement)
            found.append(sorted(map(str, cursor.fetchall())))
    return found


def line(file: Path, mark: str) -> int:
    """Find the line that a comment marks."""
    lines = file.read_text().splitlines()
    return next(number for number, text in enumerate(lines, start=1) if mark in text)


def editor(
    stack: Stack, name: str, file: Path, stops: dict[Path, list[int]], inputs: dict[str, str] | None = None
) -> Debugger:
    """Press F5 in VS Code, which was opened from a plain terminal."""
    return Debugger(launch_entry(stack.root, name, file, inputs), stops, stack.process)


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


def test_a_run_says_that_the_stand_ins_are_down_and_how_to_start_them(checkout: Stack) -> None:
    """However it is started; a task that needs none runs all the same."""
    ingest = checkout.root / "dags/telecoms/ingest_agents.py"
    python = str(checkout.root / ".venv/bin/python")
    for command in ([python, "-m", "devkit", "run", "ingest_agents"], [python, str(ingest)]):
        ran = subprocess.run(
            command, cwd=checkout.root, env=checkout.process, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 1
        assert "error: the stand-ins are not running, and connections point at them" in ran.stderr
        assert "mend: ./dev up" in ran.stderr
    ran = checkout.dev("run", "makes", "--task", "begin")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def session(live: Stack, file: Path) -> Session:
    """One F5 on a DAG of each sort of task, with a breakpoint in each sort of code."""
    utils = live.root / "common/utils.py"
    marks = ("stop: body", "stop: trigger", "stop: mapped", "stop: callback")
    stops = {file: [line(file, mark) for mark in marks], utils: [line(utils, "        _alert(context)")]}
    session = Session(before=traces(live))
    with editor(live, DAG, file, stops) as debugger:
        eventually(lambda: "Which one?" in debugger.text)
        debugger.type("makes")
        while stop := debugger.stop_or_end():
            note(session, stop)
            stop.resume()
        session.code, session.text = debugger.exit_code(), debugger.text
    session.after = traces(live)
    return session


def note(session: Session, stop: Stop) -> None:
    """Look at the variables, and try the debug console."""
    name, number = stop.place
    session.stops.append((name, number))
    session.seen.setdefault(number, stop.locals())
    if "numbers" in stop.locals():
        session.evaluated[number] = stop.evaluate("sum(numbers) + 40")


def test_breakpoints_are_hit_in_a_task_a_mapped_task_a_trigger_a_callback_and_in_common(
    session: Session, file: Path
) -> None:
    marks = ("stop: body", "stop: trigger", "stop: mapped", "stop: callback")
    assert {("debugged.py", line(file, mark)) for mark in marks} <= set(session.stops)
    assert [name for name, _ in session.stops if name != "debugged.py"] == ["utils.py"]


def test_variables_are_seen_and_expressions_evaluated_where_it_stands(session: Session, file: Path) -> None:
    assert session.seen[line(file, "stop: body")]["numbers"] == "[0, 1]"
    assert session.evaluated[line(file, "stop: body")] == "41"
    assert session.seen[line(file, "stop: trigger")]["fired"] == "'soon'"
    assert session.seen[line(file, "stop: mapped")]["tenth"] == "0.1"
    assert session.seen[line(file, "stop: callback")]["said"] == "'1 is one too many'"


def test_a_run_that_failed_ends_in_1_with_a_summary_and_the_alert_on_the_terminal(
    session: Session, live: Stack
) -> None:
    assert session.code == 1
    rows = [text.split() for text in session.text.splitlines()]
    states = {row[0]: row[1] for row in rows if row and row[-1].endswith("attempt=1.log")}
    assert states == {"begin": "success", "waits": "success", "half[0]": "success", "half[1]": "failed"}
    log = next(row[-1] for row in rows if row[:2] == ["half[1]", "failed"])
    assert "ValueError: 1 is one too many" in (live.root / log).read_text()
    assert "Slack" in session.text


def test_nothing_of_the_busy_live_environment_changes(session: Session) -> None:
    """No run, no task, no event, no queue entry, no result, no message, no log file."""
    assert session.before == session.after
    assert any("lasts" in row and "running" in row for row in session.before[3])


def test_date_params_tasks_and_events_are_asked_for(live: Stack, file: Path, tmp_path: Path) -> None:
    """The answers of VS Code's prompts: one task of a DAG that events wake, after a run of another."""
    ran = live.dev("run", "takes", "--task", "first")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    alone = tmp_path / "alone.py"
    alone.write_text(file.read_text().replace("\nmakes()\n", "\n").replace("\nholds()\n", "\n"))
    inputs = {"tasks": "read", "events": 'made {"numbers": 7}; made numbers=8'}
    with editor(live, WITH_INPUTS, alone, {alone: [line(alone, "stop: events")]}, inputs) as debugger:
        stop = debugger.stop()
        assert stop.locals()["told"] == "[{'numbers': 7}, {'numbers': 8}]"
        assert stop.evaluate("start, dag_run.logical_date, dag_run.run_type.value") == "(41, None, 'asset_triggered')"
        stop.resume()
        assert debugger.exit_code() == 0, debugger.text


def test_a_strangers_file_without_main_is_debugged_just_the_same(live: Stack, tmp_path: Path) -> None:
    """It lies anywhere, and has one DAG."""
    stranger = tmp_path / "stranger.py"
    stranger.write_text(
        "from airflow.sdk import DAG\n"
        "from airflow.providers.standard.operators.python import PythonOperator\n\n"
        "def work():\n    answer = 42\n    return answer\n\n"
        "with DAG('strange'):\n    PythonOperator(task_id='work', python_callable=work)\n"
    )
    with editor(live, DAG, stranger, {stranger: [6]}) as debugger:
        stop = debugger.stop()
        assert stop.locals() == {"answer": "42"}
        stop.resume()
        assert debugger.exit_code() == 0, debugger.text


def test_a_file_that_runs_itself_stops_as_well(live: Stack) -> None:
    """VS Code's own "debug Python file": it hands over to ./dev run, which makes the environment."""
    transform = live.root / "dags/telecoms/ingest_agents.py"
    pipeline = live.root / "common/pipeline.py"
    entry = launch_entry(live.root, DAG, transform)
    own = {key: value for key, value in entry.items() if key not in {"module", "args"}} | {"program": str(transform)}
    with Debugger(own, {pipeline: [line(pipeline, "cells = read_values(")]}, live.process) as debugger:
        stop = debugger.stop()
        assert stop.locals()["partition"] == "'current'"
        stop.resume()
        assert debugger.exit_code() == 0, debugger.text


def test_the_open_test_file_is_debugged(checkout: Stack, tmp_path: Path) -> None:
    tests = tmp_path / "test_mine.py"
    tests.write_text("def test_mine():\n    two = 1 + 1\n    assert two == 2\n")
    with editor(checkout, "Python: debug current test file", tests, {tests: [3]}) as debugger:
        stop = debugger.stop()
        assert stop.locals() == {"two": "2"}
        stop.resume()
        assert debugger.exit_code() == 0, debugger.text


def test_a_chain_is_debugged_across_its_files(live: Stack) -> None:
    """The consumer's breakpoint is hit, with the producer's event; the live environment has neither."""
    before = traces(live)
    files = [live.root / f"dags/chained_{name}.py" for name in ("begin", "end")]
    head = "from airflow.sdk import Asset, dag, task\n\nLINK = Asset('link')\n\n"
    begin = (
        "    @task(outlets=[LINK])\n    def work(outlet_events=None):\n        outlet_events[LINK].extra = {'n': 3}\n"
    )
    end = (
        "    @task\n    def work(triggering_asset_events=None):\n        got = triggering_asset_events[LINK][0].extra\n"
    )
    files[0].write_text(f"{head}@dag(schedule=None)\ndef begins():\n{begin}    work()\n\nbegins()\n")
    files[1].write_text(f"{head}@dag(schedule=[LINK])\ndef ends():\n{end}        return got\n    work()\n\nends()\n")
    try:
        with editor(live, "Debug chain from current DAG", files[0], {files[1]: [10]}) as debugger:
            stop = debugger.stop()
            assert stop.locals()["got"] == "{'n': 3}"
            stop.resume()
            assert debugger.exit_code() == 0, debugger.text
    finally:
        for file in files:
            file.unlink()
    assert before == traces(live)


def test_a_debugger_attaches_to_a_running_component(live: Stack, file: Path) -> None:
    """A task of the live scheduler is a child of it, and stops."""
    entry = launch_entry(live.root, "Attach to a running component", file)
    entry["connect"]["port"] = int(live.settings.environment["WORKBENCH_DEBUGPY"].split(":")[1])
    with Debugger(entry, {file: [line(file, "stop: live")]}, live.process) as debugger:
        (file.parent / "hold").unlink()
        live.api.post("/dags/holds/dagRuns", {"dag_run_id": "attached", "logical_date": None})
        stop = debugger.stop()
        assert stop.locals()["over"] == "'over'"
        assert "running" in state_of(live, "holds", "attached")
        stop.resume()
        eventually(lambda: state_of(live, "holds", "attached") == ["success"])

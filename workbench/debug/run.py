"""Run one DAG here and now, under a debugger or not: what F5, `./dev run` and the `__main__` of a DAG file do.

Everything runs in this one process against a database of its own, so that breakpoints are hit and the live Airflow
knows nothing of it. The connections are the real ones: what a task writes, it writes.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import fnmatch
import importlib.util
import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import debugger
from workbench.airflow import debug_database, debug_logs, debug_results, debugging
from workbench.airflow.debug_database import Event, emitted, pretend
from workbench.debug import arguments, emulators
from workbench.debug.find import find
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from workbench.debug.arguments import Request

__all__ = ["Event", "UserError", "debug", "emitted", "prepare", "pretend", "run", "run_once", "summary"]

_prepared: list[Any] = []


@dataclass(frozen=True)
class Ran:
    """One run in the debugger's database.

    :ivar summary: a line a task.
    """

    dag_id: str
    run_id: str
    state: str
    tasks: tuple[dict[str, Any], ...]
    summary: str

    @property
    def ok(self) -> bool:
        """Whether the run succeeded."""
        return self.state == "success"

    def to_json(self) -> dict[str, Any]:
        """Return the verdict for scripts."""
        return {
            "ok": self.ok,
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "state": self.state,
            "tasks": list(self.tasks),
        }

    def to_text(self, console: Console) -> None:
        """Print the summary below the tasks' own logs."""
        console.print(self.summary, markup=False)


def debug(dag: Any, argv: Sequence[str] | None = None) -> None:
    """Be the `__main__` of a DAG file: run the DAG and exit with 0, or with 1 where the run failed.

    In a terminal without Airflow's environment, `./dev run` makes it.

    :param argv: the command line, by default this process's.
    """
    words = [dag.dag_id, *(sys.argv[1:] if argv is None else argv), "--file", dag.fileloc]
    if "AIRFLOW__CORE__DAGS_FOLDER" not in os.environ and importlib.util.find_spec("workbench"):
        os.execv(sys.executable, [sys.executable, "-m", "workbench.cli", "run", *words])  # noqa: S606 no shell is meant
    sys.exit(main(words, dag))


def main(argv: Sequence[str] | None = None, dag: Any = None) -> int:
    """Be `python -m workbench.debug.run`, for places that have Airflow's environment and no `./dev`.

    :param dag: the one that is asked for, where it is there already.
    """
    parser = argparse.ArgumentParser(
        "python -m workbench.debug.run", description="Run one DAG once, without the live Airflow."
    )
    arguments.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object for scripts")
    args = parser.parse_args(argv)
    try:
        with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
            ran = run(arguments.request(parser, args), dag)
    except UserError as error:
        told = {"ok": False, "error": {"what": error.what, "why": error.why, "fix": error.fix}}
        print(json.dumps(told) if args.json else f"error: {error.what}\n  why:  {error.why}\n  fix:  {error.fix}")
        return 1
    print(json.dumps(ran.to_json(), indent=2) if args.json else ran.summary)
    return 0 if ran.ok else 1


def run(request: Request, dag: Any = None) -> Ran:
    """Find the DAG, run it as asked, and sum up.

    :raises UserError: where what is asked for does not fit the DAG, or something it needs is down.
    """
    if not request.slack:
        os.environ["AIRFLOW_ALERT_TO"] = "log"
    _open()
    dag = dag or find(request.dag_id, request.file)
    if debugger.attached():  # a person may stand at a breakpoint for longer
        debugging.lift_time_limits(dag)
    prepare([dag])
    events = [_pretended(asset, extra) for asset, extra in request.events]
    if events and request.date:
        raise UserError(
            "a run that events trigger has no logical date", "a date and --event are both given", "leave one out"
        )
    triggers = bool(events) and hasattr(dag.timetable, "asset_condition")
    done = run_asked(dag, request, events if triggers else None)
    return Ran(done.dag_id, done.run_id, str(done.state), tuple(_tasks_of(done)), summary(done))


def run_asked(dag: Any, request: Request, events: Sequence[Event] | None) -> Any:
    """Run a registered DAG as asked.

    :return: the DAG run.
    :raises UserError: where what is asked for does not fit the DAG, or something it needs is down.
    """
    conf = {**request.conf, **_params(dag, request.params)}
    done = run_once(dag, request.date, conf, events=events, tasks=_tasks(dag, request.tasks))
    if emulators.refused and done.state != "success":
        print(summary(done))
        first = emulators.refused[0]
        raise UserError(
            "the emulators are not running, and connections point at them",
            f"{first.conn_id} is needed; {first.why}",
            "./dev up, or set your own connections in .env",
        )
    return done


def prepare(dags: Sequence[Any]) -> None:
    """Open the debugger's database and make it know these DAGs and their assets, and no others.

    :raises ValueError: where one cannot be serialized.
    """
    _open()
    with debugger.looking_away():
        debug_database.register(dags)
    _prepared[:] = dags


def run_once(
    dag: Any,
    logical_date: datetime | None = None,
    conf: dict[str, Any] | None = None,
    *,
    events: Sequence[Event] | None = None,
    tasks: Sequence[str] = (),
    retries: bool = False,
) -> Any:
    """Run a DAG in this process, in the debugger's database; prepare it where that is not done.

    :param logical_date: by default the first one of a DAG that catches up, now for the others.
    :param events: those that trigger it, from `emitted` or `pretend`: the run then has no logical date, as the
        scheduler's. They may be none; None is a run by hand.
    :param tasks: ids of those to run, by default all; what they need from others is taken from their last run here.
    :param retries: as the DAG has them; by default failures are final, for who looks on does not want to wait.
    :return: the DAG run; `emitted(run)` gives its asset events.
    """
    if not any(dag is known for known in _prepared):
        prepare([dag])
    if not retries:
        for task in dag.tasks:
            task.retries = 0
    _check(dag, logical_date, conf or {})
    try:
        return debugging.run(dag, logical_date or _first_date(dag), conf or {}, events=events, tasks=tasks)
    except debug_results.NoResultsError as error:
        raise UserError(
            f"{', '.join(tasks)}: cannot determine the number of mapped tasks",
            f"{error} never succeeded in the debugger's database",
            f"./dev run {dag.dag_id} once, or name {error} too",
        ) from None


def summary(run: Any) -> str:
    """Return a table of the run's tasks, and where their logs are."""
    rows = [("task", "state", "seconds", "try", "xcom", "log")]
    for one in _tasks_of(run):
        seconds = "-" if one["seconds"] is None else f"{one['seconds']:.2f}"
        size = f"{one['xcom_bytes']} B" if one["xcom_bytes"] else "-"
        log = Path(one["log"]) if one["log"] else None
        here = log.relative_to(Path.cwd()) if log and log.is_relative_to(Path.cwd()) else log
        rows.append((one["task"], one["state"], seconds, str(one["try"] or "-"), size, str(here or "-")))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if place in {2, 3, 4} else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n ".join([f"\n{run.dag_id}  {run.run_id}  {run.state}", *lines])


def _tasks_of(run: Any) -> list[dict[str, Any]]:
    tasks = []
    for one in debug_database.ended(run):
        log = debug_logs.log_file(run, one.task_id, one.map_index, one.try_number)
        tasks.append({
            "task": one.name,
            "state": one.state,
            "seconds": one.seconds,
            "try": one.try_number,
            "xcom_bytes": one.xcom_bytes,
            "log": str(log) if log.exists() else None,
        })  # fmt: skip
    return tasks


def _open() -> None:
    """Turn to the debugger's database, once, and make this process ready for a task."""
    if debug_database.is_open():
        return
    with debugger.looking_away():
        debugging.load()
        from airflow.configuration import AIRFLOW_HOME

        debug_logs.quieten()
        debug_database.use_own_database(Path(AIRFLOW_HOME) / "debug")
        debugging.behave_like_a_worker()
        debugging.look_before_connecting(emulators.refuse_when_down)


def _first_date(dag: Any) -> datetime:
    """Return a date for which there may be a file."""
    if dag.catchup and dag.start_date:
        first: datetime = dag.start_date
        return first
    return datetime.now(UTC)


def _params(dag: Any, texts: dict[str, str]) -> dict[str, Any]:
    """Read the params as the DAG declares them: of a text's possible meanings the first that fits."""
    found = {}
    for name, text in texts.items():
        if name not in dag.params:
            known = ", ".join(dag.params) or "none"
            raise UserError(
                f"{dag.dag_id} has no param {name}", f"it has {known}", "--conf takes any JSON; --param only these"
            )
        param = dag.params.get_param(name)
        meanings = [meaning for meaning in (arguments.value(text), text) if _fits(param, meaning)]
        found[name] = meanings[0] if meanings else arguments.value(text)
    return found


def _fits(param: Any, value: Any) -> bool:
    from airflow.exceptions import ParamValidationError

    with contextlib.suppress(ParamValidationError):
        copy.deepcopy(param).resolve(value)
        return True
    return False


def _tasks(dag: Any, patterns: Sequence[str]) -> list[str]:
    """Return the ids that are asked for."""
    found: list[str] = []
    for pattern in patterns:
        ids = [task_id for task_id in dag.task_ids if fnmatch.fnmatchcase(task_id, pattern)]
        if not ids:
            raise UserError(
                f"{dag.dag_id} has no task {pattern}", f"it has {', '.join(dag.task_ids)}", "name one of them"
            )
        found += ids
    return found


def _pretended(asset: str, extra: dict[str, Any]) -> Event:
    try:
        return pretend(asset, extra)
    except LookupError as error:
        raise UserError(f"no asset {asset} concerns this DAG", f"there are {error}", "name one of them") from None


def _check(dag: Any, logical_date: datetime | None, conf: dict[str, Any]) -> None:
    """Refuse what `dag.test()` would wait for without end, or stumble over."""
    from airflow.exceptions import ParamValidationError

    params = copy.deepcopy(dag.params)
    try:
        params.update(conf)
        params.validate()
    except ParamValidationError as error:
        raise UserError(f"the params do not fit {dag.dag_id}", " ".join(str(error).split()), "--param K=V") from None
    if logical_date and dag.end_date and logical_date > dag.end_date:
        raise UserError(
            f"{dag.dag_id} runs nothing on {logical_date:%Y-%m-%d}",
            f"it ends on {dag.end_date:%Y-%m-%d}",
            "take an earlier date",
        )


if __name__ == "__main__":
    sys.exit(main())

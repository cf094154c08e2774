"""Run one DAG here and now, under a debugger or not: what F5, `./dev run` and the `__main__` of a DAG file do.

Everything runs in this one process against a database of its own, so that breakpoints stop and the live Airflow is
not touched. The connections are the real ones: what a task writes, it writes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import debugger
from workbench.airflow import debug_database, debug_logs, debug_run, debug_worker
from workbench.debug import emulators
from workbench.debug.resolve import resolve
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from workbench.airflow.debug_database import Event
    from workbench.debug.arguments import Request
    from workbench.debug.resolve import ResolvedRun

#: The columns of a summary that are numbers.
NUMBERS = {"seconds", "try", "xcom"}


@dataclass(frozen=True)
class DebugRun:
    """A run that has ended in the debugger's database.

    :ivar tasks: one a task instance: its name, state, seconds, try, size of its XComs and log file.
    :ivar dag_run: Airflow's object.
    """

    dag_id: str
    run_id: str
    state: str
    tasks: tuple[dict[str, Any], ...]
    dag_run: Any = field(repr=False, compare=False)

    @classmethod
    def read(cls, run: Any) -> DebugRun:
        """Read what became of a DAG run."""
        tasks = tuple(_task(run, task) for task in debug_database.tasks(run))
        return cls(run.dag_id, run.run_id, str(run.state), tasks, run)

    @property
    def ok(self) -> bool:
        """Whether the run succeeded."""
        return self.state == "success"

    def to_json(self) -> dict[str, Any]:
        """Return the result for scripts."""
        return {
            "ok": self.ok,
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "state": self.state,
            "tasks": list(self.tasks),
        }

    def to_text(self, console: Console) -> None:
        """Print the summary below the tasks' own logs."""
        console.print(self.summary(), markup=False)

    def summary(self) -> str:
        """Return a table of the tasks, with the path of each log."""
        header = ("task", "state", "seconds", "try", "xcom", "log")
        rows = [header, *(_row(task) for task in self.tasks)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                text.rjust(width) if name in NUMBERS else text.ljust(width)
                for name, text, width in zip(header, row, widths, strict=True)
            ).rstrip()
            for row in rows
        ]
        return "\n ".join([f"\n{self.dag_id}  {self.run_id}  {self.state}", *lines])


def run(request: Request, dag: Any = None, **options: Any) -> DebugRun:
    """Find the DAG, run it as asked, and read what became of it.

    :param dag: the DAG, where it is there already.
    :param options: further ones of `dag.test()`.
    :raises UserError: where the request does not fit the DAG, or something that it needs is down.
    """
    use_own_database(slack=request.slack)
    resolved = resolve(request, dag)
    prepare([resolved.dag])
    events = [_pretended(resolved.dag, asset, extra) for asset, extra in request.events]
    return DebugRun.read(execute(resolved, events if resolved.by_assets else None, **options))


def use_own_database(*, slack: bool = False) -> None:
    """Switch this process to the debugger's database, once, and make it ready to run tasks.

    :param slack: whether alerts go to Slack and not to the terminal.
    """
    if not slack:
        os.environ["AIRFLOW_ALERT_TO"] = "log"
    if debug_database.is_open():
        return
    with debugger.looking_away():
        debug_worker.load()
        from airflow.configuration import AIRFLOW_HOME

        debug_logs.quieten()
        debug_database.use_own_database(Path(AIRFLOW_HOME) / "debug")
        debug_worker.install(emulators.refuse_when_down)
        debug_logs.install()


def prepare(dags: Sequence[Any]) -> None:
    """Register these DAGs and their assets, and no others, in the debugger's database.

    :raises ValueError: where one cannot be serialized.
    """
    if debugger.attached():
        for task in (task for dag in dags for task in dag.tasks):
            task.execution_timeout = None  # an alarm, which would interrupt a person who stands at a breakpoint
    with debugger.looking_away():
        debug_database.register(dags)


def execute(
    resolved: ResolvedRun, events: Sequence[Event] | None = None, *, retries: bool = False, **options: Any
) -> Any:
    """Run a registered DAG.

    :param events: those that trigger it, from `emitted` or `pretend`: the run then has no logical date, as the
        scheduler's. They may be none; None means by hand.
    :param retries: as the DAG has them; by default failures are final, because the user does not want to wait.
    :return: the DAG run; `debug_database.emitted(run)` gives its asset events.
    :raises UserError: where something that it needs is missing.
    """
    dag, tasks = resolved.dag, resolved.tasks
    if not retries:
        for task in dag.tasks:
            task.retries = 0
    try:
        done = debug_run.run(dag, resolved.logical_date, resolved.conf, events=events, tasks=tasks, **options)
    except debug_run.NoResultsError as error:
        raise UserError(
            f"{', '.join(tasks)}: cannot determine the number of mapped tasks",
            f"{error} never succeeded in the debugger's database",
            f"./dev run {dag.dag_id} once, or add --task {error}",
            "results-missing",
        ) from None
    if emulators.refused and done.state != "success":
        print(DebugRun.read(done).summary())
        first = emulators.refused[0]
        raise UserError(
            "the emulators are not running, and connections point at them",
            f"the run needs {first.conn_id}; {first.why}",
            "./dev up, or set your own connections in .env",
            "emulators-down",
        )
    return done


def _pretended(dag: Any, asset: str, extra: dict[str, Any]) -> Event:
    try:
        return debug_database.pretend(asset, extra)
    except LookupError as error:
        raise UserError(
            f"{dag.dag_id} has no asset {asset}", f"its assets: {error}", "use one of these", "asset-unknown"
        ) from None


def _task(run: Any, task: debug_database.TaskResult) -> dict[str, Any]:
    log = debug_logs.log_file(run, task.task_id, task.map_index, task.try_number)
    return {
        "task": task.name,
        "state": task.state,
        "seconds": task.seconds,
        "try": task.try_number,
        "xcom_bytes": task.xcom_bytes,
        "log": str(log) if log.exists() else None,
    }


def _row(task: dict[str, Any]) -> tuple[str, ...]:
    seconds = "-" if task["seconds"] is None else f"{task['seconds']:.2f}"
    size = f"{task['xcom_bytes']} B" if task["xcom_bytes"] else "-"
    log = Path(task["log"]) if task["log"] else None
    here = log.relative_to(Path.cwd()) if log and log.is_relative_to(Path.cwd()) else log
    return task["task"], task["state"], seconds, str(task["try"] or "-"), size, str(here or "-")

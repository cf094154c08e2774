"""Run one DAG here and now, under a debugger or not: what F5, `./dev run` and the `__main__` of a DAG file do.

Everything runs in this one process against a database of its own, so that breakpoints are hit and the live Airflow
knows nothing of it. The connections are the real ones: what a task writes, it writes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.airflow_3_0_6 import debug_database, debugging
from common.airflow_3_0_6.debug_database import Event, emitted, pretend

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Event", "debug", "emitted", "prepare", "pretend", "run_once", "summary"]

_prepared: list[Any] = []


def debug(dag: Any, argv: Sequence[str] | None = None) -> None:
    """Run a DAG by `dag.test()`, print a summary and exit: 0, or 1 where the run failed.

    :param argv: the command line, by default this process's.
    """
    args = _parser(dag).parse_args(argv)
    if not args.slack:
        os.environ["AIRFLOW_ALERT_TO"] = "log"
    run = run_once(dag, args.date, args.conf)
    print(summary(run))
    sys.exit(run.state != "success")


def prepare(dags: Sequence[Any]) -> None:
    """Open the debugger's database and make it know these DAGs and their assets, and no others."""
    from airflow.configuration import AIRFLOW_HOME

    if not _prepared:
        debug_database.use_own_database(Path(AIRFLOW_HOME) / "debug")
        debugging.behave_like_a_worker()
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
    if tasks:
        dag = dag.partial_subset(tasks, include_upstream=False)
    return debugging.run(dag, logical_date or _first_date(dag), conf, events)


def summary(run: Any) -> str:
    """Give one line a task: state and seconds."""
    lines = [f"\n{run.dag_id}  {run.run_id}  {run.state}"]
    for one in debug_database.ended(run):
        seconds = f"{one.seconds:.2f} s" if one.seconds is not None else "-"
        lines.append(f"  {one.name:<40} {one.state:<16} {seconds:>9}")
    return "\n".join(lines)


def _first_date(dag: Any) -> datetime:
    """Give a date for which there may be a file."""
    if dag.catchup and dag.start_date:
        first: datetime = dag.start_date
        return first
    return datetime.now(UTC)


def _parser(dag: Any) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=f"Run {dag.dag_id} once, in this process, without the live Airflow.")
    parser.add_argument("date", nargs="?", type=_date, help="logical date, YYYY-MM-DD")
    parser.add_argument("--conf", type=json.loads, help='parameters as JSON, such as {"partition": "2025-11-21"}')
    parser.add_argument("--slack", action="store_true", help="send failure alerts to Slack and not to the log")
    return parser


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)

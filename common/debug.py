"""The `__main__` of a DAG file: run it here and now, under a debugger or not.

`python dags/telecoms/load_warehouse.py`, or F5. Everything runs in this one process against a database of its own, so
that breakpoints are hit and the live Airflow knows nothing of it. The connections are the real ones: what a task
writes, it writes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.airflow_3_0_6 import debugging

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def run_once(dag: Any, logical_date: datetime | None = None, conf: dict[str, Any] | None = None) -> Any:
    """Run a DAG in this process, in the debugger's database.

    Failures are final: who looks on does not want to wait for a retry.

    :param logical_date: by default the first one of a DAG that catches up, now for the others.
    :return: the DAG run.
    """
    from airflow.configuration import AIRFLOW_HOME

    debugging.use_own_database(Path(AIRFLOW_HOME) / "debug")
    debugging.make_dag_test_light()
    debugging.give_callbacks_the_exception()
    debugging.quieten()
    for task in dag.tasks:
        task.retries = 0
    debugging.register(dag)
    return dag.test(logical_date=logical_date or _first_date(dag), run_conf=conf)


def summary(run: Any) -> str:
    """Give one line a task: state and seconds."""
    lines = [f"\n{run.dag_id}  {run.run_id}  {run.state}"]
    for ti in debugging.task_instances(run):
        name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
        seconds = f"{ti.duration:.2f} s" if ti.duration is not None else "-"
        lines.append(f"  {name:<40} {ti.state or 'not run':<16} {seconds:>9}")
    return "\n".join(lines)


def _first_date(dag: Any) -> datetime:
    """Give a date for which there may be a file; never None, for which `dag.test()` would clear the DAG's history."""
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

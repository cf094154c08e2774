"""`with isolated(): dag_object.test()`: what a DAG file does when it is run as a program."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from workbench.debug.arguments import Request
    from workbench.debug.run import DebugRun


@contextlib.contextmanager
def isolated(argv: Sequence[str] | None = None) -> Iterator[None]:
    """Give each `dag.test()` in this block a database and logs of its own, and what the command line asks for.

    Alerts are shown in the terminal, a table of the tasks is printed, and the program exits with 1 where a run failed.
    In a terminal without Airflow's environment, the first `dag.test()` becomes `./dev run`.

    :param argv: the words of the command line, by default this program's: `2025-11-20 --param size=5`, see `--help`.
    """
    from airflow.sdk import DAG

    from workbench.debug import arguments

    parser = argparse.ArgumentParser(description="Run this file's DAG once, without the live Airflow.")
    arguments.add_arguments(parser, dag_known=True)
    parser.add_argument("--json", action="store_true", help="print one JSON object for scripts")
    args = parser.parse_args(argv)
    request = arguments.request(parser, args, dag_known=True)
    failed, stock = False, DAG.test

    def test(dag: Any, run_after: Any = None, logical_date: Any = None, run_conf: Any = None, **options: Any) -> Any:
        nonlocal failed
        if run_after is not None:
            options["run_after"] = run_after
        asked = replace(request, date=request.date or logical_date, conf={**(run_conf or {}), **request.conf})
        DAG.test = stock
        try:
            done = run_here(lambda: run_dag(dag, asked, options, as_json=args.json), as_json=args.json)
        finally:
            DAG.test = test
        failed = failed or done is None or not done.ok
        return done and done.dag_run

    DAG.test = test
    try:
        yield
    finally:
        DAG.test = stock
    if failed:
        sys.exit(1)


def run_here(run: Callable[[], DebugRun], *, as_json: bool) -> DebugRun | None:
    """Run a DAG and print what became of it; None where it could not be run at all."""
    try:
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            done = run()
    except UserError as error:
        content = {"schema": 1, "ok": False, "error": error.to_json()}
        lines = f"error: {error.what}\n  why:  {error.why}\n  fix:  {error.fix}"
        print(json.dumps(content, indent=2) if as_json else lines)
        return None
    print(json.dumps({"schema": 1, **done.to_json()}, indent=2) if as_json else done.summary())
    return done


def run_dag(dag: Any, request: Request, options: dict[str, Any], *, as_json: bool) -> DebugRun:
    """Run a DAG in this process, or become `./dev run` where Airflow's environment is not set."""
    if "AIRFLOW__CORE__DAGS_FOLDER" not in os.environ and importlib.util.find_spec("workbench.cli"):
        become_dev_run(dag, request, options, as_json=as_json)
    from workbench.debug import run

    return run.run(request, dag, **options)


def become_dev_run(dag: Any, request: Request, options: dict[str, Any], *, as_json: bool) -> NoReturn:
    """Replace this process by `./dev run`, which sets Airflow's environment."""
    from workbench.debug import arguments

    if options:
        raise UserError(
            f"dag.test() does not support {', '.join(options)} here",
            "this terminal has no Airflow environment, and ./dev run has no such option",
            "run the file in ./dev shell",
            "option-unavailable",
        )
    words = arguments.words(replace(request, dag_id=dag.dag_id, file=dag.fileloc))
    command = [sys.executable, "-m", "workbench.cli", "run", *words]
    os.execv(sys.executable, [*command, "--json"] if as_json else command)  # noqa: S606 no shell is meant

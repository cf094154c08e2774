"""Run a DAG and each DAG that its asset events trigger, in one process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import debugger
from workbench.chain import mermaid, report, request
from workbench.chain.dags import Graph, read_dags
from workbench.chain.report import ChainReport
from workbench.cli.backends import choice
from workbench.cli.settings import DOCKER
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse

    from workbench.chain.levels import ChainResult
    from workbench.chain.request import ChainRequest
    from workbench.cli.backends.protocol import Backend

GROUP = "write"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    request.add_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what triggers what, run nothing; needs no DAG")
    parser.add_argument(
        "--graph",
        type=Path,
        metavar="FILE",
        help="write a Mermaid flowchart, which GitHub and VS Code draw, to an .md or .mmd file; - prints it",
    )
    parser.set_defaults(parser=parser)


def run(args: argparse.Namespace) -> ChainReport:
    """Read the DAG files, run or plan the chain, write its flowchart."""
    asked = request.read(args.parser, args)
    if args.graph:
        mermaid.check_target(args.graph)
    where = choice.choose(args)
    os.environ.update(where.outside() if debugger.attached() else where.settings.environment)
    with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
        files = read_dags(where.settings.root / "dags")
        graph = Graph(files.dags)
        resolved = request.resolve(asked, files, graph)
        if args.dry_run:
            result = resolved.plan()
        elif where.settings.mode == DOCKER and where.runs() and not debugger.attached():
            result = run_in_docker(where, replace(asked, first=replace(asked.first, dag_id=resolved.dag_id, file=None)))
        else:
            from workbench.chain import run as chain  # noqa: PLC0415  # Airflow is imported once its environment is set

            result = chain.run(resolved, asked.first)
    found = ChainReport(graph, result, files.errors, planned=args.dry_run, graph_file=args.graph)
    if args.graph and args.graph != mermaid.TERMINAL:
        found.write_flowchart(args.graph)
    return found


def run_in_docker(where: Backend, asked: ChainRequest) -> ChainResult:
    """Run the chain in the scheduler's container, where the environment's tasks run.

    :raises UserError: for what is wrong with the request.
    """
    command = [*where.python(), "-m", "workbench.chain", *asked.words()]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    try:
        found = json.loads(ran.stdout)
    except ValueError:
        raise UserError(
            "the chain stopped before its end",
            f"its process exited with status {ran.returncode}",
            "read the log above; ./dev status shows whether the scheduler's container was out of memory",
            "chain-failed",
        ) from None
    if "error" in found:
        raise UserError(**found["error"])
    return report.from_json(found)

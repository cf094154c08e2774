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
from workbench.chain import record, request
from workbench.chain.dags import read_dags
from workbench.chain.graph import Graph
from workbench.chain.report import Chained
from workbench.cli.backends import choice
from workbench.cli.settings import DOCKER
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse

    from workbench.chain.levels import Followed
    from workbench.chain.request import ChainRequest
    from workbench.cli.backends.protocol import Backend

GROUP = "write"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    request.add_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what wakes what and run nothing; needs no DAG")
    parser.add_argument("--graph", type=Path, metavar="FILE", help="draw the chain into an .html or .svg file")
    parser.set_defaults(parser=parser)


def run(args: argparse.Namespace) -> Chained:
    """Read the DAG files, follow the chain for real or as a plan, draw it."""
    asked = request.read(args.parser, args)
    where = choice.choose(args)
    os.environ.update(where.outside() if debugger.attached() else where.settings.environment)
    try:
        with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
            files = read_dags(where.settings.root / "dags")
            graph = Graph(files.dags)
            begin = request.begin(asked, files, graph)
            if args.dry_run:
                followed = begin.plan()
            elif where.settings.mode == DOCKER and where.runs() and not debugger.attached():
                followed = in_docker(where, replace(asked, first=replace(asked.first, dag_id=begin.dag_id, file=None)))
            else:
                from workbench.chain import live  # noqa: PLC0415  # Airflow is imported once its environment is set

                followed = live.run(begin, asked.first)
    except UserError as error:
        raise UserError(error.what, error.why, error.fix, error.code) from None
    chained = Chained(graph, followed, files.errors, planned=args.dry_run)
    if args.graph:
        chained.draw(args.graph)
    return chained


def in_docker(where: Backend, asked: ChainRequest) -> Followed:
    """Run it in the scheduler's container, where the stack's tasks run; a debugger does not reach in there.

    :raises UserError: for what is wrong with the request.
    """
    command = [*where.python(), "-m", "workbench.chain", *asked.words()]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    try:
        found = json.loads(ran.stdout)
    except ValueError:
        raise UserError(
            "the chain did not come to its end",
            f"its process ended with {ran.returncode}",
            "see above; ./dev status says whether the scheduler's container was out of memory",
            "chain-failed",
        ) from None
    if "error" in found:
        raise UserError(**found["error"])
    return record.from_json(found)

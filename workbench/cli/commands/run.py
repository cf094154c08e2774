"""Run one DAG with dag.test(), in a database of its own."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from workbench import debugger
from workbench.cli.backends import choice
from workbench.cli.settings import DOCKER
from workbench.debug import arguments
from workbench.debug import run as debug
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse

    from workbench.cli.backends.protocol import Backend
    from workbench.debug.arguments import Request

GROUP = "write"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    arguments.add_arguments(parser)
    parser.set_defaults(parser=parser)


def run(args: argparse.Namespace) -> debug.DebugRun:
    """Find the DAG and run it; the live Airflow is not touched."""
    request = arguments.request(args.parser, args)
    with debugger.looking_away():
        backend = choice.choose(args)
        if backend.settings.mode == DOCKER and backend.runs() and not debugger.attached():
            in_docker(backend, request, as_json=args.json)
        os.environ.update(backend.outside())
    with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
        return debug.run(request)


def in_docker(backend: Backend, request: Request, *, as_json: bool) -> NoReturn:
    """Replace this process by a run in the scheduler's container, where tasks run and no debugger reaches."""
    file = request.file
    if file:
        dags = backend.settings.root / "dags"
        if not file.resolve().is_relative_to(dags):
            why, fix = f"they see only the files in {dags}", f"move it to {dags}"
            raise UserError(f"{file} is not in the containers", why, fix, "file-outside")
        file = backend.root / "dags" / file.resolve().relative_to(dags)
    words = ["python", "-m", "workbench.debug", *arguments.words(replace(request, file=file))]
    backend.shell([*words, "--json"] if as_json else words)

"""Run one DAG by `dag.test()`, in this process and in a database of its own."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from common import debug, debug_arguments, debugger
from devkit import place
from devkit.errors import UserError
from devkit.settings import DOCKER

if TYPE_CHECKING:
    import argparse

    from common.debug_arguments import Request
    from devkit.place import Place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    place.add_mode(parser)
    debug_arguments.add_arguments(parser)
    parser.set_defaults(parser=parser)


def run(args: argparse.Namespace) -> debug.Ran:
    """Find the DAG and run it; the live Airflow knows nothing of it."""
    request = debug_arguments.request(args.parser, args)
    with debugger.looking_away():
        where = place.chosen(args)
        if where.settings.mode == DOCKER and where.runs() and not debugger.attached():
            in_docker(where, request, as_json=args.json)
        os.environ.update(where.outside())
    try:
        with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
            return debug.run(request)
    except debug.DebugError as error:
        raise UserError(error.what, error.why, error.mend) from None


def in_docker(where: Place, request: Request, *, as_json: bool) -> NoReturn:
    """Become a run in the scheduler's container, where the stack's tasks run; a debugger does not reach in there."""
    file = request.file
    if file:
        dags = where.settings.root / "dags"
        if not file.resolve().is_relative_to(dags):
            raise UserError(f"{file} is not in the containers", f"they see {dags}", "move it there")
        file = where.root / "dags" / file.resolve().relative_to(dags)
    words = ["python", "-m", "common.debug", *debug_arguments.words(replace(request, file=file))]
    where.shell([*words, "--json"] if as_json else words)

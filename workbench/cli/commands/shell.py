"""Open a shell, or run one command, with Airflow's environment."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from workbench.cli.backends import choice

if TYPE_CHECKING:
    from typing import NoReturn

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="-- COMMAND",
        help="run this command instead of a shell: ./dev shell -- airflow dags list",
    )


def run(args: argparse.Namespace) -> NoReturn:
    """Replace this process by the shell or the command, whose exit status is returned."""
    choice.choose(args).shell(args.words[1:] if args.words[:1] == ["--"] else args.words)

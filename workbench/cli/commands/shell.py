"""Open a shell, or run one command, with the environment that Airflow's processes have."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from workbench.cli.backends import choice

if TYPE_CHECKING:
    from typing import NoReturn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="-- COMMAND",
        help="run this instead: ./dev shell -- airflow dags list",
    )


def run(args: argparse.Namespace) -> NoReturn:
    """Become the shell or the command; its exit status is ours."""
    choice.chosen(args).shell(args.words[1:] if args.words[:1] == ["--"] else args.words)

"""Start the environment, and wait until it is healthy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.console import Console

from workbench.airflow import compat
from workbench.cli.backends import choice
from workbench.cli.bring_up import Environment, bring_up

if TYPE_CHECKING:
    import argparse

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument(
        "--stock",
        action="store_true",
        help="run Airflow as published, this time only; for always, set WORKBENCH_STOCK=1 in .env",
    )


def run(args: argparse.Namespace) -> Environment:
    """Start what is not running."""
    if args.stock:
        os.environ[compat.STOCK] = "1"
    return bring_up(choice.choose(args, starting=True), Console(stderr=True, highlight=False, soft_wrap=True))

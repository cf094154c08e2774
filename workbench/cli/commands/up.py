"""Start the environment, and wait until it is healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from workbench.cli.backends import choice
from workbench.cli.bring_up import Environment, bring_up

if TYPE_CHECKING:
    import argparse

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)


def run(args: argparse.Namespace) -> Environment:
    """Start what is not running."""
    return bring_up(choice.choose(args, starting=True), Console(stderr=True, highlight=False, soft_wrap=True))

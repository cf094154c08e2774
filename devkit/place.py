"""Where an environment runs: natively; in containers is still to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devkit.errors import UserError

if TYPE_CHECKING:
    import argparse


def add_mode(parser: argparse.ArgumentParser) -> None:
    """Declare `--mode`."""
    parser.add_argument("--mode", choices=("native", "docker"), default="native", help="where it runs (native)")


def refuse_docker(args: argparse.Namespace) -> None:
    """Say that the mode is not there yet.

    :raises UserError: for `--mode docker`.
    """
    if getattr(args, "mode", "native") == "docker":
        raise UserError("there is no docker mode yet", "this version runs natively", "leave --mode out")

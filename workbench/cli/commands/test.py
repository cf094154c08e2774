"""Run the whole test suite with pytest."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.cli.environment import tool_environment
from workbench.cli.paths import ROOT

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

GROUP = "write"


@dataclass(frozen=True)
class Tested:
    """pytest's exit status: 0 all passed, 1 some failed, 2 to 5 as its documentation says."""

    exit_status: int

    @property
    def ok(self) -> bool:
        """Whether all tests passed."""
        return self.exit_status == 0

    def to_json(self) -> dict[str, Any]:
        """Return the verdict; pytest's report stands on standard error."""
        return {"ok": self.ok, "exit_status": self.exit_status}

    def to_text(self, console: Console) -> None:
        """Print nothing: pytest has said it all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "pytest", nargs="*", metavar="ARG", help="for pytest, after `--`: -m unit, -k alert, tests/common, ..."
    )
    parser.add_argument("-m", dest="marker", help="one layer: unit, emulators or native")


def run(args: argparse.Namespace) -> Tested:
    """Run pytest in this Python."""
    command = [sys.executable, "-m", "pytest", *(["-m", args.marker] if args.marker else []), *args.pytest]
    output = sys.stderr if args.json else None
    return Tested(subprocess.run(command, cwd=ROOT, env=tool_environment(), stdout=output, check=False).returncode)

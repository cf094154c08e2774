"""Check format, lint, types, secrets and DAG imports of all files."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench.cli.environment import tool_environment
from workbench.cli.paths import ROOT
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

GROUP = "write"


@dataclass(frozen=True)
class Checked:
    """Whether all hooks passed."""

    ok: bool

    def to_json(self) -> dict[str, Any]:
        """Return the verdict; the findings stand on standard error."""
        return asdict(self)

    def to_text(self, console: Console) -> None:
        """Print the verdict below the hooks' own output."""
        console.print("all hooks pass" if self.ok else "a hook failed or fixed files: see above, then ./dev check")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--install", action="store_true", help="also run the hooks at every git commit from now on")
    parser.add_argument("--files", nargs="+", metavar="FILE", help="check only these files, with the quick hooks only")


def run(args: argparse.Namespace) -> Checked:
    """Run the hooks."""
    if not (ROOT / ".git").exists():
        why, fix = f"{ROOT} is not a git checkout", f"git init {ROOT}, or clone it again"
        raise UserError("the hooks cannot run", why, fix, "not-a-checkout")
    if args.install:
        _pre_commit("install")
    which = ["--hook-stage", "manual", "--files", *args.files] if args.files else ["--all-files"]
    return Checked(ok=_pre_commit("run", *which) == 0)


def _pre_commit(*arguments: str) -> int:
    # Its output goes to standard error so that --json keeps standard output to itself.
    command = [sys.executable, "-m", "pre_commit", *arguments]
    return subprocess.run(command, cwd=ROOT, env=tool_environment(), stdout=sys.stderr, check=False).returncode

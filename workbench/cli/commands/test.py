"""Run the tests; by default all that need no Docker."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.cli.environment import tool_environment
from workbench.cli.machine import free_memory
from workbench.cli.paths import ROOT

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

GROUP = "write"

#: Marker of a layer -> what its tests start.
LAYERS = {
    "unit": "nothing",
    "emulators": "the emulators",
    "native": "the environment, without Docker",
    "containers": "the environment in Docker, with an engine of its own where no daemon answers",
}
#: What only `--all` or `-m` runs.
BY_REQUEST = ("containers",)
#: Processes that run tests: one more than there are cores, for tests often wait; and what one and its environment take.
MOST, BYTES_EACH = 5, 768 << 20


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
        """Print nothing: pytest has printed its report."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "pytest", nargs="*", metavar="PATH", help="files, folders or FILE::TEST; after `--` any option of pytest"
    )
    parser.add_argument("--all", action="store_true", help=f"also {', '.join(BY_REQUEST)}")
    parser.add_argument("-m", dest="marker", metavar="LAYER", help=f"one layer: {', '.join(LAYERS)}")
    parser.add_argument("-k", dest="keyword", metavar="WORDS", help="tests whose names match, as pytest's -k")


def run(args: argparse.Namespace) -> Tested:
    """Run pytest in this Python."""
    command = [sys.executable, "-m", "pytest", *arguments(args)]
    output = sys.stderr if args.json else None
    with subprocess.Popen(command, cwd=ROOT, env=tool_environment(), stdout=output) as process:
        while process.returncode is None:
            with suppress(KeyboardInterrupt):  # pytest has it too: it ends what it started, and says how far it came
                process.wait()
    return Tested(process.returncode)


def arguments(args: argparse.Namespace) -> list[str]:
    """Return pytest's arguments: layers run in parallel, what was named in one process, where a debugger works."""
    paths = [word for word in args.pytest if (ROOT / word.partition("::")[0]).exists()]
    words = ["-k", args.keyword] if args.keyword else []
    if args.marker:
        words += ["-m", args.marker]
    elif not (args.all or paths):
        words += ["-m", " and ".join(f"not {layer}" for layer in BY_REQUEST)]
    if not (args.keyword or paths):
        workers = max(1, min((os.cpu_count() or 1) + 1, MOST, free_memory() // BYTES_EACH))
        words += [f"--numprocesses={workers}", "--no-loadscope-reorder"]  # by tests/parallel.py
    return [*words, *args.pytest]

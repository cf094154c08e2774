"""Parse the command line, run one command, render what it gives back."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console

from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: In the order of `./dev --help`. Each is a module of this package, imported only when it is asked for.
COMMANDS: dict[str, str] = {
    "up": "start the environment and wait until all of it is healthy",
    "demo": "run the whole pipeline on the sample data and check every number",
    "down": "stop everything",
    "reset": "stop everything and forget all state",
    "status": "health, restarts, memory, import errors, connections",
    "logs": "show the logs of a service (-f follows)",
    "shell": "a shell with the environment set",
    "run": "dag.test() of one DAG, in a database of its own",
    "chain": "a DAG and every DAG that its asset events trigger, in one process",
    "test": "the whole test suite",
    "check": "lint, types and hooks on all files",
    "doctor": "look at everything a start needs and change nothing",
    "conn": "list and test the connections, redacted",
    "alert": "send a sample of each kind of failure alert to Slack",
    "lock": "resolve requirements/*.in into the locks",
}


class Outcome(Protocol):
    """What a command gives back; the only thing that is rendered."""

    @property
    def ok(self) -> bool:
        """Whether the command did what it was asked; decides the exit status."""

    def to_json(self) -> dict[str, Any]:
        """Return what scripts may rely on."""

    def to_text(self, console: Console) -> None:
        """Print it for a person."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `./dev`.

    :return: 0, or 1 where a foreseen failure was told; usage errors exit with 2, others keep their traceback.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser(words)
    args = parser.parse_args(words)
    console = Console(highlight=False, soft_wrap=True)
    try:
        outcome: Outcome = args.run(args)
        if args.json:
            print(json.dumps(outcome.to_json(), indent=2, default=str))
        else:
            outcome.to_text(console)
    except UserError as error:
        report(error, as_json=args.json)
        return 1
    except KeyboardInterrupt:
        print("stopped by Ctrl-C; ./dev status says what is running", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `./dev logs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0 if outcome.ok else 1


def build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Declare all commands, but import only the one among `words`."""
    about = "Apache Airflow 3 on one laptop: run, edit, debug."
    parser = argparse.ArgumentParser(prog="./dev", description=about)
    parser.set_defaults(run=None, json=False)
    commands = parser.add_subparsers(metavar="command", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name in words:
            module = importlib.import_module(f"workbench.cli.commands.{name}")
            module.add_arguments(command)
            command.add_argument("--json", action="store_true", help="print one JSON object for scripts")
            command.set_defaults(run=module.run)
    return parser


def report(error: UserError, *, as_json: bool) -> None:
    """Tell a foreseen failure: on standard error for people, as JSON on standard output for scripts."""
    if as_json:
        print(json.dumps({"ok": False, "error": {"what": error.what, "why": error.why, "fix": error.fix}}, indent=2))
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    console.print(f"error: {error.what}", style="bold red")
    console.print(f"  why:  {error.why}\n  fix:  {error.fix}")

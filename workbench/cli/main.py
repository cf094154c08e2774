"""Parse the command line, run one command, print its result."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console

from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Of the JSON that every command prints; it changes only where a key changes its meaning or goes.
SCHEMA = 1
ABOUT = "Apache Airflow 3 on one laptop: run, edit, debug."
#: The groups of `./dev --help`, and in each the commands in the order in which they are shown; others come after them.
GROUPS: dict[str, tuple[str, ...]] = {
    "run": ("up", "down", "status", "logs", "shell", "reset", "demo"),
    "write": ("run", "chain", "test", "check"),
    "set up": ("conn", "alert", "doctor", "lock"),
}


@dataclass(frozen=True)
class Command:
    """A module of `workbench/cli/commands`: a file in there is a command.

    :ivar summary: the first line of its docstring.
    :ivar group: its `GROUP`.
    """

    name: str
    summary: str
    group: str


class Result(Protocol):
    """What a command returns; nothing else is printed on standard output."""

    @property
    def ok(self) -> bool:
        """Whether the command did what it was asked; decides the exit status."""

    def to_json(self) -> dict[str, Any]:
        """Return what scripts may rely on."""

    def to_text(self, console: Console) -> None:
        """Print it for a person."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `./dev`.

    :return: 0, or 1 after a foreseen failure; usage errors exit with 2, others keep their traceback.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    args = build_parser(words).parse_args(words)
    console = Console(highlight=False, soft_wrap=True)
    try:
        result: Result = args.run(args)
        if args.json:
            print_json(result.to_json())
        else:
            result.to_text(console)
    except UserError as error:
        report(error, as_json=args.json)
        return 1
    except KeyboardInterrupt:
        print("stopped by Ctrl-C; ./dev status shows what is running", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `./dev logs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0 if result.ok else 1


def read_commands() -> dict[str, Command]:
    """Return all commands in the order of the help, from the text of their modules: importing them takes seconds."""
    commands = []
    for file in Path(__file__).with_name("commands").glob("[!_]*.py"):
        module = ast.parse(file.read_bytes())
        summary = (ast.get_docstring(module) or "").partition("\n")[0].removesuffix(".")
        values = [node.value for node in module.body if isinstance(node, ast.Assign) and _names(node) == ["GROUP"]]
        group = str(ast.literal_eval(values[0])) if values else ""
        commands.append(Command(file.stem, summary, group))
    order = [name for names in GROUPS.values() for name in names]
    commands.sort(key=lambda each: (order.index(each.name) if each.name in order else len(order), each.name))
    return {each.name: each for each in commands}


def build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Declare all commands, but import only the one among `words`."""
    commands = read_commands()
    parser = argparse.ArgumentParser(
        prog="./dev",
        usage="./dev COMMAND [options]",
        description=ABOUT,
        epilog=_grouped(commands),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
    parser.set_defaults(run=None, json=False)
    subparsers = parser.add_subparsers(prog="./dev", metavar="COMMAND", required=True, help=argparse.SUPPRESS)
    for name, found in commands.items():
        command = subparsers.add_parser(name, description=f"{found.summary}.")
        if name in words:
            module = importlib.import_module(f"workbench.cli.commands.{name}")
            module.add_arguments(command)
            command.add_argument("--json", action="store_true", help="print one JSON object for scripts")
            command.set_defaults(run=module.run)
    return parser


def report(error: UserError, *, as_json: bool) -> None:
    """Print a foreseen failure: on standard error for people, as JSON on standard output for scripts."""
    if as_json:
        print_json({"ok": False, "error": error.to_json()})
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    console.print(f"error: {error.what}", style="bold red")
    console.print(f"  why:  {error.why}\n  fix:  {error.fix}")


def print_json(content: dict[str, Any]) -> None:
    """Print the envelope that every command has."""
    print(json.dumps({"schema": SCHEMA, **content}, indent=2, default=str))


def _grouped(commands: dict[str, Command]) -> str:
    lines = []
    for group in GROUPS:
        lines.append(f"{group}:")
        lines += [f"  {each.name:<9} {each.summary}" for each in commands.values() if each.group == group]
    return "\n".join([*lines, "", "./dev COMMAND --help shows the options. --json works with every command."])


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]

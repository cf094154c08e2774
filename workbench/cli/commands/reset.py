"""Stop everything and forget all state: database, lake, warehouse, keys, logs."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from workbench.cli import lock_file
from workbench.cli.backends import choice
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse

    from workbench.cli.backends.choice import Place


@dataclass(frozen=True)
class Forgotten:
    """What was done.

    :ivar removed: names of folders in `.run`, or of Docker's volumes.
    """

    removed: tuple[str, ...]
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return asdict(self)

    def to_text(self, console: Console) -> None:
        """Say it in a line."""
        console.print(f"Forgotten: {', '.join(self.removed)}" if self.removed else "There was nothing to forget.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> Forgotten:
    """Ask, then stop and forget."""
    where = choice.chosen(args)
    if not args.yes:
        ask(where.state())
    return reset(where, Console(stderr=True, highlight=False, soft_wrap=True))


def ask(state: str) -> None:
    """Have a person confirm.

    :raises UserError: where nobody is there to ask, or the answer is no.
    """
    fix = "./dev reset --yes"
    if not sys.stdin.isatty():
        raise UserError("reset forgets all state and asks first", "there is no terminal to ask on", fix)
    print(f"This deletes {state}.", file=sys.stderr)
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UserError("nothing was deleted", "the answer was not yes", fix)


def reset(where: Place, console: Console) -> Forgotten:
    """Forget everything but what `./dev` needs to run."""
    with lock_file.exclusive(where.settings, console):
        return Forgotten(where.reset())

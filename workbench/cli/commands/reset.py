"""Stop everything, and delete all data, keys and logs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from workbench.cli import lock_file
from workbench.cli.backends import choice
from workbench.cli.confirm import confirm

if TYPE_CHECKING:
    import argparse

    from workbench.cli.backends.protocol import Backend

GROUP = "run"


@dataclass(frozen=True)
class Deleted:
    """What was deleted.

    :ivar removed: names of folders in `.run`, or of Docker's volumes.
    """

    removed: tuple[str, ...]
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return asdict(self)

    def to_text(self, console: Console) -> None:
        """Print it in one line."""
        console.print(f"Deleted: {', '.join(self.removed)}" if self.removed else "There was nothing to delete.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument("--yes", action="store_true", help="delete without asking")


def run(args: argparse.Namespace) -> Deleted:
    """Ask, then stop and delete."""
    backend = choice.choose(args)
    if not args.yes:
        confirm(f"This deletes {backend.state()}", refused="nothing was deleted", fix="./dev reset --yes")
    return reset(backend, Console(stderr=True, highlight=False, soft_wrap=True))


def reset(backend: Backend, console: Console) -> Deleted:
    """Delete everything but what `./dev` needs to run."""
    with lock_file.exclusive(backend.settings, console):
        return Deleted(backend.reset())

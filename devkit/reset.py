"""Stop everything and forget all state: database, lake, warehouse, keys, logs."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from devkit import lock_file
from devkit.errors import UserError
from devkit.place import add_mode, refuse_docker
from devkit.settings import Settings
from devkit.supervise import Supervisor

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

#: What `./dev` itself set up, and the lock that is being held.
KEPT = frozenset({"uv", "lock"})
TRASH = "trash"


@dataclass(frozen=True)
class Forgotten:
    """What was done.

    :ivar removed: names in `.run`.
    """

    removed: tuple[str, ...]
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        """Give it for scripts."""
        return asdict(self)

    def to_text(self, console: Console) -> None:
        """Say it in a line."""
        console.print(f"Forgotten: {', '.join(self.removed)}" if self.removed else "There was nothing to forget.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_mode(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> Forgotten:
    """Ask, then stop and forget."""
    refuse_docker(args)
    settings = Settings.load()
    if not args.yes:
        ask(settings.run)
    return reset(settings, Console(stderr=True, highlight=False, soft_wrap=True))


def ask(run_folder: Path) -> None:
    """Have a person confirm.

    :raises UserError: where nobody is there to ask, or the answer is no.
    """
    mend = "./dev reset --yes"
    if not sys.stdin.isatty():
        raise UserError("reset forgets all state and asks first", "there is no terminal to ask on", mend)
    print(
        f"This deletes Airflow's database, the stand-ins' data, the keys and all logs in {run_folder}.", file=sys.stderr
    )
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UserError("nothing was deleted", "the answer was not yes", mend)


def reset(settings: Settings, console: Console) -> Forgotten:
    """Forget everything but what `./dev` needs to run.

    State is set aside before it is deleted, so that an interrupted reset leaves nothing that half exists.
    """
    if not settings.run.is_dir():
        return Forgotten(())
    with lock_file.exclusive(settings, console):
        Supervisor(settings).stop()
        trash = settings.run / TRASH
        empty(trash)
        trash.mkdir()
        removed = sorted(entry.name for entry in settings.run.iterdir() if entry.name not in KEPT | {TRASH})
        for name in sorted(removed, key="keys".__eq__):  # last: what they encrypt must not outlive them
            (settings.run / name).rename(trash / name)
        empty(trash)
    return Forgotten(tuple(removed))


def empty(folder: Path) -> None:
    """Delete a folder of state, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)

"""Stop everything."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from devkit import lock_file
from devkit.place import add_mode, refuse_docker
from devkit.settings import Settings
from devkit.supervise import Supervisor

if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True)
class Stopped:
    """What was stopped.

    :ivar was_running: whether there was anything to stop.
    """

    was_running: bool
    seconds: float
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        """Give it for scripts."""
        return asdict(self)

    def to_text(self, console: Console) -> None:
        """Say it in a line."""
        console.print(
            f"Down in {self.seconds:.0f} s; no process is left." if self.was_running else "Nothing was running."
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_mode(parser)


def run(args: argparse.Namespace) -> Stopped:
    """Stop the environment of this checkout."""
    refuse_docker(args)
    return down(Settings.load(), Console(stderr=True, highlight=False, soft_wrap=True))


def down(settings: Settings, console: Console) -> Stopped:
    """End every process of the environment; what they stored stays."""
    began = time.monotonic()
    supervisor = Supervisor(settings)
    if not settings.run.is_dir():
        return Stopped(was_running=False, seconds=0)
    with lock_file.exclusive(settings, console):
        was_running = supervisor.running() or bool(supervisor.members())
        supervisor.stop()
    return Stopped(was_running, time.monotonic() - began)

"""Stop everything; stored data stays."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from workbench.cli import lock_file
from workbench.cli.backends import choice
from workbench.cli.settings import DOCKER

if TYPE_CHECKING:
    import argparse

    from workbench.cli.backends.protocol import Backend

GROUP = "run"


@dataclass(frozen=True)
class Stopped:
    """What was stopped.

    :ivar was_running: whether anything was running.
    """

    mode: str
    was_running: bool
    seconds: float
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return asdict(self)

    def to_text(self, console: Console) -> None:
        """Print it in one line."""
        left = "container" if self.mode == DOCKER else "process"
        console.print(
            f"Stopped in {self.seconds:.0f} s; no {left} is left." if self.was_running else "Nothing was running."
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)


def run(args: argparse.Namespace) -> Stopped:
    """Stop the environment of this checkout."""
    return down(choice.choose(args), Console(stderr=True, highlight=False, soft_wrap=True))


def down(backend: Backend, console: Console) -> Stopped:
    """Stop every service; their data stays."""
    began = time.monotonic()
    settings = backend.settings
    if not settings.run.is_dir() and not backend.runs():
        return Stopped(settings.mode, was_running=False, seconds=0)
    with lock_file.exclusive(settings, console):
        was_running = backend.down()
    return Stopped(settings.mode, was_running, time.monotonic() - began)

"""Start the environment and wait until all of it is healthy."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rich.console import Console

from workbench.airflow import compat
from workbench.cli import lock_file
from workbench.cli.backends import choice
from workbench.cli.client import AirflowApi
from workbench.cli.commands.status import addresses, addresses_for_people, memory_table

if TYPE_CHECKING:
    import argparse

    from workbench.cli.backends.choice import Place
    from workbench.cli.backends.native.observe import Service
    from workbench.cli.settings import Settings


@dataclass(frozen=True)
class Environment:
    """A running environment.

    :ivar fresh: whether this call started anything.
    :ivar overhead: bytes of memory beside the services'.
    """

    settings: Settings
    services: tuple[Service, ...]
    seconds: float
    fresh: bool
    overhead: int
    ok: bool = True

    @cached_property
    def api(self) -> AirflowApi:
        """A logged-in client of Airflow's REST API."""
        password = self.settings.password_file.read_text(encoding="utf-8")
        return AirflowApi(self.settings.ui_url, self.settings.ui_user, password)

    def to_json(self) -> dict[str, Any]:
        """Return addresses and services for scripts."""
        return {
            "ok": self.ok,
            **addresses(self.settings),
            "seconds": round(self.seconds, 1),
            "services": [service.to_json() for service in self.services],
            "supervisor": {"memory_bytes": self.overhead},
        }

    def to_text(self, console: Console) -> None:
        """Print where everything is and what it takes."""
        console.print(memory_table(self.services, self.overhead))
        console.print(addresses_for_people(self.settings))
        console.print(f"[green]Up[/] in {self.seconds:.0f} s." if self.fresh else "[green]Up[/] already.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument(
        "--stock", action="store_true", help="Airflow as published; WORKBENCH_STOCK=1 in .env keeps it so"
    )


def run(args: argparse.Namespace) -> Environment:
    """Start what is not running."""
    if args.stock:
        os.environ[compat.STOCK] = "1"
    return up(choice.chosen(args, starting=True), Console(stderr=True, highlight=False, soft_wrap=True))


def up(where: Place, console: Console) -> Environment:
    """Bring the environment up; whatever state an earlier one left, the outcome is the same.

    :raises UserError: where a service cannot start, with the end of its log.
    """
    began = time.monotonic()
    with lock_file.exclusive(where.settings, console):
        fresh = where.up(console)
        seconds = time.monotonic() - began
        return Environment(where.settings, where.observe(), seconds, fresh, where.overhead())

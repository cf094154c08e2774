"""Bring an environment up: what `./dev up` does, and `./dev demo` first."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workbench.cli import lock_file
from workbench.cli.client import AirflowApi
from workbench.cli.overview import addresses, addresses_for_people, memory_table

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.cli.backends.protocol import Backend
    from workbench.cli.services import Service
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
        """A client of Airflow's REST API."""
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
        console.print(f"[green]Up[/] in {self.seconds:.0f} s." if self.fresh else "Already [green]up[/].")


def bring_up(backend: Backend, console: Console) -> Environment:
    """Start what is not running; the result does not depend on the state that an earlier start left.

    :raises UserError: where a service cannot start, with the end of its log.
    """
    began = time.monotonic()
    with lock_file.exclusive(backend.settings, console):
        fresh = backend.up(console)
        seconds = time.monotonic() - began
        return Environment(backend.settings, backend.observe(), seconds, fresh, backend.overhead())

"""Show health, memory, connections, import errors and parse times."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from workbench.cli.backends import choice
from workbench.cli.import_errors import ImportError_, import_errors
from workbench.cli.overview import addresses, addresses_for_people, memory_table
from workbench.cli.parsing import Parsing, parsing
from workbench.cli.services import CRASH_LOOPING

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from workbench.cli.backends.protocol import Backend
    from workbench.cli.services import Service
    from workbench.cli.settings import Connection, Settings

GROUP = "run"


@dataclass(frozen=True)
class Status:
    """Everything that `./dev status` shows.

    :ivar ok: whether every service is healthy; a broken DAG file does not make the environment unhealthy.
    :ivar orphans: processes that an environment which no longer runs has left.
    :ivar overhead: bytes of memory beside the services'.
    """

    settings: Settings
    services: tuple[Service, ...]
    connections: tuple[Connection, ...]
    import_errors: tuple[ImportError_, ...]
    parsing: Parsing
    orphans: int = 0
    overhead: int = 0

    @property
    def ok(self) -> bool:
        """Whether all services are ready."""
        return all(service.ready for service in self.services)

    def to_json(self) -> dict[str, Any]:
        """Return what scripts may rely on."""
        return {
            "ok": self.ok,
            **addresses(self.settings),
            "airflow_version": version("apache-airflow"),
            "executor": self.settings.executor,
            "services": [service.to_json() for service in self.services],
            "supervisor": {"memory_bytes": self.overhead},
            "connections": [
                {"conn_id": each.conn_id, "conn_type": each.conn_type, "is_emulator": each.is_emulator}
                for each in self.connections
            ],
            "import_errors": [error.to_json() for error in self.import_errors],
            "parsing": self.parsing.to_json(),
        }

    def to_text(self, console: Console) -> None:
        """Print it for a person."""
        if all(service.state == "stopped" for service in self.services):
            console.print("Nothing is running: ./dev up starts it.")
            if self.orphans:
                console.print(f"{self.orphans} processes of an earlier start still run: ./dev down stops them.")
        else:
            console.print(memory_table(self.services, self.overhead))
            console.print(addresses_for_people(self.settings))
        for service in self.services:
            if service.state in {CRASH_LOOPING, "failed"}:
                found = f"was started {service.restarts + 1} times" if service.state == CRASH_LOOPING else "failed"
                fix = f"./dev logs {service.name} shows why, then ./dev up"
                console.print(f"[red]{service.name} {found}[/] and is not healthy: {fix}")
        for each in self.connections:
            console.print(
                f"  {each.conn_id:<22} {'emulator' if each.is_emulator else '[bold red]REAL[/], from your settings'}"
            )
        if self.parsing.dags:
            console.print(*self.parsing.to_text(), sep="\n")
        for error in self.import_errors:
            console.print("[red]DAG import error[/]", end="  ")
            where = f"{error.file}:{error.line}" if error.line else error.file
            console.print(f"{where}  {error.message}", markup=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)


def run(args: argparse.Namespace) -> Status:
    """Return the state of the environment, and change nothing."""
    return status(choice.choose(args))


def status(backend: Backend) -> Status:
    """Return the state of everything."""
    found = backend.observe()
    orphans = backend.leftovers() if all(service.state == "stopped" for service in found) else 0
    return Status(
        backend.settings,
        found,
        backend.settings.connections,
        import_errors(backend),
        parsing(backend),
        orphans,
        backend.overhead(),
    )

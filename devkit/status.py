"""Show health, restarts, memory, import errors and connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from devkit.import_errors import ImportError_, import_errors
from devkit.observe import Service, observe, supervisor_memory
from devkit.place import add_mode, refuse_docker
from devkit.progress import word
from devkit.settings import Connection, Settings
from devkit.supervise import Supervisor

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from rich.console import Console

MIB = 1 << 20


@dataclass(frozen=True)
class Status:
    """Everything that `./dev status` knows.

    :ivar ok: whether every service is healthy; a broken DAG file does not make the environment unhealthy.
    :ivar orphans: processes of an environment whose supervisor is gone.
    """

    settings: Settings
    services: tuple[Service, ...]
    connections: tuple[Connection, ...]
    import_errors: tuple[ImportError_, ...]
    orphans: int = 0
    supervisor_bytes: int = 0

    @property
    def ok(self) -> bool:
        """Whether all services are ready."""
        return all(service.ready for service in self.services)

    def to_json(self) -> dict[str, Any]:
        """Give what scripts may rely on."""
        settings = self.settings
        return {
            "ok": self.ok,
            "mode": "native",
            "ui": {
                "url": settings.ui_url,
                "user": settings.ui_user,
                "password_file": str(settings.password_file),
            },
            "standins": {"url": settings.standins_url},
            "services": [service.to_json() for service in self.services],
            "supervisor": {"memory_bytes": self.supervisor_bytes},
            "connections": [
                {"conn_id": each.conn_id, "conn_type": each.conn_type, "is_standin": each.is_standin}
                for each in self.connections
            ],
            "import_errors": [error.to_json() for error in self.import_errors],
        }

    def to_text(self, console: Console) -> None:
        """Print it for a person."""
        if all(service.state == "stopped" for service in self.services):
            console.print("Nothing is running: ./dev up")
            if self.orphans:
                console.print(f"{self.orphans} processes are left over from before: ./dev up or ./dev down ends them")
        else:
            console.print(memory_table(self.services, self.supervisor_bytes))
            console.print(f"Airflow    {self.settings.ui_url}  user {self.settings.ui_user}")
            console.print(f"password   {self.settings.password_file}")
            console.print(f"stand-ins  {self.settings.standins_url}")
        for each in self.connections:
            console.print(
                f"  {each.conn_id:<22} {'stand-in' if each.is_standin else '[bold red]REAL[/], from your settings'}"
            )
        for error in self.import_errors:
            console.print(f"[red]DAG file not imported[/]  {error.file}:{error.line}  {error.message}", markup=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_mode(parser)


def run(args: argparse.Namespace) -> Status:
    """Look, and change nothing."""
    refuse_docker(args)
    return status(Settings.load())


def status(settings: Settings) -> Status:
    """Look at everything."""
    found = observe(settings)
    postgres_runs = found[0].ready
    errors = import_errors(settings) if postgres_runs else ()
    orphans = len(Supervisor(settings).members()) if all(service.state == "stopped" for service in found) else 0
    return Status(settings, found, settings.connections, errors, orphans, supervisor_memory(settings))


def memory_table(found: Iterable[Service], supervisor_bytes: int) -> Table:
    """Lay out health, restarts, and memory against limits; shared pages are split among those that share them."""
    table = Table("service", "health", "restarts", "memory", "limit", box=None, header_style="dim")
    total, limit = supervisor_bytes, 0
    for service in found:
        total, limit = total + service.memory_bytes, limit + service.limit_bytes
        restarts = str(service.restarts or "")
        if service.kills:
            restarts += f" ({service.kills} killed: out of memory?)"
        colour = "red" if service.memory_bytes > service.limit_bytes else "default"
        table.add_row(
            service.name,
            word(service),
            restarts,
            f"[{colour}]{service.memory_bytes // MIB} MiB[/]" if service.memory_bytes else "",
            f"{service.limit_bytes // MIB} MiB",
        )
    table.add_row("supervisor", "", "", f"{supervisor_bytes // MIB} MiB", style="dim")
    table.add_row("total", "", "", f"{total // MIB} MiB", f"{limit // MIB} MiB", style="dim")
    return table

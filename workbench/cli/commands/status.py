"""Show health, restarts, memory, connections, import errors, and when each DAG was last parsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from workbench.cli.backends import choice
from workbench.cli.backends.native.observe import CRASH_LOOPING
from workbench.cli.import_errors import ImportError_, import_errors
from workbench.cli.parsing import Parsing, parsing
from workbench.cli.progress import word

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from rich.console import Console

    from workbench.cli.backends.choice import Place
    from workbench.cli.backends.native.observe import Service
    from workbench.cli.settings import Connection, Settings

MIB = 1 << 20


@dataclass(frozen=True)
class Status:
    """Everything that `./dev status` knows.

    :ivar ok: whether every service is healthy; a broken DAG file does not make the environment unhealthy.
    :ivar orphans: processes of an environment that is not there any more.
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
            console.print("Nothing is running: ./dev up")
            if self.orphans:
                console.print(f"{self.orphans} processes are left over from before: ./dev up or ./dev down ends them")
        else:
            console.print(memory_table(self.services, self.overhead))
            console.print(addresses_for_people(self.settings))
        for service in self.services:
            if service.state in {CRASH_LOOPING, "failed"}:
                found = f"was started {service.restarts + 1} times" if service.state == CRASH_LOOPING else "failed"
                fix = f"./dev logs {service.name} says why, ./dev up tries again"
                console.print(f"[red]{service.name} {found}[/] and is not healthy: {fix}")
        for each in self.connections:
            console.print(
                f"  {each.conn_id:<22} {'emulator' if each.is_emulator else '[bold red]REAL[/], from your settings'}"
            )
        if self.parsing.dags:
            console.print(*self.parsing.to_text(), sep="\n")
        for error in self.import_errors:
            console.print(f"[red]DAG file not imported[/]  {error.file}:{error.line}  {error.message}", markup=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)


def run(args: argparse.Namespace) -> Status:
    """Look, and change nothing."""
    return status(choice.chosen(args))


def status(where: Place) -> Status:
    """Look at everything."""
    found = where.observe()
    orphans = where.leftovers() if all(service.state == "stopped" for service in found) else 0
    return Status(
        where.settings,
        found,
        where.settings.connections,
        import_errors(where),
        parsing(where),
        orphans,
        where.overhead(),
    )


def addresses(settings: Settings) -> dict[str, Any]:
    """Return mode and addresses for scripts."""
    ui = {"url": settings.ui_url, "user": settings.ui_user, "password_file": str(settings.password_file)}
    return {"mode": settings.mode, "ui": ui, "emulators": {"url": settings.emulators_url}}


def addresses_for_people(settings: Settings) -> str:
    """Return the lines that say where everything is; a browser reaches a codespace by another address than scripts."""
    page = settings.environment["AIRFLOW__API__BASE_URL"].rstrip("/")
    return (
        f"Airflow    {page}  user {settings.ui_user}\n"
        f"password   {settings.password_file}\n"
        f"emulators  {settings.emulators_url}"
    )


def memory_table(found: Iterable[Service], overhead: int) -> Table:
    """Lay out health, restarts, and memory against limits; shared pages are split among those that share them."""
    table = Table("service", "health", "restarts", "memory", "limit", box=None, header_style="dim")
    total, limit = overhead, 0
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
    if overhead:
        table.add_row("supervisor", "", "", f"{overhead // MIB} MiB", style="dim")
    table.add_row("total", "", "", f"{total // MIB} MiB", f"{limit // MIB} MiB", style="dim")
    return table

"""What `up` and `status` both show: addresses, and a table of services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from workbench.cli.progress import word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.cli.services import Service
    from workbench.cli.settings import Settings

MIB = 1 << 20


def addresses(settings: Settings) -> dict[str, Any]:
    """Return mode and addresses for scripts."""
    ui = {"url": settings.ui_url, "user": settings.ui_user, "password_file": str(settings.password_file)}
    return {"mode": settings.mode, "ui": ui, "emulators": {"url": settings.emulators_url}}


def addresses_for_people(settings: Settings) -> str:
    """Return the lines that say where to look; a browser reaches a codespace by another address than scripts."""
    page = settings.environment["AIRFLOW__API__BASE_URL"].rstrip("/")
    return (
        f"Airflow    {page}  user {settings.ui_user}\n"
        f"password   {settings.password_file}\n"
        f"emulators  {settings.emulators_url}"
    )


def memory_table(found: Iterable[Service], overhead: int) -> Table:
    """Return health, restarts, and memory beside limits; shared pages are split among the services that share them."""
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

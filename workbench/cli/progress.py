"""Show how the services come up: live on a terminal, elsewhere one line for each that is ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from rich.console import Console

    from workbench.cli.services import Service

COLOURS = {"healthy": "green", "done": "green", "starting": "yellow"} | dict.fromkeys(
    ("failed", "unhealthy", "crash-looping"), "red"
)


class Progress:
    """When each service became ready.

    :param console: where it is shown; standard error, so that `--json` stays clean.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._ready: dict[str, float] = {}
        self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        """Start the live table."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the terminal as it was."""
        if self._console.is_terminal:
            self._live.stop()

    def show(self, services: Iterable[Service]) -> None:
        """Show the present state."""
        table = Table.grid(padding=(0, 2))
        for service in services:
            if service.ready and service.name not in self._ready:
                self._ready[service.name] = time.monotonic() - self._began
                if not self._console.is_terminal:
                    self._console.print(f"  {service.name:<14} {word(service)}  {self._ready[service.name]:.1f} s")
            seconds = self._ready.get(service.name)
            table.add_row(f"  {service.name}", word(service), f"{seconds:.1f} s" if seconds is not None else "")
        if self._console.is_terminal:
            self._live.update(table, refresh=True)


def word(service: Service) -> str:
    """Return a service's health in one coloured word."""
    if service.health == "none" or service.state == "crash-looping":
        text = {"stopped": "waiting"}.get(service.state, service.state)
    else:
        text = service.health
    return f"[{COLOURS.get(text, 'default')}]{text}[/]"

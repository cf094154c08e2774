"""What a backend is: all that differs between native, docker and devcontainer; the commands know nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from rich.console import Console

    from workbench.cli.finding import Finding
    from workbench.cli.services import Service
    from workbench.cli.settings import Settings


class Backend(Protocol):
    """One environment of one checkout, running or not."""

    @property
    def settings(self) -> Settings:
        """Its settings; `settings.mode` is the backend's name."""

    @property
    def root(self) -> Path:
        """The checkout as Airflow's processes see it."""

    def runs(self) -> bool:
        """Return, quickly, whether any part of it runs."""

    def observe(self, *, memory: bool = True) -> tuple[Service, ...]:
        """Return the state of every service."""

    def overhead(self) -> int:
        """Return the bytes of memory that it takes beside its services."""

    def leftovers(self) -> int:
        """Return the number of processes that an environment which no longer runs has left."""

    def up(self, console: Console) -> bool:
        """Start what is not running, and wait until all of it is healthy.

        :return: whether anything had to be started.
        :raises UserError: before anything starts, where something it needs is missing; else with the end of a log.
        """

    def down(self) -> bool:
        """Stop everything; stored data stays.

        :return: whether anything was running.
        """

    def state(self) -> str:
        """Return what `reset` deletes, for the question that is asked first."""

    def reset(self) -> tuple[str, ...]:
        """Stop everything, delete all state, and return the names of what was deleted."""

    def lines(self, service: str, count: int) -> list[str] | None:
        """Return the last lines of a service's log; None where it has no log."""

    def follow(self, services: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield what the services log from now on, as service and line, for ever."""

    def shell(self, words: Sequence[str]) -> NoReturn:
        """Replace this process by a shell, or by this command, with the environment of Airflow's processes."""

    def python(self) -> tuple[str, ...]:
        """Return the command that runs Python where tasks run, with what they can import and reach."""

    def outside(self) -> dict[str, str]:
        """Return the environment of a process that runs beside Airflow's: a debugged run, the demo."""

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Return rows of Airflow's database, times as text; none where the database does not run."""

    def make_sample(self, days: Sequence[date], scale: int) -> None:
        """Upload sample data of these days to the running emulators, replacing what they hold."""

    def examine(self) -> Iterator[Finding]:
        """Check what a start with this backend needs, and change nothing."""

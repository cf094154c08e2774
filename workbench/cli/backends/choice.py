"""Where an environment runs, and all that differs between such places; the commands know nothing else of them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from workbench.cli.settings import DOCKER, MODES, NATIVE, WORKSPACE, Settings
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from rich.console import Console

    from workbench.cli.backends.native.observe import Service
    from workbench.cli.finding import Finding


class Place(Protocol):
    """One environment of one checkout, running or not."""

    @property
    def settings(self) -> Settings:
        """Its settings; `settings.mode` is the place's name."""

    @property
    def root(self) -> Path:
        """The checkout as Airflow's processes see it."""

    def runs(self) -> bool:
        """Say, quickly, whether anything of it runs."""

    def observe(self, *, memory: bool = True) -> tuple[Service, ...]:
        """Look at every service."""

    def overhead(self) -> int:
        """Return the bytes of memory that it takes beside its services."""

    def leftovers(self) -> int:
        """Count the processes of an environment that is not there any more."""

    def up(self, console: Console) -> bool:
        """Start what is not running, and wait until all of it is healthy.

        :return: whether anything had to be started.
        :raises UserError: before anything starts, where something it needs is missing; else with the end of a log.
        """

    def down(self) -> bool:
        """Stop everything; what it stored stays.

        :return: whether there was anything to stop.
        """

    def state(self) -> str:
        """Return what `reset` deletes, for the question that is asked first."""

    def reset(self) -> tuple[str, ...]:
        """Stop everything and forget all state; give the names of what was deleted."""

    def lines(self, service: str, count: int) -> list[str] | None:
        """Return the last lines of a service's log; None where there is none."""

    def follow(self, services: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Return what the services log from now on, as service and line, for ever."""

    def shell(self, words: Sequence[str]) -> NoReturn:
        """Become a shell, or this command, with the environment of Airflow's processes."""

    def python(self) -> tuple[str, ...]:
        """Return the command that runs Python where tasks run, with what they can import and reach."""

    def outside(self) -> dict[str, str]:
        """Return the environment of a process outside it that needs it: a debugged run, the demo."""

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Ask Airflow's database; times come as text, and nothing where it is not there."""

    def make_sample(self, days: Sequence[date], scale: int) -> None:
        """Upload sample data of these days to the running emulators, replacing what is there."""

    def look(self) -> Iterator[Finding]:
        """Look at what a start in this place needs, and change nothing."""


def add_mode(parser: argparse.ArgumentParser) -> None:
    """Declare `--mode`."""
    parser.add_argument(
        "--mode", choices=MODES, help="where it runs; by default where it runs already, then in Docker if that answers"
    )


def chosen(args: argparse.Namespace, *, starting: bool = False) -> Place:
    """Return the place that a command is about.

    `--mode` decides, then where the environment runs already, then WORKBENCH_MODE, then whether Docker answers.

    :param starting: whether the command starts the environment where it does not run.
    :raises UserError: where that would start a second one.
    """
    settings = Settings.load()
    if os.environ.get("WORKBENCH_IMAGE") == WORKSPACE:
        return in_workspace(args, settings)
    places = {mode: make(settings, mode) for mode in MODES}
    if args.mode and not starting:
        return places[args.mode]
    running = next((mode for mode in MODES if places[mode].runs()), None)
    wanted = args.mode or settings.wanted_mode
    if starting and running and wanted not in {"", running}:
        raise UserError(
            f"the environment runs already, in {running} mode",
            f"a second one, in {wanted} mode, would compete for its ports",
            f"./dev down first, or leave {'--mode' if args.mode else 'WORKBENCH_MODE'} out",
        )
    return places[running or wanted or default(settings)]


def in_workspace(args: argparse.Namespace, settings: Settings) -> Place:
    """Return the place of a terminal in the dev container."""
    if args.mode:
        raise UserError(
            f"there is no {args.mode} mode in here",
            "this is the dev container, whose environment runs",
            "leave --mode out",
        )
    return make(settings, WORKSPACE)


def make(settings: Settings, mode: str) -> Place:
    """Return a place by name, whether or not it can work here."""
    # Each is imported only where it is looked at: `docker` knows nothing of supervisor, `native` nothing of Docker.
    settings = replace(settings, mode=mode)
    if mode == DOCKER:
        from workbench.cli.backends.docker.backend import Docker  # noqa: PLC0415

        return Docker(settings)
    if mode == WORKSPACE:
        from workbench.cli.backends.devcontainer import Workspace  # noqa: PLC0415

        return Workspace(settings)
    from workbench.cli.backends.native.backend import Native  # noqa: PLC0415

    return Native(settings)


def default(settings: Settings) -> str:
    """Return Docker where a daemon answers, else native."""
    from workbench.cli.backends.docker import engine  # noqa: PLC0415 as above

    return DOCKER if engine.answers(settings) else NATIVE

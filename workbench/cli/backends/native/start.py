"""Start the native environment: keys and database first, then each service as soon as what it needs is ready."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from workbench.cli import keys, machine, minimums, services
from workbench.cli.backends.native import postgres
from workbench.cli.log_files import tail
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from rich.console import Console

    from workbench.cli.backends.native.supervise import Supervisor
    from workbench.cli.progress import Progress
    from workbench.cli.services import Service
    from workbench.cli.settings import Settings

#: A first start takes 20 s on two quiet cores; a laptop on battery ten times that.
TIMEOUT_SECONDS = 300
POLL_SECONDS = 0.25
#: How often a service that ends is restarted before `up` stops waiting for it.
MOST_RESTARTS = 2
#: In `.run`: state that is being deleted.
TRASH = "trash"


def prepare(supervisor: Supervisor, console: Console) -> None:
    """Check what a start needs, and make keys, database and folders."""
    settings = supervisor.settings
    supervisor.end_leftovers()
    empty(settings.run / TRASH)  # of a reset that was interrupted
    machine.check_ports(settings.ports)
    machine.check_disk(settings.run, minimums.NATIVE_DISK)
    if (free := machine.free_memory()) < minimums.NATIVE_MEMORY:
        why = minimums.expected(minimums.size_text(minimums.NATIVE_MEMORY), minimums.size_text(free))
        console.print(f"[yellow]Too little memory is free[/]: {why}.")
    warn_of_lost_key(settings, console)
    keys.make_local_keys(settings)
    keys.make_local_emulators_keys(settings)
    postgres.make_socket_folder(settings)
    postgres.make_cluster(settings)
    settings.airflow_home.mkdir(mode=0o700, exist_ok=True)  # tasks' logs are in it
    # Airflow would write a file of all its defaults, with a key of its own in it.
    (settings.airflow_home / "airflow.cfg").write_text("# Settings come from compose/airflow.env.\n", encoding="utf-8")


def warn_of_lost_key(settings: Settings, console: Console) -> None:
    """Print a warning before a new Fernet key is made for a database that was encrypted with another."""
    file = settings.keys / "fernet_key"
    if not file.is_file() and postgres.has_cluster(settings):
        console.print(
            f"[yellow]{file} is missing[/]: a new key was created. Variables and connections that were saved in"
        )
        console.print("Airflow cannot be read until the old key is restored: restore it, or save them again.")


def start_services(supervisor: Supervisor, observe: Callable[..., tuple[Service, ...]], progress: Progress) -> bool:
    """Start every service as soon as what it needs is ready, and wait until all are healthy.

    :param observe: returns the state of every service; its keyword `timeout` is how many seconds one has to answer.
    :return: whether anything had to be started or waited for.
    """
    settings = supervisor.settings
    deadline = time.monotonic() + TIMEOUT_SECONDS
    before = {service.name: service for service in observe()}
    if all(service.ready for service in before.values()):
        return False
    asked: dict[str, int] = {}
    with progress:
        while True:
            now = {service.name: service for service in observe(timeout=POLL_SECONDS)}
            progress.show(now.values())
            if all(service.ready for service in now.values()):
                return True
            fail_early(settings, now.values(), asked)
            for name in startable(now):
                if name not in asked and not now[name].pid:
                    asked[name] = now[name].restarts
                    supervisor.start_service(name)
            if not supervisor.running():
                raise UserError("the supervisor has stopped", tail(supervisor.log), "./dev up", "start-failed")
            if time.monotonic() > deadline:
                late = [service for service in now.values() if not service.ready]
                raise failure(settings, late[0], f"not healthy after {TIMEOUT_SECONDS} s (health: {late[0].health})")
            time.sleep(POLL_SECONDS)


def startable(now: dict[str, Service]) -> tuple[str, ...]:
    """Return the services whose needs are met."""
    if now[services.INIT].state == "done":
        return (services.POSTGRES, services.EMULATORS, *services.COMPONENTS)
    if not now[services.POSTGRES].ready:
        return (services.POSTGRES, services.EMULATORS)
    return (services.POSTGRES, services.EMULATORS, services.INIT)


def fail_early(settings: Settings, now: Iterable[Service], asked: dict[str, int]) -> None:
    """Stop waiting as soon as the one-shot has failed, or a service has ended again and again since it was asked for.

    :param asked: how often each service that was asked for had been restarted until then.
    """
    for service in now:
        if service.name not in asked or service.pid:
            continue
        if service.state == "failed":
            raise failure(settings, service, "it failed")
        if service.state != "stopped" and service.restarts - asked[service.name] >= MOST_RESTARTS:
            raise failure(settings, service, "it exits again and again; the supervisor keeps restarting it")


def failure(settings: Settings, service: Service, verdict: str) -> UserError:
    """Return why a service did not start, with the end of its own log."""
    why = f"{verdict}; the last lines of its log:\n        {tail(settings.logs / f'{service.name}.log')}"
    return UserError(f"{service.name} did not start", why, f"./dev logs {service.name}", "service-failed")


def empty(folder: Path) -> None:
    """Delete a folder of state, if it exists."""
    if folder.exists():
        shutil.rmtree(folder)

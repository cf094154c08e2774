"""Start the native environment: make what it stands on, then each service as soon as what it needs is there."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from workbench.cli import keys, machine, services
from workbench.cli.backends.native import postgres
from workbench.cli.backends.native.observe import Service, observe
from workbench.cli.backends.native.supervise import Supervisor, make_socket_folder, tail
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.console import Console

    from workbench.cli.progress import Progress
    from workbench.cli.settings import Settings

MIB = 1 << 20
#: A first start takes 20 s on two quiet cores; a laptop on battery ten times that.
PATIENCE = 300
#: The database, its log and the bytecode of a first start.
DISK_NEEDED = 500 * MIB
MEMORY_NEEDED = 1200 * MIB
POLL = 0.25
#: How often a service that ends is started again before `up` stops waiting for it.
RETRIES = 2
#: In `.run`: state that is being deleted.
TRASH = "trash"


def prepare(settings: Settings, console: Console) -> None:
    """Check what a start needs, and make what it stands on."""
    Supervisor(settings).end_leftovers()
    empty(settings.run / TRASH)  # of a reset that was interrupted
    machine.check_ports(settings.ports)
    machine.check_disk(settings.run, DISK_NEEDED)
    available = machine.free_memory()
    if available < MEMORY_NEEDED:
        console.print(f"[yellow]{available // MIB} MiB of memory are free[/]; {MEMORY_NEEDED // MIB} are comfortable.")
    warn_of_lost_key(settings, console)
    keys.make_keys(settings)
    keys.make_emulators_keys(settings)
    make_socket_folder(settings)
    postgres.make_cluster(settings)
    settings.airflow_home.mkdir(mode=0o700, exist_ok=True)  # tasks' logs are in it
    # Airflow would write a file of all its defaults, with a key of its own in it.
    (settings.airflow_home / "airflow.cfg").write_text("# Settings come from compose/airflow.env.\n", encoding="utf-8")


def warn_of_lost_key(settings: Settings, console: Console) -> None:
    """Say so before a new Fernet key is made for a database that was encrypted with another."""
    file = settings.keys / "fernet_key"
    if not file.is_file() and postgres.has_cluster(settings):
        console.print(f"[yellow]{file} is missing[/]: a new key is made. Variables and connections that were saved in")
        console.print("Airflow cannot be read until the old key is back there: save them again, or restore it.")


def start_services(supervisor: Supervisor, progress: Progress) -> bool:
    """Start every service as soon as what it needs is there, and wait until all are healthy.

    :return: whether anything had to be started or waited for.
    """
    settings = supervisor.settings
    deadline = time.monotonic() + PATIENCE
    before = {service.name: service for service in observe(settings, memory=False)}
    if all(service.ready for service in before.values()):
        return False
    asked: dict[str, int] = {}
    with progress:
        while True:
            now = {service.name: service for service in observe(settings, memory=False, patience=POLL)}
            progress.show(now.values())
            if all(service.ready for service in now.values()):
                return True
            fail_early(settings, now.values(), asked)
            for name in startable(now):
                if name not in asked and not now[name].pid:
                    asked[name] = now[name].restarts
                    supervisor.start_service(name)
            if not supervisor.running():
                raise UserError("the supervisor has ended", tail(supervisor.log), "./dev up")
            if time.monotonic() > deadline:
                late = [service for service in now.values() if not service.ready]
                raise failure(settings, late[0], f"it is {late[0].health} after {PATIENCE} s")
            time.sleep(POLL)


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
        if service.state != "stopped" and service.restarts - asked[service.name] >= RETRIES:
            raise failure(settings, service, "it ended again and again, and is still tried from time to time")


def failure(settings: Settings, service: Service, verdict: str) -> UserError:
    """Tell why a service did not start, with the end of its own log."""
    log = settings.logs / f"{service.name}.log"
    return UserError(
        f"{service.name} did not start", f"{verdict}; its log ends\n        {tail(log)}", f"./dev logs {service.name}"
    )


def empty(folder: Path) -> None:
    """Delete a folder of state, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)

"""Start the environment and wait until all of it is healthy."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console

from devkit import keys, lock_file, machine, postgres, reset, services
from devkit.client import AirflowApi
from devkit.errors import UserError
from devkit.observe import Service, observe, supervisor_memory
from devkit.place import add_mode, refuse_docker
from devkit.progress import Progress
from devkit.settings import HOST, Settings
from devkit.status import memory_table
from devkit.supervise import Supervisor, make_socket_folder, tail

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

MIB = 1 << 20
#: A first start takes 20 s on two quiet cores; a laptop on battery ten times that.
PATIENCE = 300
#: The database, its log and the bytecode of a first start.
DISK_NEEDED = 500 * MIB
MEMORY_NEEDED = 1200 * MIB
POLL = 0.25


@dataclass(frozen=True)
class Environment:
    """A running environment.

    :ivar fresh: whether this call started anything.
    """

    settings: Settings
    services: tuple[Service, ...]
    seconds: float
    fresh: bool
    supervisor_bytes: int
    ok: bool = True

    @cached_property
    def api(self) -> AirflowApi:
        """A logged-in client of Airflow's REST API."""
        password = self.settings.password_file.read_text(encoding="utf-8")
        return AirflowApi(self.settings.ui_url, self.settings.ui_user, password)

    def to_json(self) -> dict[str, Any]:
        """Give addresses and services for scripts."""
        return {
            "ok": self.ok,
            "mode": "native",
            "seconds": round(self.seconds, 1),
            "ui": _ui(self.settings),
            "standins": {"url": self.settings.standins_url},
            "services": [service.to_json() for service in self.services],
            "supervisor": {"memory_bytes": self.supervisor_bytes},
        }

    def to_text(self, console: Console) -> None:
        """Print where everything is and what it takes."""
        console.print(memory_table(self.services, self.supervisor_bytes))
        console.print(f"Airflow    {self.settings.ui_url}  user {self.settings.ui_user}")
        console.print(f"password   {self.settings.password_file}")
        console.print(f"stand-ins  {self.settings.standins_url}")
        console.print(f"[green]Up[/] in {self.seconds:.0f} s." if self.fresh else "[green]Up[/] already.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_mode(parser)


def run(args: argparse.Namespace) -> Environment:
    """Start what is not running."""
    refuse_docker(args)
    return up(Settings.load(), Console(stderr=True, highlight=False, soft_wrap=True))


def up(settings: Settings, console: Console) -> Environment:
    """Bring the environment up; whatever state an earlier one left, the outcome is the same.

    :raises UserError: where a service cannot start, with the end of its log.
    """
    began = time.monotonic()
    supervisor = Supervisor(settings)
    with lock_file.exclusive(settings, console):
        started_here = False
        try:
            if supervisor.running() and not supervisor.up_to_date():
                console.print("The settings have changed: starting anew.")
                supervisor.stop()
            if not supervisor.running():
                prepare(settings, console)
                started_here = True
                supervisor.start()
            fresh = start_services(supervisor, Progress(console))
        except KeyboardInterrupt:
            if started_here:
                console.print("Stopping what was started ...")
                supervisor.stop()
            raise
        except OSError as error:
            raise UserError("the environment could not start", str(error), "./dev doctor") from error
        seconds = time.monotonic() - began
        return Environment(settings, observe(settings), seconds, fresh, supervisor_memory(settings))


def prepare(settings: Settings, console: Console) -> None:
    """Check what a start needs, and make what it stands on."""
    Supervisor(settings).end_leftovers()
    reset.empty(settings.run / reset.TRASH)  # of a reset that was interrupted
    check_ports(settings)
    free = machine.free_disk(settings.run)
    if free < DISK_NEEDED:
        raise UserError(
            "the disk is full", f"{free // MIB} MiB are free at {settings.run}", f"free {DISK_NEEDED // MIB} MiB"
        )
    available = machine.free_memory()
    if available < MEMORY_NEEDED:
        console.print(f"[yellow]{available // MIB} MiB of memory are free[/]; {MEMORY_NEEDED // MIB} are comfortable.")
    keys.make_keys(settings)
    keys.make_standins_keys(settings)
    make_socket_folder(settings)
    postgres.make_cluster(settings)
    settings.airflow_home.mkdir(mode=0o700, exist_ok=True)  # tasks' logs are in it
    # Airflow would write a file of all its defaults, with a key of its own in it.
    (settings.airflow_home / "airflow.cfg").write_text("# Settings come from compose/airflow.env.\n", encoding="utf-8")


def start_services(supervisor: Supervisor, progress: Progress) -> bool:
    """Start every service as soon as what it needs is there, and wait until all are healthy.

    :return: whether anything had to be started or waited for.
    """
    settings = supervisor.settings
    deadline = time.monotonic() + PATIENCE
    before = {service.name: service for service in observe(settings, memory=False)}
    if all(service.ready for service in before.values()):
        return False
    asked: set[str] = set()
    with progress:
        while True:
            now = {service.name: service for service in observe(settings, memory=False, patience=POLL)}
            progress.show(now.values())
            if all(service.ready for service in now.values()):
                return True
            for name in startable(now):
                if name not in asked and not now[name].pid:
                    asked.add(name)
                    supervisor.start_service(name)
            fail_early(settings, now.values(), asked)
            if not supervisor.running():
                raise UserError("the supervisor has ended", tail(supervisor.log), "./dev up")
            if time.monotonic() > deadline:
                late = [service for service in now.values() if not service.ready]
                raise failure(settings, late[0], f"it is {late[0].health} after {PATIENCE} s")
            time.sleep(POLL)


def startable(now: dict[str, Service]) -> tuple[str, ...]:
    """Give the services whose needs are met."""
    if now[services.INIT].state == "done":
        return (services.POSTGRES, services.STANDINS, *services.COMPONENTS)
    if not now[services.POSTGRES].ready:
        return (services.POSTGRES, services.STANDINS)
    return (services.POSTGRES, services.STANDINS, services.INIT)


def fail_early(settings: Settings, now: Iterable[Service], asked: set[str]) -> None:
    """Stop waiting as soon as supervisor has given up on a service."""
    for service in now:
        if service.state == "failed" and service.name in asked:
            raise failure(settings, service, "it ended again and again")


def failure(settings: Settings, service: Service, verdict: str) -> UserError:
    """Tell why a service did not start, with the end of its own log."""
    log = settings.logs / f"{service.name}.log"
    return UserError(
        f"{service.name} did not start", f"{verdict}; its log ends\n        {tail(log)}", f"./dev logs {service.name}"
    )


def check_ports(settings: Settings) -> None:
    """Refuse to start where somebody else listens.

    :raises UserError: naming the process, where the system tells, and the variable to set.
    """
    for variable, port in settings.ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise UserError(
                    f"port {port} is taken",
                    _holder(port) or error.strerror or "it cannot be bound",
                    f"stop that, or set {variable} in .env to a free port",
                ) from None


def _holder(port: int) -> str:
    """Name the process that listens on a port."""
    try:
        for entry in psutil.net_connections("tcp"):
            if entry.status == psutil.CONN_LISTEN and entry.laddr[1:] == (port,) and entry.pid:
                process = psutil.Process(entry.pid)
                return f"{process.name()} (pid {entry.pid}) listens on it: {' '.join(process.cmdline())[:120]}"
    except psutil.Error:
        pass
    return "another user's process listens on it"


def _ui(settings: Settings) -> dict[str, str]:
    return {"url": settings.ui_url, "user": settings.ui_user, "password_file": str(settings.password_file)}

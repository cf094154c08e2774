"""The backend of a terminal in the dev container: the environment runs in containers beside it, without Docker here."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import httpx
import psycopg2

from workbench.cli import database, machine, minimums, services
from workbench.cli.finding import OK, WARNING, Finding, checked
from workbench.cli.progress import Progress
from workbench.cli.services import HEALTHY, NONE, STARTING, UNHEALTHY, Service
from workbench.cli.settings import HOST, Settings
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from rich.console import Console

#: Where the checkout's folders are in the other containers.
ROOT = Path("/opt/airflow")
#: A first start takes a minute and a half where the machine is busy.
TIMEOUT_SECONDS = 400
POLL_SECONDS = 0.5
#: Airflow's own name of a component's heartbeats -> service.
JOBS = {"SchedulerJob": "scheduler", "TriggererJob": "triggerer", "DagProcessorJob": "dag-processor"}
#: After 60 s without a heartbeat, Airflow itself calls a component unhealthy.
HEARTBEATS = """\
SELECT job_type, max(latest_heartbeat) > now() - interval '60 s' AS alive
FROM job WHERE state = 'running' GROUP BY job_type"""


@dataclass(frozen=True)
class DevContainer:
    """The environment of the containers beside this one."""

    settings: Settings

    @property
    def root(self) -> Path:
        """Where the checkout's folders are mounted in the containers that run DAGs."""
        return ROOT

    def runs(self) -> bool:
        """Return True: the editor started it with this container."""
        return True

    def observe(self, *, memory: bool = True) -> tuple[Service, ...]:  # noqa: ARG002 it cannot be seen from here
        """Ask the services themselves; restarts and memory are known to Docker only."""
        health = self._health()
        limits = services.memory_limits(self.settings)
        return tuple(
            Service(
                name=name,
                state="done" if name == services.INIT else "stopped" if health[name] == NONE else "running",
                health=health[name],
                restarts=0,
                kills=0,
                memory_bytes=0,
                limit_bytes=limits[name],
                pid=0,
            )
            for name in services.SERVICES
        )

    def overhead(self) -> int:
        """Return 0: this container's own memory is the editor's."""
        return 0

    def leftovers(self) -> int:
        """Return 0: Docker ends what it started."""
        return 0

    def up(self, console: Console) -> bool:
        """Wait for what the editor has started."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        waited = False
        with Progress(console) as progress:
            while late := [service.name for service in self.observe() if not service.ready]:
                waited = True
                progress.show(self.observe())
                if time.monotonic() > deadline:
                    raise UserError(
                        f"{', '.join(late)}: not healthy after {TIMEOUT_SECONDS} s",
                        "their logs are kept by Docker, which this container cannot reach",
                        f"on the host: docker compose logs {late[0]}; or run 'Dev Containers: Rebuild Container'",
                        "service-failed",
                    )
                time.sleep(POLL_SECONDS)
        return waited

    def down(self) -> NoReturn:
        """Refuse: the editor stops it."""
        raise UserError(
            "./dev down is not available inside the dev container",
            "this terminal is in one of the environment's containers",
            "close the editor's window, or stop the codespace; or ./dev down on the host",
            "host-only",
        )

    def state(self) -> NoReturn:
        """Refuse: only the host can delete the volumes."""
        raise UserError(
            "./dev reset is not available inside the dev container",
            "this terminal is in one of the environment's containers",
            "on the host: ./dev reset --mode docker; in a codespace: run 'Codespaces: Full Rebuild Container'",
            "host-only",
        )

    def reset(self) -> NoReturn:
        """Refuse, as above."""
        self.state()

    def lines(self, service: str, count: int) -> NoReturn:  # noqa: ARG002 the backends' protocol
        """Refuse: Docker keeps the logs."""
        raise UserError(
            f"the log of {service} is not available inside the dev container",
            "it is kept by Docker, which this container cannot reach",
            f"on the host: ./dev logs {service}; logs of tasks are in the UI and in /opt/airflow/logs",
            "host-only",
        )

    def follow(self, services: Sequence[str]) -> NoReturn:
        """Refuse, as above."""
        self.lines(services[0], 0)

    def shell(self, words: Sequence[str]) -> NoReturn:
        """Replace this process by a shell, or the command; every terminal in here has the environment anyway."""
        words = words or [os.environ.get("SHELL") or "/bin/sh"]
        if not shutil.which(words[0]):
            fix = "./dev shell -- airflow --help"
            raise UserError(f"the command {words[0]} does not exist", "it is not on PATH", fix, "command-missing")
        os.execvpe(words[0], list(words), self.settings.environment)  # noqa: S606 the user's own command, as typed

    def python(self) -> tuple[str, ...]:
        """Return this Python, which has all packages."""
        return (sys.executable,)

    def outside(self) -> dict[str, str]:
        """Return the container's own environment."""
        return self.settings.environment

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Query over the network, with Airflow's own password."""
        with suppress(psycopg2.Error, OSError):  # it may not run
            url = (self.settings.keys / "database_url").read_text(encoding="utf-8").replace("+psycopg2", "", 1)
            with closing(psycopg2.connect(url, connect_timeout=5)) as session:
                return database.rows(session, statement)
        return []

    def make_sample(self, days: Sequence[date], scale: int) -> NoReturn:
        """Refuse: the sheets are in a volume that only the emulators' container mounts."""
        raise UserError(
            f"--scale {scale} is not available inside the dev container",
            f"the sample data from {days[0]} on can only be created in the emulators' own container",
            "./dev demo --scale on the host, or ./dev demo without it",
            "host-only",
        )

    def examine(self) -> Iterator[Finding]:
        """Check the services and this container's disk."""
        late = [service.name for service in self.observe() if not service.ready]
        found = f"not healthy: {', '.join(late)}" if late else "all are healthy"
        yield Finding("services", WARNING if late else OK, found, "./dev up waits for them" if late else "")
        yield checked("disk", lambda: machine.check_disk(self.settings.root, minimums.DEVCONTAINER_DISK))

    def _health(self) -> dict[str, str]:
        answers = self.query("SELECT 1 AS one")
        alive = {JOBS[row["job_type"]]: row["alive"] for row in self.query(HEARTBEATS) if row["job_type"] in JOBS}
        airflow = self._answer(self.settings.port, "/api/v2/monitor/health")
        ready = {
            services.POSTGRES: bool(answers),
            services.EMULATORS: bool(self._answer(self.settings.ports["EMULATORS_PORT"], "/healthz")),
            services.INIT: True,  # this container waited for it
            "api-server": airflow.get("metadatabase", {}).get("status") == HEALTHY if airflow else False,
            **alive,
        }
        words = {True: HEALTHY, False: UNHEALTHY if answers else NONE}
        return {name: words[ready[name]] if name in ready else STARTING for name in services.SERVICES}

    def _answer(self, port: int, path: str) -> dict[str, Any]:
        """Return what a server in this container's network answers; empty where none answers."""
        with suppress(httpx.HTTPError, ValueError):
            response = httpx.get(f"http://{HOST}:{port}{path}", timeout=5, trust_env=False)
            return dict(response.raise_for_status().json())
        return {}

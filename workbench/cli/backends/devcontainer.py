"""The environment around the dev container: this is one of its containers, and Docker is out of reach."""

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
from psycopg2 import sql

from workbench.cli import machine, services
from workbench.cli.backends.native import postgres
from workbench.cli.backends.native.observe import HEALTHY, NONE, STARTING, UNHEALTHY, Service
from workbench.cli.finding import GOOD, POOR, Finding, looked
from workbench.cli.progress import Progress
from workbench.cli.settings import HOST, Settings
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from rich.console import Console

MIB = 1 << 20
#: What the other containers have the checkout's folders in.
ROOT = Path("/opt/airflow")
#: Caches of the tools; everything else is in volumes of other containers.
DISK_NEEDED = 200 * MIB
#: A first start takes a minute and a half where the machine is busy.
PATIENCE = 400
POLL = 0.5
#: Airflow's own name of a component's heartbeats -> service.
JOBS = {"SchedulerJob": "scheduler", "TriggererJob": "triggerer", "DagProcessorJob": "dag-processor"}
#: As long as Airflow itself takes a silent component for alive.
HEARTBEATS = """\
SELECT job_type, max(latest_heartbeat) > now() - interval '60 s' AS alive
FROM job WHERE state = 'running' GROUP BY job_type"""


@dataclass(frozen=True)
class Workspace:
    """The environment of the containers beside this one."""

    settings: Settings

    @property
    def root(self) -> Path:
        """What the checkout's folders are mounted in where DAGs run."""
        return ROOT

    def runs(self) -> bool:
        """Say yes: the editor started it with this container."""
        return True

    def observe(self, *, memory: bool = True) -> tuple[Service, ...]:  # noqa: ARG002 there is none to be seen
        """Ask the services themselves; Docker alone would know restarts and memory."""
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
        """Count nothing: this container's own memory is the editor's."""
        return 0

    def leftovers(self) -> int:
        """Docker ends what it started."""
        return 0

    def up(self, console: Console) -> bool:
        """Wait for what the editor has started."""
        deadline = time.monotonic() + PATIENCE
        waited = False
        with Progress(console) as progress:
            while late := [service.name for service in self.observe() if not service.ready]:
                waited = True
                progress.show(self.observe())
                if time.monotonic() > deadline:
                    raise UserError(
                        f"{', '.join(late)}: not healthy after {PATIENCE} s",
                        "Docker runs them; this container cannot reach it",
                        f"on the host: docker compose logs {late[0]}; or run 'Dev Containers: Rebuild Container'",
                    )
                time.sleep(POLL)
        return waited

    def down(self) -> NoReturn:
        """Leave it to the editor."""
        raise UserError(
            "the environment is not stopped from in here",
            "this terminal is in one of its containers",
            "close the editor's window, or stop the codespace; ./dev down on the host stops it too",
        )

    def state(self) -> NoReturn:
        """Leave it to the host."""
        raise UserError(
            "the environment is not reset from in here",
            "this terminal is in one of its containers",
            "on the host: ./dev reset --mode docker; of a codespace: run 'Codespaces: Full Rebuild Container'",
        )

    def reset(self) -> NoReturn:
        """Leave it to the host."""
        self.state()

    def lines(self, service: str, count: int) -> NoReturn:  # noqa: ARG002 the protocol of places
        """Leave it to Docker."""
        raise UserError(
            f"the log of {service} is not to be had in here",
            "Docker keeps it; this container cannot reach it",
            f"on the host: ./dev logs {service}; logs of tasks are in the UI and in /opt/airflow/logs",
        )

    def follow(self, services: Sequence[str]) -> NoReturn:
        """Leave it to Docker."""
        self.lines(services[0], 0)

    def shell(self, words: Sequence[str]) -> NoReturn:
        """Become a shell, or the command; every terminal in here has the environment anyway."""
        words = words or [os.environ.get("SHELL") or "/bin/sh"]
        if not shutil.which(words[0]):
            raise UserError(f"there is no command {words[0]}", "it is not on PATH", "./dev shell -- airflow --help")
        os.execvpe(words[0], list(words), self.settings.environment)  # noqa: S606 the user's own command, as typed

    def python(self) -> tuple[str, ...]:
        """Return this Python, which has everything."""
        return (sys.executable,)

    def outside(self) -> dict[str, str]:
        """Return the container's own."""
        return self.settings.environment

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Ask over the network, with the password that Airflow has."""
        with suppress(psycopg2.Error, OSError):  # it may not be there
            url = (self.settings.keys / "database_url").read_text(encoding="utf-8").replace("+psycopg2", "", 1)
            with closing(psycopg2.connect(url, connect_timeout=5)) as session, session.cursor() as cursor:
                cursor.execute(sql.SQL(postgres.AS_JSON).format(sql.SQL(statement)))
                row = cursor.fetchone()
            return list(row[0]) if row else []
        return []

    def make_sample(self, days: Sequence[date], scale: int) -> NoReturn:
        """Leave it to the host: the sheets lie in a volume of the emulators' own."""
        raise UserError(
            f"no sample data of {scale} times the size from {days[0]} on can be made in here",
            "the emulators keep the sheets in their own container",
            "./dev demo --scale on the host, or ./dev demo without it",
        )

    def look(self) -> Iterator[Finding]:
        """Look at the services, at this container's disk, and whether the keys are readable."""
        late = [service.name for service in self.observe() if not service.ready]
        found = f"not healthy: {', '.join(late)}" if late else "all are healthy"
        yield Finding("services", POOR if late else GOOD, found, "./dev up waits for them" if late else "")
        yield looked("disk", lambda: machine.check_disk(self.settings.root, DISK_NEEDED))

    def _health(self) -> dict[str, str]:
        database = self.query("SELECT 1 AS there")
        alive = {JOBS[row["job_type"]]: row["alive"] for row in self.query(HEARTBEATS) if row["job_type"] in JOBS}
        airflow = self._answer(self.settings.port, "/api/v2/monitor/health")
        ready = {
            services.POSTGRES: bool(database),
            services.EMULATORS: bool(self._answer(self.settings.ports["EMULATORS_PORT"], "/healthz")),
            services.INIT: True,  # this container waited for it
            "api-server": airflow.get("metadatabase", {}).get("status") == HEALTHY if airflow else False,
            **alive,
        }
        words = {True: HEALTHY, False: UNHEALTHY if database else NONE}
        return {name: words[ready[name]] if name in ready else STARTING for name in services.SERVICES}

    def _answer(self, port: int, path: str) -> dict[str, Any]:
        """Ask a server in this container's network; an empty answer where there is none."""
        with suppress(httpx.HTTPError, ValueError):
            response = httpx.get(f"http://{HOST}:{port}{path}", timeout=5, trust_env=False)
            return dict(response.raise_for_status().json())
        return {}

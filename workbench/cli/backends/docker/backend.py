"""The environment in Docker: the containers that Compose makes of this checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from workbench.cli import database, keys, services
from workbench.cli.backends.docker import client, containers
from workbench.cli.backends.docker import start as docker_start
from workbench.cli.backends.docker.client import compose, docker, environment
from workbench.cli.backends.docker.engine import inquire
from workbench.cli.finding import ERROR, OK, WARNING, Finding, checked
from workbench.debugger import LISTEN
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from rich.console import Console

    from workbench.cli.services import Service
    from workbench.cli.settings import Settings

#: Where the checkout's folders are mounted.
ROOT = Path("/opt/airflow")
#: The service whose container runs tasks.
TASKS = "scheduler"
#: Airflow's user and group in the containers.
UID, GID = 50000, 0
#: Keys that are needed outside of the containers too: the login, and what the emulators' clients trust and present.
FETCHED = ("admin_password", "google_service_account.json", "ca.pem", "server.pem", "server.key")
READ = "import json, sys; print(json.dumps({name: open(name).read() for name in sys.argv[1:]}))"
#: The database's own client, through the socket, which needs no password.
PSQL = ("psql", "--username=airflow", "--dbname=airflow")
#: What Compose writes before a line of a log.
_LABELLED = re.compile(r"([\w-]+?)(?:-\d+)? +\| ?(.*)")


@dataclass(frozen=True)
class Docker:
    """An environment of containers."""

    settings: Settings

    @property
    def root(self) -> Path:
        """Where the checkout's folders are mounted."""
        return ROOT

    def runs(self) -> bool:
        """Return whether any of the checkout's containers runs."""
        if not shutil.which("docker", path=self.settings.inherited.get("PATH")):
            return False
        try:
            return any(container["State"]["Running"] for container in client.find(self.settings).values())
        except UserError:  # no daemon answers
            return False

    def observe(self, *, memory: bool = True) -> tuple[Service, ...]:
        """Ask the daemon and the cgroups; keys of an environment that plain Compose started are copied out here."""
        found = containers.observe(self.settings, memory=memory)
        if not self.settings.password_file.is_file() and any(s.name == "api-server" and s.ready for s in found):
            self.fetch_keys()
        return found

    def overhead(self) -> int:
        """Return 0: Docker's own memory is not counted."""
        return 0

    def leftovers(self) -> int:
        """Return 0: Docker ends what it started."""
        return 0

    def up(self, console: Console) -> bool:
        """Build and start; containers whose settings have changed are made again."""
        if self.settings.user.get(LISTEN):
            console.print(
                f"{LISTEN} has no effect here: it works in the dev container, or after ./dev up --mode native"
            )
        rendered = docker_start.prepare(self.settings, inquire(self.settings), console)
        ran = self.runs()
        try:
            fresh = docker_start.start_services(self.settings, rendered, self._states, console)
        except KeyboardInterrupt:
            if not ran:
                console.print("Stopping what was started ...")
                self.down()
            raise
        if fresh:
            self.fetch_keys()
        return fresh

    def down(self) -> bool:
        """Remove the containers; an editor's workspace is one of them."""
        found = client.find(self.settings)
        if found:
            docker(self.settings, *compose(self.settings, "down", "--remove-orphans"))
        return bool(found)

    def state(self) -> str:
        """Name the volumes."""
        return f"Docker's volumes {', '.join(self._volumes()) or '(none)'}: database, emulators, keys, logs"

    def reset(self) -> tuple[str, ...]:
        """Remove containers and volumes, and the keys that were copied out; images stay.

        :raises UserError: where nothing but the project's name says that the volumes are this checkout's.
        """
        known = self.settings.keys.parent.is_dir() or bool(client.find(self.settings))
        volumes = self._volumes()
        if volumes and not known:
            raise UserError(
                "nothing was deleted: this checkout has not started the environment that the volumes belong to",
                f"they may belong to another checkout with the same project name: {', '.join(volumes)}",
                "to delete them anyway: docker compose down --volumes; "
                "to use another name: set COMPOSE_PROJECT_NAME in .env",
                "volumes-foreign",
            )
        self.down()
        if volumes:
            docker(self.settings, "volume", "rm", *volumes)
        shutil.rmtree(self.settings.keys.parent, ignore_errors=True)
        return volumes

    def lines(self, service: str, count: int) -> list[str] | None:
        """Ask the daemon for the end of its log."""
        return docker_start.lines(self.settings, service, count)

    def follow(self, services: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Let Compose follow, over restarts too."""
        words = compose(self.settings, "logs", "--follow", "--no-color", "--tail=0", *services)
        command = subprocess.Popen(
            ["docker", *words], cwd=self.settings.root, env=environment(self.settings), stdout=-1, text=True
        )
        with command as process:
            for line in process.stdout or ():
                name, text = match.groups() if (match := _LABELLED.fullmatch(line.rstrip("\n"))) else ("", line)
                yield name, text

    def shell(self, words: Sequence[str]) -> NoReturn:
        """Replace this process by a shell, or the command, beside the scheduler; `psql` runs beside the database."""
        if words[:1] == ["psql"]:
            container, words = services.POSTGRES, [*PSQL, *words[1:]]
        else:
            container = TASKS
        terminal = ["--interactive", *(["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else [])]
        command = ["docker", "exec", *terminal, self._id(container), *(words or ["bash"])]
        os.execvpe(command[0], command, environment(self.settings))  # noqa: S606 the user's own command, as typed

    def python(self) -> tuple[str, ...]:
        """Return Python in the scheduler's container."""
        return ("docker", "exec", "--interactive", self._id(TASKS), "python")

    def outside(self) -> dict[str, str]:
        """Return an environment that reaches the emulators by their published ports."""
        emulators = client.find(self.settings).get(services.EMULATORS)
        wanted = any(connection.is_emulator for connection in self.settings.connections)
        if client.is_running(emulators) and wanted:
            if self.settings.ports["EMULATORS_S3_PORT"] not in client.published(emulators or {}):
                raise UserError(
                    "the emulators' S3 and Snowflake cannot be reached from outside of Docker",
                    "plain `docker compose up` publishes only the emulators' page",
                    "./dev up, which publishes them on 127.0.0.1",
                    "emulators-unreachable",
                )
            if not self.settings.password_file.is_file():
                self.fetch_keys()
        return self.settings.environment

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Query in the database's container, which needs no password."""
        container = client.find(self.settings).get(services.POSTGRES)
        if not container or not client.is_running(container):
            return []
        words = [*PSQL, "--no-psqlrc", "--tuples-only", "--no-align", "--command", database.AS_JSON.format(statement)]
        found = docker(self.settings, "exec", container["Id"], *words, check=False)
        rows: list[dict[str, Any]] = json.loads(found.stdout) if found.returncode == 0 else []
        return rows

    def make_sample(self, days: Sequence[date], scale: int) -> None:
        """Run the emulators' own command beside them."""
        emulators = client.find(self.settings).get(services.EMULATORS)
        if not emulators:
            what = "the sample data could not be created"
            raise UserError(what, "the emulators are not running", "./dev up", "emulators-down")
        served = dict(word.removeprefix("--").split("=", 1) for word in emulators["Args"] if "=" in word)
        words = ["python", "-m", "workbench.emulators", "sample", f"--data={served['data']}"]
        words += [f"--s3-url=http://127.0.0.1:{served['s3-port']}", f"--days={days[0]}:{days[-1]}", f"--scale={scale}"]
        docker(self.settings, "exec", emulators["Id"], *words)

    def examine(self) -> Iterator[Finding]:
        """Check the daemon, Compose, memory, disk, ports, and whether Airflow's user can read the secrets."""
        try:
            engine = inquire(self.settings)
        except UserError as error:
            yield Finding("Docker", ERROR, f"{error.what}: {error.why}", error.fix)
            return
        yield checked("Docker", engine.check_version)
        yield checked("Compose", engine.check_compose)
        yield checked("memory", engine.check_memory)
        yield checked("disk", engine.check_disk)
        yield checked("compose.yaml", self._owner)
        yield self._ports()
        if engine.shares_owners:
            yield from self._unreadable()

    def fetch_keys(self) -> None:
        """Copy out the keys that are needed outside; Airflow's own keys stay inside.

        What runs outside has a database of its own, and therefore Airflow keys of its own.
        """
        words = ["exec", f"--workdir={ROOT / 'keys'}", self._id("api-server"), "python", "-c", READ, *FETCHED]
        folder = self.settings.keys
        keys.make_private_folder(folder)
        for name, text in json.loads(docker(self.settings, *words).stdout).items():
            keys.write_private(folder / name, text)
        keys.make_local_keys(self.settings)
        keys.make_local_emulators_keys(self.settings)  # with the address that the emulators have outside

    def _owner(self) -> str:
        project = str(docker_start.render(self.settings)["name"])
        docker_start.check_owner(self.settings, project)
        return f"project {project}"

    def _ports(self) -> Finding:
        if not self.runs():
            return checked("ports", lambda: docker_start.check_ports(self.settings))
        ready = all(service.ready for service in self._states())
        listed = ", ".join(f"{name}={port}" for name, port in self.settings.ports.items())
        found = "the environment is up" if ready else "a service is not healthy"
        return Finding("ports", OK if ready else WARNING, f"{found}; {listed}", "" if ready else "./dev status")

    def _unreadable(self) -> Iterator[Finding]:
        """Yield the secrets that the containers' user cannot read."""
        folder = self.settings.root / "secrets"
        for file in sorted(folder.glob("*")) if folder.is_dir() else ():
            if file.is_file() and not file.name.endswith((".md", ".example")) and not readable(file):
                found = f"Airflow's user in the containers ({UID}) cannot read it"
                yield Finding(f"secrets/{file.name}", WARNING, found, f"chmod o+r {file}")

    def _volumes(self) -> tuple[str, ...]:
        """Return the names of the checkout's volumes, those of other PostgreSQL versions included."""
        project = docker_start.render(self.settings)["name"]
        label = f"label={client.PROJECT}={project}"
        return tuple(sorted(docker(self.settings, "volume", "ls", "--quiet", "--filter", label).stdout.split()))

    def _states(self) -> tuple[Service, ...]:
        return containers.observe(self.settings, memory=False)

    def _id(self, service: str) -> str:
        container = client.find(self.settings).get(service)
        if not container or not client.is_running(container):
            raise UserError(
                f"{service} is not running", "the command runs in its container", "./dev up", "service-down"
            )
        return str(container["Id"])


def readable(file: Path) -> bool:
    """Return whether the containers' user can read a file that is mounted with its owner and mode."""
    state = file.stat()
    shift = 6 if state.st_uid == UID else 3 if state.st_gid == GID else 0
    return bool(state.st_mode >> shift & 4)

"""The environment without Docker: PostgreSQL, Airflow and the emulators under supervisor, as this user's processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg2

from workbench.cli import database, keys, machine, minimums
from workbench.cli.backends.native import postgres
from workbench.cli.backends.native.observe import observe, supervisor_memory
from workbench.cli.backends.native.start import TRASH, empty, prepare, start_services
from workbench.cli.backends.native.supervise import Supervisor
from workbench.cli.finding import ERROR, OK, WARNING, Finding, checked
from workbench.cli.log_files import follow, last_lines
from workbench.cli.progress import Progress
from workbench.cli.settings import SHELL_MARK, Settings
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from rich.console import Console

    from workbench.cli.services import Service

#: In `.run`: what `./dev` itself set up, the lock that is being held, and the files of the docker backend.
KEPT = frozenset({"uv", "lock", "docker"})


@dataclass(frozen=True)
class Native:
    """An environment of this user's processes."""

    settings: Settings

    @cached_property
    def supervisor(self) -> Supervisor:
        """What runs the services."""
        return Supervisor(self.settings)

    @property
    def root(self) -> Path:
        """The checkout."""
        return self.settings.root

    def runs(self) -> bool:
        """Return whether the supervisor answers, or left processes behind."""
        return self.supervisor.running() or bool(self.supervisor.members())

    def observe(self, *, memory: bool = True) -> tuple[Service, ...]:
        """Ask supervisor and the services themselves."""
        return observe(self.supervisor, memory=memory)

    def overhead(self) -> int:
        """Return the memory of supervisord alone, which holds the pages that the services share with it."""
        return supervisor_memory(self.supervisor)

    def leftovers(self) -> int:
        """Return the number of processes whose supervisor has ended."""
        return 0 if self.supervisor.running() else len(self.supervisor.members())

    def up(self, console: Console) -> bool:
        """Start it; the result does not depend on the state that an earlier one left."""
        supervisor = self.supervisor
        started_here = False
        try:
            if supervisor.running() and not supervisor.up_to_date():
                console.print("The settings have changed: restarting.")
                supervisor.stop()
            if not supervisor.running():
                prepare(supervisor, console)
                started_here = True
                supervisor.start()
            return start_services(supervisor, partial(observe, supervisor, memory=False), Progress(console))
        except KeyboardInterrupt:
            if started_here:
                console.print("Stopping what was started ...")
                supervisor.stop()
            raise
        except OSError as error:
            raise UserError("the environment could not start", str(error), "./dev doctor", "start-failed") from error

    def down(self) -> bool:
        """End every process of the environment."""
        was_running = self.supervisor.running() or bool(self.supervisor.members())
        self.supervisor.stop()
        return was_running

    def state(self) -> str:
        """Name the folder that holds all state."""
        return f"Airflow's database, the emulators' data, the keys and all logs in {self.settings.run}"

    def reset(self) -> tuple[str, ...]:
        """Delete everything but what `./dev` needs to run.

        State is moved away before it is deleted, so that an interrupted reset leaves nothing that half exists.
        """
        run = self.settings.run
        self.supervisor.stop()
        trash = run / TRASH
        empty(trash)
        trash.mkdir()
        removed = sorted(entry.name for entry in run.iterdir() if entry.name not in KEPT | {TRASH})
        for name in sorted(removed, key="keys".__eq__):  # last: what they encrypt must not outlive them
            (run / name).rename(trash / name)
        empty(trash)
        return tuple(removed)

    def lines(self, service: str, count: int) -> list[str] | None:
        """Read the end of its log."""
        file = self._log(service)
        return last_lines(file, count) if file.is_file() else None

    def follow(self, services: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Read what is added to the logs."""
        return follow({name: self._log(name) for name in services})

    def shell(self, words: Sequence[str]) -> NoReturn:
        """Replace this process by the user's shell, or by the command."""
        environment = shell_environment(self.settings)
        if not words:
            words = [os.environ.get("SHELL") or "/bin/sh"]
            print(f"A shell with Airflow's environment of {self.root}. Leave it with exit or Ctrl-D.", file=sys.stderr)
        if not shutil.which(words[0], path=environment["PATH"]):
            fix = "./dev shell -- airflow --help"
            raise UserError(f"the command {words[0]} does not exist", "it is not on PATH", fix, "command-missing")
        os.execvpe(words[0], list(words), environment)  # noqa: S606 the user's own command, as typed

    def python(self) -> tuple[str, ...]:
        """Return this Python, which has all packages."""
        keys.make_local_keys(self.settings)  # before a first start, Airflow would call every connection unknown
        return (sys.executable,)

    def outside(self) -> dict[str, str]:
        """Return the settings' own environment."""
        return self.settings.environment

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Query over the socket, which only this user can open."""
        with suppress(psycopg2.Error), postgres.connect(self.settings, postgres.DATABASE) as session:  # it may not run
            return database.rows(session, statement)
        return []

    def make_sample(self, days: Sequence[date], scale: int) -> None:
        """Run the emulators' own command beside them."""
        settings = self.settings
        command = [*settings.emulators_python, "sample", "--data", str(settings.run / "emulators")]
        command += ["--s3-url", settings.s3_url, "--days", f"{days[0]}:{days[-1]}", "--scale", str(scale)]
        result = subprocess.run(
            command, cwd=self.root, env=settings.environment, capture_output=True, text=True, check=False
        )
        if result.returncode:
            why = result.stderr.strip() or result.stdout.strip()
            fix = "./dev status shows whether the emulators run"
            raise UserError("the sample data could not be created", why, fix, "sample-failed")

    def examine(self) -> Iterator[Finding]:
        """Check PostgreSQL, database, memory, disk, ports and keys."""
        yield checked("PostgreSQL", _postgres_version)
        yield checked("database", self._database)
        yield from self._room()
        yield self._ports()
        yield from self._keys()

    def _log(self, service: str) -> Path:
        return self.settings.logs / f"{service}.log"

    def _database(self) -> str:
        return "complete" if postgres.has_cluster(self.settings) else "none yet: ./dev up creates it"

    def _room(self) -> Iterator[Finding]:
        memory = machine.free_memory()
        found = minimums.size_text(memory)
        if memory >= minimums.NATIVE_MEMORY or self.runs():
            yield Finding("memory", OK, f"{found} free")
        else:
            little = minimums.expected(minimums.size_text(minimums.NATIVE_MEMORY), found)
            yield Finding("memory", WARNING, f"too little memory is free: {little}", "close other programs")
        folder = self.settings.run if self.settings.run.is_dir() else self.root
        yield checked("disk", lambda: machine.check_disk(folder, minimums.NATIVE_DISK))
        if not os.access(folder, os.W_OK):
            yield Finding("disk", ERROR, f"{folder} cannot be written", f"make {folder} writable for your user")

    def _ports(self) -> Finding:
        listed = ", ".join(f"{name}={port}" for name, port in self.settings.ports.items())
        if self.runs():
            ready = all(service.ready for service in self.observe(memory=False))
            found = "the environment is up" if ready else "a service is not healthy"
            return Finding("ports", OK if ready else WARNING, f"{found}; {listed}", "" if ready else "./dev status")
        return checked("ports", lambda: machine.check_ports(self.settings.ports))

    def _keys(self) -> Iterator[Finding]:
        folder = self.settings.keys
        missing = [name for name in keys.MAKERS if not (folder / name).is_file()]
        if not folder.is_dir():
            yield Finding("keys", OK, "none yet: ./dev up creates them")
        elif "fernet_key" in missing and (self.settings.run / "postgres").is_dir():
            fix = f"restore {folder / 'fernet_key'}; else ./dev up creates a new one, which cannot decrypt saved data"
            yield Finding("keys", WARNING, "the Fernet key that encrypts the database is missing", fix)
        elif missing:
            yield Finding("keys", OK, f"./dev up will create {', '.join(missing)}")


def shell_environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment, with the tools first on PATH, and the names that it exports, which are not the user's."""
    own, users = str(Path(sys.executable).parent), settings.inherited.get("PATH", os.defpath)
    path = os.pathsep.join([own, users, str(postgres.BINARIES)])  # a psql is in there
    database = {"PGHOST": str(settings.sockets / "postgres"), "PGUSER": "airflow", "PGDATABASE": "airflow"}
    exported = [name for name, value in settings.environment.items() if settings.inherited.get(name) != value]
    return {**settings.environment, **database, "PATH": path, SHELL_MARK: ",".join(exported)}


def _postgres_version() -> str:
    words = [*postgres.unprivileged(), str(postgres.BINARIES / "postgres"), "--version"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(
            "PostgreSQL does not start", str(error), "rm -rf .venv, then ./dev doctor", "postgres-broken"
        ) from None

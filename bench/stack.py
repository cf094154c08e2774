"""Run the workbench or a stock Airflow on free ports, and look at it. The benchmarks share this.

The workbench is what `./dev up` starts, in a copy of the checkout. The stock one is the same Airflow with its own
settings, LocalExecutor, its four components started side by side, and the same PostgreSQL with the same options.
Both get the DAGs of `bench/dags` and no example DAGs.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import psycopg2

from workbench.cli.backends.native import postgres
from workbench.cli.backends.native.observe import observe
from workbench.cli.backends.native.supervise import Supervisor
from workbench.cli.client import AirflowApi
from workbench.cli.services import COMPONENTS
from workbench.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
DAGS = ROOT / "bench/dags"
MIB = 1 << 20
#: Not weighed among Airflow's own processes.
EMULATORS = "emulators"


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def plain_environment() -> dict[str, str]:
    """Return the process environment without anything that would reach into an Airflow."""
    foreign = ("AIRFLOW", "PYTHON", "TELECOMS", "EMULATORS", "WORKBENCH", "AWS")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.lower().endswith("_proxy")
    }


@dataclass
class Stack:
    """One Airflow.

    :param folder: its state; deleted by whoever made it.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    kind = ""
    #: Seconds from nothing to healthy.
    first_start: float = 0

    def prepare(self) -> None:
        """Make the database, start once, stop."""

    def start(self) -> None:
        """Start everything and wait until all of it is healthy."""

    def stop(self) -> None:
        """End everything."""

    def roots(self) -> dict[str, int]:
        """Return the process number of each part."""
        raise NotImplementedError

    @property
    def password(self) -> str:
        """The login's password."""
        raise NotImplementedError

    @property
    def socket_folder(self) -> Path:
        """Where PostgreSQL listens."""
        raise NotImplementedError

    @functools.cached_property
    def api(self) -> AirflowApi:
        """A logged-in client."""
        return AirflowApi(f"http://127.0.0.1:{self.port}", "admin", self.password)

    def query(self, statement: str, *values: Any, database: str = "airflow") -> list[tuple[Any, ...]] | None:
        """Ask Airflow's database, which costs the machine less than asking the API; None while it does not answer."""
        try:
            session = psycopg2.connect(host=str(self.socket_folder), user="airflow", dbname=database, connect_timeout=3)
        except psycopg2.OperationalError:
            return None
        with contextlib.closing(session), session.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Return each part's processes; what is a part of its own is not counted with its parent."""
        roots = self.roots()
        found: dict[str, list[psutil.Process]] = {}
        for name, pid in roots.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                found[name] = [psutil.Process(pid)]
                if name != "supervisor":
                    found[name] += found[name][0].children(recursive=True)
        return found

    def memory(self) -> dict[str, float]:
        """Return the proportional set size of each part in MiB."""
        return {name: sum(pss(process.pid) for process in tree) / MIB for name, tree in self.processes().items()}

    def cpu_seconds(self) -> float:
        """Return the CPU time that all but the emulators have used, ended children included."""
        total = 0.0
        for name, tree in self.processes().items():
            for process in tree if name != EMULATORS else ():
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += sum(process.cpu_times()[:4])
        return total

    def take_precedence(self) -> None:
        """Go before the machine's other work where that is allowed: real-time scheduling, which children inherit."""
        for tree in self.processes().values():
            for process in tree:
                with contextlib.suppress(psutil.NoSuchProcess):
                    for thread in process.threads():
                        take_precedence(thread.id)

    def unpause(self, *dag_ids: str) -> None:
        """Wait until the DAGs are known, and switch them on."""
        known = "SELECT count(*) FROM dag WHERE dag_id = ANY(%s)"
        until(lambda: self.query(known, list(dag_ids)) == [(len(dag_ids),)], "the DAGs", 120)
        for dag_id in dag_ids:
            self.api.patch(f"/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run, and give its run_id."""
        run: str = self.api.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        return run

    def succeeded(self, run_id: str) -> bool:
        """Whether a run has ended well."""
        state = self.query("SELECT state FROM dag_run WHERE run_id = %s", run_id)
        if state == [("failed",)]:
            raise RuntimeError(f"{run_id} failed: see {self.folder}")
        return state == [("success",)]

    def running_tasks(self) -> int:
        """Count the tasks that run now."""
        rows = self.query("SELECT count(*) FROM task_instance WHERE state = 'running'")
        return rows[0][0] if rows else 0


class Workbench(Stack):
    """`./dev up`, in a copy of the checkout."""

    kind = "ours"

    def prepare(self) -> None:
        """Copy the checkout, and let the first `./dev up` make the database."""
        self._copy()
        began = time.monotonic()
        self.start()
        self.first_start = time.monotonic() - began
        self.stop()

    def _copy(self) -> None:
        self.root.mkdir()
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in names.rstrip("\0").split("\0"):
            if (ROOT / name).is_file() and not name.startswith("dags/"):
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name)
        shutil.copytree(DAGS, self.root / "dags")
        for venv in (".venv", ".venv-emulators"):
            (self.root / venv).symlink_to(ROOT / venv)
        ports = {name: free_port() for name in ("EMULATORS_PORT", "EMULATORS_S3_PORT", "EMULATORS_SNOWFLAKE_PORT")}
        lines = [f"{name}={port}\n" for name, port in {"AIRFLOW_PORT": self.port, **ports}.items()]
        (self.root / ".env").write_text("".join(["WORKBENCH_MODE=native\n", *lines]))

    @property
    def root(self) -> Path:
        """The copy."""
        return self.folder / "checkout"

    @property
    def settings(self) -> Settings:
        """The copy's settings."""
        return Settings.load(self.root, plain_environment())

    @property
    def password(self) -> str:
        """What `./dev up` made."""
        return self.settings.password_file.read_text()

    @property
    def socket_folder(self) -> Path:
        """Where PostgreSQL listens."""
        return self.settings.sockets / "postgres"

    def start(self) -> None:
        """`./dev up`, the emulators included."""
        self._dev("up")

    def stop(self) -> None:
        """`./dev down`."""
        if self.root.exists():
            self._dev("down")

    def _dev(self, *words: str) -> None:
        command = [str(self.root / ".venv/bin/python"), "-m", "workbench.cli", *words]
        environment = plain_environment() | {"PYTHONPATH": str(self.root)}
        with (self.folder / "dev.log").open("ab") as log:
            subprocess.run(command, cwd=self.root, env=environment, check=True, stdout=log, stderr=log)

    def roots(self) -> dict[str, int]:
        """Return the services, and the supervisor that they share pages with."""
        settings = self.settings
        leader = Supervisor(settings).leader()
        parts = {service.name: service.pid for service in observe(Supervisor(settings), memory=False) if service.pid}
        return parts | ({"supervisor": leader.pid} if leader else {})


@dataclass
class Stock(Stack):
    """Airflow's own settings."""

    kind = "stock"
    #: Variables beside its own, such as a connection.
    more: dict[str, str] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _password: str = field(default_factory=functools.partial(secrets.token_urlsafe, 16))

    def prepare(self) -> None:
        """`initdb` and `airflow db migrate`, then a first start."""
        began = time.monotonic()
        self._make_database()
        self.start()
        self.first_start = time.monotonic() - began
        self.stop()

    def _make_database(self) -> None:
        if postgres.is_root():
            shutil.chown(self.folder, postgres.NOBODY, postgres.NOBODY)
        data = str(self.folder / "postgres")
        self._postgres("initdb", "-D", data, "-U", "airflow", "-A", "trust", "-E", "UTF8", "--locale=C")
        self._start_postgres()
        self._postgres("createdb", "-h", str(self.folder), "-U", "airflow", "airflow")
        (self.folder / "passwords.json").write_text(json.dumps({"admin": self._password}))
        with (self.folder / "migrate.log").open("ab") as log:
            command = [sys.executable, "-m", "airflow", "db", "migrate"]
            subprocess.run(command, check=True, env=self._environment(), stdout=log, stderr=log, cwd="/")
        self.stop()

    @property
    def password(self) -> str:
        """The login's password."""
        return self._password

    @property
    def socket_folder(self) -> Path:
        """Where PostgreSQL listens."""
        return self.folder

    def start(self) -> None:
        """PostgreSQL, then the four components side by side."""
        self._start_postgres()
        self.query("DELETE FROM job RETURNING id")  # else a former run's heartbeats look healthy
        for name in COMPONENTS:
            self._spawn(name, [sys.executable, "-m", "airflow", name])
        until(self._healthy, "health", 300)

    def _start_postgres(self) -> None:
        # Stock settings open more connections than the workbench allows.
        options = postgres.OPTIONS | {"max_connections": "100", "unix_socket_directories": str(self.folder)}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        program = [*postgres.unprivileged(), str(postgres.BINARIES / "postgres")]
        self._spawn("postgres", [*program, "-D", str(self.folder / "postgres"), *words])
        until(lambda: self.query("SELECT 1", database="postgres") == [(1,)], "Postgres", 60)

    def _healthy(self) -> bool:
        for name, process in self._running.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended: see {self.folder / name}.log")
        try:
            health = httpx.get(f"http://127.0.0.1:{self.port}/api/v2/monitor/health", trust_env=False, timeout=5).json()
        except (httpx.TransportError, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)

    def stop(self) -> None:
        """End everything, PostgreSQL last."""
        trees = self.processes()
        for name in [*reversed(self._running)]:
            process = self._running.pop(name)
            process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
            _, alive = psutil.wait_procs(trees.get(name, []), timeout=10)
            for left in alive:
                with contextlib.suppress(psutil.NoSuchProcess):
                    left.kill()
            process.wait()

    def roots(self) -> dict[str, int]:
        """Return PostgreSQL and the components."""
        return {name: process.pid for name, process in self._running.items()}

    def _environment(self) -> dict[str, str]:
        home = self.folder / "airflow"
        return plain_environment() | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.folder / "passwords.json"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://airflow@/airflow?host={self.folder}",
            "AIRFLOW__API_AUTH__JWT_SECRET": self._password * 4,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{self.port}/",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            **self.more,
        }

    def _postgres(self, program: str, *arguments: str) -> None:
        command = [*postgres.unprivileged(), str(postgres.BINARIES / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command, env=self._environment(), stdout=log, stderr=log, cwd="/", start_new_session=True
            )


KINDS: dict[str, type[Stack]] = {"ours": Workbench, "stock": Stock}


def pss(pid: int) -> int:
    """Return a process' proportional set size in bytes, 0 for one that is gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0)


def until(condition: Callable[[], bool], what: str, seconds: float, every: float = 0.05) -> None:
    """Wait until a condition holds.

    :raises TimeoutError: where it does not in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not within {seconds:.0f} s")
        time.sleep(every)


def take_precedence(thread: int = 0) -> None:
    """Let a thread, or this process, go before the machine's other work where that is allowed."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(1))


@contextlib.contextmanager
def prepared(kind: str) -> Iterator[Stack]:
    """Return a stack whose database is made and of which nothing runs, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{kind}-"))
    folder.chmod(0o755)
    stack = KINDS[kind](folder)
    try:
        stack.prepare()
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(kind: str) -> Iterator[Stack]:
    """Run a stack until the block ends."""
    with prepared(kind) as stack:
        stack.start()
        yield stack


def table(title: str, rows: dict[str, tuple[float, float]], digits: int = 0) -> None:
    """Print lines of ours, stock and their ratio."""
    print(f"\n{title:<44}{'ours':>10}{'stock':>10}{'ratio':>8}")
    for name, (ours, stock) in rows.items():
        print(f"{name:<44}{ours:>10.{digits}f}{stock:>10.{digits}f}{ours / stock if stock else 0:>8.2f}")

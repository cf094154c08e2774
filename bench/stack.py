"""Start a whole native Airflow on free ports, with the workbench's settings or with stock ones, and look at it.

The benchmarks share this. Both sorts get the same Airflow, the same PostgreSQL and the same DAGs; they differ in
settings and in the flags that `./dev up` gives its processes.
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
from dotenv import dotenv_values

from devkit import postgres
from devkit.client import AirflowApi
from devkit.services import AIRFLOW, FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
PASSWORD = secrets.token_urlsafe(16)

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


def free_port() -> int:
    """Give a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Stack:
    """One running Airflow.

    :param kind: `ours` or `stock`.
    :param folder: its state; deleted by whoever made it.
    :param dags: the DAG files.
    :param extra: settings on top, for experiments.
    """

    kind: str
    folder: Path
    dags: Path
    extra: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the UI and its API are."""
        return f"http://127.0.0.1:{self.port}"

    @functools.cached_property
    def api(self) -> AirflowApi:
        """A logged-in client."""
        return AirflowApi(self.url, "admin", PASSWORD)

    def environment(self) -> dict[str, str]:
        """Give the environment of every Airflow process."""
        home = self.folder / "airflow"
        place = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.folder / "passwords.json"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://airflow@/airflow?host={self.folder}",
            "AIRFLOW__API_AUTH__JWT_SECRET": PASSWORD * 4,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": f"{self.url}/",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW_CONFIG": str(home / "airflow.cfg"),
            "PYTHONPATH": str(ROOT),
            "NO_PROXY": "127.0.0.1",
        }
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "PYTHON", "TELECOMS")) and not name.lower().endswith("_proxy")
        }
        ours = {name: value or "" for name, value in dotenv_values(ROOT / "compose/airflow.env").items()}
        return clean | (ours if self.kind == "ours" else {}) | place | self.extra

    def start_postgres(self) -> None:
        """Make the database cluster where there is none, and start it; both sorts get the workbench's."""
        data = self.folder / "postgres"
        if postgres.is_root():
            shutil.chown(self.folder, postgres.NOBODY, postgres.NOBODY)
        if not data.exists():
            self._postgres("initdb", "-D", str(data), "-U", "airflow", "-A", "trust", "-E", "UTF8", "--no-sync")
        # Stock settings open more connections than the workbench allows.
        options = postgres.OPTIONS | {"max_connections": "100", "unix_socket_directories": str(self.folder)}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        program = [*postgres.unprivileged(), str(postgres.BINARIES / "postgres")]
        self._spawn("postgres", [*program, "-D", str(data), *words])
        until(lambda: self.query("SELECT 1", database="postgres") == [(1,)], "Postgres", 60)
        self._postgres("createdb", "-h", str(self.folder), "-U", "airflow", "airflow", check=False)

    def _postgres(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [*postgres.unprivileged(), str(postgres.BINARIES / program), *arguments]
        subprocess.run(command, check=check, capture_output=True, env=self.environment(), cwd="/")

    def query(self, statement: str, *values: Any, database: str = "airflow") -> list[tuple[Any, ...]] | None:
        """Ask Airflow's database, which costs the machine less than asking the API; None while it does not answer."""
        try:
            session = psycopg2.connect(host=str(self.folder), user="airflow", dbname=database, connect_timeout=3)
        except psycopg2.OperationalError:
            return None
        with contextlib.closing(session), session.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def migrate(self) -> None:
        """Make Airflow's tables."""
        (self.folder / "passwords.json").write_text(json.dumps({"admin": PASSWORD}))
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        log = (self.folder / "migrate.log").open("ab")
        subprocess.run(command, check=True, env=self.environment(), stdout=log, stderr=log, cwd=self.folder)

    def start_components(self) -> None:
        """Start the four components side by side."""
        for name in COMPONENTS:
            words = [AIRFLOW, name, *FLAGS.get(name, ())] if self.kind == "ours" else ["airflow", name]
            self._spawn(name, [sys.executable, "-m", *words])

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            command, env=self.environment(), stdout=log, stderr=log, cwd="/", start_new_session=True
        )

    def healthy(self) -> bool:
        """Whether all four components say so."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended: see {self.folder / name}.log")
        try:
            health = httpx.get(f"{self.url}/api/v2/monitor/health", trust_env=False, timeout=5).json()
        except (httpx.TransportError, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)

    def tree(self, name: str) -> list[psutil.Process]:
        """Give a component's process and all its children."""
        with_children: list[psutil.Process] = []
        try:
            parent = psutil.Process(self.processes[name].pid)
            with_children = [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            pass
        return with_children

    def memory(self) -> dict[str, float]:
        """Give the proportional set size of each component in MiB, children included."""
        return {name: sum(pss(process.pid) for process in self.tree(name)) / MIB for name in self.processes}

    def cpu_seconds(self) -> float:
        """Give the CPU time that all processes and their ended children have used."""
        total = 0.0
        for name in self.processes:
            for process in self.tree(name):
                try:
                    times = process.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def take_precedence(self) -> None:
        """Go before the machine's other work where that is allowed: real-time scheduling, which children inherit."""
        for name in self.processes:
            for process in self.tree(name):
                for thread in process.threads():
                    with contextlib.suppress(PermissionError, ProcessLookupError):
                        os.sched_setscheduler(thread.id, os.SCHED_RR, os.sched_param(1))

    def stop(self, *names: str) -> None:
        """End these processes, or all, with Postgres last."""
        for name in names or [*reversed(self.processes)]:
            if name in self.processes:
                self._end(name)

    def _end(self, name: str) -> None:
        tree, process = self.tree(name), self.processes.pop(name)
        process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        _, alive = psutil.wait_procs(tree, timeout=10)
        for left in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        process.wait()

    def start_standins(self) -> None:
        """Start the stand-ins with sample data, to weigh them."""
        python = str(ROOT / ".venv-standins/bin/python")
        keys, ports = str(self.folder / "keys"), [str(free_port()) for _ in range(3)]
        environment = self.environment() | {"PYTHONPATH": str(ROOT)}
        words = [python, "-m", "standins", "keys", "--keys", keys, "--port", ports[0]]
        subprocess.run(words, check=True, env=environment, capture_output=True)
        words = [python, "-m", "standins", "serve", "--data", str(self.folder / "standins"), "--keys", keys]
        words += ["--host", "127.0.0.1", "--port", ports[0], "--s3-port", ports[1], "--snowflake-port", ports[2]]
        self._spawn("standins", words)
        until(lambda: answers(f"http://127.0.0.1:{ports[0]}/healthz"), "the stand-ins", 120)

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run, and give its run_id."""
        run: str = self.api.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        return run

    def unpause(self, *dag_ids: str) -> None:
        """Wait until the DAGs are known, and switch them on."""
        known = "SELECT count(*) FROM dag WHERE dag_id = ANY(%s)"
        until(lambda: self.query(known, list(dag_ids)) == [(len(dag_ids),)], "the DAGs", 120)
        for dag_id in dag_ids:
            self.api.patch(f"/dags/{dag_id}", {"is_paused": False})

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


def answers(url: str) -> bool:
    """Whether a server says 200."""
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def pss(pid: int) -> int:
    """Give a process' proportional set size in bytes, 0 for one that is gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0)


def until(condition: Any, what: str, seconds: float, every: float = 0.05) -> float:
    """Wait until a condition holds.

    :return: the seconds that it took.
    :raises TimeoutError: where it does not in time.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"{what} not within {seconds:.0f} s")
        time.sleep(every)
    return time.monotonic() - began


@contextlib.contextmanager
def prepared(kind: str, extra: dict[str, str] | None = None) -> Iterator[Stack]:
    """Give a stack whose database is made and whose components are not started, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{kind}-"))
    stack = Stack(kind, folder, ROOT / "bench/dags", extra or {})
    try:
        stack.start_postgres()
        stack.migrate()
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(kind: str, extra: dict[str, str] | None = None) -> Iterator[Stack]:
    """Run a stack until the block ends."""
    with prepared(kind, extra) as stack:
        stack.start_components()
        until(stack.healthy, "health", 300)
        yield stack


def table(title: str, rows: dict[str, tuple[float, float]], digits: int = 0) -> None:
    """Print lines of ours, stock and their ratio."""
    print(f"\n{title:<44}{'ours':>10}{'stock':>10}{'ratio':>8}")
    for name, (ours, stock) in rows.items():
        print(f"{name:<44}{ours:>10.{digits}f}{stock:>10.{digits}f}{ours / stock if stock else 0:>8.2f}")

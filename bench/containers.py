"""Weigh the environment in Docker beside two usual ones, one after the other, on the same base images.

*stock*: Airflow's own settings with LocalExecutor. *celery*: the shape of Airflow's own docker-compose.yaml, with Redis
and a Celery worker. Both are in `bench/peers`. *ours*: `docker compose up -d --wait` in a copy of the checkout. All
have the project's packages and DAG files, and the same PostgreSQL.

Memory is what the kernel counts for each container without the file cache that it would drop first
(`usage - inactive_file`). CPU is that of all containers, health checks and one-shots included, from the first
container's start until Compose calls all healthy.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.containers.harness import base_images, engine  # noqa: E402 found from here on only
from tests.containers.stack import copy_checkout  # noqa: E402
from tests.ports import free_ports  # noqa: E402

MIB = 1 << 20
SETTLE = 30
TRIES = 4
#: As much as twenty ordinary processes (each 1024): else other work on the machine makes the peers' health checks late.
SHARES, WEIGHT = "20480", "2000"
CGROUPS = Path("/sys/fs/cgroup")
#: The others have none: they are not weighed.
EMULATORS = "emulators"
FOREIGN = ("AIRFLOW", "AWS_", "COMPOSE", "PEER", "POSTGRES", "EMULATORS", "TELECOMS_")
PEERS = "bench/peers/compose.yaml"
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
#: sort -> the file of its logins, in the api-server; Celery's peer has them in the database.
PASSWORDS = {
    "ours": "/opt/airflow/keys/simple_auth_manager_passwords.json",
    "stock": "/opt/airflow/simple_auth_manager_passwords.json.generated",
}
#: sort -> its compose file, and what that asks for.
SORTS: dict[str, tuple[str, dict[str, str]]] = {
    "ours": ("compose.yaml", {}),
    "stock": (PEERS, {"PEER_EXECUTOR": "LocalExecutor", "PEER_AUTH_MANAGER": SIMPLE, "PEER_USER": ""}),
    "celery": (
        PEERS,
        {
            "PEER_EXECUTOR": "CeleryExecutor",
            "PEER_AUTH_MANAGER": FAB,
            "PEER_USER": secrets.token_urlsafe(16),
            "COMPOSE_PROFILES": "celery",
        },
    ),
}


@dataclass(frozen=True)
class Cgroup:
    """The control group that all containers of a run share: what ended ones have used is still counted in it."""

    name: str
    systemd: bool

    @property
    def parent(self) -> str:
        """Its name as Docker takes it."""
        return f"{self.name}.slice" if self.systemd else f"/{self.name}"

    def take_precedence(self) -> None:
        """Make it, with a large share of the processors where that is allowed: all sorts alike."""
        for controller, file, share in (("cpu", "cpu.shares", SHARES), ("", "cpu.weight", WEIGHT)):
            folder = CGROUPS / controller / self.name
            if not self.systemd and (folder.parent / "cgroup.procs").exists():
                with contextlib.suppress(OSError):
                    folder.mkdir()
                    (folder / file).write_text(share)

    def cpu_seconds(self, container: str = "") -> float:
        """Return the CPU time of one container, or of all that ever were in here."""
        one = self._folder("cpuacct", container) / "cpuacct.usage"
        if one.exists():
            return int(one.read_text()) / 1e9
        return numbers(self._folder("", container) / "cpu.stat")["usage_usec"] / 1e6

    def mebibytes(self, container: str) -> float:
        """Return a container's memory without the file cache that the kernel would drop first."""
        one, two = self._folder("memory", container), self._folder("", container)
        if one.exists():
            used = int((one / "memory.usage_in_bytes").read_text())
            return (used - numbers(one / "memory.stat")["total_inactive_file"]) / MIB
        return (int((two / "memory.current").read_text()) - numbers(two / "memory.stat")["inactive_file"]) / MIB

    def remove(self) -> None:
        """Delete it, empty as it is now."""
        for folder in (*CGROUPS.glob(f"*{self.parent}"), *CGROUPS.glob(f"*/{self.parent.strip('/')}")):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _folder(self, controller: str, container: str) -> Path:
        scope = f"docker-{container}.scope" if self.systemd and container else container
        return CGROUPS / controller / self.parent.strip("/") / scope


def numbers(file: Path) -> dict[str, int]:
    """Read lines of a name and a number."""
    return {name: int(value) for name, value in (line.split() for line in file.read_text().splitlines())}


@dataclass(frozen=True)
class Project:
    """One sort's Compose project, in a copy of the checkout."""

    docker: engine.Engine
    sort: str
    checkout: Path
    cgroup: Cgroup

    @cached_property
    def environment(self) -> dict[str, str]:
        """What the client gets: nothing of the user's that would reach into an Airflow."""
        plain = {name: value for name, value in self.docker.environment.items() if not name.startswith(FOREIGN)}
        ports = dict(zip(("AIRFLOW_PORT", "EMULATORS_PORT"), map(str, free_ports(2)), strict=True))
        mine = {"COMPOSE_PROJECT_NAME": self.cgroup.name, "PEER_SECRET": secrets.token_urlsafe(64)}
        return plain | SORTS[self.sort][1] | ports | mine

    @property
    def dags(self) -> Path:
        """The folder of DAG files."""
        return self.checkout / "dags"

    @property
    def common(self) -> Path:
        """The folder of modules."""
        return self.checkout / "common"

    @property
    def port(self) -> int:
        """Where the API is published."""
        return int(self.environment["AIRFLOW_PORT"])

    @property
    def password(self) -> str:
        """What the login `admin` was given."""
        found: str = json.loads(self.compose("exec", "-T", "api-server", "cat", PASSWORDS[self.sort]))["admin"]
        return found

    @cached_property
    def services(self) -> list[str]:
        """All that this sort starts."""
        return self.compose("config", "--services").split()

    def compose(self, *arguments: str) -> str:
        """Run Compose; give what it printed."""
        command = ["docker", "compose", "--file", SORTS[self.sort][0]]
        if self.override.exists():
            command += ["--file", str(self.override)]
        result = subprocess.run(
            [*command, *arguments],
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(f"{' '.join(arguments)}:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
        return result.stdout

    @property
    def override(self) -> Path:
        """The file that puts all containers below the one control group."""
        return self.checkout / "bench-override.json"

    def prepare(self) -> None:
        """Build the images."""
        services: dict[str, dict[str, object]]
        services = {service: {"cgroup_parent": self.cgroup.parent} for service in self.services}
        if self.sort != "ours":  # whose own file publishes it
            services["api-server"]["ports"] = [f"127.0.0.1:{self.port}:8080"]
        self.override.write_text(json.dumps({"services": services}), encoding="utf-8")
        self.compose("build", "--quiet")

    def weigh(self) -> dict[str, float]:
        """Start from nothing, wait until all are healthy, let it settle, and look."""
        began = time.monotonic()
        self.up()
        found = {"seconds to healthy": time.monotonic() - began, "CPU seconds to healthy": self._cpu_seconds()}
        time.sleep(SETTLE)
        began, before = time.monotonic(), self._cpu_seconds()
        time.sleep(SETTLE)
        found["idle CPU, percent of a core"] = 100 * (self._cpu_seconds() - before) / (time.monotonic() - began)
        memory = {
            service: self.cgroup.mebibytes(container)
            for service in self.services
            if service != EMULATORS and (container := self._container(service))
        }
        return found | {"idle memory, MiB": sum(memory.values())} | {f"  {name}": mib for name, mib in memory.items()}

    def end(self) -> None:
        """Remove containers and volumes; images stay for the next run."""
        self.compose("down", "--volumes", "--timeout=5")

    def up(self) -> None:
        """Start all of it, and wait until all is healthy."""
        # On a busy machine the official health checks give up on the api-server before it has started.
        for _ in range(TRIES - 1):
            with contextlib.suppress(RuntimeError):
                self.compose("up", "--detach", "--wait")
                return
        self.compose("up", "--detach", "--wait")

    def _container(self, service: str) -> str:
        return self.compose("ps", "--quiet", service).strip()

    def _cpu_seconds(self) -> float:
        used = self.cgroup.cpu_seconds()
        if EMULATORS in self.services and (container := self._container(EMULATORS)):
            used -= self.cgroup.cpu_seconds(container)
        return used


def main() -> None:
    """Measure by turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1, help="starts of each sort (1); the median counts")
    parser.add_argument("--only", choices=SORTS, help="leave the others out")
    args = parser.parse_args()
    sorts = [args.only] if args.only else list(SORTS)
    found: dict[str, list[dict[str, float]]] = {sort: [] for sort in sorts}
    with engine.running() as docker:
        base_images.ensure(docker, base_images.PEERS)
        for _ in range(args.runs):
            for sort in sorts:
                with prepared(docker, sort) as project:
                    found[sort].append(project.weigh())
                print(sort, {name: round(number, 1) for name, number in found[sort][-1].items()}, flush=True)
    table({sort: {name: median(run[name] for run in runs) for name in runs[0]} for sort, runs in found.items()})


@contextlib.contextmanager
def prepared(docker: engine.Engine, sort: str) -> Iterator[Project]:
    """Return one sort in a fresh copy, its images built and nothing started; remove it when the block ends."""
    systemd = docker.docker("info", "--format", "{{.CgroupDriver}}") == "systemd"
    cgroup = Cgroup(f"bench{secrets.token_hex(4)}", systemd)
    with tempfile.TemporaryDirectory(prefix="bench-containers-") as folder:
        Path(folder).chmod(0o755)  # containers' users read the DAG files
        project = Project(docker, sort, copy_checkout(Path(folder) / "checkout"), cgroup)
        project.prepare()
        cgroup.take_precedence()
        try:
            yield project
        finally:
            project.end()
            cgroup.remove()


def table(found: dict[str, dict[str, float]]) -> None:
    """Print each figure of each sort, and ours as a part of the others'."""
    peers = [sort for sort in found if sort != "ours"]
    print(f"\n{'':<30}" + "".join(f"{sort:>10}" for sort in [*found, *(f"of {peer}" for peer in peers)]))
    for name in dict.fromkeys(name for figures in found.values() for name in figures):
        cells = [f"{figures[name]:.1f}" if name in figures else "" for figures in found.values()]
        ours = found.get("ours", {}).get(name)
        cells += [f"{ours / found[peer][name]:.2f}" if ours and name in found[peer] else "" for peer in peers]
        print(f"{name:<30}" + "".join(f"{cell:>10}" for cell in cells))


if __name__ == "__main__":
    main()

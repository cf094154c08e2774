"""One environment in Docker, made from a copy of the checkout: what the container tests talk to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli.backends.docker import containers
from workbench.cli.backends.docker.backend import Docker
from workbench.cli.client import AirflowApi
from workbench.cli.settings import DOCKER, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workbench.cli.services import Service

ROOT = Path(__file__).resolve().parents[2]
KEYS = "/opt/airflow/keys"
#: All that stay up; airflow-init ends.
SERVICES = ("api-server", "dag-processor", "postgres", "scheduler", "emulators", "triggerer")


@dataclass(frozen=True)
class Stack:
    """A checkout and its own Compose project.

    :param checkout: the folder of compose.yaml.
    :param environment: what the client needs, and the ports.
    """

    checkout: Path
    environment: Mapping[str, str]

    def docker(self, *arguments: str, timeout: float = 600) -> str:
        """Run the Docker client in the checkout.

        :return: what it printed.
        :raises AssertionError: with what it said, where it failed.
        """
        result = subprocess.run(
            ["docker", *arguments],
            cwd=self.checkout,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert result.returncode == 0, f"docker {' '.join(arguments)}:\n{result.stdout[-4000:]}{result.stderr[-4000:]}"
        return result.stdout

    def start_dev(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Begin `./dev WORDS` in the checkout, in the Python that runs the tests."""
        return subprocess.Popen(
            [sys.executable, "-m", "workbench.cli", *words],
            cwd=self.checkout,
            env={**self.environment, "PYTHONPATH": str(self.checkout), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def dev(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `./dev WORDS` to its end."""
        with self.start_dev(*words, **environment) as process:
            output, errors = process.communicate(timeout=900)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    @property
    def place(self) -> Docker:
        """The environment as `./dev` sees it."""
        return Docker(replace(Settings.load(self.checkout, self.environment), mode=DOCKER))

    def service(self, name: str) -> Service:
        """Return what `./dev status` knows of a service, without copying keys out as it does."""
        return next(service for service in containers.observe(self.place.settings) if service.name == name)

    def compose(self, *arguments: str) -> str:
        """Run Compose in the checkout."""
        return self.docker("compose", *arguments)

    def rendered(self) -> dict[str, Any]:
        """Return what Compose makes of the files."""
        return dict(json.loads(self.compose("config", "--format", "json")))

    def container(self, service: str) -> dict[str, Any]:
        """Return what the daemon knows of a service's container."""
        name = self.compose("ps", "--all", "--quiet", service).strip()
        return dict(json.loads(self.docker("inspect", name))[0])

    def state(self, service: str) -> str:
        """Return `healthy`, `starting`, `unhealthy`, or what else the container is."""
        state = self.container(service)["State"]
        return str(state.get("Health", {}).get("Status", "") if state["Running"] else state["Status"])

    def key(self, name: str) -> str:
        """Read one of the machine-made keys."""
        return self.compose("exec", "-T", "api-server", "cat", f"{KEYS}/{name}")

    @property
    def ui_url(self) -> str:
        """Where the UI is published."""
        return f"http://127.0.0.1:{self.environment['AIRFLOW_PORT']}"

    @property
    def emulators_url(self) -> str:
        """Where the emulators' page is published."""
        return f"http://127.0.0.1:{self.environment['EMULATORS_PORT']}"

    @cached_property
    def api(self) -> AirflowApi:
        """A logged-in client."""
        return AirflowApi(self.ui_url, "admin", self.key("admin_password"))

    def close(self) -> None:
        """Give the client's connections back."""
        if "api" in vars(self):
            self.api._http.close()

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run of a DAG, when it is there; return its id."""
        self.wait_for(lambda: any(dag["dag_id"] == dag_id for dag in self.api.get("/dags")["dags"]), f"DAG {dag_id}")
        self.api.patch(f"/dags/{dag_id}", {"is_paused": False})
        return str(self.api.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a run as the API shows it."""
        return dict(self.api.get(f"/dags/{dag_id}/dagRuns/{run_id}"))

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return a run's task instances."""
        return list(self.api.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"])

    def finish(self, dag_id: str, run_id: str, seconds: float = 240) -> str:
        """Wait until a run ends; give its state."""
        self.wait_for(lambda: self.run(dag_id, run_id)["state"] in {"success", "failed"}, f"end of {run_id}", seconds)
        return str(self.run(dag_id, run_id)["state"])

    def wait_until_healthy(self, seconds: float = 240) -> None:
        """Wait until all services are."""
        self.wait_for(lambda: all(self.state(service) == "healthy" for service in SERVICES), "health of all", seconds)

    def kill(self, service: str) -> None:
        """Send SIGKILL to a service's first process, as the kernel does.

        `docker kill` would not do: it tells the daemon that the user wants the service to end.
        """
        process = self.container(service)["State"]["Pid"]
        image = self.rendered()["services"]["postgres"]["image"]
        options = ["--rm", "--pid=host", "--privileged", "--user=0", "--network=none", "--entrypoint=sh"]
        self.docker("run", *options, image, "-c", f"kill -9 {process}")

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = 120) -> None:
        """Look until it is so.

        :raises AssertionError: naming it and the services' states, after the deadline.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:.0f} s for {what}\n{self.report()}")
            time.sleep(0.5)

    def report(self) -> str:
        """Return states and last log lines, for a failure's message."""
        return self.compose("ps", "--all") + self.compose("logs", "--tail=40", "--no-color")


def copy_checkout(target: Path) -> Path:
    """Copy what git tracks or would track: the state of this moment without its leftovers."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target

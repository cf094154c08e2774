"""Run Docker's own client, and read what the daemon knows of this checkout's containers."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from workbench.errors import UserError

if TYPE_CHECKING:
    from workbench.cli.settings import Settings

#: Labels by which Compose knows its own.
CHECKOUT = "com.docker.compose.project.working_dir"
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
#: Leaves out what `docker compose run` makes beside a service's own container.
LASTING = "com.docker.compose.oneoff=False"
#: The other way to work, for the end of a message about Docker.
WITHOUT_DOCKER = "or run without it: ./dev up --mode native"


def docker(
    settings: Settings, *arguments: str, check: bool = True, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the client to its end.

    :param check: whether an exit status other than 0 is an error.
    :param timeout: seconds.
    :raises UserError: with what it printed; also where there is no client.
    """
    try:
        result = subprocess.run(
            ["docker", *arguments],
            cwd=settings.root,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )
    except FileNotFoundError:
        why, fix = "the command `docker` does not exist", f"install Docker, {WITHOUT_DOCKER}"
        raise UserError("Docker is not installed", why, fix, "docker-missing") from None
    except subprocess.TimeoutExpired:
        why, fix = f"no answer after {timeout:.0f} s to `docker {arguments[0]}`", f"restart Docker, {WITHOUT_DOCKER}"
        raise UserError("Docker does not answer", why, fix, "docker-down") from None
    if check and result.returncode:
        why = last_line(result.stderr) or last_line(result.stdout) or f"exit status {result.returncode}"
        raise UserError(f"docker {' '.join(arguments[:2])} failed", why, "./dev doctor", "docker-failed")
    return result


def compose(settings: Settings, *arguments: str) -> tuple[str, ...]:
    """Return the client's arguments that run Compose on this checkout, with the user's override file."""
    files = ["compose.yaml", "compose/host.yaml"]
    files += [name for name in ("compose.override.yaml", "compose.override.yml") if (settings.root / name).is_file()]
    return ("compose", *(f"--file={settings.root / name}" for name in files), *arguments)


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of the client and of Compose, which reads `.env` by itself.

    The ports are given as they were read here, so that both agree on them.
    """
    ports = settings.ports
    return {
        **settings.inherited,
        "AIRFLOW_PORT": str(ports["AIRFLOW_PORT"]),
        "EMULATORS_PORT": str(ports["EMULATORS_PORT"]),
        "WORKBENCH_S3_PORT": str(ports["EMULATORS_S3_PORT"]),
        "WORKBENCH_SNOWFLAKE_PORT": str(ports["EMULATORS_SNOWFLAKE_PORT"]),
    }


def find(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return what the daemon knows of each of this checkout's containers, by service."""
    filters = (f"--filter=label={CHECKOUT}={settings.root}", f"--filter=label={LASTING}")
    found = docker(settings, "ps", "--all", "--quiet", "--no-trunc", *filters).stdout.split()
    # One may end meanwhile: the others are returned all the same.
    inspected = docker(settings, "inspect", *found, check=False).stdout if found else "[]"
    return {each["Config"]["Labels"][SERVICE]: each for each in json.loads(inspected)}


def is_running(container: dict[str, Any] | None) -> bool:
    """Return whether commands can be run in it."""
    return bool(container and container["State"]["Running"] and not container["State"]["Restarting"])


def published(container: dict[str, Any]) -> set[int]:
    """Return the ports of this machine that lead into it."""
    ports = container["NetworkSettings"]["Ports"] or {}
    return {int(binding["HostPort"]) for bindings in ports.values() for binding in bindings or ()}


def last_line(text: str) -> str:
    """Return the last line that is not empty."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")

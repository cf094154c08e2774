"""Talk to Docker through its own client, and check that it will do."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli import machine
from workbench.errors import UserError

if TYPE_CHECKING:
    from workbench.cli.settings import Settings

GIB = 1 << 30
#: `healthcheck.start_interval` needs the engine, `include` with several `env_file`s Compose.
OLDEST_ENGINE, OLDEST_COMPOSE = (25, 0), (2, 24)
#: What the services' limits sum to; a virtual machine of 6 GiB has some less for Docker.
MEMORY_NEEDED, MEMORY_ACCEPTED = 6 * GIB, int(5.5 * GIB)
#: Layers and data of a first start.
DISK_NEEDED = 4 * GIB
#: A daemon that is there answers within a second; one whose virtual machine sleeps may never.
PATIENCE = 15
BUILT_FROM = (
    ".dockerignore",
    "compose/Dockerfile",
    *(f"requirements/{name}.txt" for name in ("uv", "airflow", "emulators")),
)
LEAVE = "or run without it: ./dev up --mode native"


@dataclass(frozen=True)
class Engine:
    """A daemon that answered.

    :ivar compose: version of Compose; empty where it is not installed.
    :ivar memory: bytes that containers may have together.
    :ivar data: where images and volumes are; on a machine of its own that may be a virtual one.
    :ivar system: the operating system that it names.
    """

    version: str
    compose: str
    memory: int
    data: Path
    system: str

    @property
    def shares_owners(self) -> bool:
        """Whether mounted files keep their owners in containers; Docker Desktop gives them to whoever asks."""
        return sys.platform == "linux" and "Desktop" not in self.system

    def check_version(self) -> str:
        """Return which it is.

        :raises UserError: where it is too old.
        """
        if numbers(self.version) < OLDEST_ENGINE:
            oldest = ".".join(map(str, OLDEST_ENGINE))
            why = f"it is {self.version}; health checks that start fast need {oldest}"
            raise UserError("Docker Engine is too old", why, f"update Docker, {LEAVE}")
        return f"Engine {self.version}, {self.system}"

    def check_compose(self) -> str:
        """Return which Compose it has.

        :raises UserError: where there is none or it is too old.
        """
        oldest = ".".join(map(str, OLDEST_COMPOSE))
        if not self.compose:
            why = f"`docker compose` is no command here; the old docker-compose will not do, {oldest} is needed"
            raise UserError("Docker Compose is not installed", why, f"install docker-compose-plugin, {LEAVE}")
        if numbers(self.compose) < OLDEST_COMPOSE:
            why = f"it is {self.compose}; the project's files need {oldest}"
            raise UserError("Docker Compose is too old", why, f"update Docker, {LEAVE}")
        return self.compose

    def check_memory(self) -> str:
        """Return how much memory it may give out.

        :raises UserError: where the services would not fit.
        """
        has = f"{self.memory / GIB:.1f} GiB"
        if self.memory < MEMORY_ACCEPTED:
            why = f"it has {has}; the services' limits sum to {MEMORY_NEEDED // GIB} GiB"
            raise UserError("Docker has too little memory", why, f"give it more in Docker's settings, {LEAVE}")
        return has

    def check_disk(self) -> str:
        """Return how much its disk has left.

        :raises UserError: where images would not fit.
        """
        if not self.data.is_dir():  # in a virtual machine or on another one
            return "its disk is not this machine's"
        return machine.check_disk(self.data, DISK_NEEDED)


def answers(settings: Settings) -> bool:
    """Say, quickly, whether there is a daemon."""
    try:
        inquire(settings)
    except UserError:
        return False
    return True


def inquire(settings: Settings) -> Engine:
    """Ask the daemon what it is; DOCKER_HOST and Docker's context say where it is.

    :raises UserError: where none answers.
    """
    result = docker(settings, "info", "--format", "{{json .}}", check=False, patience=PATIENCE)
    try:
        info: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        info = {}
    if not info.get("ServerVersion"):
        errors = "; ".join(info.get("ServerErrors") or []) or result.stderr.strip() or "it gave no version"
        denied = "permission denied" in errors
        fix = "let your user speak to it (Linux: group docker)" if denied else "start Docker"
        raise UserError("Docker does not answer", errors, f"{fix}, {LEAVE}")
    plugins = (info.get("ClientInfo") or {}).get("Plugins") or []
    compose = next((each.get("Version") or "" for each in plugins if each.get("Name") == "compose"), "")
    return Engine(
        version=info["ServerVersion"],
        compose=compose,
        memory=int(info.get("MemTotal") or 0),
        data=Path(info.get("DockerRootDir") or "/nowhere"),
        system=str(info.get("OperatingSystem") or "unknown system"),
    )


def docker(
    settings: Settings, *arguments: str, check: bool = True, patience: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the client to its end.

    :param check: whether an exit status other than 0 is an error.
    :raises UserError: with what it said; also where there is no client.
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
            timeout=patience,
        )
    except FileNotFoundError:
        raise UserError("Docker is not installed", "there is no command `docker`", f"install it, {LEAVE}") from None
    except subprocess.TimeoutExpired:
        why = f"`docker {arguments[0]}` has no answer after {patience:.0f} s"
        raise UserError("Docker does not answer", why, f"restart Docker, {LEAVE}") from None
    if check and result.returncode:
        why = last_line(result.stderr) or last_line(result.stdout) or f"exit status {result.returncode}"
        raise UserError(f"docker {' '.join(arguments[:2])} failed", why, "./dev doctor")
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


def inputs(settings: Settings) -> str:
    """Return a digest of what the images are built from, but for the base image."""
    digest = hashlib.sha256()
    for name in BUILT_FROM:
        digest.update((settings.root / name).read_bytes())
    return digest.hexdigest()[:16]


def numbers(version: str) -> tuple[int, ...]:
    """Return major and minor of a version such as `v2.40.3-desktop.1`."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def last_line(text: str) -> str:
    """Return the last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")

"""Ask Docker's daemon what it is, and check that it can run the environment."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli import machine, minimums
from workbench.cli.backends.docker.client import WITHOUT_DOCKER, docker
from workbench.errors import UserError

if TYPE_CHECKING:
    from workbench.cli.settings import Settings

#: A daemon that runs answers within a second; one whose virtual machine sleeps may never.
TIMEOUT_SECONDS = 15.0


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
        """Whether mounted files keep their owners in containers; Docker Desktop shows each user as the owner."""
        return sys.platform == "linux" and "Desktop" not in self.system

    def check_version(self) -> str:
        """Return the version.

        :raises UserError: where it is too old.
        """
        if minimums.numbers(self.version) < minimums.DOCKER_ENGINE:
            why = minimums.expected(minimums.version_text(minimums.DOCKER_ENGINE), self.version)
            raise UserError("Docker Engine is too old", why, f"update Docker, {WITHOUT_DOCKER}", "docker-too-old")
        return f"Engine {self.version}, {self.system}"

    def check_compose(self) -> str:
        """Return the version of Compose.

        :raises UserError: where it is missing or too old.
        """
        oldest = minimums.version_text(minimums.DOCKER_COMPOSE)
        if not self.compose:
            why = f"expected `docker compose` {oldest} or more; the old docker-compose does not replace it"
            fix = f"install docker-compose-plugin, {WITHOUT_DOCKER}"
            raise UserError("Docker Compose is not installed", why, fix, "compose-missing")
        if minimums.numbers(self.compose) < minimums.DOCKER_COMPOSE:
            why = minimums.expected(oldest, self.compose)
            raise UserError("Docker Compose is too old", why, f"update Docker, {WITHOUT_DOCKER}", "compose-too-old")
        return self.compose

    def check_memory(self) -> str:
        """Return how much memory containers may have together.

        :raises UserError: where the services would not fit.
        """
        if self.memory < minimums.DOCKER_MEMORY:
            why = minimums.expected(minimums.size_text(minimums.DOCKER_MEMORY), minimums.size_text(self.memory))
            fix = f"give it more memory in Docker's settings, {WITHOUT_DOCKER}"
            raise UserError("Docker has too little memory", why, fix, "memory-too-small")
        return minimums.size_text(self.memory)

    def check_disk(self) -> str:
        """Return how much is free on its disk.

        :raises UserError: where images would not fit.
        """
        if not self.data.is_dir():  # in a virtual machine or on another one
            return "its disk is on another machine and was not checked"
        return machine.check_disk(self.data, minimums.DOCKER_DISK)


def answers(settings: Settings) -> bool:
    """Return, quickly, whether a daemon answers."""
    try:
        inquire(settings)
    except UserError:
        return False
    return True


def inquire(settings: Settings) -> Engine:
    """Ask the daemon what it is; DOCKER_HOST and Docker's context say where it is.

    :raises UserError: where none answers.
    """
    result = docker(settings, "info", "--format", "{{json .}}", check=False, timeout=TIMEOUT_SECONDS)
    try:
        info: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        info = {}
    if not info.get("ServerVersion"):
        errors = "; ".join(info.get("ServerErrors") or []) or result.stderr.strip() or "it reported no version"
        denied = "permission denied" in errors
        fix = "allow your user to use it (Linux: add it to the group docker)" if denied else "start Docker"
        raise UserError("Docker does not answer", errors, f"{fix}, {WITHOUT_DOCKER}", "docker-down")
    plugins = (info.get("ClientInfo") or {}).get("Plugins") or []
    compose = next((each.get("Version") or "" for each in plugins if each.get("Name") == "compose"), "")
    return Engine(
        version=info["ServerVersion"],
        compose=compose,
        memory=int(info.get("MemTotal") or 0),
        data=Path(info.get("DockerRootDir") or "/nowhere"),
        system=str(info.get("OperatingSystem") or "unknown system"),
    )

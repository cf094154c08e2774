"""Observe a checkout's containers: state, health, restarts, memory and out-of-memory kills of each service."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.cli import services
from workbench.cli.backends.docker.client import docker, find, is_running
from workbench.cli.services import HEALTHY, NONE, STARTING, UNHEALTHY, Service, looping

if TYPE_CHECKING:
    from workbench.cli.settings import Settings

#: Docker's word for a state -> that of `./dev status`.
STATES = {"created": "stopped", "exited": "stopped", "dead": "failed", "removing": "stopping", "paused": "stopped"}
#: The container's own cgroup, in the layout of the kernel's second version, else of its first.
CGROUP = (
    "cd /sys/fs/cgroup && cat memory.current memory.stat memory.events 2>/dev/null"
    " || cat memory/memory.usage_in_bytes memory/memory.stat memory/memory.oom_control"
)
_FIGURE = re.compile(r"^(inactive_file|oom_kill) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Usage:
    """What a container's cgroup says.

    :ivar memory: bytes in use, without the file cache that the kernel would give back at once.
    :ivar kills: how many of its processes the kernel has killed because memory ran out.
    """

    memory: int
    kills: int


def observe(settings: Settings, *, memory: bool = True) -> tuple[Service, ...]:
    """Return the state of every service.

    :param memory: whether to read the cgroups as well, which takes a few tenths of a second.
    """
    containers = find(settings)
    usages: dict[str, Usage] = {}
    if memory:
        running = [name for name, container in containers.items() if is_running(container)]
        with ThreadPoolExecutor(len(running) or 1) as pool:
            usages = dict(zip(running, pool.map(lambda name: usage(settings, containers[name]), running), strict=True))
    limits = services.memory_limits(settings)
    nothing = Usage(0, 0)
    return tuple(
        service(name, containers.get(name), usages.get(name, nothing), limits[name]) for name in services.SERVICES
    )


def usage(settings: Settings, container: dict[str, Any]) -> Usage:
    """Return what a container's cgroup says; nothing where the container ends meanwhile."""
    return parse_usage(docker(settings, "exec", container["Id"], "sh", "-c", CGROUP, check=False).stdout)


def parse_usage(text: str) -> Usage:
    """Return the figures that `CGROUP` prints."""
    first, _, rest = text.partition("\n")
    if not first.isdigit():
        return Usage(0, 0)
    figures = {name: int(value) for name, value in _FIGURE.findall(rest)}
    return Usage(int(first) - figures.get("inactive_file", 0), figures.get("oom_kill", 0))


def service(name: str, container: dict[str, Any] | None, used: Usage, limit: int) -> Service:
    """Return the state of one service from its container."""
    if container is None:
        return Service(name, "stopped", NONE, 0, 0, 0, limit, 0)
    state = container["State"]
    # Of the container's own end; once it runs again, Docker no longer reports it, and the cgroup is a new one.
    kills = used.kills or int(state["OOMKilled"])
    return Service(
        name=name,
        state=looping(_state(name, state), _health(state), container["RestartCount"]),
        health=_health(state),
        restarts=container["RestartCount"],
        kills=kills,
        memory_bytes=used.memory,
        limit_bytes=container["HostConfig"]["Memory"] or limit,
        pid=state["Pid"],
    )


def _state(name: str, state: dict[str, Any]) -> str:
    if name == services.INIT and state["Status"] == "exited":
        return "failed" if state["ExitCode"] else "done"
    status = str(state["Status"])
    return STATES.get(status, status)


def _health(state: dict[str, Any]) -> str:
    if not state["Running"]:
        return NONE
    if state["Restarting"]:
        return UNHEALTHY
    status = str((state.get("Health") or {}).get("Status") or STARTING)
    return status if status in {HEALTHY, UNHEALTHY} else STARTING

"""What Docker knows of a container, in the words that `./dev status` has for a process."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.cli.backends.docker.containers import Usage, parse_usage, service
from workbench.cli.services import INIT

MIB = 1 << 20
VERSION_2 = f"""\
{90 * MIB}
anon 1
file 2
inactive_file {30 * MIB}
active_file 4
oom 7
low 0
oom 7
oom_kill 2
oom_group_kill 0
"""
VERSION_1 = f"""\
{90 * MIB}
cache 1
inactive_file {30 * MIB}
total_inactive_file {30 * MIB}
oom_kill_disable 0
under_oom 0
oom_kill 2
"""


@pytest.mark.parametrize("text", [VERSION_2, VERSION_1], ids=["cgroup 2", "cgroup 1"])
def test_usage(text: str) -> None:
    """Memory is without the file cache; kills are the kernel's."""
    assert parse_usage(text) == Usage(60 * MIB, 2)


@pytest.mark.parametrize("text", ["", "Error response from daemon: container is not running\n"])
def test_usage_gone(text: str) -> None:
    """A container that ends meanwhile uses nothing."""
    assert parse_usage(text) == Usage(0, 0)


def container(status: str, restarts: int = 1, **state: Any) -> dict[str, Any]:
    """Return what `docker inspect` returns."""
    known = {"Running": status in {"running", "restarting"}, "Restarting": status == "restarting", "Pid": 7}
    return {
        "State": {"Status": status, "ExitCode": 0, "OOMKilled": False, **known, **state},
        "RestartCount": restarts,
        "HostConfig": {"Memory": 512 * MIB},
    }


@pytest.mark.parametrize(
    ("found", "state", "health", "ready"),
    [
        (None, "stopped", "none", False),
        (container("created"), "stopped", "none", False),
        (container("running", Health={"Status": "starting"}), "running", "starting", False),
        (container("running", Health={"Status": "healthy"}), "running", "healthy", True),
        (container("running", Health={"Status": "unhealthy"}), "running", "unhealthy", False),
        (container("restarting", Health={"Status": "healthy"}), "restarting", "unhealthy", False),
        (container("restarting", 3), "crash-looping", "unhealthy", False),
        (container("running", 3, Health={"Status": "starting"}), "crash-looping", "starting", False),
        (container("running", 3, Health={"Status": "healthy"}), "running", "healthy", True),
        (container("exited", 3, ExitCode=137), "stopped", "none", False),
        (container("dead"), "failed", "none", False),
    ],
)
def test_states(found: dict[str, Any] | None, state: str, health: str, ready: bool) -> None:
    """Each of Docker's states has its word."""
    seen = service("scheduler", found, Usage(0, 0), 1)
    assert (seen.state, seen.health, seen.ready) == (state, health, ready)


def test_one_shot() -> None:
    """The one-shot is done or failed."""
    assert service(INIT, container("exited"), Usage(0, 0), 1).state == "done"
    assert service(INIT, container("exited", ExitCode=1), Usage(0, 0), 1).state == "failed"


def test_kills() -> None:
    """Kills of tasks are counted, and so is that of the service itself."""
    assert service("scheduler", container("running"), Usage(1, 2), 1).kills == 2
    assert service("scheduler", container("exited", OOMKilled=True), Usage(0, 0), 1).kills == 1


def test_limits() -> None:
    """Limit and restarts are the container's own."""
    seen = service("scheduler", container("running", 3), Usage(5, 0), 1)
    assert (seen.limit_bytes, seen.restarts, seen.memory_bytes) == (512 * MIB, 3, 5)

"""Observe a running environment: state, health, restarts and memory of each service."""

from __future__ import annotations

import http.client
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2

from workbench.cli import services
from workbench.cli.backends.native import postgres
from workbench.cli.services import HEALTHY, NONE, STARTING, UNHEALTHY, Service, looping
from workbench.cli.settings import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.cli.backends.native.supervise import Supervisor
    from workbench.cli.settings import Settings

#: supervisor's word for a state -> that of `./dev status`.
STATES = {
    "RUNNING": "running",
    "STARTING": "running",
    "BACKOFF": "restarting",
    "FATAL": "failed",
    "STOPPING": "stopping",
}

_SPAWNED = re.compile(r"spawned: '([\w-]+)' with pid")
_KILLED = re.compile(r"exited: ([\w-]+) \(terminated by SIGKILL")
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


def observe(supervisor: Supervisor, *, memory: bool = True, timeout: float = 5) -> tuple[Service, ...]:
    """Return the state of every service.

    :param memory: whether to add up memory as well, which takes a few hundredths of a second.
    :param timeout: seconds that a service has to answer.
    """
    settings, processes = supervisor.settings, supervisor.processes()
    health = _health(settings, {name: info["start"] for name, info in processes.items() if info["pid"]}, timeout)
    limits = services.memory_limits(settings)
    spawned, killed = _history(supervisor.log) if processes else (Counter(), Counter())
    found = []
    for name in services.SERVICES:
        info = processes.get(name)
        pid = info["pid"] if info else 0
        healthy, restarts = health.get(name, UNHEALTHY if pid else NONE), max(0, spawned[name] - 1)
        found.append(
            Service(
                name=name,
                state=looping(_state(name, info, settings), healthy, restarts),
                health=healthy,
                restarts=restarts,
                kills=killed[name],
                memory_bytes=_memory(pid) if memory and pid else 0,
                limit_bytes=limits[name],
                pid=pid,
            )
        )
    return tuple(found)


def supervisor_memory(supervisor: Supervisor) -> int:
    """Return the PSS of supervisord alone, which holds the pages that the services share with it."""
    leader = supervisor.leader()
    return _pss(leader.pid) if leader else 0


def _state(name: str, info: dict[str, Any] | None, settings: Settings) -> str:
    if not info:
        return "stopped"
    if name == services.INIT and not info["pid"]:
        if info["statename"] == "EXITED" and info["exitstatus"]:
            return "failed"
        with suppress(psycopg2.OperationalError):  # it does not run, or not yet
            if postgres.is_migrated(settings):
                return "done"
    return STATES.get(info["statename"], "stopped")


def _health(settings: Settings, started: dict[str, int], timeout: float) -> dict[str, str]:
    """Ask each running service itself, all at once: a slow answer of one must not hide the others."""
    probes: dict[str, Callable[[], object]] = {
        services.POSTGRES: lambda: postgres.accepts(settings),
        services.EMULATORS: lambda: _get(settings.ports["EMULATORS_PORT"], "/healthz", timeout),
        "api-server": lambda: _airflow_health(settings, timeout),
    }
    with ThreadPoolExecutor(len(probes)) as pool:
        answers = dict(zip(probes, pool.map(lambda name: name in started and probes[name](), probes), strict=True))
    health = {name: HEALTHY if answers.get(name) else STARTING for name in started}
    airflow = answers["api-server"]
    for name in {"scheduler", "dag-processor", "triggerer"}.intersection(started):
        health[name] = _heartbeat(name, airflow if isinstance(airflow, dict) else {}, started[name])
    return health


def _heartbeat(name: str, airflow: dict[str, Any], started: int) -> str:
    """Judge by the last heartbeat; one from before the start is a predecessor's."""
    key = name.replace("-", "_")
    state = airflow.get(key) or {}
    beat = state.get(f"latest_{key}_heartbeat")
    if not beat or datetime.fromisoformat(beat).timestamp() < started:
        return STARTING
    return HEALTHY if state["status"] == "healthy" else UNHEALTHY


def _airflow_health(settings: Settings, timeout: float) -> dict[str, Any] | None:
    body = _get(settings.port, "/api/v2/monitor/health", timeout)
    with suppress(ValueError):
        found: dict[str, Any] | None = json.loads(body) if body else None
        return found
    return None


def _get(port: int, path: str, timeout: float) -> bytes | None:
    """Return the body of a page that answers 200; a full HTTP client would take longer than all the rest."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _history(log: Path) -> tuple[Counter[str], Counter[str]]:
    """Count starts and kills of each service in supervisor's log, which begins again with each `up`."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return Counter(_SPAWNED.findall(text)), Counter(_KILLED.findall(text))


def _memory(pid: int) -> int:
    """Return the PSS of a process and all it started; shared pages count once over all services."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return sum(_pss(each.pid) for each in (process, *process.children(recursive=True)))
    return 0


def _pss(pid: int) -> int:
    try:
        match = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
        return int(match[1]) * 1024 if match else 0
    except OSError:
        with suppress(psutil.Error):  # not Linux, or another user's
            return int(psutil.Process(pid).memory_info().rss)
        return 0

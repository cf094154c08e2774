"""The services of one environment: their names, what each may take, and how each is at a moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench.cli.settings import read_env

if TYPE_CHECKING:
    from workbench.cli.settings import Settings

POSTGRES, EMULATORS, INIT = "postgres", "emulators", "airflow-init"
#: Airflow's four; started together.
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
#: In the order in which they are shown.
SERVICES = (POSTGRES, EMULATORS, INIT, *COMPONENTS)
#: Options of Airflow's commands. Logs are read from files: the servers for them would listen on every interface.
FLAGS = {"scheduler": ("--skip-serve-logs",), "triggerer": ("--skip-serve-logs",)}

HEALTHY, STARTING, UNHEALTHY, NONE = "healthy", "starting", "unhealthy", "none"
CRASH_LOOPING = "crash-looping"
#: A service that was restarted so often and is not healthy ends again and again.
LOOPS_AFTER = 3

_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class Service:
    """One service as it is now.

    :ivar state: running, restarting, crash-looping, failed, stopping, stopped; done for a one-shot that succeeded.
    :ivar health: healthy, starting, unhealthy; none where it does not run.
    :ivar restarts: since the environment started.
    :ivar kills: how many of its ends were a SIGKILL, which is what running out of memory looks like.
    :ivar memory_bytes: of all its processes; natively their proportional set size.
    """

    name: str
    state: str
    health: str
    restarts: int
    kills: int
    memory_bytes: int
    limit_bytes: int
    pid: int

    @property
    def ready(self) -> bool:
        """Whether a start has to wait for it no longer."""
        return self.health == HEALTHY or self.state == "done"

    def to_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return asdict(self)


def looping(state: str, health: str, restarts: int) -> str:
    """Return a service's state, with a word of its own where it ends again and again."""
    ends = restarts >= LOOPS_AFTER and health != HEALTHY and state in {"running", "restarting"}
    return CRASH_LOOPING if ends else state


def memory_limits(settings: Settings) -> dict[str, int]:
    """Return each service's limit in bytes from `compose/limits.env`, where `.env` or the shell sets no other."""
    limits = read_env(settings.root / "compose/limits.env")
    limits |= {name: value for name, value in {**settings.inherited, **settings.user}.items() if name in limits}
    return {service: _bytes(limits[f"{service.upper().replace('-', '_')}_MEMORY"]) for service in SERVICES}


def _bytes(text: str) -> int:
    text = text.lower().removesuffix("b")
    return int(text) if text.isdigit() else int(text[:-1]) * _UNITS[text[-1]]

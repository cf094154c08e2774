"""The services of one environment: what runs each, and what each may take."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.cli.backends.native import postgres
from workbench.cli.settings import HOST, read_env

if TYPE_CHECKING:
    from workbench.cli.settings import Settings

POSTGRES, EMULATORS, INIT = "postgres", "emulators", "airflow-init"
#: Airflow's four; started together.
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
#: In the order in which they are shown.
SERVICES = (POSTGRES, EMULATORS, INIT, *COMPONENTS)
#: A task that ends while the scheduler waits for it tells the api-server, and may use anything.
STOP_ORDER = (("scheduler", "dag-processor", "triggerer"), ("api-server", INIT), (EMULATORS, POSTGRES))

#: `airflow` that starts sooner and holds less; plain `airflow` in its place works as well.
AIRFLOW = "workbench.airflow.launcher"
#: Logs are read from the shared folder: the servers for them would listen on every interface.
FLAGS = {"scheduler": ("--skip-serve-logs",), "triggerer": ("--skip-serve-logs",)}

_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class Stop:
    """How a service is asked to end.

    :ivar signal: what its first process gets, or with `whole_group` each of its processes.
    :ivar seconds: how long it has before it is killed.
    """

    signal: str = "TERM"
    seconds: int = 10
    whole_group: bool = False


#: Tasks of up to ten seconds may finish; what is killed runs again after the next start.
STOPS = {
    # The fast shutdown; SIGTERM would wait for every client.
    POSTGRES: Stop("INT", 20),
    # Its second process takes no notice of the SIGINT that the first one hands on, until ten seconds are over.
    "triggerer": Stop(whole_group=True),
}


def command(service: str, settings: Settings) -> list[str]:
    """Return the command that runs a service in the foreground."""
    if service == POSTGRES:
        return postgres.command(settings)
    if service == EMULATORS:
        ports = settings.ports
        words = [*settings.emulators_python, "serve", "--data", str(settings.run / "emulators")]
        words += ["--keys", str(settings.keys), "--host", HOST, "--port", str(ports["EMULATORS_PORT"])]
        words += ["--s3-port", str(ports["EMULATORS_S3_PORT"])]
        return [*words, "--snowflake-port", str(ports["EMULATORS_SNOWFLAKE_PORT"])]
    if service == INIT:
        return [sys.executable, "-m", "workbench.cli.backends.native.airflow_init"]
    return [sys.executable, "-m", AIRFLOW, service, *FLAGS.get(service, ())]


def listens_on(service: str, settings: Settings) -> dict[str, int]:
    """Return the variables and ports that a service binds."""
    if service == EMULATORS:
        return {name: port for name, port in settings.ports.items() if name != "AIRFLOW_PORT"}
    return {"AIRFLOW_PORT": settings.port} if service == "api-server" else {}


def memory_limits(settings: Settings) -> dict[str, int]:
    """Return each service's limit in bytes from `compose/limits.env`, where `.env` or the shell sets no other."""
    limits = read_env(settings.root / "compose/limits.env")
    limits |= {name: value for name, value in {**settings.inherited, **settings.user}.items() if name in limits}
    return {service: _bytes(limits[f"{service.upper().replace('-', '_')}_MEMORY"]) for service in SERVICES}


def _bytes(text: str) -> int:
    text = text.lower().removesuffix("b")
    return int(text) if text.isdigit() else int(text[:-1]) * _UNITS[text[-1]]

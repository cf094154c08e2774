"""`python -m workbench.airflow.launcher COMMAND`: an Airflow component that starts sooner and holds less memory.

Leans on the innards of Airflow 3.0.6. It runs `airflow COMMAND` in this process after a few small changes; without
it, everything works as well and costs more (the numbers are in `bench/README.md`).
"""

from __future__ import annotations

import functools
import gc
import importlib
import os
import sys
from typing import Any

from workbench import debugger
from workbench.airflow.reads import distrust_young_bytecode

#: component -> the module that imports nearly all that it will need.
STARTS_WITH = {
    "api-server": "airflow.api_fastapi.main",
    "dag-processor": "airflow.dag_processing.manager",
    "scheduler": "airflow.jobs.scheduler_job_runner",
    "triggerer": "airflow.jobs.triggerer_job_runner",
}
#: component -> the class in that module that serves the tasks' API to its children.
SERVES = {"dag-processor": "DagFileProcessorManager", "triggerer": "TriggerRunnerSupervisor"}
#: svcs, which Airflow's API is wired with, loads every web framework that it finds; Airflow uses the first two.
FOREIGN_FRAMEWORKS = ("svcs.aiohttp", "svcs.flask", "svcs.pyramid")


def main() -> None:
    """Change what is to be changed, then be `airflow`."""
    component = sys.argv[1] if len(sys.argv) > 1 else ""
    import_svcs_alone()
    if component in STARTS_WITH:
        module = import_without_garbage_collection(STARTS_WITH[component])
        if component in SERVES:
            serve_on_demand(getattr(module, SERVES[component]))
    distrust_young_bytecode()
    if component == "dag-processor":
        from workbench.airflow import reload

        reload.install()
    if component == "scheduler":
        from workbench.airflow import bounded_events, current_dags

        bounded_events.install()
        current_dags.install()
    if component == "triggerer":
        from workbench.airflow import current_triggers

        current_triggers.install()
    # A child's garbage collector leaves alone what its parent had loaded: touching an object's header copies its page.
    os.register_at_fork(after_in_child=gc.freeze)
    from airflow.__main__ import main as airflow

    debugger.listen(component)
    airflow()


def preload() -> None:
    """Import what is common to the components, for a process that forks them; the api-server's own part is its own."""
    import_svcs_alone()
    for component, module in STARTS_WITH.items():
        if component != "api-server":
            import_without_garbage_collection(module)


def import_without_garbage_collection(name: str) -> Any:
    """Import a module, all of whose objects stay: looking for garbage among them takes a fifth of the time."""
    gc.disable()
    # Airflow's packages import each other in circles, which this order unties.
    importlib.import_module("airflow.cli.cli_parser")
    module = importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.enable()
    return module


def import_svcs_alone() -> None:
    """Import svcs without the frameworks that Airflow does not use: 0.3 CPU s and 15 MiB in every component."""
    hidden: dict[str, Any] = dict.fromkeys(FOREIGN_FRAMEWORKS)
    sys.modules.update(hidden)  # None makes their import fail, which svcs expects
    import svcs  # noqa: F401 only for its side effect

    for name in FOREIGN_FRAMEWORKS:
        sys.modules.pop(name, None)


def serve_on_demand(component: Any) -> None:
    """Make a component's own copy of the tasks' API only when something asks for it: 1 CPU s and 20 MiB.

    The dag-processor and the triggerer keep one for DAG files and triggers that read connections or variables.
    """
    component.client = property(lambda _self: client_on_demand())


@functools.lru_cache(maxsize=1)
def client_on_demand() -> Any:
    """Return the same client as stock's `client` of both components, with a transport made at first use."""
    import httpx
    from airflow.api_fastapi.execution_api.app import InProcessExecutionAPI
    from airflow.sdk.api.client import Client

    class TransportOnDemand(httpx.BaseTransport):
        @functools.cached_property
        def _transport(self) -> httpx.BaseTransport:
            self._api = InProcessExecutionAPI()
            transport: httpx.BaseTransport = self._api.transport
            return transport

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return self._transport.handle_request(request)

    client = Client(base_url=None, token="", dry_run=True, transport=TransportOnDemand())
    client.base_url = "http://in-process.invalid./"
    return client


if __name__ == "__main__":
    main()

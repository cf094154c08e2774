"""`python -m workbench.airflow.launcher COMMAND`: `airflow COMMAND` with what the modules of this package change.

It decides, before Airflow is imported, whether this project's executor runs the tasks. By itself it makes a component
start sooner and hold less memory (docs/reference/figures.md), and replaces for that, in Airflow 3.0.6, the property
`client` of the classes in `SERVES`. With `WORKBENCH_STOCK=1` it is `airflow COMMAND` and nothing else.
"""

from __future__ import annotations

import functools
import gc
import importlib
import logging
import os
import sys
from typing import Any

from common.utils import SCHEDULER_REPORTS
from workbench import debugger
from workbench.airflow import compat
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
#: component -> the modules of this package that change it.
CHANGED_BY = {
    "dag-processor": ("reload",),
    "scheduler": ("bounded_events", "current_dags"),
    "triggerer": ("current_triggers",),
}
#: svcs, which Airflow's API is wired with, loads every web framework that it finds; Airflow uses the first two.
FOREIGN_FRAMEWORKS = ("svcs.aiohttp", "svcs.flask", "svcs.pyramid")
#: The setting that names the executor, its value for a LocalExecutor, and the same in this project's edition.
EXECUTOR, LOCAL = "AIRFLOW__CORE__EXECUTOR", "LocalExecutor"
LEAN = "LocalExecutor:workbench.airflow.executor.LeanLocalExecutor"
#: The scheduler's own sleep: the lean executor sleeps in its place.
IDLE_SLEEP = "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"

log = logging.getLogger(__name__)


def main() -> None:
    """Change what is to be changed, then be `airflow`."""
    component = sys.argv[1] if len(sys.argv) > 1 else ""
    if compat.stock():
        if component in STARTS_WITH:
            log.warning("%s is set: the %s runs without this project's changes", compat.STOCK, component)
    else:
        change(component)
    from airflow.__main__ import main as airflow

    debugger.listen(component)
    airflow()


def change(component: str) -> None:
    """Have every module of this package that knows this version of Airflow change the component."""
    use_lean_executor()
    if compat.supported("launcher"):
        import_svcs_alone()
        if component in STARTS_WITH:
            module = import_without_garbage_collection(STARTS_WITH[component])
            if component in SERVES:
                serve_on_demand(getattr(module, SERVES[component]))
        # A child's garbage collector leaves what its parent had loaded: touching an object's header copies its page.
        os.register_at_fork(after_in_child=gc.freeze)
    distrust_young_bytecode()
    for name in CHANGED_BY.get(component, ()):
        compat.install(name)


def use_lean_executor() -> None:
    """Let this project's executor be the LocalExecutor; every component asks which one it is.

    Whoever wants stock's in spite of it names it in full: `airflow.executors.local_executor.LocalExecutor`.
    """
    if os.environ.get(EXECUTOR) == LOCAL and compat.supported("executor"):
        os.environ |= {EXECUTOR: LEAN, IDLE_SLEEP: "0"}
        if compat.supported("failures"):
            os.environ[SCHEDULER_REPORTS] = "1"


def preload() -> bool:
    """Import what is common to the components, for a process that forks them; the api-server imports its part itself.

    :return: whether it did: what is forked from this process is not Airflow as it is published.
    """
    if not compat.supported("launcher"):
        return False
    use_lean_executor()  # Airflow's command line asks for it once, when it is imported
    import_svcs_alone()
    for component, module in STARTS_WITH.items():
        if component != "api-server":
            import_without_garbage_collection(module)
    return True


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

"""The tasks of `dag.test()` run as in a worker.

Replaces, in Airflow 3.0.6:

* `airflow.sdk.execution_time.supervisor.in_process_api_server`, which builds the tasks' API once a task, and
  `create_task_execution_api_app` of `airflow.api_fastapi.execution_api.app`, which also builds it for older versions;
* `airflow.sdk.execution_time.task_runner.finalize`, so that callbacks find the exception, as in a worker;
* `airflow.sdk.definitions.dag._run_inline_trigger`, to warn of triggers that a triggerer could not load;
* `airflow.sdk.execution_time.context._get_connection`, to look at a connection before a task gets it.
"""

from __future__ import annotations

import functools
import gc
import importlib
from typing import TYPE_CHECKING, Any

from workbench.airflow import compat, launcher

if TYPE_CHECKING:
    from collections.abc import Callable

#: What the first task of a run imports.
FIRST_TASK = (
    "a2wsgi",
    "airflow.api_fastapi.execution_api.routes",
    "airflow.dag_processing.collection",
    "airflow.models",
    "airflow.models.dagbag",
    "airflow.models.serialized_dag",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "aiosqlite",
    "anyio._backends._asyncio",
    "jinja2.ext",
    "jsonschema",
)


def load() -> None:
    """Import all that a run needs before the user's first line: all of it stays, so none is garbage."""
    if not compat.supported("debug_worker"):
        return
    launcher.import_svcs_alone()
    gc.disable()
    try:
        for name in FIRST_TASK:
            importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def install(look: Callable[[str], None]) -> None:
    """Change this process once for all its runs.

    :param look: called with a connection's id before a task gets it.
    """
    if compat.supported("debug_worker"):
        make_dag_test_light()
        give_callbacks_the_exception()
        warn_of_triggers_in_dag_files()
        look_before_connecting(look)


def make_dag_test_light() -> None:
    """Build the in-process API once and not once a task (1 CPU second and a leaked thread each); 3.1 does this.

    And build it for this version of Airflow only: stock's also serves older ones, another CPU second.
    """
    from airflow.api_fastapi.execution_api import app
    from airflow.sdk.execution_time import supervisor

    app.create_task_execution_api_app = _task_api
    if not hasattr(supervisor.in_process_api_server, "cache_info"):
        supervisor.in_process_api_server = functools.lru_cache(maxsize=1)(supervisor.in_process_api_server)
        _ = supervisor.in_process_api_server().transport  # built here, where no debugger looks on


def _task_api() -> Any:
    from airflow.api_fastapi.execution_api.app import lifespan
    from airflow.api_fastapi.execution_api.routes import execution_api_router
    from fastapi import FastAPI

    api = FastAPI(lifespan=lifespan)
    api.include_router(execution_api_router)
    return api


def give_callbacks_the_exception() -> None:
    """Put `exception` into the context of callbacks in `dag.test()`, as a worker does; 3.1 does this."""
    from airflow.sdk.execution_time import task_runner

    stock = task_runner.finalize
    if hasattr(stock, "__wrapped__"):
        return

    @functools.wraps(stock)
    def finalize(ti: Any, state: Any, context: Any, log: Any, error: BaseException | None = None) -> None:
        if error is not None:
            context.setdefault("exception", error)
        stock(ti, state, context, log, error)

    task_runner.finalize = finalize


def warn_of_triggers_in_dag_files() -> None:
    """Say where a trigger that runs here would fail to load in a triggerer: DAG files are no modules there."""
    from airflow.sdk.definitions import dag as module

    stock = module._run_inline_trigger  # noqa: SLF001 the one place that each trigger passes
    if hasattr(stock, "__wrapped__"):
        return

    @functools.wraps(stock)
    def run_inline_trigger(trigger: Any) -> Any:
        kind = type(trigger)
        if kind.__module__.startswith("unusual_prefix_"):  # as Airflow names what it loads from DAG files
            print(f"warning: a triggerer cannot load {kind.__name__} from a DAG file; define it in common/", flush=True)
        return stock(trigger)

    module._run_inline_trigger = run_inline_trigger  # noqa: SLF001 as above


def look_before_connecting(look: Callable[[str], None]) -> None:
    """Call `look` with a connection's id whenever a task asks for it, by whichever hook."""
    from airflow.sdk.execution_time import context

    stock = context._get_connection  # noqa: SLF001 what all of Airflow's own ways come to

    @functools.wraps(stock)
    def get_connection(conn_id: str) -> Any:
        look(conn_id)
        return stock(conn_id)

    context._get_connection = get_connection  # noqa: SLF001 as above

"""`dag.test()` as a worker and the scheduler would do it.

Leans on the innards of Airflow 3.0.6; each function says what it stands in for.
"""

from __future__ import annotations

import functools
import gc
import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.airflow import debug_database, debug_logs, debug_results, launcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from workbench.airflow.debug_database import Event


def run(
    dag: Any,
    logical_date: datetime | None,
    conf: dict[str, Any] | None,
    *,
    events: Sequence[Event] | None,
    tasks: Sequence[str],
) -> Any:
    """Run a DAG by `dag.test()`.

    :param events: those that trigger it, which may be none; None for a run by hand.
    :param tasks: ids of those to run; none for all.
    :return: the DAG run.
    :raises NoResultsError: names tasks that are left out and never succeeded, over whose results others are mapped:
        `dag.test()` would wait for them without end.
    """
    from airflow.utils import timezone

    chosen = part_of(dag, tasks) if tasks else dag
    left_out = [task_id for task_id in chosen.task_dict if tasks and task_id not in tasks]

    def create(**asked: Any) -> Any:
        session = asked["session"]
        results = debug_results.last(dag.dag_id, left_out, session)
        if unknown := sources(chosen, tasks) & set(left_out) - results.keys():
            raise debug_results.NoResultsError(", ".join(sorted(unknown)))
        made = by_hand(**asked) if events is None else triggered(events, **asked)
        debug_results.give(made, asked["dag"], left_out, results, session)
        session.commit()
        return made

    with created_by(create) as by_hand:
        # Never without a date: `dag.test()` would clear every task instance of the DAG.
        return chosen.test(logical_date=logical_date or timezone.utcnow(), run_conf=conf)


def part_of(dag: Any, tasks: Sequence[str]) -> Any:
    """Return a copy of the DAG with these tasks and those upstream of them.

    A mapped task of stock's copy fails: it compares with an object of which it has been given a copy.
    """
    from airflow.sdk.definitions._internal.expandinput import EXPAND_INPUT_EMPTY

    part = dag.partial_subset(list(tasks), include_upstream=True)
    for task in part.tasks:
        if getattr(task, "expand_input", None) == EXPAND_INPUT_EMPTY:
            task.expand_input = EXPAND_INPUT_EMPTY
    return part


def sources(dag: Any, tasks: Sequence[str]) -> set[str]:
    """Return the ids of the tasks over whose results these are mapped, by themselves or with their groups."""
    found: set[str] = set()
    for task in map(dag.get_task, tasks):
        mapped = [task] if task.is_mapped else []
        for one in (*mapped, *task.iter_mapped_task_groups()):
            found |= {source.task_id for source in one.iter_mapped_dependencies()}
    return found


@contextmanager
def created_by(create: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Have `dag.test()` create its run in another way; gives stock's way, which deletes a former run of that date."""
    from airflow.models import dag as module

    model = module.DAG  # noqa: AIR311 the scheduler's class and not the one of the same name in the SDK
    stock, clear = module._get_or_create_dagrun, model.clear_dags  # noqa: SLF001 the only place to have a say in it
    module._get_or_create_dagrun = create  # noqa: SLF001 as above
    model.clear_dags = lambda **_: None  # of a run that is deleted next, or of all runs that have no date
    try:
        yield stock
    finally:
        module._get_or_create_dagrun, model.clear_dags = stock, clear  # noqa: SLF001 as above


def triggered(events: Sequence[Event], **asked: Any) -> Any:
    """Create a run as the scheduler does when assets trigger one: no logical date, the events attached."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    run_after = max((event.timestamp for event in events), default=asked["run_after"])
    made = asked["dag"].create_dagrun(
        run_id=DagRun.generate_run_id(run_type=DagRunType.ASSET_TRIGGERED, logical_date=None, run_after=run_after),
        logical_date=None,
        data_interval=None,
        run_after=run_after,
        conf=asked["conf"],
        run_type=DagRunType.ASSET_TRIGGERED,
        triggered_by=DagRunTriggeredByType.ASSET,
        state=DagRunState.RUNNING,
        start_date=asked["run_after"],
        session=asked["session"],
    )
    debug_database.attach(made, asked["session"], events)
    return made


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
    """Import all that a run needs before the user's first line: what is loaded stays, so no garbage is looked for."""
    launcher.import_svcs_alone()
    gc.disable()
    try:
        for name in FIRST_TASK:
            importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def lift_time_limits(dag: Any) -> None:
    """Let tasks take as long as they want: a worker's limit is an alarm that rings in the middle of a line."""
    for task in dag.tasks:
        task.execution_timeout = None


def behave_like_a_worker() -> None:
    """Change this process once for all its runs."""
    make_dag_test_light()
    give_callbacks_the_exception()
    warn_of_triggers_in_dag_files()
    debug_logs.write_log_files()


def make_dag_test_light() -> None:
    """Build the in-process API once and not once a task (1 CPU second and a leaked thread each); 3.1 does this.

    And build it for this version of Airflow only: stock's also speaks the dialects of older ones, another CPU second.
    """
    from airflow.api_fastapi.execution_api import app
    from airflow.sdk.execution_time import supervisor

    app.create_task_execution_api_app = _tasks_api
    if not hasattr(supervisor.in_process_api_server, "cache_info"):
        supervisor.in_process_api_server = functools.lru_cache(maxsize=1)(supervisor.in_process_api_server)
        _ = supervisor.in_process_api_server().transport  # built here, where no debugger looks on


def _tasks_api() -> Any:
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

"""`dag.test()` as a worker would run it: light, quiet, with the exception in callbacks and a log file for each task.

Leans on the innards of Airflow 3.0.6; each function says what it stands in for.
"""

from __future__ import annotations

import functools
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from common.airflow_3_0_6 import debug_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from common.airflow_3_0_6.debug_database import Event


def run(dag: Any, logical_date: datetime | None, conf: dict[str, Any] | None, events: Sequence[Event] | None) -> Any:
    """Run a DAG by `dag.test()`.

    :param events: those that trigger it, which may be none; None for a run by hand.
    :return: the DAG run.
    """
    from airflow.utils import timezone

    # Never without a date: `dag.test()` would clear every task instance of the DAG.
    logical_date = logical_date or timezone.utcnow()
    if events is None:
        return dag.test(logical_date=logical_date, run_conf=conf)
    with _created_by(functools.partial(_triggered_run, events)):
        return dag.test(logical_date=logical_date, run_conf=conf)


@contextmanager
def _created_by(create: Callable[..., Any]) -> Iterator[None]:
    """Have `dag.test()` create its run in another way."""
    from airflow.models import dag as module

    stock = module._get_or_create_dagrun  # noqa: SLF001 there is no other place to have a say in it
    module._get_or_create_dagrun = create  # noqa: SLF001 as above
    try:
        yield
    finally:
        module._get_or_create_dagrun = stock  # noqa: SLF001 as above


def _triggered_run(events: Sequence[Event], **asked: Any) -> Any:
    """Create a run as the scheduler does when assets trigger one: no logical date, the events attached."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    run_after = max((event.timestamp for event in events), default=asked["run_after"])
    run = asked["dag"].create_dagrun(
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
    debug_database.consumed(run, asked["session"], events)
    asked["session"].commit()
    return run


def behave_like_a_worker() -> None:
    """Change this process once for all its runs."""
    make_dag_test_light()
    give_callbacks_the_exception()
    quieten()


def make_dag_test_light() -> None:
    """Build the in-process API once and not once a task (1 CPU second and a leaked thread each); 3.1 does this."""
    from airflow.sdk.execution_time import supervisor

    if not hasattr(supervisor.in_process_api_server, "cache_info"):
        supervisor.in_process_api_server = functools.lru_cache(maxsize=1)(supervisor.in_process_api_server)


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


def quieten() -> None:
    """Keep the supervisor's debug messages, which `dag.test()` prints unfiltered, off the terminal."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))

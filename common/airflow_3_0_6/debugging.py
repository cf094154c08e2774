"""Everything of the debugging ending that leans on the innards of Airflow 3.0.6.

Another version of Airflow: look here first. Each function says what it stands in for.
"""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import Any


def use_own_database(folder: Path) -> None:
    """Turn this process to an SQLite database of its own, made when it is not there.

    `import airflow` has configured the live one already, whatever a program does before `dag.test()`. With the live
    one, its scheduler would run the same tasks, and events would wake the live consumers.
    """
    from airflow import settings

    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "airflow.db"
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{database}"
    settings.configure_vars()
    settings.reconfigure_orm()
    made = folder / "made"  # written last: a creation that was cut off is begun anew
    if not made.exists():
        from airflow.utils.db import initdb

        database.unlink(missing_ok=True)
        initdb()
        made.touch()


def register(dag: Any) -> None:
    """Make the DAG and its assets known to the database, as the dag-processor does; 3.1 does this in `dag.test()`.

    Without it a task with an outlet fails: its asset is not active.
    """
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.dagbag import DagBag

    DagBundlesManager().sync_bundles_to_db()
    dag.relative_fileloc = Path(dag.fileloc).name
    bag = DagBag(os.devnull, include_examples=False)
    bag.bag_dag(dag)
    bag.sync_to_db("dags-folder", bundle_version=None)


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


def task_instances(dag_run: Any) -> list[Any]:
    """Give the run's task instances as the database has them now."""
    from airflow.utils.session import create_session

    with create_session() as session:
        return sorted(
            dag_run.get_task_instances(session=session), key=lambda ti: (str(ti.start_date or "~"), ti.task_id)
        )

"""The debugger's own database: made once; DAGs are registered in it, runs and asset events read from it.

With the live database, its scheduler would run the same tasks, and events would trigger the live consumers. It replaces
nothing of Airflow's, and does for Airflow 3.0.6 what `dag.test()` of later versions does by itself: register the DAG.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.airflow import compat

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

#: Nothing here has to outlive a crash; a second debugging process may wait for the first.
PRAGMAS = ("journal_mode=WAL", "synchronous=OFF", "busy_timeout=60000")
#: Of the bundle that stands for the DAG folder in stock settings.
BUNDLE = "dags-folder"

_open: list[Path] = []


@dataclass(frozen=True)
class Event:
    """An asset event in the debugger's database.

    :ivar aliases: names of the aliases through which it was written.
    """

    id: int
    name: str
    uri: str
    extra: dict[str, Any]
    timestamp: datetime
    aliases: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TaskResult:
    """What became of a task instance.

    :ivar seconds: None where it did not run.
    :ivar xcom_bytes: the size of all that it pushed, as JSON.
    """

    task_id: str
    map_index: int
    state: str
    seconds: float | None
    try_number: int
    xcom_bytes: int
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Name it as the UI does."""
        object.__setattr__(self, "name", self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]")


def is_open() -> bool:
    """Return whether this process uses it."""
    return bool(_open)


def use_own_database(folder: Path) -> None:
    """Switch this process to an SQLite database of its own, which is made when it is missing, and to logs of its own.

    `import airflow` has configured the live one already.

    :param folder: holds the database and the logs.
    """
    import airflow

    folder.mkdir(parents=True, exist_ok=True)
    # Another Airflow, another database: nothing in it is worth a migration.
    database = folder / f"airflow-{airflow.__version__}.db"
    os.environ["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] = str(folder / "logs")
    if not database.exists():
        began = time.monotonic()
        print(f"Creating the debugger's database (only once): {database}", file=sys.stderr, flush=True)
        _make(database)
        print(f"  created in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    _connect(database)
    _open.append(database)


def _make(database: Path) -> None:
    """Make it under another name, so that an interrupted one is never used."""
    from airflow import settings
    from airflow.utils.db import initdb

    unfinished = database.with_name(f"{database.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    _connect(unfinished)
    initdb()
    settings.dispose_orm()
    unfinished.replace(database)


def _connect(database: Path) -> None:
    from airflow import settings
    from sqlalchemy import event

    def tune(connection: Any, _record: Any) -> None:
        for pragma in PRAGMAS if database.suffix == ".db" else PRAGMAS[1:]:
            connection.execute(f"PRAGMA {pragma}")

    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{database}"
    settings.configure_vars()
    settings.reconfigure_orm()
    settings.configure_adapters()
    event.listen(settings.engine, "connect", tune)


def register(dags: Iterable[Any]) -> None:
    """Register DAGs and their assets in the database, as the dag-processor does; 3.1 does this in `dag.test()`.

    Without it a task with an outlet fails: its asset is not active. Only these DAGs' assets are active afterwards.

    :raises ValueError: where a DAG cannot be serialized, which the live Airflow would show as an import error.
    """
    if not compat.known("debug_database"):
        return
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.asset import AssetActive
    from airflow.models.dagbag import DagBag
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(AssetActive))  # of DAGs as they were: two assets of one name exclude each other
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(os.devnull, include_examples=False)
    for dag in dags:
        dag.relative_fileloc = Path(dag.fileloc).name
        bag.bag_dag(dag)
    bag.sync_to_db(BUNDLE, bundle_version=None)
    if bag.import_errors:
        raise ValueError("\n".join(bag.import_errors.values()))


def pretend(asset: str, extra: dict[str, Any] | None = None) -> Event:
    """Write an event without a source, of an asset that a registered DAG names.

    :param asset: its name or its URI.
    :raises LookupError: where no registered DAG names it; lists those that exist.
    """
    from airflow.models.asset import AssetActive, AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import or_, select

    active = select(AssetModel).join(
        AssetActive, (AssetActive.name == AssetModel.name) & (AssetActive.uri == AssetModel.uri)
    )
    with create_session() as session:
        model = session.scalar(active.where(or_(AssetModel.name == asset, AssetModel.uri == asset)))
        if model is None:
            known = sorted(found.name for found in session.scalars(active))
            raise LookupError(", ".join(known) or "none")
        event = AssetEvent(asset_id=model.id, extra=extra or {}, source_map_index=-1)
        session.add(event)
        session.flush()
        return _event(event)


def emitted(run: Any) -> list[Event]:
    """Return the asset events of a DAG run, oldest first."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    mine = (AssetEvent.source_dag_id == run.dag_id) & (AssetEvent.source_run_id == run.run_id)
    with create_session() as session:
        rows = session.scalars(select(AssetEvent).where(mine).order_by(AssetEvent.timestamp, AssetEvent.id))
        return [_event(row) for row in rows]


def _event(row: Any) -> Event:
    return Event(
        id=row.id,
        name=row.asset.name,
        uri=row.asset.uri,
        extra=dict(row.extra or {}),
        timestamp=row.timestamp,
        aliases=frozenset(alias.name for alias in row.source_aliases),
    )


def tasks(run: Any) -> list[TaskResult]:
    """Return the run's task instances as the database has them now, in the order in which they began."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import String, cast, func, select

    size = func.sum(func.length(cast(XComModel.value, String)))
    of_run = (XComModel.dag_id == run.dag_id) & (XComModel.run_id == run.run_id)
    with create_session() as session:
        rows = session.execute(
            select(XComModel.task_id, XComModel.map_index, size)
            .where(of_run)
            .group_by(XComModel.task_id, XComModel.map_index)
        )
        sizes = {(task_id, map_index): total for task_id, map_index, total in rows}
        tries = sorted(run.get_task_instances(session=session), key=lambda ti: (str(ti.start_date or "~"), ti.task_id))
        return [
            TaskResult(
                ti.task_id,
                ti.map_index,
                str(ti.state or "not run"),
                ti.duration,
                ti.try_number,
                sizes.get((ti.task_id, ti.map_index), 0) or 0,
            )
            for ti in tries
        ]

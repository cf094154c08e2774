"""The run of `dag.test()`: triggered by asset events, or of some of the DAG's tasks.

Replaces two functions of `airflow.models.dag`, as `dag.test()` of Airflow 3.0.6 calls them: `_get_or_create_dagrun`,
so that tasks which do not run have the results of their last success in the debugger's database, and `DAG.clear_dags`,
which has nothing to clear and prints that. In a version that it does not know, only whole DAGs run.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbench.airflow import compat
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from workbench.airflow.debug_database import Event

_XCOM = ("map_index", "key", "value")
_MAP = ("map_index", "length", "keys")


class NoResultsError(Exception):
    """A task that is left out never succeeded, and others are mapped over its results."""


@dataclass
class Results:
    """What one task of one run left behind.

    :ivar run_id: that run.
    :ivar map_indexes: its task instances.
    :ivar xcoms: columns of `xcom`.
    :ivar maps: columns of `task_map`, which say how far a task that is mapped over it expands.
    """

    run_id: str
    map_indexes: list[int] = field(default_factory=list)
    xcoms: list[dict[str, Any]] = field(default_factory=list)
    maps: list[dict[str, Any]] = field(default_factory=list)


def run(
    dag: Any,
    logical_date: datetime,
    conf: dict[str, Any],
    *,
    events: Sequence[Event] | None = None,
    tasks: Sequence[str] = (),
    **options: Any,
) -> Any:
    """Run a DAG by `dag.test()`.

    :param logical_date: without one `dag.test()` would clear every task instance of the DAG.
    :param events: those that trigger it, which may be none; None for a run by hand.
    :param tasks: ids of those to run; none for all.
    :param options: further ones of `dag.test()`.
    :return: the DAG run.
    :raises NoResultsError: names tasks that are left out and never succeeded, over whose results others are mapped:
        `dag.test()` would wait for them without end.
    """
    if tasks and not compat.supported("debug_run"):
        raise UserError(
            "--task is not available",
            f"it needs a change of Airflow that is off: {compat.why_not('debug_run')}",
            "run without --task",
            "option-unavailable",
        )
    part = part_of(dag, tasks) if tasks else dag
    left_out = [task_id for task_id in part.task_dict if tasks and task_id not in tasks]
    triggered = nullcontext() if events is None else triggered_by(dag.dag_id, events)
    if events is not None:  # or a former run of that date would be deleted
        logical_date = datetime.now(UTC)
    known = with_results(part, tasks, left_out) if compat.supported("debug_run") else nullcontext()
    with triggered, known:
        return part.test(logical_date=logical_date, run_conf=conf, **options)


@contextmanager
def triggered_by(dag_id: str, events: Sequence[Event]) -> Iterator[None]:
    """Have the next run of a DAG created as by the scheduler: no logical date, and the events attached to it."""
    from airflow.models.asset import AssetEvent
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import event, select
    from sqlalchemy.orm import Session

    def before_flush(session: Any, _context: Any, _instances: Any) -> None:
        for run in session.new:
            if not isinstance(run, DagRun) or run.dag_id != dag_id:
                continue
            run.run_after = max((each.timestamp for each in events), default=run.run_after)
            run.run_type, run.triggered_by = DagRunType.ASSET_TRIGGERED, DagRunTriggeredByType.ASSET
            run.run_id = DagRun.generate_run_id(run_type=run.run_type, logical_date=None, run_after=run.run_after)
            run.logical_date = run.data_interval_start = run.data_interval_end = None
            with session.no_autoflush:
                chosen = select(AssetEvent).where(AssetEvent.id.in_([each.id for each in events]))
                ordered = chosen.order_by(AssetEvent.timestamp, AssetEvent.id)
                run.consumed_asset_events = list(session.scalars(ordered))

    event.listen(Session, "before_flush", before_flush)
    try:
        yield
    finally:
        event.remove(Session, "before_flush", before_flush)


@contextmanager
def with_results(dag: Any, tasks: Sequence[str], left_out: Sequence[str]) -> Iterator[None]:
    """Have `dag.test()` begin with the last results of the tasks that are left out."""

    def create(**asked: Any) -> Any:
        session = asked["session"]
        results = last_results(dag.dag_id, left_out, session)
        if unknown := sources(dag, tasks) & set(left_out) - results.keys():
            raise NoResultsError(", ".join(sorted(unknown)))
        made = stock(**asked)
        set_results(made, asked["dag"], left_out, results, session)
        session.commit()
        return made

    with created_by(create) as stock:
        yield


@contextmanager
def created_by(create: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Have `dag.test()` create its run by another function; yields stock's, which deletes a former run of that date."""
    from airflow.models import dag as module

    model = module.DAG  # noqa: AIR311 the scheduler's class and not the one of the same name in the SDK
    stock, clear = module._get_or_create_dagrun, model.clear_dags  # noqa: SLF001 the only place to have a say in it
    module._get_or_create_dagrun = create  # noqa: SLF001 as above
    model.clear_dags = lambda **_: None
    try:
        yield stock
    finally:
        module._get_or_create_dagrun, model.clear_dags = stock, clear  # noqa: SLF001 as above


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


def last_results(dag_id: str, task_ids: Sequence[str], session: Any) -> dict[str, Results]:
    """Read the last results of tasks; those that never succeeded have none."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskmap import TaskMap
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    found: dict[str, Results] = {}
    for task_id in task_ids:
        succeeded = select(TaskInstance).where(
            TaskInstance.dag_id == dag_id, TaskInstance.task_id == task_id, TaskInstance.state == "success"
        )
        newest = session.scalar(succeeded.order_by(TaskInstance.end_date.desc()).limit(1))
        if newest is None:
            continue
        results = found[task_id] = Results(newest.run_id)
        tries = session.scalars(succeeded.where(TaskInstance.run_id == newest.run_id))
        results.map_indexes = sorted(ti.map_index for ti in tries)
        for table, columns, rows in ((XComModel, _XCOM, results.xcoms), (TaskMap, _MAP, results.maps)):
            mine = (table.dag_id == dag_id, table.run_id == newest.run_id, table.task_id == task_id)
            rows += [
                {name: getattr(row, name) for name in columns} for row in session.scalars(select(table).where(*mine))
            ]
    return found


def set_results(run: Any, dag: Any, task_ids: Sequence[str], results: dict[str, Results], session: Any) -> None:
    """Set these tasks of a new run to success, with these results.

    :param dag: the DAG as the scheduler has it.
    """
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskmap import TaskMap
    from airflow.models.xcom import XComModel

    instances = {ti.task_id: ti for ti in run.get_task_instances(session=session)}
    for task_id in task_ids:
        first, had = instances[task_id], results.get(task_id)
        for map_index in had.map_indexes if had else [first.map_index]:
            ti = first
            if map_index != first.map_index:
                ti = TaskInstance(
                    dag.get_task(task_id), run_id=run.run_id, map_index=map_index, dag_version_id=first.dag_version_id
                )
            ti.state = "success"
            session.merge(ti)
        if had and first.map_index not in had.map_indexes:
            session.delete(first)
        session.flush()
        where = {"dag_id": run.dag_id, "run_id": run.run_id, "task_id": task_id}
        for row in had.xcoms if had else ():
            session.add(XComModel(dag_run_id=run.id, **where, **row))
        for row in had.maps if had else ():
            session.add(TaskMap(**where, **row))

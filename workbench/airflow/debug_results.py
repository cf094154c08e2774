"""What tasks need from tasks that a run leaves out: the results of their last success in the debugger's database.

Leans on the tables of Airflow 3.0.6: `task_instance`, `xcom`, `task_map`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def last(dag_id: str, task_ids: Sequence[str], session: Any) -> dict[str, Results]:
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


def give(run: Any, dag: Any, task_ids: Sequence[str], results: dict[str, Results], session: Any) -> None:
    """Call these tasks of a new run successful, and let them have these results.

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
        place = {"dag_id": run.dag_id, "run_id": run.run_id, "task_id": task_id}
        for row in had.xcoms if had else ():
            session.add(XComModel(dag_run_id=run.id, **place, **row))
        for row in had.maps if had else ():
            session.add(TaskMap(**place, **row))

"""A DAG run that events trigger is handed what is new, and at most so many.

Replaces `SchedulerJobRunner._create_dag_runs_asset_triggered` of Airflow 3.0.6, which selects the events of a run as
`AssetEvent` rows, from the last such run's date on. Where there was none it takes all that ever were, and each task of
the run gets them at its start: with 5,000 events five tasks take a minute and a half, with 50,000 nothing goes on.
Later versions of Airflow begin where the DAG began to wait for its assets, unless it catches up (apache/airflow#68749),
and so does this.
"""

from __future__ import annotations

import functools
import logging
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import ORMExecuteState, Session

log = logging.getLogger(__name__)

#: Events of one run, the newest. A task that a DAG maps can emit as many.
MOST = 1_000


def install() -> None:
    """Bound what the scheduler hands to the runs that it creates."""
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    SchedulerJobRunner._create_dag_runs_asset_triggered = bounded()  # noqa: SLF001 Airflow has no hook for it


def bounded() -> Any:
    """Return the scheduler's method that creates such runs, bounded."""
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner, _get_current_dag

    stock = SchedulerJobRunner._create_dag_runs_asset_triggered  # noqa: SLF001 as above

    @functools.wraps(stock)
    def _create_dag_runs_asset_triggered(self: Any, dag_models: Any, triggered_date_by_dag: Any, session: Any) -> None:
        for dag_model in dag_models:
            dag_id = dag_model.dag_id
            dag = _get_current_dag(dag_id=dag_id, session=session)
            catchup = dag is not None and dag.catchup
            with only(session, new_events(session, dag_id, triggered_date_by_dag[dag_id], catchup=catchup)):
                stock(self, [dag_model], triggered_date_by_dag, session)

    return _create_dag_runs_asset_triggered


def new_events(session: Session, dag_id: str, until: datetime, *, catchup: bool) -> list[int]:
    """Return the ids of the newest events that came since a DAG's last run, or since it began to wait for them.

    :param catchup: where there was no run yet, return also what came before.
    """
    from airflow.models.asset import AssetEvent, DagScheduleAssetReference
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunType
    from sqlalchemy import func, select

    asset_triggered = (DagRun.dag_id == dag_id, DagRun.run_type == DagRunType.ASSET_TRIGGERED)
    last = session.scalar(select(func.max(DagRun.run_after)).where(*asset_triggered, DagRun.run_after < until))
    reference = DagScheduleAssetReference
    waits = session.execute(select(reference.asset_id, reference.created_at).where(reference.dag_id == dag_id)).all()
    began = datetime.min.replace(tzinfo=UTC) if catchup else min((at for _, at in waits), default=until)
    since = last or began
    found: list[tuple[datetime, int]] = []
    for asset_id, _ in waits:  # each by the index of its events
        of_asset = select(AssetEvent.timestamp, AssetEvent.id).where(
            AssetEvent.asset_id == asset_id, AssetEvent.timestamp > since, AssetEvent.timestamp <= until
        )
        newest_first = of_asset.order_by(AssetEvent.timestamp.desc(), AssetEvent.id.desc())
        found += [tuple(row) for row in session.execute(newest_first.limit(MOST + 1))]
    if len(found) > MOST:
        log.warning("More than %d events trigger a run of %s: it gets only the newest %d", MOST, dag_id, MOST)
    return [number for _, number in sorted(found)[-MOST:]]


@contextmanager
def only(session: Session, ids: list[int]) -> Iterator[None]:
    """Make the session find no other events."""
    from airflow.models.asset import AssetEvent
    from sqlalchemy import event
    from sqlalchemy.orm import with_loader_criteria

    def bound(state: ORMExecuteState) -> None:
        if state.is_select and not state.is_relationship_load:
            state.statement = state.statement.options(with_loader_criteria(AssetEvent, AssetEvent.id.in_(ids)))

    event.listen(session, "do_orm_execute", bound)
    try:
        yield
    finally:
        event.remove(session, "do_orm_execute", bound)

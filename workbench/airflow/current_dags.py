"""The scheduler uses each DAG version as it is now.

Replaces `airflow.jobs.scheduler_job_runner.SchedulerDagBag._get_dag` of Airflow 3.0.6. While a version has no task
instances (they were deleted with their runs, for example), an edit changes that version itself. Stock's scheduler never
reads a version twice: it would go on scheduling the tasks of the DAG as it was before the edit.
"""

from __future__ import annotations

from typing import Any


def install() -> None:
    """Ask the database, at each use, whether the copy in memory is still current."""
    from airflow.jobs.scheduler_job_runner import SchedulerDagBag
    from airflow.models.serialized_dag import SerializedDagModel
    from sqlalchemy import select

    hashes: dict[str, str] = {}

    def _get_dag(self: Any, version_id: str, session: Any) -> Any:
        of_version = SerializedDagModel.dag_version_id == version_id
        now = session.scalar(select(SerializedDagModel.dag_hash).where(of_version))
        if now is None:
            return None
        if version_id not in self._dags or hashes.get(version_id) != now:
            row = session.scalar(select(SerializedDagModel).where(of_version).execution_options(populate_existing=True))
            row._SerializedDagModel__data_cache = None  # noqa: SLF001 of the row as it was before
            row.load_op_links = False
            self._dags[version_id], hashes[version_id] = row.dag, now
        return self._dags[version_id]

    SchedulerDagBag._get_dag = _get_dag  # noqa: SLF001 what the class's users call does nothing but find the version

"""What the DAGs' tasks call: makes clients from connections, and gives Airflow's outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowFailException, AirflowSkipException

from common.error_mapping import airflow_outcomes
from common.settings import Settings
from common.warehouse import Load, Staged, Warehouse, Wave

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from common.datasets import Dataset
    from common.ingest import Announcement

AWS = "aws_default"


def day_of(params: Mapping[str, Any], logical_date: datetime | None) -> str:
    """Return the partition of a daily dataset: the parameter `partition`, or else the run's logical date."""
    if day := params.get("partition"):
        return str(day)
    if logical_date is None:
        raise AirflowFailException(
            "Which day? This run has no logical date: trigger it with one, or with the parameter partition=YYYY-MM-DD."
        )
    return logical_date.strftime("%Y-%m-%d")


def ingest_file(dataset: Dataset, partition: str) -> Announcement:
    """Take a CSV or JSON object of the source bucket to the lake; skip where it is not there."""
    from common.ingest import ingest_object

    settings = Settings.from_environment()
    with airflow_outcomes():
        return ingest_object(
            _s3(), dataset, partition, source_bucket=settings.source_bucket, lake_bucket=settings.lake_bucket
        )


def ingest_sheet(dataset: Dataset, partition: str) -> Announcement:
    """Take the agents' sheet to the lake."""
    from common.ingest import ingest_cells
    from common.sheets import read_values

    settings = Settings.from_environment()
    file = f"sheet {settings.agents_spreadsheet}/{settings.agents_range}"
    with airflow_outcomes():
        cells = read_values(settings.agents_spreadsheet, settings.agents_range)
        return ingest_cells(_s3(), dataset, partition, cells, file=file, lake_bucket=settings.lake_bucket)


def plan_loads(
    sql: Path, events: Mapping[str, Iterable[Any]], warehouse_events: Iterable[Any], *, manual: bool
) -> list[Load]:
    """Return every announced partition that is not loaded; skip where there is none.

    :param manual: a person asks: files that were rejected are tried again.
    """
    told = {event.extra["wave"] for event in warehouse_events if event.extra and "wave" in event.extra}
    with airflow_outcomes():
        loads = Warehouse(sql).to_load(events, told, retry_rejected=manual)
    if not loads:
        raise AirflowSkipException("Nothing to load: all that was announced is in the warehouse.")
    return loads


def stage_load(sql: Path, load: Load) -> Staged:
    """Copy one partition into the warehouse, invisibly."""
    with airflow_outcomes():
        return Warehouse(sql).stage(_s3(), load)


def publish_loads(sql: Path, staged: Iterable[Staged]) -> Wave:
    """Make all staged partitions current at once; skip where there is none."""
    with airflow_outcomes():
        wave = Warehouse(sql).publish(staged)
    if wave is None:
        raise AirflowSkipException("No partition was staged.")
    return wave


def tidy_loads(sql: Path) -> None:
    """Delete rows that nobody has been able to see for a day."""
    with airflow_outcomes():
        Warehouse(sql).tidy()


def _s3() -> Any:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    return S3Hook(AWS).get_conn()

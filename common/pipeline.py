"""What the DAGs' tasks call: makes clients from connections, and gives Airflow's outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowFailException, AirflowSkipException

from common.assets import RAW
from common.error_mapping import airflow_outcomes
from common.pending import Pending
from common.settings import Settings
from common.warehouse import Load, Staged, Warehouse, Wave

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
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


def plan_loads(sql: Path, events: Mapping[Any, Sequence[Any]], *, manual: bool) -> list[Load]:
    """Return every announced partition that is not loaded; skip where there is none.

    :param events: asset -> the events that triggered the run.
    :param manual: a person asks: files that were rejected are tried again.
    """
    handed = {name: events[asset] for name, asset in RAW.items() if asset in events}
    with airflow_outcomes():
        loads = Warehouse(sql).to_load(_s3(), handed, retry_rejected=manual)
    if not loads:
        raise AirflowSkipException("Nothing to load: all that was announced is in the warehouse.")
    return loads


def stage_load(sql: Path, load: Load) -> Staged:
    """Copy one partition into the warehouse, invisibly."""
    with airflow_outcomes():
        return Warehouse(sql).stage(_s3(), load)


def publish_loads(sql: Path, staged: Iterable[Staged]) -> tuple[Wave, list[str]]:
    """Make all staged partitions current at once; skip where there is none.

    :return: what the event says, and what to give to `tidy_loads` once it is out.
    """
    with airflow_outcomes():
        published = Warehouse(sql).publish(staged)
    if published is None:
        raise AirflowSkipException("No partition was staged.")
    return published


def tidy_loads(sql: Path, answered: Iterable[str]) -> None:
    """Remove notices that are answered, and rows that nobody has been able to see for a day."""
    with airflow_outcomes():
        Pending(_s3(), Settings.from_environment().lake_bucket).remove(answered)
        Warehouse(sql).tidy()


def _s3() -> Any:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    return S3Hook(AWS).get_conn()

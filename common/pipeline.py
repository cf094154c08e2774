"""What the tasks of the DAGs call: it makes clients from connections, and maps errors to Airflow's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowFailException, AirflowSkipException

from common.assets import RAW
from common.datasets import CURRENT
from common.error_mapping import airflow_errors
from common.pending import Pending
from common.settings import Settings, sheet_of
from common.warehouse import Batch, Load, Staged, Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from common.datasets import Dataset

AWS = "aws_default"


def ingest(dataset: Dataset, context: Mapping[str, Any]) -> None:
    """Take the partition that a run is for from its source to the lake, and announce it by the dataset's asset.

    A file that is missing is a skip, without an event.

    :param context: the task's; a daily dataset takes the day from it, see `day_of`.
    """
    from common.ingest import ingest_cells, ingest_object
    from common.sheets import read_values

    settings = Settings.from_environment()
    target: dict[str, Any] = {"s3": _s3(), "dataset": dataset, "lake_bucket": settings.lake_bucket}
    target["partition"] = day_of(context["params"], context.get("logical_date")) if dataset.daily else CURRENT
    with airflow_errors():
        if dataset.source:
            announcement = ingest_object(**target, source_bucket=settings.source_bucket)
        else:
            spreadsheet, cells = sheet_of(dataset.name)
            values = read_values(spreadsheet, cells)
            announcement = ingest_cells(**target, cells=values, file=f"sheet {spreadsheet}/{cells}")
    context["outlet_events"][RAW[dataset.name]].extra = announcement


def day_of(params: Mapping[str, Any], logical_date: datetime | None) -> str:
    """Return the partition of a daily dataset: the parameter `partition`, or else the run's logical date."""
    if day := params.get("partition"):
        return str(day)
    if logical_date is None:
        raise AirflowFailException(
            "This run has no day: trigger it with a logical date, or with the parameter partition=YYYY-MM-DD."
        )
    return logical_date.strftime("%Y-%m-%d")


def plan_loads(sql: Path, events: Mapping[Any, Sequence[Any]], *, manual: bool) -> list[Load]:
    """Return every announced partition that is not loaded; skip where there is none.

    :param events: asset -> the events that triggered the run.
    :param manual: a person triggered the run: files that were rejected are tried again.
    """
    of_run = {name: events[asset] for name, asset in RAW.items() if asset in events}
    with airflow_errors():
        loads = Warehouse(sql).to_load(_s3(), of_run, retry_rejected=manual)
    if not loads:
        raise AirflowSkipException("Nothing to load: every announced partition is in the warehouse.")
    return loads


def stage_load(sql: Path, load: Load) -> Staged:
    """Copy one partition into the warehouse, invisibly."""
    with airflow_errors():
        return Warehouse(sql).stage(_s3(), load)


def publish_loads(sql: Path, staged: Iterable[Staged]) -> tuple[Batch, list[str]]:
    """Make all staged partitions current at once; skip where there is none.

    :return: the `extra` of the event, and the argument of `tidy_loads` for when the event is out.
    """
    with airflow_errors():
        published = Warehouse(sql).publish(staged)
    if published is None:
        raise AirflowSkipException("No partition was staged.")
    return published


def tidy_loads(sql: Path, answered: Iterable[str]) -> None:
    """Remove notices that are answered, and rows that were invisible to all readers for a day."""
    with airflow_errors():
        Pending(_s3(), Settings.from_environment().lake_bucket).remove(answered)
        Warehouse(sql).tidy()


def _s3() -> Any:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    return S3Hook(AWS).get_conn()

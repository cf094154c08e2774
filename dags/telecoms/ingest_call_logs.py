"""Take one day's call log from the source bucket to the lake.

The file of a day is fetched when the day is over. Each run replaces the day's `raw/call_logs/YYYY/MM/DD/` and says so
with an event. A file that is not there yet is a skip without an event: clear the run once it is. A bad file fails the
run, naming row and column, and leaves the lake as it was.

By hand: trigger it with the parameter `partition` and *no* logical date. Airflow runs no task whose logical date is
after the DAG's end, TELECOMS_END_DATE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Param, dag, task
from airflow.timetables.interval import CronDataIntervalTimetable

from common import pipeline
from common.assets import RAW_CALL_LOGS
from common.datasets import CALL_LOGS
from common.defaults import DAG_DEFAULTS, SETTINGS

if TYPE_CHECKING:
    from datetime import datetime


@dag(
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    tags=["telecoms", "ingest"],
    doc_md=__doc__,
    params={"partition": Param(None, type=["null", "string"], format="date", description="the day, as YYYY-MM-DD")},
    **DAG_DEFAULTS | {"end_date": SETTINGS.end, "catchup": True, "max_active_runs": 4},
)
def ingest_call_logs() -> None:
    """One task: file to lake."""

    @task(outlets=[RAW_CALL_LOGS])
    def ingest(*, params: Any = None, logical_date: datetime | None = None, outlet_events: Any = None) -> None:
        day = pipeline.day_of(params, logical_date)
        outlet_events[RAW_CALL_LOGS].extra = pipeline.ingest_file(CALL_LOGS, day)

    ingest()


dag_object = ingest_call_logs()

if __name__ == "__main__":
    from workbench.debug import isolated

    with isolated():
        dag_object.test()

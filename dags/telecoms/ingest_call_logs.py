"""Copy one day's call log from the source bucket to the lake, when the day is over.

Each run replaces the day's `raw/call_logs/YYYY/MM/DD/` and emits an event. If the file is missing, the run is
skipped without an event: clear it once the file is there. A bad file fails the run and names row and column; the lake
keeps its old data. To run one day by hand, trigger the DAG with the parameter `partition`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from common import pipeline
from common.assets import RAW
from common.datasets import CALL_LOGS
from common.defaults import DAILY, daily_defaults


@dag(schedule=DAILY, tags=["telecoms", "ingest"], doc_md=__doc__, **daily_defaults())
def ingest_call_logs() -> None:
    """One task: file to lake."""

    @task(outlets=[RAW["call_logs"]])
    def ingest(**context: Any) -> None:
        pipeline.ingest(CALL_LOGS, context)

    ingest()


dag_object = ingest_call_logs()

if __name__ == "__main__":
    from workbench.debug import isolated

    with isolated():
        dag_object.test()

"""Copy the customers from the source bucket's CSV to the lake.

Each run replaces `raw/customers/customers.parquet` and emits an event. If the file is missing, the run is skipped
without an event. A bad file fails the run and names row and column; the lake keeps its old data.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from common import pipeline
from common.assets import RAW
from common.datasets import CUSTOMERS
from common.defaults import DAG_DEFAULTS


@dag(schedule="@daily", tags=["telecoms", "ingest"], doc_md=__doc__, **DAG_DEFAULTS)
def ingest_customers() -> None:
    """One task: file to lake."""

    @task(outlets=[RAW["customers"]])
    def ingest(**context: Any) -> None:
        pipeline.ingest(CUSTOMERS, context)

    ingest()


dag_object = ingest_customers()

if __name__ == "__main__":
    from workbench.debug import isolated

    with isolated():
        dag_object.test()

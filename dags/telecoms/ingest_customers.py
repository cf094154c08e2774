"""Take the customers from the source bucket's CSV to the lake.

Each run replaces `raw/customers/customers.parquet` and says so with an event. A file that is not there is a skip
without an event; a bad one fails the run, naming row and column, and leaves the lake as it was.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from common import pipeline
from common.assets import RAW_CUSTOMERS
from common.datasets import CURRENT, CUSTOMERS
from common.defaults import DAG_DEFAULTS


@dag(schedule="@daily", tags=["telecoms", "ingest"], doc_md=__doc__, **DAG_DEFAULTS)
def ingest_customers() -> None:
    """One task: file to lake."""

    @task(outlets=[RAW_CUSTOMERS])
    def ingest(*, outlet_events: Any = None) -> None:
        outlet_events[RAW_CUSTOMERS].extra = pipeline.ingest_file(CUSTOMERS, CURRENT)

    ingest()


dag_object = ingest_customers()

if __name__ == "__main__":
    from workbench.debug import isolated

    with isolated():
        dag_object.test()

"""Take the agents from their Google Sheet to the lake.

Each run replaces `raw/agents/agents.parquet` and says so with an event. An empty sheet or a renamed column fails
the run and leaves the lake as it was.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from common import pipeline
from common.assets import RAW_AGENTS
from common.datasets import AGENTS, CURRENT
from common.defaults import DAG_DEFAULTS


@dag(schedule="@daily", tags=["telecoms", "ingest"], doc_md=__doc__, **DAG_DEFAULTS)
def ingest_agents() -> None:
    """One task: sheet to lake."""

    @task(outlets=[RAW_AGENTS])
    def ingest(*, outlet_events: Any = None) -> None:
        outlet_events[RAW_AGENTS].extra = pipeline.ingest_sheet(AGENTS, CURRENT)

    ingest()


dag_object = ingest_agents()

if __name__ == "__main__":
    from workbench.debug import isolated

    with isolated():
        dag_object.test()

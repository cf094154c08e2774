"""Copy the agents from their Google Sheet to the lake.

Each run replaces `raw/agents/agents.parquet` and emits an event. An empty sheet or a renamed column fails the run, and
the lake keeps its old data.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from common import pipeline
from common.assets import RAW
from common.datasets import AGENTS
from common.defaults import DAG_DEFAULTS


@dag(schedule="@daily", tags=["telecoms", "ingest"], doc_md=__doc__, **DAG_DEFAULTS)
def ingest_agents() -> None:
    """One task: sheet to lake."""

    @task(outlets=[RAW["agents"]])
    def ingest(**context: Any) -> None:
        pipeline.ingest(AGENTS, context)

    ingest()


dag_object = ingest_agents()

if __name__ == "__main__":
    from workbench.debug import isolated

    with isolated():
        dag_object.test()

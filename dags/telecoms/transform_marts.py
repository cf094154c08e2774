"""Rebuild the four marts from what the warehouse holds, all of them from the same state.

A published batch triggers it. `snapshot` copies in one statement which load of each partition is current. Every mart is
built from that copy: if a batch is published meanwhile, either all marts see it or none. Each mart is replaced in
one statement: a reader sees the old one or the new one.
"""

from __future__ import annotations

from airflow.sdk import dag

from common.assets import MARTS, WAREHOUSE
from common.defaults import DAG_DEFAULTS
from common.operators import WarehouseSqlOperator


@dag(schedule=[WAREHOUSE], tags=["telecoms", "transform"], doc_md=__doc__, **DAG_DEFAULTS)
def transform_marts() -> None:
    """Snapshot, the dimensions and facts, then the wide table."""

    def mart(name: str, **kwargs: object) -> WarehouseSqlOperator:
        return WarehouseSqlOperator(task_id=name, sql=f"sql/{name}.sql", **kwargs)

    overview = mart("obt_complaints_overview", outlets=[MARTS])
    mart("snapshot") >> [mart("dim_customers"), mart("dim_agents"), mart("fct_complaints")] >> overview


dag_object = transform_marts()

if __name__ == "__main__":
    from workbench.debug import isolated

    with isolated():
        dag_object.test()

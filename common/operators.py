"""Operators that say in one message what a person can fix."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from common.error_mapping import airflow_outcomes
from common.warehouse import CONNECTION, clear_refusals


class WarehouseSqlOperator(SQLExecuteQueryOperator):  # type: ignore[misc]  # the provider has no types
    """Run a file's statements in the warehouse, each committed by itself.

    :param sql: a `.sql` file, relative to the DAG's folder.
    """

    def __init__(self, *, sql: str, **kwargs: Any) -> None:
        super().__init__(
            sql=sql,
            conn_id=CONNECTION,
            split_statements=True,
            autocommit=True,
            show_return_value_in_logs=False,
            do_xcom_push=False,
            **kwargs,
        )

    def execute(self, context: Any) -> None:
        """Run them; a refused login is not tried again."""
        with airflow_outcomes(), clear_refusals():
            super().execute(context)

"""The operator that runs SQL in the warehouse; an error that a person can fix is one message."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from common.error_mapping import airflow_errors
from common.warehouse import CONNECTION, refusals_as_errors


class WarehouseSqlOperator(SQLExecuteQueryOperator):  # type: ignore[misc]  # the provider has no types
    """Run a file's statements in the warehouse, each in a transaction of its own.

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
        """Run the statements; a refused login is not retried."""
        with airflow_errors(), refusals_as_errors():
            super().execute(context)

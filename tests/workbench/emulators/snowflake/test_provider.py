"""Airflow's own hook and operators against the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore")  # providers warn of each other; what they do is the point here


@pytest.fixture
def hook(running: Any, schema: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The hook on `snowflake_default`, as the workbench configures it."""
    for name, value in running.env().items():
        monkeypatch.setenv(name, value)
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook  # noqa: PLC0415

    return SnowflakeHook("snowflake_default", schema=schema)


def test_hook(hook: Any) -> None:
    """The hook runs statements and reads rows."""
    hook.run(["CREATE TABLE t (a INT, b VARCHAR)", "INSERT INTO t VALUES (1, 'x')"])
    assert hook.get_records("SELECT * FROM t WHERE b = %(b)s", {"b": "x"}) == [(1, "x")]
    assert hook.get_first("SELECT COUNT(*) FROM t") == (1,)
    hook.insert_rows("t", [(2, "y"), (3, None)], target_fields=["a", "b"])
    assert hook.get_pandas_df("SELECT * FROM t ORDER BY a").values.tolist() == [[1, "x"], [2, "y"], [3, None]]


def test_hook_rollback(hook: Any) -> None:
    """A failure rolls back the hook's run."""
    hook.run("CREATE TABLE t (a INT)")
    with pytest.raises(Exception, match="Numeric value 'x' is not recognized"):
        hook.run(["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES ('x')"])
    assert hook.get_first("SELECT COUNT(*) FROM t") == (0,)


def test_operator(hook: Any, schema: str) -> None:
    """The operator splits statements."""
    from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator  # noqa: PLC0415

    load = SQLExecuteQueryOperator(
        task_id="load",
        conn_id="snowflake_default",
        hook_params={"schema": schema},
        split_statements=True,
        sql="""
            -- a comment; with a semicolon
            CREATE OR REPLACE TABLE t (a INT);
            INSERT INTO t SELECT %(n)s;
            SELECT 'a;b', COUNT(*) FROM t; -- done
        """,
        parameters={"n": 5},
    )
    assert load.execute({}) == [("a;b", 1)]


def test_copy_operator(hook: Any, schema: str, lake: Any) -> None:
    """The COPY operator loads files."""
    from airflow.providers.snowflake.transfers.copy_into_snowflake import (  # noqa: PLC0415
        CopyFromExternalStageToSnowflakeOperator,
    )

    lake.put(f"{schema}/a.parquet", pa.table({"a": ["1", "2"]}))
    hook.run(["CREATE TABLE t (a INT)", f"CREATE STAGE s URL = 's3://telecoms-lake/{schema}/'"])
    CopyFromExternalStageToSnowflakeOperator(
        task_id="copy",
        snowflake_conn_id="snowflake_default",
        table="t",
        schema=schema,
        stage="s",
        files=["a.parquet"],
        file_format="(TYPE = PARQUET)",
        copy_options="MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE",
    ).execute({})
    assert hook.get_records("SELECT a FROM t ORDER BY a") == [(1,), (2,)]

"""Which file was loaded into which table, so that COPY INTO loads it once.

fakesnow's history uses the file's name alone, is deleted by `CREATE TABLE IF NOT EXISTS` and kept by `TRUNCATE`. In
Snowflake a changed object (another ETag) is loaded again, only a new table has no history, and TRUNCATE clears it. The
history is in the table's own database, so that it commits and rolls back with the rows.
"""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.emulators.snowflake.engine import INTERNAL
from workbench.emulators.snowflake.names import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

    from workbench.emulators.snowflake.external_stage import StagedFile
    from workbench.emulators.snowflake.names import Name


def _table(database: str) -> str:
    return f"{quoted(database)}.{INTERNAL}._loads"


def creation_sql(database: str) -> str:
    """Return the SQL of the history's table, and of the view INFORMATION_SCHEMA.LOAD_HISTORY."""
    return f"""
        CREATE TABLE IF NOT EXISTS {_table(database)} (
            schema_name TEXT, table_name TEXT, file_name TEXT, etag TEXT, last_load_time TIMESTAMPTZ DEFAULT now(),
            row_count BIGINT, row_parsed BIGINT
        );
        CREATE OR REPLACE VIEW {quoted(database)}.{INTERNAL}._load_history AS SELECT
            schema_name AS SCHEMA_NAME, file_name AS FILE_NAME, table_name AS TABLE_NAME,
            last_load_time AS LAST_LOAD_TIME, 'LOADED' AS STATUS, row_count AS ROW_COUNT, row_parsed AS ROW_PARSED,
            NULL::VARCHAR AS FIRST_ERROR_MESSAGE, NULL::BIGINT AS FIRST_ERROR_LINE_NUMBER,
            NULL::BIGINT AS FIRST_ERROR_CHARACTER_POSITION, NULL::VARCHAR AS FIRST_ERROR_COL_NAME,
            0::BIGINT AS ERROR_COUNT, 1::BIGINT AS ERROR_LIMIT
        FROM {_table(database)};
    """


def loaded(duck: duckdb.DuckDBPyConnection, table: Name) -> set[tuple[str, str]]:
    """Return URL and ETag of all files that are loaded into the table."""
    rows = duck.execute(
        f"SELECT file_name, etag FROM {_table(table.database)} WHERE schema_name = ? AND table_name = ?",
        [table.schema, table.name],
    ).fetchall()
    return {(file, etag) for file, etag in rows}


def record(duck: duckdb.DuckDBPyConnection, table: Name, loads: Iterable[tuple[StagedFile, int]]) -> None:
    """Record files with their number of rows; an earlier load of the same file is replaced."""
    for file, rows in loads:
        key = [table.schema, table.name, file.url]
        duck.execute(
            f"DELETE FROM {_table(table.database)} WHERE schema_name = ? AND table_name = ? AND file_name = ?", key
        )
        duck.execute(
            f"INSERT INTO {_table(table.database)} (schema_name, table_name, file_name, etag, row_count, row_parsed) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [*key, file.etag, rows, rows],
        )


def clear(duck: duckdb.DuckDBPyConnection, table: Name) -> None:
    """Clear the history of a table that is new, truncated or dropped."""
    duck.execute(
        f"DELETE FROM {_table(table.database)} WHERE schema_name = ? AND table_name = ?", [table.schema, table.name]
    )


def move(duck: duckdb.DuckDBPyConnection, old: Name, new: Name) -> None:
    """Move the history of a renamed table."""
    duck.execute(
        f"UPDATE {_table(old.database)} SET schema_name = ?, table_name = ? WHERE schema_name = ? AND table_name = ?",
        [new.schema, new.name, old.schema, old.name],
    )


def swap(duck: duckdb.DuckDBPyConnection, one: Name, other: Name) -> None:
    """Exchange the histories of two swapped tables."""
    between = one._replace(name=f"{one.name}\0")
    move(duck, one, between)
    move(duck, other, one)
    move(duck, between, other)

"""The account's tables, for the start page and INFORMATION_SCHEMA."""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from workbench.emulators.snowflake.engine import GLOBAL, INTERNAL
from workbench.emulators.snowflake.names import Name, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.emulators.snowflake.account import Account

FIRST = 20
"""The number of rows shown of each table."""


def creation_sql(database: str) -> str:
    """Return the SQL of INFORMATION_SCHEMA.TABLES with the views, and of COLUMNS with the types that fakesnow omits."""
    schema = f"{quoted(database)}.{INTERNAL}"
    return f"""
        CREATE OR REPLACE VIEW {schema}._tables AS
            SELECT * FROM {schema}._fs_tables WHERE TABLE_SCHEMA <> 'main'
            UNION ALL BY NAME
            SELECT TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, TABLE_OWNER, 'VIEW' AS TABLE_TYPE, 'NO' AS IS_TRANSIENT,
                'NO' AS IS_INSERTABLE_INTO, 'YES' AS IS_TYPED, CREATED, LAST_ALTERED
            FROM {schema}._fs_views WHERE TABLE_SCHEMA <> 'main';
        CREATE OR REPLACE VIEW {schema}._columns AS
            SELECT * REPLACE (
                CASE WHEN DATA_TYPE IN ('INTEGER', 'SMALLINT', 'TINYINT', 'HUGEINT') THEN 'NUMBER' ELSE DATA_TYPE END
                    AS DATA_TYPE,
                CASE WHEN DATA_TYPE IN ('INTEGER', 'SMALLINT', 'TINYINT', 'HUGEINT') THEN 38 ELSE NUMERIC_PRECISION END
                    AS NUMERIC_PRECISION,
                CASE WHEN DATA_TYPE = 'TEXT' THEN coalesce(CHARACTER_MAXIMUM_LENGTH, 16777216) END
                    AS CHARACTER_MAXIMUM_LENGTH,
                CASE WHEN DATA_TYPE = 'TEXT' THEN coalesce(CHARACTER_OCTET_LENGTH, 16777216) END
                    AS CHARACTER_OCTET_LENGTH
            )
            FROM {schema}._fs_columns WHERE TABLE_SCHEMA <> 'main';
    """


def tables(account: Account) -> Iterator[tuple[str, str, str, list[str], list[tuple[Any, ...]], int]]:
    """Return database, schema, name, columns, first rows and number of rows of each committed table."""
    with account.duck.cursor() as duck:
        found = duck.execute(
            "SELECT database_name, schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary "
            f"AND schema_name NOT IN ('{INTERNAL}', 'main') AND database_name <> '{GLOBAL}' ORDER BY ALL"
        ).fetchall()
        for each in found:
            name = Name(*each)
            try:
                rows = duck.execute(f"SELECT * FROM {name.sql} LIMIT {FIRST}").fetchall()
                columns = [about[0] for about in duck.description or []]
                count = duck.execute(f"SELECT count(*) FROM {name.sql}").fetchall()[0][0]
            except duckdb.CatalogException:
                continue  # dropped meanwhile
            yield *name, columns, rows, count

"""The account's tables as a person wants to see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from standins.snowflake.engine import GLOBAL, INTERNAL
from standins.snowflake.names import Name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standins.snowflake.account import Account

FIRST = 20
"""Rows shown of each table."""


def tables(account: Account) -> Iterator[tuple[str, str, str, list[str], list[tuple[Any, ...]], int]]:
    """Database, schema, name, columns, first rows and number of rows of each committed table."""
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
                continue  # dropped since
            yield *name, columns, rows, count
